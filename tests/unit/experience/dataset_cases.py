"""Synthetic records: what a decoded one must hold can be told from its number, view and place alone."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import GamefleetError
from gamefleet.experience.dataset import Dataset
from gamefleet.experience.dataset_format import RecordFacts
from gamefleet.experience.dataset_writer import DatasetWriter

KIND = "synthetic 1"
IS_WORKER = sys.argv[0].endswith("loader_worker.py")
MODULE = "tests.unit.experience.dataset_cases"


def record_of(number: int, lengths: tuple[int, int]) -> bytes:
    return np.array([number, *lengths], np.int32).tobytes() + bytes(number % 7 * 10)


def decode(record: bytes, view: int) -> Mapping[str, NDArray[Any]]:
    number, *lengths = np.frombuffer(record, np.int32, 3).tolist()
    times = np.arange(lengths[view], dtype=np.int32)
    return {
        "who": np.tile(np.array([number, view], np.int32), (len(times), 1)),
        "time": times,
        "outcome": np.full(len(times), number % 2, np.float32),
    }


def decode_and_die(record: bytes, view: int) -> Mapping[str, NDArray[Any]]:
    """Ends a worker, and only a worker, without a word."""
    if IS_WORKER:
        os.kill(os.getpid(), 9)
    return decode(record, view)


def decode_and_raise(record: bytes, view: int) -> Mapping[str, NDArray[Any]]:
    if IS_WORKER:
        raise ZeroDivisionError("a bug in the game")
    return decode(record, view)


def decode_and_refuse(record: bytes, view: int) -> Mapping[str, NDArray[Any]]:
    if IS_WORKER:
        raise GamefleetError("This trace is of another version")
    return decode(record, view)


def decode_and_hang(record: bytes, view: int) -> Mapping[str, NDArray[Any]]:
    if IS_WORKER:
        time.sleep(900)
    return decode(record, view)


def decode_shorter(record: bytes, view: int) -> Mapping[str, NDArray[Any]]:
    return {name: array[:-1] for name, array in decode(record, view).items()}


def write(folder: Path, num_records: int = 300, *, shard_bytes: int = 2_000, seed: int = 0) -> Dataset:
    """Records of 1 to 90 decisions, some views without any, in several shards, of three groups."""
    rng = np.random.default_rng(seed)
    with DatasetWriter(folder, kind=KIND, shard_bytes=shard_bytes) as writer:
        for number in range(num_records):
            lengths = (int(rng.integers(0, 91)), int(rng.integers(1, 41)))
            facts = RecordFacts(
                lengths=lengths,
                ratings=(1000 + number % 500, -1 if number % 5 == 0 else 1500 - number % 500),
                day=18_000 + number if number % 4 else 0,
                group=f"gen{number % 3 + 1}",
            )
            writer.add(record_of(number, lengths), facts)
        writer.finish({"made": "for a test"})
    return Dataset(folder)
