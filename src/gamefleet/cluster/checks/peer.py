"""The other process in the checks of a shared folder.

Job: `python -m gamefleet.cluster.checks.peer` does on request what a second process of a run would: take names, read a
file that is being replaced, look for a new one. Place in the data flow: `shared` speaks to it, one JSON object
per line. Left out: judging what is found.

It is a process of its own because exclusiveness between threads of one process proves nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LIFE_S = 120
"""It ends after this time, whatever happened to the process that started it."""


def take_names(folder: Path, kind: str, count: int) -> list[int]:
    """Try to be the one that makes each of several names.

    Args:
        folder: Where.
        kind: How: `file` (O_EXCL), `folder` (mkdir) or `link` (a hard link to a file of one's own).
        count: Names `0`, `1`, ...

    Returns:
        The numbers for which this process was the one.
    """
    own = folder / f"own-{os.getpid()}"
    own.touch()
    ways: dict[str, Callable[[Path], object]] = {
        "file": lambda path: os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)),
        "folder": lambda path: path.mkdir(),
        "link": lambda path: os.link(own, path),
    }
    return [number for number in range(count) if is_first(ways[kind], folder / str(number))]


def is_first(way: Callable[[Path], object], path: Path) -> bool:
    """Whether a name was free."""
    try:
        way(path)
    except FileExistsError:
        return False
    return True


def read_while_replaced(path: Path, stop: Path) -> dict[str, int]:
    """Read a file again and again until `stop` appears.

    Returns:
        Counts: `reads`, of these `missing` (no such file) and `torn` (neither one content nor the next).
    """
    counts = {"reads": 0, "missing": 0, "torn": 0}
    while not stop.exists():
        counts["reads"] += 1
        try:
            lines = set(path.read_text().splitlines())
        except FileNotFoundError:
            counts["missing"] += 1
        else:
            counts["torn"] += len(lines) != 1
    return counts


def look_for(path: Path, content: str, wait_s: float) -> float:
    """Look for a file with some content.

    Returns:
        Seconds until it was seen, -1 when it was not.
    """
    began = time.monotonic()
    while time.monotonic() - began < wait_s:
        if path.exists() and path.read_text() == content:
            return time.monotonic() - began
        time.sleep(0.01)
    return -1.0


def answer(request: Mapping[str, Any]) -> Any:
    """Do what a request asks for."""
    folder = Path(request["folder"])
    if request["do"] == "take":
        return take_names(folder, request["kind"], request["count"])
    if request["do"] == "read":
        return read_while_replaced(folder / request["name"], folder / request["stop"])
    return look_for(folder / request["name"], request["content"], request["wait_s"])


class Peer:
    """The other process, as the first one sees it.

    Args:
        process: It, with pipes.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **request: Any) -> None:
        """Tell it what to do, and go on at once."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def result(self) -> Any:
        """Wait for what it found.

        Raises:
            OSError: It met an error.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = json.loads(line) if line else {"error": "the second process ended without a word"}
        if "error" in found:
            raise OSError(found["error"])
        return found["found"]


@contextmanager
def peer() -> Iterator[Peer]:
    """Start the other process; it is ready when the block begins."""
    command = [sys.executable, "-P", "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            other = Peer(process)
            other.result()
            yield other
        finally:
            process.kill()


def main() -> None:
    """Answer requests until there are no more."""
    signal.alarm(LIFE_S)
    reply({"found": "ready"})
    for line in sys.stdin:
        try:
            reply({"found": answer(json.loads(line))})
        except OSError as error:
            reply({"error": str(error)})


def reply(message: Mapping[str, Any]) -> None:
    """Write one line to whoever asks."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
