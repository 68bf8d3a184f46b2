"""Packed rows: full, complete, and the same whoever asks for them and whenever."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.experience.dataset_cases import write

from gamefleet.errors import ConfigError, IncompatibleError
from gamefleet.experience.packing import Cursor, Packing, PackingSettings, Rows, largest_slice, slice_of
from gamefleet.experience.packing_rows import LEAST_PIECE, Pieces, fit
from gamefleet.experience.selection import Trajectories


def trajectories(lengths: list[int]) -> Trajectories:
    number = np.arange(len(lengths))
    return Trajectories(
        record=number // 2,
        view=(number % 2).astype(np.uint8),
        length=np.array(lengths, np.int32),
        fingerprint="of a test",
    )


def places(pieces: Pieces | Rows) -> list[tuple[int, int]]:
    """(row, place) of every decision."""
    found = zip(pieces.row.tolist(), pieces.place.tolist(), pieces.length.tolist(), strict=True)
    return [(row, place + number) for row, place, length in found for number in range(length)]


@given(st.lists(st.integers(1, 200), min_size=1, max_size=60), st.integers(1, 70))
def test_every_decision_lies_in_exactly_one_place(lengths: list[int], row_decisions: int) -> None:
    pieces = fit(np.array(lengths, np.int32), row_decisions)

    taken = places(pieces)
    assert len(set(taken)) == len(taken) == sum(lengths)
    assert max(place for _, place in taken) < row_decisions
    assert {row for row, _ in taken} == set(range(pieces.num_rows))
    columns = zip(pieces.item.tolist(), pieces.start.tolist(), pieces.length.tolist(), strict=True)
    decisions = [(item, start + number) for item, start, length in columns for number in range(length)]
    assert sorted(decisions) == [(item, time) for item, length in enumerate(lengths) for time in range(length)]


@pytest.mark.parametrize(
    ("mean", "spread", "least"),
    [(30, 8, 5), (25, 12, 2), (33, 1, 33), (42, 12, 5), (60, 25, 5), (120, 60, 10)],
)
def test_rows_are_at_least_98_percent_full_whatever_the_lengths(mean: int, spread: int, least: int) -> None:
    lengths = np.random.default_rng(0).normal(mean, spread, 4096).astype(np.int32).clip(least)

    pieces = fit(lengths, 64)

    assert lengths.sum() / (64 * pieces.num_rows) >= 0.98


def test_few_trajectories_of_usual_length_are_cut_and_no_short_end_is_left() -> None:
    lengths = np.random.default_rng(0).normal(30, 8, 4096).astype(np.int32).clip(5, 64)

    pieces = fit(lengths, 64)

    assert len(pieces.row) < 1.06 * len(lengths)
    assert pieces.length.min() >= LEAST_PIECE


def all_rows(packing: Packing, steps: int) -> list[list[tuple[int, ...]]]:
    """The content of each of the next rows."""
    found = []
    for _ in range(steps):
        rows = packing.take()
        columns = np.stack([rows.place, rows.trajectory, rows.start, rows.length], axis=1)
        found += [[tuple(piece) for piece in columns[rows.row == number].tolist()] for number in range(rows.num_rows)]
    return found


LENGTHS = np.random.default_rng(5).integers(1, 90, 500).tolist()
SETTINGS = PackingSettings(row_decisions=64, rows_per_step=12, window_trajectories=100, seed=3)


def test_an_epoch_holds_every_decision_once_and_the_next_one_in_another_order() -> None:
    packing = Packing(trajectories(LENGTHS), SETTINGS)
    epochs = []
    for epoch in range(2):
        rows = [packing.window(epoch, number) for number in range(packing.num_windows)]
        epochs.append(
            [
                (trajectory, start + number)
                for window in rows
                for trajectory, start, length in zip(
                    window.trajectory.tolist(), window.start.tolist(), window.length.tolist(), strict=True
                )
                for number in range(length)
            ]
        )

    expected = [(item, time) for item, length in enumerate(LENGTHS) for time in range(length)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == expected
    assert epochs[0] != epochs[1]


def test_rows_of_a_window_do_not_come_sorted_by_length() -> None:
    window = Packing(trajectories(LENGTHS), SETTINGS).window(0, 0)
    longest = [window.length[window.row == number].max() for number in range(window.num_rows)]

    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.3


def test_a_run_that_was_cut_goes_on_with_the_same_rows_over_windows_and_epochs() -> None:
    whole = all_rows(Packing(trajectories(LENGTHS), SETTINGS), 60)
    for steps in (0, 1, 7, 20, 45):
        first = Packing(trajectories(LENGTHS), SETTINGS)
        begun = all_rows(first, steps)
        value = first.cursor.as_json()

        second = Packing(trajectories(LENGTHS), SETTINGS, cursor=Cursor.from_json(value))

        assert begun + all_rows(second, 60 - steps) == whole
    assert first.cursor.epoch >= 1


def test_the_sequence_does_not_depend_on_how_many_rows_a_step_takes() -> None:
    smaller = PackingSettings(row_decisions=64, rows_per_step=5, window_trajectories=100, seed=3)

    assert all_rows(Packing(trajectories(LENGTHS), smaller), 24) == all_rows(
        Packing(trajectories(LENGTHS), SETTINGS), 10
    )


@pytest.mark.parametrize("world", [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 40])
def test_all_ranks_together_have_the_rows_of_one_process(world: int) -> None:
    whole = Packing(trajectories(LENGTHS), SETTINGS).take()
    parts = [whole.between(*slice_of(12, rank, world)) for rank in range(world)]

    again = Rows.together(parts)
    for name in ("row", "place", "trajectory", "start", "length"):
        assert np.array_equal(getattr(again, name), getattr(whole, name))
    assert {part.num_rows for part in parts} == {12 // world, -(-12 // world)}
    assert max(part.num_rows for part in parts) == largest_slice(12, world)


@pytest.mark.parametrize("name", ["row_decisions", "rows_per_step", "window_trajectories"])
def test_sizes_are_positive(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Packing(trajectories(LENGTHS), PackingSettings(**{name: 0}))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"epoch": 0, "window": -1, "row": 0, "data": ""},
        {"epoch": 0.5, "window": 0, "row": 0, "data": ""},
        {"epoch": 0, "window": 0, "row": 0, "data": None},
    ],
)
def test_a_cursor_that_is_none_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(IncompatibleError, match="cannot be understood"):
        Cursor.from_json(value)


def test_a_cursor_is_only_good_for_the_data_the_choice_and_the_seed_it_was_made_for(tmp_path: Path) -> None:
    cursor = Packing(trajectories(LENGTHS), SETTINGS).cursor
    other = PackingSettings(row_decisions=64, rows_per_step=12, window_trajectories=100, seed=4)

    with pytest.raises(IncompatibleError, match="belongs to other data"):
        Packing(trajectories(LENGTHS), other, cursor=cursor)


@pytest.mark.parametrize(("window", "row"), [(99, 0), (0, 10_000)])
def test_a_cursor_behind_the_end_is_refused(window: int, row: int) -> None:
    data = Packing(trajectories(LENGTHS), SETTINGS).cursor.data

    with pytest.raises(IncompatibleError, match="does not exist"):
        Packing(trajectories(LENGTHS), SETTINGS, cursor=Cursor(window=window, row=row, data=data))


def test_a_changed_dataset_has_another_fingerprint(tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, 20, seed=seed) for name, seed in (("a", 0), ("b", 1)))

    assert first.fingerprint != second.fingerprint
