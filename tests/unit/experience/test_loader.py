"""Loaded batches: the right content in the same order for any number of workers and ranks; trouble is told."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from tests.unit.experience import dataset_cases
from tests.unit.experience.dataset_cases import MODULE, write
from tests.waiting import until

from gamefleet.errors import ConfigError, GamefleetError, IncompatibleError, WorkerError
from gamefleet.experience.dataset import Dataset
from gamefleet.experience.dataset_format import DatasetError
from gamefleet.experience.loader import Loader, LoaderSettings, PackedBatch, Share
from gamefleet.experience.packing import Cursor, PackingSettings, slice_of
from gamefleet.experience.selection import Selection, choose

PACKING = PackingSettings(row_decisions=32, rows_per_step=12, window_trajectories=150, seed=1)


@pytest.fixture(autouse=True)
def importable(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers find this folder's modules as this process does."""
    monkeypatch.syspath_prepend(str(repository))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write(tmp_path_factory.mktemp("loader") / "data", 200)


def load(dataset: Dataset, decode: str = "decode", **more: object) -> Loader:
    settings = LoaderSettings(num_workers=int(more.pop("num_workers", 0)))  # type: ignore[call-overload]
    options = {"packing": PACKING, "settings": settings, **more}
    return Loader(dataset, choose(dataset, Selection()), f"{MODULE}:{decode}", **options)  # type: ignore[arg-type]


def contents(batches: list[PackedBatch]) -> list[tuple[bytes, ...]]:
    return [
        (*(array.tobytes() for array in batch.arrays.values()), batch.segment.tobytes(), batch.position.tobytes())
        for batch in batches
    ]


def first(loader: Iterator[PackedBatch], number: int) -> list[PackedBatch]:
    return [next(loader) for _ in range(number)]


def test_every_place_holds_the_decision_that_belongs_there(dataset: Dataset) -> None:
    with load(dataset) as loader:
        for batch in first(loader, 20):
            place = np.zeros(batch.segment.shape[0], np.int64)
            segment = np.zeros_like(place)
            for record, view, start, length, row in batch.pieces.tolist():
                here = slice(place[row], place[row] + length)
                segment[row] += 1
                assert (batch.arrays["who"][row, here] == [record, view]).all()
                assert batch.arrays["time"][row, here].tolist() == list(range(start, start + length))
                assert (batch.arrays["outcome"][row, here] == record % 2).all()
                assert batch.position[row, here].tolist() == list(range(length))
                assert (batch.segment[row, here] == segment[row]).all()
                place[row] += length
            is_empty = np.arange(32) >= place[:, None]
            assert (batch.segment[is_empty] == 0).all()
            assert (batch.arrays["who"][is_empty] == 0).all()
            assert batch.num_decisions == (batch.segment > 0).sum()


def test_a_closed_loader_holds_no_files(dataset: Dataset) -> None:
    this = psutil.Process()
    with load(dataset) as loader:
        first(loader, 1)
    before = this.num_fds()
    for _ in range(3):
        with load(dataset) as loader:
            first(loader, 1)

    assert this.num_fds() == before


@pytest.mark.parametrize("num_workers", [1, 3])
def test_the_number_of_workers_changes_nothing(dataset: Dataset, num_workers: int) -> None:
    with load(dataset) as alone, load(dataset, num_workers=num_workers) as loader:
        expected, found = first(alone, 30), first(loader, 30)

    assert contents(found) == contents(expected)
    assert [batch.cursor_after for batch in found] == [batch.cursor_after for batch in expected]


@pytest.mark.parametrize(
    ("world", "batches_per_step"), [(2, 1), (3, 2), (1, 4), (6, 2), (5, 1), (1, 5), (7, 3), (30, 1)]
)
def test_all_ranks_and_batches_of_a_step_together_are_the_step_of_one_process(
    dataset: Dataset, world: int, batches_per_step: int
) -> None:
    steps = 6
    with load(dataset) as alone:
        expected = first(alone, steps)
    shares = [Share(rank=rank, world=world, batches_per_step=batches_per_step) for rank in range(world)]
    ranks = []
    for share in shares:
        with load(dataset, share=share) as loader:
            ranks.append(first(loader, steps * batches_per_step))

    for step in range(steps):
        parts = [rank[step * batches_per_step + number] for rank in ranks for number in range(batches_per_step)]
        begins, ends = zip(*(slice_of(12, number, len(parts)) for number in range(len(parts))), strict=True)
        full = [end - begin for begin, end in zip(begins, ends, strict=True)]
        for name, array in {**expected[step].arrays, "segment": expected[step].segment}.items():
            found = [part.segment if name == "segment" else part.arrays[name] for part in parts]
            assert {len(one) for one in found} == {max(full)}, "all ranks compute in the same form"
            rows = [one[:count] for one, count in zip(found, full, strict=True)]
            assert np.array_equal(np.concatenate(rows), array)
            assert not any(one[count:].any() for one, count in zip(found, full, strict=True))
        assert [part.ends_step for part in parts] == ([False] * (batches_per_step - 1) + [True]) * world
        assert {part.cursor_after for part in parts if part.ends_step} == {expected[step].cursor_after}


def test_a_run_that_was_cut_goes_on_exactly_with_another_number_of_ranks(dataset: Dataset) -> None:
    with load(dataset) as alone:
        expected = first(alone, 12)
    with load(dataset, share=Share(rank=0, world=2), num_workers=2) as loader:
        cursor = first(loader, 5)[-1].cursor_after.as_json()
    found = []
    for rank in range(3):
        share = Share(rank=rank, world=3)
        with load(dataset, share=share, cursor=Cursor.from_json(cursor)) as loader:
            found.append(first(loader, 7))

    for step in range(7):
        rows = np.concatenate([rank[step].arrays["time"] for rank in found])
        assert np.array_equal(rows, expected[5 + step].arrays["time"])


