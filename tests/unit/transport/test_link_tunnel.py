"""A link through a real `ssh -R`, which dies and comes back."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gamefleet.testing.linked_ends import PATIENCE_S, LinkedEnds, accepted, until_state
from gamefleet.testing.local_ssh import LocalSsh
from gamefleet.transport.link import CONNECTED, CONNECTING
from gamefleet.transport.link_listener import Listener


@pytest.fixture
def host(tmp_path: Path, require_program: Callable[[str, str], str]) -> Iterator[LocalSsh]:
    require_program("ssh", "apt-get install --no-install-recommends openssh-client openssh-server")
    with LocalSsh(tmp_path) as server:
        yield server


def tunnel(host: LocalSsh, listener: Listener, port: int, stack: ExitStack) -> tuple[subprocess.Popen[str], int]:
    """`ssh -R` with a session, never -N: without one, small messages wait 40 ms. Returns the port there."""
    forward = f"127.0.0.1:{port}:127.0.0.1:{listener.address[1]}"
    options = ["-o", "ExitOnForwardFailure=yes", "-o", "LogLevel=INFO"]
    process = stack.enter_context(
        subprocess.Popen(
            ["ssh", "-F", str(host.config), *options, "-R", forward, host.host, "echo up; cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
    stack.callback(process.kill)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "up\n"
    if port:
        return process, port
    found = re.search(r"Allocated port (\d+)", process.stderr.readline())
    assert found is not None
    return process, int(found[1])


def test_a_tunnel_that_is_killed_and_started_again_loses_nothing(host: LocalSsh) -> None:
    with ExitStack() as stack, LinkedEnds() as ends:
        listener = ends.listener()
        process, port = tunnel(host, listener, 0, stack)
        here = ends.dialer(("127.0.0.1", port)).link
        there = accepted(listener)
        found: list[int] = []
        for number in range(60):
            assert here.send("n", {"n": number}, [bytes(20_000)], timeout_s=PATIENCE_S)
            if number == 20:
                process.kill()
                process.wait()
                until_state(here, CONNECTING)
            if number == 40:
                tunnel(host, listener, port, stack)
                until_state(here, CONNECTED)
        while len(found) < 60:
            message = there.receive(PATIENCE_S)
            assert message is not None
            found.append(message.header["n"])
            there.acknowledge(message)

        assert found == list(range(60))
        assert here.flush(PATIENCE_S)
        assert there.receive(0.0) is None
