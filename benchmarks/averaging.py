"""How fast are members' weights averaged, beside copying as many bytes?

N members of 20 MB in arrays as a network has them. The measure is N * bytes per second of CPU time, over that of a
copy of 20 MB into memory that is in use already; both in turns, in one process. Goal: 0.7 of the copy's speed for 2
and for 8 members, whose contributions weigh the same or differ.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gamefleet.weights.average import weighted_sum
from table import report

SHAPES = [(1024, 2048), (2048, 1024), (512, 1024), (1024,), (1024, 256)]
ROUNDS = 21

Arrays = list[NDArray[np.float32]]


def cpu_seconds(act: Callable[[], object]) -> float:
    before = time.process_time()
    act()
    return time.process_time() - before


def average(members: list[Arrays], weights: list[float], out: Arrays) -> None:
    for number, target in enumerate(out):
        weighted_sum([(weight, arrays[number]) for weight, arrays in zip(weights, members, strict=True)], out=target)


def copy(source: Arrays, out: Arrays) -> None:
    for array, target in zip(source, out, strict=True):
        np.copyto(target, array)


def measure(num_members: int, weights: list[float]) -> dict[str, str | float]:
    rng = np.random.default_rng(0)
    members = [[rng.normal(size=shape).astype(np.float32) for shape in SHAPES] for _ in range(num_members)]
    out = [np.ones(shape, np.float32) for shape in SHAPES]
    size = sum(array.nbytes for array in out)
    ratios, seconds = [], []
    for number in range(ROUNDS):
        copying = cpu_seconds(lambda number=number: copy(members[number % num_members], out))
        seconds.append(cpu_seconds(lambda: average(members, weights, out)))
        ratios.append(num_members * copying / seconds[-1])
    kind = "equal weights" if len(set(weights)) == 1 else "different weights"
    return {
        "what": f"{num_members} members of {size / 1e6:.0f} MB, {kind}",
        "ms CPU": float(np.median(seconds)) * 1e3,
        "ratio to memcpy (goal 0.7)": float(np.median(ratios)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/averaging.md")
    arguments = parser.parse_args()
    rows = []
    for num_members in (2, 8):
        rows.append(measure(num_members, [1 / num_members] * num_members))
        rows.append(measure(num_members, [(1 + i) / sum(range(num_members + 1)) for i in range(num_members)]))
    report("averaging", "How fast are members' weights averaged, beside copying as many bytes?", rows, arguments.write)


if __name__ == "__main__":
    main()