def test_a_step_that_was_cut_begins_again(dataset: Dataset) -> None:
    with load(dataset, share=Share(batches_per_step=3)) as loader:
        batches = first(loader, 5)
    with load(dataset, cursor=batches[2].cursor_after) as loader:
        again = next(loader)

    assert batches[3].cursor_after == batches[4].cursor_after == batches[2].cursor_after
    assert np.array_equal(again.arrays["time"][:4], batches[3].arrays["time"])


def test_what_was_handed_over_does_not_change_afterwards(dataset: Dataset) -> None:
    with load(dataset, num_workers=2) as loader:
        kept = first(loader, 3)
        before = contents(kept)
        first(loader, 20)

    assert contents(kept) == before


def test_waiting_is_measured(dataset: Dataset) -> None:
    times = iter(range(100))
    with load(dataset, clock=lambda: float(next(times))) as loader:
        assert next(loader).wait_s == 1.0


def test_a_worker_that_is_killed_is_an_error_that_says_so(dataset: Dataset) -> None:
    with load(dataset, num_workers=2) as loader:
        first(loader, 3)
        os.kill(loader.worker_pids[1], signal.SIGKILL)

        with pytest.raises(WorkerError, match=r"Loader worker 1 died \(exit status -9\)"):
            first(loader, 10)
    until_gone(loader.worker_pids)


@pytest.mark.parametrize(
    ("decode", "error", "message"),
    [
        ("decode_and_die", WorkerError, r"died \(exit status -9\)"),
        ("decode_and_raise", WorkerError, "ZeroDivisionError: a bug in the game"),
        ("decode_and_refuse", DatasetError, "This trace is of another version"),
    ],
)
def test_a_decoder_that_fails_ends_the_loader_with_what_it_said(
    dataset: Dataset, decode: str, error: type[GamefleetError], message: str
) -> None:
    with load(dataset, decode, num_workers=1) as loader, pytest.raises(error, match=message):
        next(loader)


def test_a_worker_that_hangs_is_ended(dataset: Dataset) -> None:
    settings = LoaderSettings(num_workers=1, hang_timeout_s=0.5)
    with load(dataset, "decode_and_hang", settings=settings) as loader:
        pids = loader.worker_pids
        with pytest.raises(WorkerError, match=r"did not answer for 0\.5 s"):
            next(loader)
    until_gone(pids)


def test_a_record_that_is_not_as_long_as_its_index_says_is_refused(dataset: Dataset) -> None:
    with load(dataset, "decode_shorter") as loader, pytest.raises(DatasetError, match="its index says"):
        next(loader)


def test_a_damaged_record_is_an_error_that_names_its_place(tmp_path: Path) -> None:
    dataset = write(tmp_path / "data", 50, shard_bytes=10**6)
    loader = load(dataset, num_workers=2)
    shard = tmp_path / "data" / "shard-00000.bin"
    data = shard.read_bytes()
    with loader:
        shard.write_bytes(data[:500] + bytes(len(data) - 500))
        with pytest.raises(DatasetError, match=r"shard-00000\.bin at byte"):
            first(loader, 20)


def test_functions_that_workers_could_not_import_are_refused(dataset: Dataset) -> None:
    chosen = choose(dataset, Selection())

    with pytest.raises(ConfigError, match="cannot import a function"):
        Loader(dataset, chosen, lambda record, view: {}, packing=PACKING)
    with Loader(
        dataset, chosen, dataset_cases.decode, packing=PACKING, settings=LoaderSettings(num_workers=1)
    ) as loader:
        next(loader)


def test_a_worker_fills_batches_without_any_row(dataset: Dataset) -> None:
    share = Share(rank=0, world=20)
    with load(dataset, share=share) as alone, load(dataset, share=share, num_workers=2) as loader:
        expected, found = first(alone, 4), first(loader, 4)

    assert [batch.num_decisions for batch in found] == [0] * 4
    assert contents(found) == contents(expected)


def test_a_rank_that_does_not_exist_is_refused(dataset: Dataset) -> None:
    with pytest.raises(ConfigError, match="no such rank"):
        load(dataset, share=Share(rank=2, world=2))


def test_a_cursor_of_another_choice_is_refused(dataset: Dataset) -> None:
    with load(dataset) as loader:
        cursor = next(loader).cursor_after
    chosen = choose(dataset, Selection(min_rating=1300))

    with pytest.raises(IncompatibleError, match="another choice"):
        Loader(dataset, chosen, f"{MODULE}:decode", packing=PACKING, cursor=cursor)


PARENT = f"""
import sys, time
from pathlib import Path
from gamefleet.experience.dataset import Dataset
from gamefleet.experience.loader import Loader, LoaderSettings
from gamefleet.experience.packing import PackingSettings
from gamefleet.experience.selection import Selection, choose
dataset = Dataset(Path(sys.argv[1]))
settings = LoaderSettings(num_workers=2)
loader = Loader(dataset, choose(dataset, Selection()), "{MODULE}:decode", packing=PackingSettings(), settings=settings)
next(loader)
print(*loader.worker_pids, flush=True)
time.sleep(600)
"""


def test_no_worker_outlives_a_parent_that_is_killed(dataset: Dataset, repository: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(dataset.folder)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(repository)},
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        pids = tuple(map(int, parent.stdout.readline().split()))
        assert len(pids) == 2
        parent.kill()

    until_gone(pids)


def until_gone(pids: tuple[int, ...]) -> None:
    until(lambda: not any(is_alive(pid) for pid in pids), "the end of the workers")


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
