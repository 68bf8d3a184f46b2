"""What does it cost a run to be watched?

The cartridge with the demo's settings, in one process that plays, learns and streams: rounds with two agents being
watched at 15 pictures a second by a viewer that is a process of its own, and rounds with nobody watching, in turn. Bytes
are those of the pictures as they leave, before encryption, which adds less than a hundredth.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from gamefleet.games import open_game
from gamefleet.topologies.build import build_solo
from gamefleet.topologies.config import ask, make_config
from gamefleet.topologies.solo import Solo
from gamefleet.topologies.streaming import streamed
from gamefleet.topologies.streaming_settings import StreamingSettings
from gamefleet.transport.rendezvous import rendezvous
from gamefleet.transport.token import write_token
from table import report

PAIRS = 12
PART_S = 4.0
SETTLE_S = 0.7

VIEWER = """
import sys, json
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
    config = make_config(package, ask(file=Path(__file__).parent.parent / "configs" / "demo.toml", assignments=[], flags={}))
    with tempfile.TemporaryDirectory() as folder, build_solo(package, config) as solo:
        place = rendezvous(Path(folder))
        write_token(place / "token")
        viewer = Viewer(place / "token")
        settings = StreamingSettings(enabled=True, port=viewer.port)
        with streamed(solo.actor, settings, places=[place], member="m0", run="benchmark", environ={}):
            while solo.updates < 20:
                solo.run_round()
            pairs = [measure(solo, viewer) for _ in range(PAIRS)]
        viewer.close()
    report(
        "streaming",
        f"What does it cost to be watched? {PAIRS} pairs of {PART_S:.0f} s each, in turn; medians.",
        rows(pairs),
        write,
    )


def measure(solo: Solo, viewer: Viewer) -> tuple[float, float, dict[str, Any]]:
    """Steps per second with nobody watching and with two agents watched, in both orders, and what came."""
    viewer.say("rest")
    alone = speed(solo)
    viewer.say("watch")
    watched = speed(solo) + speed(solo)
    numbers = viewer.say("numbers")
    viewer.say("rest")
    return (alone + speed(solo)) / 2, watched / 2, numbers


def speed(solo: Solo) -> float:
    """Steps per second, once what was said has had time to arrive."""
    settled = time.perf_counter() + SETTLE_S
    while time.perf_counter() < settled:
        solo.run_round()
    before, started = solo.steps, time.perf_counter()
    while time.perf_counter() - started < PART_S / 2:
        solo.run_round()
    return (solo.steps - before) / (time.perf_counter() - started)


def rows(pairs: list[tuple[float, float, dict[str, Any]]]) -> list[dict[str, str | float]]:
    """The table."""
    ratio = median(watched / alone for alone, watched, _ in pairs)
    frames = median(numbers["frames_per_s"] for _, _, numbers in pairs)
    sent = median(numbers["bytes_per_s"] for _, _, numbers in pairs)
    return [
        {"what": "steps/s, two agents watched / nobody watching (goal 0.98)", "value": f"{ratio:.3f}"},
        {"what": "pictures/s of the two agents together", "value": f"{frames:.1f}"},
        {"what": "kB/s of the two agents together (goal 60)", "value": f"{sent / 1000:.1f}"},
        {"what": "bytes a picture", "value": f"{sent / max(frames, 1e-9):.0f}"},
    ]


if __name__ == "__main__":
    main()
