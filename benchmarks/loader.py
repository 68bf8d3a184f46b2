"""How many decisions a second does the loader give, and does a trainer have to wait for them?

Battles are packed, chosen and loaded as a run does. Measured: decisions per second of wall time, which other programs
on the machine make fewer, and of CPU time of all processes together, with 0, 1 and more workers when a trainer takes
batches as fast as it can; the time that a trainer waits when its own step takes as long
as one of the 200M model at 40 % of an H100's bf16 peak (a computed number, not a measured one); how full rows are; and
the two ways to hand a batch over, a copy out of shared memory and a pipe.
"""

from __future__ import annotations

import argparse
import os
import socket
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from gamefleet.experience.dataset import Dataset
from gamefleet.experience.loader import Loader, LoaderSettings
from gamefleet.experience.packing import Packing, PackingSettings
from gamefleet.experience.selection import Selection, Trajectories, choose
from gamefleet.games.showdown import RECORDED
from table import Row, report

LONG = True

BATCH_DECISIONS = 256
PEAK_FLOPS = 989e12
"""NVIDIA H100 SXM, dense bf16, by its data sheet."""

UTILISATION = 0.4
PARAMETERS = 200e6
SECONDS = {False: 4.0, True: 12.0}


def packed(folder: Path, raw: Path) -> Dataset:
    """The raw battles as a dataset."""
    from gamefleet.experience.dataset_writer import DatasetWriter
    from gamefleet.topologies.recorded.data import facts_of
    from replay_stores import battles

    with DatasetWriter(folder, kind="battles") as writer:
        for record in battles(raw):
            writer.add(record.data, facts_of(record))
        writer.finish({})
    return Dataset(folder)


def step_s(tokens_per_decision: int) -> float:
    """Computed time of one step of one GPU, seconds: 6 FLOPs per parameter and token."""
    return BATCH_DECISIONS * tokens_per_decision * 6 * PARAMETERS / (PEAK_FLOPS * UTILISATION)


def load(dataset: Dataset, chosen: Trajectories, workers: int, seconds: float, pause_s: float) -> Row:
    """Take batches for so long, with a pause after each as a trainer has."""
    packing = PackingSettings(rows_per_step=BATCH_DECISIONS // 64)
    settings = LoaderSettings(num_workers=workers, prefetch_batches=4)
    with Loader(dataset, chosen, RECORDED.read_view, packing=packing, settings=settings) as loader:
        first = [next(loader) for _ in range(workers * 4 + 2)]
        pids = (os.getpid(), *loader.worker_pids)
        started, cpu, decisions, waited, filled, batches = time.perf_counter(), cpu_s(pids), 0, 0.0, 0.0, 0
        while time.perf_counter() - started < seconds:
            batch = next(loader)
            decisions += batch.num_decisions
            waited += batch.wait_s
            filled += batch.efficiency
            batches += 1
            time.sleep(pause_s)
        wall, cpu = time.perf_counter() - started, cpu_s(pids) - cpu
        return {
            "workers": workers,
            "decisions/s": round(decisions / wall),
            "decisions/CPU-s": round(decisions / cpu),
            "waiting": waited / wall,
            "rows full": filled / batches,
            "kB per batch": loader.spec.num_bytes / 1000 if first else 0,
        }


def cpu_s(pids: Sequence[int]) -> float:
    """CPU time of all these processes so far."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return float(sum(time.user + time.system for time in times))


def hand_over_us(num_bytes: int) -> tuple[float, float]:
    """Microseconds to hand over a batch: a copy out of shared memory, and through a socket."""
    block = np.frombuffer(bytes(num_bytes), np.uint8)
    started = time.perf_counter()
    for _ in range(200):
        block.copy()
    copied = (time.perf_counter() - started) / 200
    ours, theirs = socket.socketpair()

    def send() -> None:
        for _ in range(200):
            theirs.sendall(block)

    thread = threading.Thread(target=send)
    started = time.perf_counter()
    thread.start()
    for _ in range(200):
        target = np.empty(num_bytes, np.uint8)
        view, got = memoryview(target), 0
        while got < num_bytes:
            got += ours.recv_into(view[got:])
    piped = (time.perf_counter() - started) / 200
    thread.join()
    ours.close()
    theirs.close()
    return 1e6 * copied, 1e6 * piped


def epoch_efficiency(chosen: Trajectories) -> float:
    """Share of places that are filled, over all windows of an epoch."""
    packing = Packing(chosen, PackingSettings())
    rows = sum(packing.window(0, number).num_rows for number in range(packing.num_windows))
    return chosen.num_decisions / (rows * packing.settings.row_decisions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--comprehensive", action="store_true")
    parser.add_argument("--raw", type=Path, default=RECORDED.embedded, help="raw battles; the embedded ones by default")
    parser.add_argument("--data-dir", type=Path, help="packed battles, in place of raw ones")
    options = parser.parse_args()
    from gamefleet.games.showdown.tokens import NUM_TOKENS

    seconds = SECONDS[options.comprehensive]
    with tempfile.TemporaryDirectory() as name:
        dataset = Dataset(options.data_dir) if options.data_dir else packed(Path(name), options.raw)
        chosen = choose(dataset, Selection())
        pause = step_s(NUM_TOKENS)
        counts = sorted({0, 1, 2, os.cpu_count() or 1} if options.comprehensive else {0, 1, 2})
        rows: list[Row] = [
            {"trainer": "takes all it gets", **load(dataset, chosen, count, seconds, 0)} for count in counts
        ]
        of_model = f"one H100, 200M: {BATCH_DECISIONS / pause:.0f} decisions/s"
        rows += [{"trainer": of_model, **load(dataset, chosen, count, seconds, pause)} for count in (1, 2)]
        copied, piped = hand_over_us(int(1000 * float(rows[0]["kB per batch"])))
        print(f"{len(chosen)} trajectories, {chosen.num_decisions} decisions, {NUM_TOKENS} tokens per decision")
        print(f"an epoch's rows are {epoch_efficiency(chosen):.4f} full")
        print(f"handing over a batch: {copied:.0f} us as a copy out of shared memory, {piped:.0f} us through a socket")
    print(f"load of the machine meanwhile: {os.getloadavg()[0]:.1f}")
    report("loader", "How many decisions a second does the loader give, and does a trainer wait?", rows, options.write)


if __name__ == "__main__":
    main()
