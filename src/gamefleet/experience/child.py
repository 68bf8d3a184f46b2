"""Processes of this package that run beside the one that started them.

Job: start one with a channel to it, and read the end of its log. Place in the data flow: under the loader's workers,
those that play and those that parse. Left out: what is said to them.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import IO

from gamefleet.experience.channel import Channel

START_TIMEOUT_S = 180.0
"""Importing an emulator from a cold network disk takes this long at worst."""

EXIT_TIMEOUT_S = 5.0
LOG_TAIL_BYTES = 2_000


def start_child(
    module: str, memory: int, log: IO[bytes], *, variables: Mapping[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], Channel]:
    """Start a worker that shares memory with this process.

    Args:
        module: Runs as `python -P -m MODULE SOCKET MEMORY`, with two inherited file descriptors.
        memory: File descriptor of the shared block.
        log: Takes what it writes.
        variables: Further variables of its environment.

    Returns:
        The process, and a channel that waits `START_TIMEOUT_S` at most.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        descriptors = (theirs.fileno(), memory)
        # A session of its own keeps Ctrl-C of the terminal away from it.
        process = subprocess.Popen(
            command(module, *map(str, descriptors)),
            pass_fds=descriptors,
            env={**child_environment(), **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    channel = Channel(ours)
    channel.set_timeout(START_TIMEOUT_S)
    return process, channel


def command(module: str, *arguments: str) -> list[str]:
    """The command of such a process; nothing is imported from the folder that it starts in."""
    return [sys.executable, "-P", "-m", module, *arguments]


def child_environment() -> dict[str, str]:
    """The environment of such a process: it finds what this one finds, and has one thread.

    There is one of them per CPU; with more threads they would take the cores from each other.
    """
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def log_tail(log: IO[bytes]) -> str:
    """The end of a log that can be read."""
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - LOG_TAIL_BYTES))
    return log.read().decode(errors="replace").strip()
