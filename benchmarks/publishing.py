"""How long does publishing a contribution take, beside writing the same bytes?

A contribution of 20 MB: checksums, blob, manifest, each synced, renamed and its folder synced, against one write and
fsync of as many bytes; in turns, wall time, on the disk under the folder for temporary files. Goal: 0.6 of the plain
write's speed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gamefleet.weights.content import Content
from gamefleet.weights.contributions import publish
from gamefleet.weights.manifests import Contribution
from gamefleet.weights.shared_paths import SharedPaths
from table import report

SHAPES = [(1024, 2048), (2048, 1024), (512, 1024), (1024,), (1024, 256)]
ROUNDS = 31


def seconds(act: Callable[[], object]) -> float:
    before = time.perf_counter()
    act()
    return time.perf_counter() - before


def write_plainly(path: Path, data: bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def draft() -> Contribution:
    return Contribution(
        member="a",
        token="t",
        seq=1,
        lineage="0",
        compatibility={"hash": "ab", "parts": {}},
        base=0,
        since=0,
        included=0,
        samples=1,
        updates=1,
        total_samples=1,
        total_updates=1,
        step=1,
        published_at=0.0,
    )


def measure(folder: Path) -> list[dict[str, str | float]]:
    rng = np.random.default_rng(0)
    arrays = {f"network/{i}": rng.normal(size=shape).astype(np.float32) for i, shape in enumerate(SHAPES)}
    content, paths = Content(arrays=arrays), SharedPaths(folder / "shared")
    plain: list[float] = []
    published: list[float] = []
    for number in range(ROUNDS):
        made = []
        published.append(seconds(lambda made=made: made.append(publish(paths, draft(), content))))
        blob = paths.weights("a") / made[0].blob.name
        data = blob.read_bytes()
        plain.append(seconds(lambda number=number, data=data: write_plainly(folder / f"{number}", data)))
        blob.unlink()
        (folder / f"{number}").unlink()
    ratio = float(np.median(np.array(plain) / published))
    return [
        {"what": "write and fsync of 20 MB", "ms": float(np.median(plain)) * 1e3, "speed kept": 1.0},
        {"what": "publish of 20 MB (goal 0.6)", "ms": float(np.median(published)) * 1e3, "speed kept": ratio},
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/publishing.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder))
    report("publishing", "How long does publishing take, beside writing the same bytes?", rows, arguments.write)


if __name__ == "__main__":
    main()
