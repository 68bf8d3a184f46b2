"""How much of the slower half's speed does the whole training loop keep?

A round plays and learns side by side. Alone, playing takes as long as its games and its network need, and learning as
long as its updates need; a perfect loop would take as long as the slower of the two. The three are measured in turn, in
one process, with the settings of the demo: wall time, because the point is what runs at the same time.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

from gamefleet.games import open_game
from gamefleet.topologies.build import build_solo
from gamefleet.topologies.config import ask, make_config
from gamefleet.topologies.solo import Solo
from table import report

ROUNDS = 30
REPEATS = 5


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true")
    write = arguments.parse_args().write
    package = open_game("pokemon_red")
    asked = ask(file=Path(__file__).parent.parent / "configs" / "demo.toml", assignments=[], flags={})
    with build_solo(package, make_config(package, asked.settings)) as solo:
        while solo.updates < 20:
            solo.run_round()
        times = [measure(solo) for _ in range(REPEATS)]
    playing, learning, whole = (median(column) for column in zip(*times, strict=True))
    ratio = median(max(play, learn) / both for play, learn, both in times)
    report(
        "training_loop",
        f"How much of the slower half's speed does the whole loop keep? {ROUNDS} rounds, {REPEATS} times in turn.",
        [
            {"what": "playing alone", "time of the whole loop": f"{playing / whole:.2f}"},
            {"what": "learning alone", "time of the whole loop": f"{learning / whole:.2f}"},
            {"what": "speed kept of the slower of the two (goal 0.85)", "time of the whole loop": f"{ratio:.2f}"},
        ],
        write,
    )


def measure(solo: Solo) -> tuple[float, float, float]:
    """Seconds of playing alone, of learning alone and of both, for equally many rounds and updates."""
    updates_before = solo.updates
    started = time.perf_counter()
    for _ in range(ROUNDS):
        solo.run_round()
    both = time.perf_counter() - started
    count = solo.updates - updates_before
    started = time.perf_counter()
    for _ in range(ROUNDS * solo.schedule.round_length):
        solo.actor.step()
    playing = time.perf_counter() - started
    started = time.perf_counter()
    solo._learn(count)
    learning = time.perf_counter() - started
    # What was played alone is not recorded; the schedule must not ask for updates on it.
    solo.actor.total_steps -= ROUNDS * solo.schedule.round_length * solo.actor.vector.num_envs
    return playing, learning, both


if __name__ == "__main__":
    main()
