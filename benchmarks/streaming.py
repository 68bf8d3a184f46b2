"""What does it cost a run to be watched?

The cartridge with the demo's settings, in one process that streams: stretches with two agents being watched at 15
pictures a second, and stretches with nobody watching, in turn; playing alone leaves the viewer one processor of
two, training leaves it none. The viewer is a process of its own that takes
only what the run leaves of this machine's processors, since it usually is on another machine. Both wall time and the
processor time of the run with its workers are compared, because the latter does not depend on what else runs here.
Bytes are those of the pictures, before encryption, which adds less than a hundredth.
"""

from __future__ import annotations

import argparse
import json
import operator
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from gamefleet.games import open_game
from gamefleet.topologies.build import build_solo
from gamefleet.topologies.config import ask, make_config
from gamefleet.topologies.solo import Solo
from gamefleet.topologies.streaming.settings import StreamingSettings
from gamefleet.topologies.streaming.wiring import streamed
from gamefleet.transport.rendezvous import rendezvous
from gamefleet.transport.token import write_token
from table import report

PAIRS = 16
PART_S = 2.0
SETTLE_S = 0.4

VIEWER = """
import os, sys, json
os.nice(19)
from pathlib import Path
from gamefleet.transport.token import read_token
from gamefleet.watch.hub import Hub
from gamefleet.watch.players import player_listener
from gamefleet.watch.subscription import Wish

listener = player_listener("127.0.0.1", 0, read_token(Path(sys.argv[1])), name="viewer")
hub = Hub(listener)
watcher = hub.watch()
watcher.wish(Wish(agents=()))
print(listener.address[1], flush=True)
import threading

def take():
    while not watcher.is_closed:
        watcher.next(0.2)

threading.Thread(target=take, daemon=True).start()
for line in sys.stdin:
    if line.strip() == "watch":
        watcher.wish(Wish(agents="best", top_k=2, frames_per_s=15.0))
    elif line.strip() == "rest":
        watcher.wish(Wish(agents=()))
    print(json.dumps(hub.statistics()), flush=True)
hub.close()
"""


class Viewer:
    """A viewer in a process of its own.

    Args:
        token: File of the token.
    """

    def __init__(self, token: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", VIEWER, str(token)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._line())

    def say(self, word: str) -> dict[str, Any]:
        """`watch`, `rest` or `numbers`; returns what comes at present."""
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._line())
        return found

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true")
    write = arguments.parse_args().write
    package = open_game("pokemon_red")
    config = make_config(
        package, ask(file=Path(__file__).parent.parent / "configs" / "demo.toml", assignments=[], flags={})
    )
    with tempfile.TemporaryDirectory() as folder, build_solo(package, config) as solo:
        place = rendezvous(Path(folder))
        write_token(place / "token")
        viewer = Viewer(place / "token")
        settings = StreamingSettings(enabled=True, port=viewer.port)
        with streamed(solo.actor, settings, places=[place], member="m0", run="benchmark", environ={}):
            while solo.updates < 20:
                solo.run_round()
            training = [measure(solo, solo.run_round, viewer) for _ in range(PAIRS)]
            playing = [measure(solo, solo.actor.step, viewer) for _ in range(PAIRS)]
        viewer.close()
    report(
        "streaming",
        f"What does it cost to be watched? {PAIRS} pairs of {PART_S:.0f} s each, in turn; medians.",
        [*rows("playing", playing), *rows("training", training)],
        write,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of the run.

    Args:
        steps: Made.
        wall_s: That it took.
        cpu_s: Of the run and its workers.
    """

    steps: int
    wall_s: float
    cpu_s: float

    def __add__(self, other: Part) -> Part:
        return Part(steps=self.steps + other.steps, wall_s=self.wall_s + other.wall_s, cpu_s=self.cpu_s + other.cpu_s)


def measure(solo: Solo, turn: Callable[[], object], viewer: Viewer) -> tuple[Part, Part, dict[str, Any]]:
    """Nobody watching, two agents watched, and nobody again; and what came of the pictures."""
    viewer.say("rest")
    alone = play(solo, turn)
    viewer.say("watch")
    watched = play(solo, turn) + play(solo, turn)
    numbers = viewer.say("numbers")
    viewer.say("rest")
    return alone + play(solo, turn), watched, numbers


def play(solo: Solo, turn: Callable[[], object]) -> Part:
    """Rounds or steps, once what was said to the viewer has had time to arrive."""
    settled = time.perf_counter() + SETTLE_S
    while time.perf_counter() < settled:
        turn()
    processes = [psutil.Process(), *(child for child in psutil.Process().children() if child.nice() < 19)]
    steps, started, cpu = solo.steps, time.perf_counter(), cpu_s(processes)
    while time.perf_counter() - started < PART_S / 2:
        turn()
    return Part(steps=solo.steps - steps, wall_s=time.perf_counter() - started, cpu_s=cpu_s(processes) - cpu)


def cpu_s(processes: list[psutil.Process]) -> float:
    """Processor time of some processes."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def rows(name: str, pairs: list[tuple[Part, Part, dict[str, Any]]]) -> list[dict[str, str | float]]:
    """The table."""
    speed = median(watched.steps / watched.wall_s * alone.wall_s / alone.steps for alone, watched, _ in pairs)
    alone, watched = (sum_of(column) for column in list(zip(*pairs, strict=True))[:2])
    cpu = (alone.cpu_s / alone.steps) / (watched.cpu_s / watched.steps)
    frames = median(numbers["frames_per_s"] for _, _, numbers in pairs)
    sent = median(numbers["bytes_per_s"] for _, _, numbers in pairs)
    return [
        {"what": f"{name}: steps a second, two agents watched / nobody watching (goal 0.98)", "value": f"{speed:.3f}"},
        {"what": f"{name}: steps a processor second, likewise", "value": f"{cpu:.3f}"},
        {"what": f"{name}: pictures/s of the two agents together", "value": f"{frames:.1f}"},
        {"what": f"{name}: kB/s of the two agents together (goal 60)", "value": f"{sent / 1000:.1f}"},
        {"what": f"{name}: bytes a picture", "value": f"{sent / max(frames, 1e-9):.0f}"},
    ]


def sum_of(parts: Sequence[Part]) -> Part:
    """All parts as one."""
    return reduce(operator.add, parts)


if __name__ == "__main__":
    main()
