"""Two namespaces with a line between: as quick as asked for, silent when cut, and gone afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.waiting import PATIENCE_S, until

from gamefleet.errors import GamefleetError
from gamefleet.testing.network_namespaces import NetworkNamespaces


@pytest.fixture
def line(require_program: Callable[[str, str], str]) -> Iterator[NetworkNamespaces]:
    require_program("ip", "apt-get install --no-install-recommends iproute2")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with NetworkNamespaces() as opened:
        yield opened


def connected(line: NetworkNamespaces) -> tuple[socket.socket, socket.socket]:
    with line.inside("far"):
        listening = socket.create_server((line.address("far"), 0))
    with listening:
        with line.inside("near"):
            near = socket.create_connection((line.address("far"), listening.getsockname()[1]), PATIENCE_S)
        far = listening.accept()[0]
    for end in (near, far):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end.settimeout(PATIENCE_S)
    return near, far


def round_trip_s(near: socket.socket, far: socket.socket) -> float:
    began = time.monotonic()
    near.sendall(b"x")
    assert far.recv(1) == b"x"
    far.sendall(b"y")
    assert near.recv(1) == b"y"
    return time.monotonic() - began


def test_a_line_is_delayed_slowed_down_cut_without_a_word_and_restored(line: NetworkNamespaces) -> None:
    near, far = connected(line)
    with near, far:
        round_trip_s(near, far)
        line.shape(round_trip_s=0.05)
        assert round_trip_s(near, far) >= 0.05
        line.shape(mbit_per_s=8.0)
        began, sent = time.monotonic(), bytes(500_000)
        threading.Thread(target=near.sendall, args=(sent,), daemon=True).start()
        while sent:
            sent = sent[len(far.recv(2**16)) :]
        assert time.monotonic() - began >= 0.4
        line.shape()
        line.cut()
        near.sendall(b"lost")
        far.settimeout(0.3)
        with pytest.raises(TimeoutError):
            far.recv(4)
        line.restore()
        far.settimeout(PATIENCE_S)
        assert far.recv(4) == b"lost"


def test_programs_run_on_their_side(line: NetworkNamespaces) -> None:
    shown = line.popen("near", ["ip", "-br", "addr", "show", "eth0"], stdout=subprocess.PIPE, text=True)
    assert line.address("near") in shown.communicate(timeout=PATIENCE_S)[0]


def test_nothing_is_left_of_a_program_that_was_killed(line: NetworkNamespaces) -> None:
    before = {path.name for path in Path("/run/netns").iterdir()}
    program = (
        "import time; from gamefleet.testing.network_namespaces import NetworkNamespaces\n"
        "with NetworkNamespaces() as line: print('up', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "up\n"
        assert {path.name for path in Path("/run/netns").iterdir()} > before
        killed.send_signal(signal.SIGKILL)
    until(lambda: not {path.name for path in Path("/run/netns").iterdir()} - before, "the end of the namespaces")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
def test_who_is_not_root_is_told() -> None:
    with pytest.raises(GamefleetError, match="root"):
        NetworkNamespaces().__enter__()
