"""The command that watches, and what other commands say of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gamefleet.cli.actors import streaming_of
from gamefleet.cli.watching import has_display
from gamefleet.topologies.streaming.wiring import prepare_fleet
from gamefleet.transport.rendezvous import login_hosts, rendezvous, tokens


def test_the_page_is_served_and_the_command_ends_with_the_keyboard(tmp_path: Path) -> None:
    environ = {**os.environ, "HOME": str(tmp_path)}
    for name in ("SSH_CONNECTION", "SLURM_JOB_ID", "DISPLAY"):
        environ.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-m", "gamefleet.cli.main", "view", "--port", "0", "--top-k", "3", "--no-browser"],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline(), process.stdout.readline()]
        address = lines[1].split()[-1]
        assert "made a token" in lines[0]
        assert (tmp_path / ".config" / "gamefleet" / "token").stat().st_mode & 0o777 == 0o600
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{address}api/agents") as answer:
            assert b'"top_k":3' in answer.read()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 0
        process.stdout.close()


def test_a_port_that_is_taken_is_said(gamefleet: Callable[..., Any], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as other:
        answer = gamefleet("view", "--port", other.getsockname()[1], "--headless")
    assert answer.status == 2
    assert "port" in answer.err


@pytest.mark.parametrize("words", [("--top-k", "0"), ("--fps", "1000"), ("--via", "no-folder"), ("--via", "-o:x")])
def test_what_cannot_be_is_refused(
    gamefleet: Callable[..., Any], tmp_path: Path, monkeypatch: Any, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert gamefleet("view", "--port", "0", "--headless", *words).status == 2


def test_a_browser_is_opened_only_where_somebody_sits() -> None:
    assert has_display({"DISPLAY": ":0"})
    assert not has_display({"DISPLAY": ":10", "SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"})
    assert not has_display({})


def test_a_laptop_streams_only_if_it_was_told_so_itself() -> None:
    assert streaming_of({}).enabled is not True
    assert streaming_of({"streaming": {"enabled": True, "port": 9000}}).port == 9000


def test_the_jobs_of_a_fleet_find_a_token_and_the_login_node(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path / "home")}
    folders = [tmp_path / "runs" / "fleet", tmp_path / "shared"]
    prepare_fleet(folders, host="login1", environ=environ)
    for folder in folders:
        assert len(tokens([rendezvous(folder)], {})) == 1
        assert login_hosts([rendezvous(folder)]) == ["login1"]
    assert len(tokens([rendezvous(folder) for folder in folders], environ)) == 1
