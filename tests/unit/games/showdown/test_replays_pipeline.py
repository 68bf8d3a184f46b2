"""Plans of what is parsed: the same work for the same battles and wishes, whoever does it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.games.showdown.replay_rows import MODULE, log_of, parse, pokechamp_rows, write_lines

from gamefleet.errors import ConfigError, RunFolderError
from gamefleet.games.recorded import Record
from gamefleet.games.showdown.replays.pipeline import (
    PLAN,
    PLAN_VERSION,
    Plan,
    divide,
    parse_part,
    read_plan,
    settle,
    take,
)
from gamefleet.games.showdown.replays.sources import Unit, canonical, units_of


def plan_of(raw: Path, batch_size: int = 10, **changes: object) -> Plan:
    values = {"version": PLAN_VERSION, "raw": str(raw), "parse": f"{MODULE}:parse 1", "min_elo": 0, "formats": []}
    return Plan(**{**values, **changes}, parts=divide(units_of(raw), batch_size))  # type: ignore[arg-type]


def test_small_units_share_a_part_and_large_ones_have_their_own() -> None:
    sizes = [3, 3, 3, 3, 50, 4, 6, 1]
    units = [Unit(name=f"{number}.jsonl", num_bytes=1, num_rows=size) for number, size in enumerate(sizes)]

    assert [[unit.num_rows for unit in part] for part in divide(units, 10)] == [[3, 3, 3], [3], [50], [4, 6], [1]]


def test_battles_of_a_part_become_records_and_the_rest_is_counted(tmp_path: Path) -> None:
    rows = pokechamp_rows(30)
    rows[4]["text"] = rows[4]["text"].replace("|win", "|nothing")
    rows[5]["text"] = rows[5]["text"].replace("singles", "doubles")
    write_lines(tmp_path / "a.jsonl", rows)
    records: list[Record] = []

    report = parse_part(plan_of(tmp_path, min_elo=1100, formats=["gen4ou", "gen9ou"]), 0, parse, records.append)

    assert report.rows == 30
    assert report.rejects == {"other_format": 10, "not_singles": 1, "rating_too_low": 4, "unfinished": 1}
    assert report.records == len(records) == 30 - 16
    assert [record.data.decode() for record in records] == [
        log_of(number) for number in range(30) if number % 3 and number >= 10
    ]


def test_a_battle_without_ratings_is_only_left_out_when_ratings_are_asked_for() -> None:
    rows = [canonical({"text": "|gametype|singles\n|player|p1|A|1|\n|tier|gen1ou\n|turn|1\n|win|A"})]

    def unrated(raw: object) -> Record:
        return Record(data=b"x", lengths=(1, 1), ratings=(-1, -1), day=-1, group="gen1ou")

    assert take(iter(rows), unrated, [].append).records == 1
    assert take(iter(rows), unrated, [].append, min_elo=1).rejects == {"rating_unknown": 1}


def test_a_mistake_of_the_parser_costs_one_battle_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    rows = [canonical({"text": "|gametype|singles\n|win|A", "battle_id": name}) for name in ("good", "odd", "good")]

    def mistaken(raw: Mapping[str, Any]) -> Record:
        return Record(data=b"x", lengths=(1, 1), ratings=(1, 1), day=-1, group={"good": "gen1ou"}[raw["id"]])

    report = take(iter(rows), mistaken, [].append)

    assert (report.records, report.rejects) == (2, {"parser_fault": 1})
    assert "failed at battle odd: KeyError('odd')" in caplog.text


def test_a_plan_is_gone_on_with_and_another_one_is_refused(tmp_path: Path) -> None:
    write_lines(tmp_path / "raw" / "a.jsonl", pokechamp_rows(5))
    (tmp_path / "out").mkdir()
    plan = settle(tmp_path / "out", plan_of(tmp_path / "raw"))

    assert settle(tmp_path / "out", plan_of(tmp_path / "raw")).fingerprint == plan.fingerprint
    with pytest.raises(ConfigError, match="min_elo 0 then, 1200 now"):
        settle(tmp_path / "out", plan_of(tmp_path / "raw", min_elo=1200))
    write_lines(tmp_path / "raw" / "b.jsonl", pokechamp_rows(5))
    with pytest.raises(ConfigError, match="the raw files or the batch size differ"):
        settle(tmp_path / "out", plan_of(tmp_path / "raw"))


def test_raw_battles_may_be_moved_between_two_calls(tmp_path: Path) -> None:
    write_lines(tmp_path / "raw" / "a.jsonl", pokechamp_rows(5))
    (tmp_path / "out").mkdir()
    settle(tmp_path / "out", plan_of(tmp_path / "raw"))
    (tmp_path / "raw").rename(tmp_path / "moved")

    assert settle(tmp_path / "out", plan_of(tmp_path / "moved")).raw == str(tmp_path / "moved")


def test_a_plan_that_is_damaged_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / PLAN).write_text('{"version": "one"}')

    with pytest.raises(RunFolderError, match="A plan cannot be read"):
        read_plan(tmp_path)
    with pytest.raises(ConfigError, match="--batch-size"):
        divide([], 0)
