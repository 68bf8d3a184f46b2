"""What doctor says of streaming."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from tests.topologies.shown_play import viewing

from gamefleet.cluster.checks.base import run_checks
from gamefleet.cluster.checks.host import Host
from gamefleet.cluster.checks.programs import Completed
from gamefleet.cluster.checks.stream import check_port, judge_tunnel, stream_checks
from gamefleet.errors import ConfigError
from gamefleet.testing.local_ssh import free_port
from gamefleet.topologies.streaming.check import check_token, check_viewer, checks_of_streaming, judge_standing
from gamefleet.transport.rendezvous import Standing
from gamefleet.transport.token import new_token, write_token


def test_a_viewer_with_the_same_token_is_told_from_one_with_another_and_from_a_stranger() -> None:
    token = new_token()
    with viewing(token) as (_, port):
        assert check_port(port).status == "ok"
        assert check_viewer([token], port).status == "ok"
        assert check_viewer([new_token(), token], port).status == "ok"
        wrong = check_viewer([new_token()], port)
        assert wrong.status == "failed"
        assert "token" in wrong.found
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        assert check_viewer([], port).status == "skipped"
    assert check_port(free_port()).status == "skipped"


def test_one_token_is_well_two_are_a_warning_and_one_that_others_can_read_fails(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    place = tmp_path / "run" / "stream"
    assert check_token([place], environ).status == "skipped"
    own = tmp_path / ".config" / "gamefleet" / "token"
    write_token(own)
    own.chmod(0o644)
    with pytest.raises(ConfigError, match="Others on this machine"):
        check_token([place], environ)
    own.unlink()
    token = write_token(place / "token")
    assert token.fingerprint in check_token([place], environ).found
    write_token(own)
    assert check_token([place], environ).status == "warning"


@pytest.mark.parametrize(
    ("kind", "status"), [("connected", "ok"), ("refused", "failed"), ("connecting", "warning"), ("waiting", "warning")]
)
def test_what_the_player_said_last_is_passed_on(kind: str, status: str) -> None:
    result = judge_standing(Standing(kind=kind, why="a sentence", at=time.time(), host="node7"), time.time())
    assert result.status == status
    assert "node7" in result.found
    assert "a sentence" in result.found


@pytest.mark.parametrize(
    ("said", "status", "word"),
    [
        ("channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed", "warning", "no tunnel"),
        ("channel 0: open failed: administratively prohibited: open failed", "warning", "does not allow"),
        ("user@login1: Permission denied (publickey).", "failed", "login1"),
    ],
)
def test_what_ssh_says_of_the_tunnels_end_is_understood(said: str, status: str, word: str) -> None:
    result = judge_tunnel(Completed(status=255, out="", err=said), Host(name="user@login1"), 9999)
    assert result.status == status
    assert word in result.found
    assert judge_tunnel(Completed(status=0, out="", err=""), Host(name="login1"), 9999).status == "ok"


def test_without_anything_to_look_at_nothing_fails(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    write_token(tmp_path / ".config" / "gamefleet" / "token")
    port = free_port()

    def never(command: object, timeout_s: float) -> Completed:
        raise AssertionError(os.fspath("no program is to be run"))

    checks = [
        *stream_checks(port, None, never),
        *checks_of_streaming("", tmp_path, None, port=port, environ=environ),
    ]
    results = {check.name: result.status for check, result in run_checks(checks)}
    assert results == {
        "streaming-port": "skipped",
        "streaming-tunnel": "skipped",
        "streaming-token": "ok",
        "streaming-viewer": "skipped",
        "streaming-run": "skipped",
    }
