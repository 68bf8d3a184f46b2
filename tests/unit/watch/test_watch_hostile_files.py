"""What stands in a run folder may be anything: no page, no other run and no terminal suffers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from gamefleet.cli.status import answers_for, picture, refresh
from gamefleet.watch.answers import Answers
from gamefleet.watch.contained import Source
from gamefleet.watch.providers import Checks, Providers
from gamefleet.watch.server import make_app
from gamefleet.watch.site import Site

ENDLESS = "1" + "0" * 400
BEYOND_64_BITS = str(10**30)
HALF = "\\ud800"
OPENING = '{"attempt":1,"resumed_step":0,"time":1}\n'
ADDRESSES = ("now", "metrics", "curves", "events", "visits", "recent", "machines")


def written(folder: Path, name: str, files: dict[str, str]) -> None:
    for path, text in {"manifest.json": '{"game":"tag"}', **files}.items():
        place = folder / name / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def row(**changes: str) -> str:
    fields = {"step": "1", "attempt": "1", "time": "1", "values": '{"a":1}', **changes}
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}\n"


def shared(folder: str) -> str:
    return json.dumps({"collaboration": {"enabled": True, "shared_dir": folder}})


HOSTILE: dict[str, dict[str, str]] = {
    "a shared folder of nobody": {"resolved.json": shared("~xyz/x")},
    "a shared folder with a zero": {"resolved.json": shared("a\0b")},
    "endless numbers": {
        "state.json": f'{{"step":{ENDLESS},"total_steps":{ENDLESS},"updated_at":{ENDLESS}}}',
        "attempts/attempt-001.json": f'{{"started_at":{ENDLESS}}}',
        "visits/train.jsonl": OPENING + f'{{"attempt":1,"step":2,"trails":{{"0":[{ENDLESS},1,1,{ENDLESS}]}}}}\n',
    },
    "numbers beyond 64 bits": {"state.json": f'{{"step":{BEYOND_64_BITS},"milestones":{{"m":{BEYOND_64_BITS}}}}}'},
    "times beyond the calendar": {"state.json": '{"status":"finished","updated_at":8e15,"step":3}'},
    "half characters": {
        "manifest.json": f'{{"game":"{HALF}"}}',
        "state.json": f'{{"status":"stopped","reason":"{HALF}","milestones":{{"{HALF}":1}}}}',
        "metrics/train.jsonl": OPENING + row(values=f'{{"{HALF}":1}}'),
        "events/train.jsonl": f'{{"kind":"milestone_reached","milestone":"{HALF}","time":1,"step":1,"attempt":1}}\n',
    },
    "a learner of strange address": {
        "events/train.jsonl": f'{{"kind":"learner_lost","where":{ENDLESS},"reason":"{HALF}","time":1,"attempt":1}}\n',
        "metrics/train.jsonl": OPENING + row(values='{"remote/idle_share":1e400,"remote/sent_bytes":-1}'),
        "resolved.json": f'{{"remote":{{"gpu_host":[],"gpu_port":{ENDLESS}}}}}',
        "attempts/attempt-001.json": '{"holder":"nobody"}',
    },
    "games that tell nonsense": {"media/now.json": f'{{"step":{ENDLESS},"time":NaN,"panels":"{HALF}","episodes":[]}}'},
    "a game deep below": {"media/now.json": '{"panels":' + 900 * "[" + 900 * "]" + "}"},
    "names of JavaScript": {
        "metrics/train.jsonl": OPENING + row(values='{"__proto__":1,"constructor":2}'),
        "events/train.jsonl": '{"kind":"__proto__","time":1,"step":1,"attempt":1}\n',
    },
}  # fmt: skip


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    for name, files in HOSTILE.items():
        written(tmp_path, name, files)
    written(tmp_path, "good", {"metrics/train.jsonl": OPENING + row()})
    return TestClient(make_app(read(tmp_path)), raise_server_exceptions=False)


def read(folder: Path) -> Answers:
    site = Site(folders=[folder])
    site.scan()
    for view in site.views:
        view.look()
        while view.read_on():
            pass
    return Answers(site, Providers())


def test_one_hostile_run_takes_no_page_from_the_others(client: TestClient) -> None:
    addresses = [*(f"/api/{name}" for name in ("site", "runs")), *(f"/api/{name}?run=good" for name in ADDRESSES)]
    assert {address: client.get(address).status_code for address in addresses} == dict.fromkeys(addresses, 200)
    assert len(client.get("/api/runs").json()) == len(HOSTILE) + 1


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_run_is_shown_as_far_as_it_can_be(client: TestClient, name: str) -> None:
    answers = {address: client.get(f"/api/{address}", params={"run": name}) for address in ADDRESSES}
    assert {address: answer.status_code for address, answer in answers.items()} == dict.fromkeys(ADDRESSES, 200)
    assert all(answer.json() is not None for answer in answers.values())


def test_rows_and_events_after_an_impossible_number_are_not_lost(tmp_path: Path) -> None:
    strange = "".join(row(**{name: ENDLESS}) for name in ("step", "attempt", "time"))
    metrics = OPENING + strange + row(step="2", values=f'{{"a":{ENDLESS}}}') + row(step="3")
    events = "".join(
        f'{{"kind":"a","time":{time},"step":{step},"attempt":1}}\n'
        for time, step in ((ENDLESS, 1), (1, ENDLESS), (2, 2))
    )
    written(tmp_path, "red", {"metrics/train.jsonl": metrics, "events/train.jsonl": events})
    [view] = read(tmp_path).site.views
    assert (view.metrics.rows, view.metrics.ignored, view.metrics.step) == (1, 4, 3)
    assert [(event.time_s, event.step) for event in view.events.newest] == [(0.0, 1), (1.0, None), (2.0, 2)]
    assert view.broken == {}


def test_the_address_of_a_picture_is_quoted(tmp_path: Path) -> None:
    written(tmp_path, "50%#1?", {"media/now #1.png": "x"})
    answers = read(tmp_path)
    address = answers.now("50%#1?")["best"]["picture"]
    assert address == "/media/50%25%231%3F/now%20%231.png"
    assert TestClient(make_app(answers)).get(address).status_code == 200


def test_what_others_wrote_cannot_steer_the_terminal(tmp_path: Path) -> None:
    from rich.console import Console

    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m"
    state = json.dumps({"status": "stopped", "reason": evil, "milestones": {evil: 1}, "step": 1})
    metrics = OPENING + row(values=json.dumps({evil: 1.0}))
    written(
        tmp_path,
        "red",
        {"state.json": state, "metrics/train.jsonl": metrics, "manifest.json": json.dumps({"game": evil})},
    )
    for folder in (tmp_path, tmp_path / "red"):
        answers = answers_for(folder)
        refresh(answers, 0.0)
        console = Console(color_system=None, width=200)
        with console.capture() as captured:
            console.print(picture(answers))
        assert "owned" in captured.get()
        assert not {"\x1b", "\x07", "\x9b"} & set(captured.get())


def test_a_source_that_failed_is_asked_again_and_checks_are_not() -> None:
    asked: list[float] = []
    now = [0.0]

    def read_late() -> Any:
        asked.append(now[0])
        if len(asked) == 1:
            raise OSError("the settings are not there yet")
        return 7

    source = Source(read=read_late, interval_s=float("inf"), clock=lambda: now[0])
    assert source.latest(wait_s=300.0).error  # type: ignore[union-attr]
    now[0] = 16.0
    source.latest()
    source._thread.join(300)  # type: ignore[union-attr]
    assert source.latest().value == 7  # type: ignore[union-attr]
    now[0] = 1e6
    source.latest()
    assert asked == [0.0, 16.0]
    assert checks_of(1).source.retry_s == float("inf")  # type: ignore[union-attr]


def checks_of(number: int) -> Checks:
    checks = Checks(lambda tell: tell({"number": number}))
    checks.start()
    return checks
