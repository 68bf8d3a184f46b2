"""Traces as bytes: nothing is lost, and foreign or damaged bytes are refused by name."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from gamefleet.errors import IncompatibleError
from gamefleet.games.showdown import layout
from gamefleet.games.showdown.replays.changes import Changes, are_changes, changes_of, rows_of
from gamefleet.games.showdown.replays.parse import parse_log
from gamefleet.games.showdown.replays.trace import Trace, pack, unpack

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "showdown"
ARRAYS = ("rows", "choices", "choice_flags", "teams", "corrected", "corrected_rows")
TRACE = parse_log((GOLDEN / "gen9ou-31.spectator.log").read_text())
PACKED = pack(TRACE)


def facts(trace: Trace) -> dict[str, object]:
    return {name: getattr(trace, name) for name in Trace.__slots__ if name not in ARRAYS}


def test_a_trace_survives_being_packed() -> None:
    again = unpack(PACKED)

    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(again, name), getattr(TRACE, name))
    assert facts(again) == facts(TRACE)
    assert pack(again) == PACKED


def test_team_tables_share_the_memory_of_the_bytes() -> None:
    assert np.shares_memory(unpack(PACKED).teams, np.frombuffer(PACKED, np.uint8))


def test_a_record_is_much_smaller_than_its_rows() -> None:
    assert 8 * len(PACKED) < TRACE.rows.nbytes


@given(arrays(np.int16, st.tuples(st.integers(0, 6), st.just(layout.WIDTH)), fill=st.just(0)))
def test_any_rows_come_back_from_their_changes(rows: NDArray[np.int16]) -> None:
    changes = changes_of(rows)

    assert are_changes(changes)
    np.testing.assert_array_equal(rows_of(changes), rows)


@pytest.mark.parametrize(("counts", "columns"), [([2], [5]), ([1], [layout.WIDTH]), ([0, 1], [])])
def test_changes_that_cannot_be_are_noticed(counts: list[int], columns: list[int]) -> None:
    found = Changes(
        counts=np.array(counts, np.uint16),
        columns=np.array(columns, np.uint16),
        steps=np.ones(len(columns), np.int16),
    )

    assert not are_changes(found)


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(IncompatibleError):
        unpack(data)


@given(st.integers(0, len(PACKED) - 1))
def test_a_shortened_record_is_refused(length: int) -> None:
    with pytest.raises(IncompatibleError):
        unpack(PACKED[:length])


@given(st.integers(0, len(PACKED) - 1), st.integers(1, 255))
def test_a_damaged_record_is_refused_or_still_a_trace(place: int, change: int) -> None:
    data = bytearray(PACKED)
    data[place] ^= change
    try:
        trace = unpack(bytes(data))
    except IncompatibleError:
        return
    assert trace.rows.shape == TRACE.rows.shape
    assert trace.choices.min() >= layout.CHOICE_NOT_ASKED
    assert trace.choices.max() < layout.NUM_CHOICES


def test_a_record_of_another_version_says_what_to_do() -> None:
    data = bytearray(PACKED)
    data[8] ^= 1

    with pytest.raises(IncompatibleError, match="Parse the battles again"):
        unpack(bytes(data))
