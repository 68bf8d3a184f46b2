"""Raw battles become records, and records the arrays of both sides."""

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from tests.unit.games.showdown.replay_rows import BATTLE, write_lines

from gamefleet.errors import IncompatibleError
from gamefleet.games.recorded import ACTION, OUTCOME, Record, RecordRejected
from gamefleet.games.showdown import RECORDED
from gamefleet.games.showdown.replays.heading import MAX_FORMAT_CHARACTERS
from gamefleet.games.showdown.replays.mock import mock_records
from gamefleet.games.showdown.replays.records import day_of, parse_raw, read_view, records_in
from gamefleet.games.showdown.replays.trace import unpack


@pytest.fixture(scope="module")
def embedded() -> list[Record]:
    assert RECORDED.embedded_records is not None
    return list(RECORDED.embedded_records())


def test_the_battles_that_come_with_the_package_are_records_of_nine_generations(embedded: list[Record]) -> None:
    assert len(embedded) >= 300
    assert {record.group[:4] for record in embedded} == {f"gen{number}" for number in range(1, 10)}


@pytest.mark.parametrize("source", ["embedded", "mock"])
def test_a_view_has_as_many_decisions_as_the_record_says_and_arrays_of_the_promised_form(
    source: str, embedded: list[Record]
) -> None:
    records = embedded[::10] if source == "embedded" else list(mock_records(20, 0))
    for record in records:
        for view in (0, 1):
            arrays = read_view(record.data, view)
            assert {len(array) for array in arrays.values()} == {record.lengths[view]}
            for spec in RECORDED.arrays:
                assert (arrays[spec.name].shape[1:], arrays[spec.name].dtype) == (spec.shape, np.dtype(spec.dtype))


def test_what_was_chosen_is_legal_and_most_choices_are_known(embedded: list[Record]) -> None:
    known = total = 0
    for record in embedded:
        for view in (0, 1):
            arrays = read_view(record.data, view)
            action, legal = arrays[ACTION], np.unpackbits(arrays["legal"], axis=1, count=RECORDED.num_actions)
            shown = action >= 0
            assert legal[shown, action[shown]].all()
            known, total = known + int(shown.sum()), total + len(action)

    assert known / total > 0.8, "unseen and forced choices are the exception"


def test_one_side_s_win_is_the_other_s_loss(embedded: list[Record]) -> None:
    for record in embedded[::10]:
        outcomes = [set(read_view(record.data, view)[OUTCOME].tolist()) for view in (0, 1)]
        assert all(len(outcome) == 1 for outcome in outcomes)
        assert sum(outcome.pop() for outcome in outcomes) == 1


def test_mock_records_follow_from_their_seed() -> None:
    first, again, other = (
        [record.data for record in mock_records(3, 5)],
        [record.data for record in mock_records(3, 5)],
        [record.data for record in mock_records(3, 6)],
    )

    assert first == again != other


@pytest.mark.parametrize("data", [b"", b"nonsense", bytes(5000)])
def test_bytes_that_are_no_record_are_refused(data: bytes) -> None:
    with pytest.raises(IncompatibleError):
        read_view(data, 0)


def test_a_third_view_is_refused(embedded: list[Record]) -> None:
    with pytest.raises(IncompatibleError, match="two views"):
        read_view(embedded[0].data, 2)


@pytest.mark.parametrize("raw", [{}, {"log": None}, {"log": 7}, {"log": ""}, {"log": "|turn|1"}])
def test_what_is_no_battle_is_rejected_with_a_reason(raw: dict[str, object]) -> None:
    with pytest.raises(RecordRejected) as rejected:
        parse_raw(raw)

    assert rejected.value.reason


def test_the_day_comes_from_the_upload_or_the_month() -> None:
    day = (datetime(2025, 3, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days

    assert day_of({"uploadtime": day * 86_400 + 5}) == day
    assert day_of({"month_year": "March2025"}) == day
    assert day_of({"month_year": "Smarch2025"}) is None


@pytest.mark.parametrize("uploaded", [math.nan, math.inf, -math.inf, -1, 1e300, 10**30, "1" * 5000, [], None])
def test_a_time_that_cannot_be_is_no_day(uploaded: object) -> None:
    assert day_of({"uploadtime": uploaded}) is None
    assert day_of({"uploadtime": uploaded, "month_year": "March9999"}) is None
    assert day_of({"uploadtime": uploaded, "month_year": "March1001"}) is None


def test_a_tier_of_any_length_makes_no_record_that_cannot_be_read_again() -> None:
    battle = BATTLE.format(rating=1500)
    longest = "a" * MAX_FORMAT_CHARACTERS
    record = parse_raw({"log": battle.replace("[Gen 1] OU", longest)})
    assert unpack(record.data).format_id.endswith(longest)

    with pytest.raises(RecordRejected) as rejected:
        parse_raw({"log": battle.replace("[Gen 1] OU", longest + "a")})
    assert rejected.value.reason == "unknown_format"


def test_of_a_folder_the_battles_that_can_be_read_are_read(tmp_path: Path) -> None:
    good = {"log": BATTLE.format(rating=1500)}
    write_lines(tmp_path / "a.jsonl", [good, {"log": "|turn|1"}, {"log": 5}, {}, {**good, "uploadtime": 1e300}, good])

    assert len(list(records_in(tmp_path))) == 3
