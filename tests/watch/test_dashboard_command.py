"""The command itself: it says where it serves, serves, and leaves nothing behind."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.waiting import PATIENCE_S, until
from tests.watch.run_folders import make_run

from gamefleet.cli.dashboard import dashboard
from gamefleet.errors import ConfigError, GamefleetError
from gamefleet.transport.rendezvous import rendezvous
from gamefleet.watch.serving import Serving, names_of, take_place

COMMAND = [sys.executable, "-m", "gamefleet.cli.main", "dashboard"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of its own: live pictures make a token there."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


@contextmanager
def running(*arguments: str, **variables: str) -> Iterator[str]:
    """The address that the command prints, until Ctrl-C."""
    kept = {name: value for name, value in os.environ.items() if name not in ("SSH_CONNECTION", "SLURM_JOB_ID")}
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--no-open"], stdout=subprocess.PIPE, text=True, env={**kept, **variables}
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield line.split()[4]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) in (0, 130, -signal.SIGINT)
        process.stdout.close()


def ask(address: str, path: str) -> tuple[int, bytes]:
    host = address.removeprefix("http://").partition("/")[0]
    connection = http.client.HTTPConnection(host, timeout=PATIENCE_S)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_it_serves_a_run_on_a_free_port_and_ends_at_ctrl_c(tmp_path: Path) -> None:
    make_run(tmp_path / "red")
    with running(str(tmp_path / "red")) as address:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        until(lambda: json.loads(ask(address, "/api/now")[1]).get("step") == 500)
        assert ask(address, "/")[0] == 200


def test_on_a_machine_reached_by_ssh_the_address_has_a_token(tmp_path: Path) -> None:
    make_run(tmp_path / "red")
    with running(str(tmp_path), "--port", "0", SSH_CONNECTION="192.0.2.1 1 192.0.2.2 22") as address:
        assert "?token=" in address
        assert ask(address, "/api/now")[0] == 403
        assert ask(address, address.partition("/?")[2].join(("/?", "")))[0] == 303


def test_players_find_its_port_in_the_run_folder_while_it_runs(tmp_path: Path) -> None:
    paths = make_run(tmp_path / "red")
    place = rendezvous(paths.root)
    with running(str(paths.root)) as address:
        until(lambda: len(list(place.glob("viewer-*.json"))) == 1)
        published = list(place.glob("viewer-*.json"))
        until(lambda: json.loads(ask(address, "/api/agents")[1])["streaming"]["listening"])
        streaming = json.loads(ask(address, "/api/agents")[1])["streaming"]
        assert streaming["listening"].endswith(f":{json.loads(published[0].read_text())['port']}")
        assert streaming["producers"] == 0
        assert "agents" in json.loads(ask(address, "/api/site")[1])["pages"]
    assert list(place.glob("viewer-*.json")) == []


def test_one_that_is_ended_by_its_system_or_killed_leaves_nothing_for_long(tmp_path: Path) -> None:
    paths = make_run(tmp_path / "red")
    place = rendezvous(paths.root)
    for number, is_left in ((signal.SIGTERM, False), (signal.SIGKILL, True)):
        process = subprocess.Popen([*COMMAND, str(paths.root), "--no-open"], stdout=subprocess.DEVNULL)
        until(lambda: len(list(place.glob("viewer-*.json"))) == 1)
        process.send_signal(number)
        process.wait(PATIENCE_S)
        assert bool(list(place.glob("viewer-*.json"))) == is_left
    with running(str(paths.root)):
        until(lambda: [json.loads(file.read_text())["port"] for file in place.glob("viewer-*.json")])
        until(lambda: len(list(place.glob("viewer-*.json"))) == 1)


def test_without_live_pictures_nothing_at_all_is_written(tmp_path: Path) -> None:
    paths = make_run(tmp_path / "red")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with running(str(paths.root), "--no-live") as address:
        assert json.loads(ask(address, "/api/agents")[1])["streaming"]["listening"] is False
        assert "agents" not in json.loads(ask(address, "/api/site")[1])["pages"]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_what_cannot_be_served_is_explained(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for arguments, words in (
            ({"folders": [str(tmp_path / "none")], "port": 0}, "There is no such folder"),
            ({"folders": [str(tmp_path)], "port": taken.getsockname()[1]}, "Choose another port"),
            ({"folders": [str(tmp_path)], "listen": "192.0.2.55"}, "Nothing can be served at this address"),
            ({"folders": ["host:a", "host:b"], "port": 0}, "Name one"),
        ):
            with pytest.raises(GamefleetError, match=words):
                dashboard(**arguments)


def test_beyond_loopback_it_may_be_asked_under_this_machines_names_only() -> None:
    assert names_of("127.0.0.1") == frozenset()
    assert names_of("192.0.2.7") == {"192.0.2.7"}
    assert names_of("fe80::1") == {"[fe80::1]"}
    assert {"127.0.0.1", socket.gethostname()} <= names_of("0.0.0.0")


def test_a_server_in_a_thread_gives_its_port_back() -> None:
    async def nothing(scope: object, receive: object, send: object) -> None:
        return None

    def is_given_back() -> bool:
        place = take_place("127.0.0.1", 0, usual_port=0)
        serving = Serving(nothing, place)  # type: ignore[arg-type]
        serving.start()
        serving.close()
        with contextlib.suppress(ConfigError):
            take_place("127.0.0.1", place.port, usual_port=0).socket.close()
            return True
        return False

    # Another test may take the free port in between, but not each time.
    assert any(is_given_back() for _ in range(4))
