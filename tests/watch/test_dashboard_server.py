"""The dashboard says what the files say, soon after they change, whatever lies in them."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.websockets import WebSocket
from tests.waiting import PATIENCE_S, until
from tests.watch.run_folders import Page, hold, make_run, served
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from gamefleet.files import write_json
from gamefleet.runs.events import EventWriter
from gamefleet.runs.metrics import MetricsWriter, read_metrics
from gamefleet.runs.visits import VisitsWriter
from gamefleet.watch import live, server
from gamefleet.watch.providers import Panel, Providers

"""What is promised; the test grants a machine that is busy with other tests several times as much."""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    make_run(tmp_path / "runs" / "red")
    make_run(tmp_path / "runs" / "blue", rows=20)
    with served(tmp_path / "runs") as found:
        until(lambda: all(row["step"] for row in found.get("/api/runs")))
        until(lambda: found.get("/api/metrics?run=red")["rows"] == 50)
        yield found


def test_numbers_on_the_pages_equal_the_files(page: Page, tmp_path: Path) -> None:
    metrics = read_metrics(tmp_path / "runs" / "red" / "metrics" / "train.jsonl")
    curves = page.get("/api/curves?run=red&name=start/return&name=learner/loss")["curves"]

    for curve in curves:
        assert list(zip(curve["step"], curve["last"], strict=True)) == metrics.curve(curve["name"])
        assert curve["is_decimated"] is False
    now = page.get("/api/now?run=red")
    assert (now["step"], now["total_steps"], now["state"]) == (500, 10_000, "stopped")
    assert now["sentence"] == "stopped: asked to; saved at step 500 of 10,000"
    assert [one["name"] for one in now["milestones"]["reached"]] == ["first_door"]
    assert now["values"]["start/return"] == 50 / 7
    said = page.get("/api/metrics?run=red")
    assert (said["rows"], said["ignored"], said["reading"], said["problem"]) == (len(metrics.rows), 0, 1.0, "")


def test_the_site_lists_runs_and_only_pages_with_something_to_show(page: Page) -> None:
    site = page.get("/api/site")

    assert [(run["id"], run["game"]) for run in site["runs"]] == [("blue", "toy"), ("red", "toy")]
    assert site["kind"] == "runs"
    assert site["pages"] == ["now", "runs"]
    assert page.get("/api/chain")["available"] is False
    assert page.get("/api/machines")["available"] is False


def test_a_row_that_is_appended_is_served(page: Page, tmp_path: Path) -> None:
    with MetricsWriter(tmp_path / "runs" / "red" / "metrics" / "train.jsonl", attempt=2, resumed_step=500) as writer:
        writer.write(510, {"start/return": 123.0})

    def is_there() -> bool:
        return bool(page.get("/api/now?run=red")["values"].get("start/return") == 123.0)

    until(is_there)
    assert page.get("/api/curves?run=red&name=start/return")["curves"][0]["last"][-1] == 123.0


def test_browsers_are_told_what_changed(page: Page, tmp_path: Path) -> None:
    with connect(f"ws://127.0.0.1:{page.port}/ws/live", origin=f"http://127.0.0.1:{page.port}") as socket:  # type: ignore[arg-type]
        assert "now" in json.loads(socket.recv(PATIENCE_S))["changed"]
        with EventWriter(tmp_path / "runs" / "red" / "events" / "train.jsonl", attempt=2) as events:
            events.write("milestone_reached", step=600, milestone="second_door")
        told: set[str] = set()
        while "events" not in told:
            told |= set(json.loads(socket.recv(PATIENCE_S))["changed"])
    until(lambda: page.get("/api/events?run=red")[0]["kind"] == "milestone_reached")


def test_a_run_that_appears_later_is_found(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SCAN_INTERVAL_S", 0.1)
    make_run(tmp_path / "runs" / "green")

    until(lambda: "green" in [run["id"] for run in page.get("/api/site")["runs"]])


def test_unchanged_answers_are_not_sent_again(page: Page) -> None:
    _, headers, _ = page.ask("/api/metrics?run=red")
    status, _, body = page.ask("/api/metrics?run=red", headers={"If-None-Match": headers["etag"]})

    assert (status, body) == (304, b"")


def test_what_is_unknown_is_a_sentence(page: Page) -> None:
    for path in ("/api/now?run=nobody", "/api/nothing", "/panels/toy/map.js", "/media/red/none.png", "/static/none.js"):
        status, _, body = page.ask(path)
        assert status == 404, path
        assert json.loads(body)["error"], path


def test_odd_questions_are_answered(page: Page) -> None:
    for query in ("points=x&from=nan&to=inf", "points=-5", "points=1e30", "name=nothing", "run=red&run=red"):
        assert "curves" in page.get(f"/api/curves?{query}")
    assert page.get("/api/events?limit=-3&run=red")
    assert page.get("/api/visits?until=nonsense")["tiles"] == {}


def test_a_restarted_server_says_the_same(page: Page, tmp_path: Path) -> None:
    before = page.get("/api/curves?run=red")["curves"]
    with served(tmp_path / "runs") as again:
        until(lambda: again.get("/api/metrics?run=red")["rows"] == 50)
        assert again.get("/api/curves?run=red")["curves"] == before


def test_visits_reach_the_map(tmp_path: Path) -> None:
    paths = make_run(tmp_path / "red")
    with VisitsWriter(paths.root / "visits" / "train.jsonl", attempt=1) as writer:
        writer.write(10, {"0": [1, 2, 3, 4]})
    with served(paths.root) as page:
        until(lambda: page.get("/api/visits")["rows"] == 1)
        assert page.get("/api/visits")["tiles"] == {"1": [2, 3, 4]}
        assert "map" in page.get("/api/site")["pages"]


RUBBISH = [b"\x00\x01\xff" * 1000, b"{" * 50_000, b'{"half": ', b"[]", b"null", b'"text"', b"\n" * 999, b""]


@pytest.mark.parametrize("rubbish", RUBBISH, ids=range(len(RUBBISH)))
def test_rubbish_in_any_file_of_a_run_is_shown_as_such_and_kills_nothing(tmp_path: Path, rubbish: bytes) -> None:
    paths = make_run(tmp_path / "runs" / "red")
    make_run(tmp_path / "runs" / "blue")
    visits = paths.root / "visits" / "train.jsonl"
    visits.parent.mkdir()
    for path in (paths.manifest, paths.state, paths.resolved, paths.attempt(1), visits):
        path.write_bytes(rubbish)
    for path in (paths.metrics("train"), paths.events("train")):
        path.write_bytes(path.read_bytes() + rubbish + b"\n")
    with served(tmp_path / "runs") as page:
        until(lambda: page.get("/api/metrics?run=red")["rows"] == 50)
        for name in ("site", "runs", "now?run=red", "curves?run=red", "events?run=red", "visits?run=red", "chain"):
            page.get(f"/api/{name}")
        assert page.get("/api/now?run=blue")["state"] == "stopped"
        if rubbish.strip():
            assert "could not be read" in page.get("/api/metrics?run=red")["problem"]
            assert any("could not be read" in alarm["text"] for alarm in page.get("/api/now?run=red")["alarms"])


def test_a_run_that_another_machine_holds_is_training(tmp_path: Path) -> None:
    paths = make_run(tmp_path / "red")
    hold(paths)
    with EventWriter(paths.events("train"), attempt=2) as events:
        events.write("training_began", step=500)
    with served(paths.root) as page:
        until(lambda: page.get("/api/now")["sentence"].startswith("training"))


def test_nothing_is_written_into_what_is_read(tmp_path: Path) -> None:
    paths = make_run(tmp_path / "red")
    hold(paths)
    before = {path: path.stat().st_mtime_ns for path in sorted(paths.root.rglob("*"))}
    with served(paths.root) as page:
        until(lambda: page.get("/api/metrics")["rows"] == 50)
        for name in ("site", "runs", "now", "curves", "events", "visits", "chain", "machines", "averaging", "checks"):
            page.get(f"/api/{name}")

    assert {path: path.stat().st_mtime_ns for path in sorted(paths.root.rglob("*"))} == before


def broken(*_: Any) -> Any:
    raise ZeroDivisionError("a bug in a provider")


def test_every_provider_may_fail_alone(tmp_path: Path) -> None:
    paths = make_run(tmp_path / "red")
    write_json(make_folder(paths.root / "fleet") / "fleet.json", {"chains": [{"run_folder": 7}, 3], "name": "red"})
    write_json(paths.root / "shared.json", {})
    providers = Providers(
        chain=broken, machines=broken, averaging=broken, checks=broken, meanings=broken, panels=broken
    )
    with served(paths.root, providers=providers) as page:
        for name in ("chain", "machines", "averaging"):
            until(lambda name=name: "a bug in a provider" in page.get(f"/api/{name}").get("error", ""))  # type: ignore[misc]
        assert page.get("/api/site")["panels"] == []
        assert page.get("/api/now")["step"] == 500
        assert page.get("/api/metrics")["names"][0]["unit"] == ""
        assert page.ask("/api/checks", method="POST", headers=own_origin(page))[0] == 202
        until(lambda: page.get("/api/checks")["state"] == "done")
        assert "a bug in a provider" in page.get("/api/checks")["error"]


def test_a_provider_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    paths = make_run(tmp_path / "red")
    release = threading.Event()
    (make_folder(paths.root / "fleet") / "fleet.json").write_text("{}")
    with served(paths.root, providers=Providers(chain=lambda _: release.wait(PATIENCE_S))) as page:
        assert page.get("/api/now")["step"] == 500
        assert page.get("/api/chain")["is_pending"] is True
        release.set()


def test_a_panel_is_served_with_its_data(tmp_path: Path) -> None:
    paths = make_run(tmp_path / "red")
    script = tmp_path / "panel.js"
    script.write_text("export default () => {};")
    panel = Panel(name="map", title="Map", script=script, data=lambda folder: {"folder": folder.name})
    with served(paths.root, providers=Providers(panels=lambda game: [panel])) as page:
        until(lambda: bool(page.get("/api/site")["panels"]))
        found = page.get("/api/site")["panels"][0]
        assert page.ask(found["script"])[2] == script.read_bytes()
        assert page.get(f"{found['data']}red")["folder"] == "red"
        assert page.ask("/panels/other/map.json?run=red")[0] == 404


def test_too_many_browsers_are_sent_away(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_SOCKETS", 2)
    address, origin = f"ws://127.0.0.1:{page.port}/ws/live", f"http://127.0.0.1:{page.port}"
    with (
        connect(address, origin=origin) as one,  # type: ignore[arg-type]
        connect(address, origin=origin) as two,  # type: ignore[arg-type]
    ):
        assert one.recv(PATIENCE_S)
        assert two.recv(PATIENCE_S)
        with connect(address, origin=origin) as three, pytest.raises(ConnectionClosed):  # type: ignore[arg-type]
            three.recv(PATIENCE_S)
        assert three.close_code == server.TRY_LATER
    until(lambda: can_connect(address, origin))  # places are given back


def test_a_browser_that_takes_nothing_is_let_go(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SLOWEST_SOCKET_S", 0.05)
    sent: list[Any] = []
    incoming = [{"type": "websocket.connect"}]

    async def receive() -> Any:
        if incoming:
            return incoming.pop()
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send":
            await asyncio.Event().wait()
        sent.append(message)

    socket = WebSocket({"type": "websocket", "headers": []}, receive, send)
    asyncio.run(asyncio.wait_for(server.Live(page.answers).serve(socket), PATIENCE_S))

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[-1]["code"] == server.TOO_SLOW


def can_connect(address: str, origin: str) -> bool:
    with connect(address, origin=origin) as socket:  # type: ignore[arg-type]
        try:
            return bool(socket.recv(PATIENCE_S))
        except ConnectionClosed:
            return False


def own_origin(page: Page) -> dict[str, str]:
    return {"Origin": f"http://127.0.0.1:{page.port}", "Content-Length": "0"}


def make_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path
