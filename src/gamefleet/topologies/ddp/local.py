"""Several ranks on this machine, started without a scheduler.

Job: start one process per accelerator, pass signals on, and end all when one fails. Place in the data flow: in front of
`ddp`, for `gamefleet train --gpus-per-node N` outside of jobs. Left out: several machines (`gamefleet launch`).

torchrun would do as well, but not for a run that a chain carries: it dies of SIGUSR1, which asks a run to save and end,
and it cannot tell its workers such a wish from the loss of one of them: both are SIGTERM.

Ranks hold one end of a pipe whose other end is this process's alone. The kernel closes that with the process, even
after SIGKILL, and a rank that sees it saves and ends: nobody trains on and holds the run unseen.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

GRACE_S = 20.0
"""Ranks that lost one of them end by themselves within this time, or are ended."""

POLL_S = 0.1
FORWARDED = (signal.SIGUSR1, signal.SIGTERM)
"""SIGINT comes from a terminal, which sends it to all processes in front of it."""


LIFELINE_VARIABLE = "GAMEFLEET_LIFELINE"
"""Holds the number of the descriptor that ends when whoever started a rank is gone."""


def rank_command(arguments: Sequence[str], python: str = sys.executable) -> list[str]:
    """What each rank runs: `gamefleet` with the arguments that this process got."""
    return [python, "-P", "-m", "gamefleet.cli.main", *arguments]


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def rank_environment(rank: int, world: int, port: int, base: Mapping[str, str]) -> dict[str, str]:
    """Environment variables of one rank; the names are torchrun's."""
    return {
        **base,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def run_local_ranks(command: Sequence[str], world: int, environment: Mapping[str, str]) -> int:
    """Run one process per rank until all have ended.

    Args:
        command: Of each.
        world: How many.
        environment: Environment variables of this process.

    Returns:
        The exit status of the first that failed; 0 when none did.
    """
    port = free_port()
    theirs, ours = os.pipe()  # not inherited, but for what is named below
    base = {**environment, LIFELINE_VARIABLE: str(theirs)}
    ranks: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(world):
            own = rank_environment(rank, world, port, base)
            ranks.append(subprocess.Popen(command, env=own, pass_fds=(theirs,)))
        with forwarding(ranks):
            return first_failure(ranks)
    finally:
        for process in ranks:
            if process.poll() is None:
                process.kill()
            process.wait()
        os.close(theirs)
        os.close(ours)


def end_with_parent(environment: Mapping[str, str], end: Callable[[], None]) -> None:
    """Watch for the end of whoever started this rank; does nothing in a process that was not started here.

    Args:
        environment: Environment variables of this process.
        end: Called once, in a thread.
    """
    number = environment.get(LIFELINE_VARIABLE, "")
    if not (number.isascii() and number.isdecimal()):
        return

    def wait() -> None:
        try:
            os.read(int(number), 1)  # nobody writes: this returns when the other end is gone
        except OSError:  # inherited as a variable only, by a process that was started some other way
            return
        end()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def ask_to_end() -> None:
    """Ask this process to save and end, as a scheduler would."""
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def forwarding(ranks: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Pass signals on to all ranks while the block lasts; Ctrl-C reaches them without help."""

    def forward(number: int, frame: FrameType | None) -> None:
        for process in ranks:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in FORWARDED}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def first_failure(ranks: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait for all; after a failure the others have a while to end by themselves."""
    status, deadline = 0, float("inf")
    while any(process.poll() is None for process in ranks) and time.monotonic() < deadline:
        failed = [code for process in ranks if (code := process.poll())]
        if failed and not status:
            status, deadline = failed[0], time.monotonic() + GRACE_S
        time.sleep(POLL_S)
    failed = [code for process in ranks if (code := process.poll())]
    status = status or (failed[0] if failed else 0)
    return status if status >= 0 else 128 - status  # ended by a signal, as shells have it
