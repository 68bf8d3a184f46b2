"""The ways to a viewer, in their order and at their time."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gamefleet.cluster.checks.host import Host
from gamefleet.cluster.tunnel import StdioTunnel
from gamefleet.errors import ConfigError
from gamefleet.testing.local_ssh import free_port
from gamefleet.topologies.streaming.ways import LOGIN_INTERVAL_S, Ways
from gamefleet.transport.rendezvous import Endpoint, publish_login_host
from gamefleet.transport.token import new_token, write_token


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def number_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def test_a_viewer_on_this_machine_is_reached_directly(tmp_path: Path, listener: socket.socket) -> None:
    ways = Ways([tmp_path], port=number_of(listener), environ={}, here="here")
    with ways.connect(5.0) as connection:
        assert connection.getpeername() == listener.getsockname()


def test_the_way_to_a_viewer_that_left_word_leads_to_no_other(tmp_path: Path, listener: socket.socket) -> None:
    viewer = Endpoint(host="HERE.example.edu", port=number_of(listener))
    ways = Ways([tmp_path], port=free_port(), endpoint=viewer, environ={"SLURM_SUBMIT_HOST": "login"}, here="here")
    assert [str(way) for way in ways.ways()] == [f"127.0.0.1:{number_of(listener)}"]
    ways.connect(5.0).close()

    far = Ways([tmp_path], port=1, endpoint=viewer, environ={}, here="node")
    port = number_of(listener)
    assert [str(way) for way in far.ways()] == [
        f"HERE.example.edu:{port}",
        f"ssh HERE.example.edu to port {port} there",
    ]


def test_of_two_ways_that_are_open_each_gets_its_turn(tmp_path: Path, listener: socket.socket) -> None:
    publish_login_host(tmp_path, "127.0.0.2")
    with socket.create_server(("127.0.0.2", number_of(listener))) as other:
        ways = Ways([tmp_path], port=number_of(listener), environ={}, here="here")
        reached = []
        for _ in range(2):
            with ways.connect(5.0) as connection:
                reached.append(connection.getpeername())
        assert reached == [listener.getsockname(), other.getsockname()]


def test_where_nothing_listens_the_error_names_what_was_tried(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(OSError, match=f"no viewer is there.*127.0.0.1:{port}"):
        Ways([tmp_path], port=port, environ={}, here="here").connect(1.0)


def test_a_login_on_the_chance_that_somebody_watches_is_not_made_all_the_time(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    script = tmp_path / "ssh"
    script.write_text(f"#!/bin/sh\necho call >> {calls}\n")
    script.chmod(0o755)
    clock = Clock()

    def ssh(host: Host) -> list[str]:
        return [str(script)]

    tunnel = StdioTunnel(ssh)
    environ = {"SLURM_SUBMIT_HOST": "localhost.invalid"}
    ways = Ways([tmp_path], port=free_port(), environ=environ, tunnel=tunnel, here="node", clock=clock)
    with ways.connect(1.0) as connection:
        connection.settimeout(300)
        assert connection.recv(10) == b""
    for _ in range(5):
        with pytest.raises(OSError, match="no viewer"):
            ways.connect(1.0)
    clock.now += LOGIN_INTERVAL_S
    with ways.connect(1.0) as connection:
        connection.settimeout(300)
        assert connection.recv(10) == b""
    ways.close()
    assert calls.read_text().count("call") == 2


@pytest.mark.parametrize("host", ["-oProxyCommand=touch x", "a b", "$(id)", "", "x" * 0])
def test_a_submit_host_that_is_no_name_is_not_called(tmp_path: Path, host: str) -> None:
    ways = Ways([tmp_path], port=9999, environ={"SLURM_SUBMIT_HOST": host}, here="node")
    assert [str(way) for way in ways.ways()] == ["127.0.0.1:9999"]


def test_tokens_take_turns_and_none_is_an_error_that_helps(tmp_path: Path) -> None:
    ways = Ways([tmp_path], port=1, environ={"HOME": str(tmp_path)}, here="node")
    with pytest.raises(ConfigError, match="gamefleet token"):
        ways.token()
    first = write_token(tmp_path / "token")
    assert ways.token() == ways.token() == first
    second = write_token(tmp_path / ".config" / "gamefleet" / "token", new_token())
    assert {ways.token(), ways.token()} == {first, second}
    os.unlink(tmp_path / "token")
    assert ways.token() == ways.token() == second
