"""Raw battles in every form that they come in give the same rows; what cannot be read is said."""

from pathlib import Path

import msgspec
import pytest
from tests.unit.games.showdown.replay_rows import log_of, parquet_of, pokechamp_rows, write_lines

from gamefleet.errors import ConfigError, GamefleetError
from gamefleet.games.showdown.replays.filters import highest_rating, ratings_in, refusal
from gamefleet.games.showdown.replays.sources import (
    MAX_WHOLE_BYTES,
    Unit,
    canonical,
    read_unit,
    units_of,
)
from gamefleet.games.showdown.replays.sources_parquet import SourceError

ROWS = [{"id": f"gen1ou-{number}", "log": log_of(number), "uploadtime": 1_741_000_000} for number in range(5)]


def logs_below(folder: Path) -> list[str]:
    return [row["log"] for unit in units_of(folder) for row in read_unit(folder, unit) if row]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst", "deep/down/a.jsonl"])
def test_lines_are_read_plain_and_compressed_and_below_folders(tmp_path: Path, name: str) -> None:
    write_lines(tmp_path / name, ROWS)

    assert logs_below(tmp_path) == [log_of(number) for number in range(5)]


def test_parquet_is_read_by_row_group_and_its_columns_are_renamed(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(parquet_of(pokechamp_rows(25)))

    units = units_of(tmp_path)

    assert [(unit.group, unit.num_rows) for unit in units] == [(0, 10), (1, 10), (2, 5)]
    row = next(iter(read_unit(tmp_path, units[1])))
    assert row is not None
    assert row["log"] == log_of(10)
    assert row["formatid"] == "gen4ou"
    assert row["uploadtime"] == 1_741_651_200, "the day in the battle's id, 11 March 2025"


def test_single_replays_and_plain_logs_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(msgspec.json.encode(ROWS[0]))
    (tmp_path / "b.json").write_bytes(msgspec.json.encode(ROWS[1:3]))
    (tmp_path / "gen1ou-7.log").write_text(log_of(7))

    assert logs_below(tmp_path) == [log_of(number) for number in (0, 1, 2, 7)]


@pytest.mark.parametrize("name", ["a.log", "a.json"])
def test_a_file_that_would_be_read_in_one_piece_has_a_limit(tmp_path: Path, name: str) -> None:
    with open(tmp_path / name, "wb") as stream:
        stream.truncate(MAX_WHOLE_BYTES[Path(name).suffix] + 1)

    with pytest.raises(SourceError, match=r"one battle per line, as \.jsonl"):
        logs_below(tmp_path)


def test_our_own_notes_hidden_files_and_links_are_no_battles(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", ROWS)
    for name in ("DOWNLOAD.json", "generated.json", ".tmp-a.jsonl", ".cache/b.jsonl", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "linked.jsonl").symlink_to(tmp_path / "a.jsonl")

    assert [unit.name for unit in units_of(tmp_path)] == ["a.jsonl"]


def test_a_folder_without_battles_says_how_to_get_some(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gamefleet replays download, or replays generate"):
        units_of(tmp_path)


def test_lines_that_are_no_json_are_given_as_nothing_and_the_others_are_read(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", ROWS)
    with open(tmp_path / "a.jsonl", "ab") as stream:
        stream.write(b"{half a li\n[1, 2]\n\xff\xfe\n" + b"[" * 5000 + b"\n" + msgspec.json.encode(ROWS[0]))

    rows = list(read_unit(tmp_path, units_of(tmp_path)[0]))

    assert [row is None for row in rows] == [False] * 5 + [True] * 5 + [False]


@pytest.mark.parametrize("name", ["a.jsonl.zst", "a.parquet"])
def test_damaged_files_are_an_error_that_names_them(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("zst"):
        write_lines(path, ROWS * 2000)
        path.write_bytes(path.read_bytes()[:300])
    else:
        data = bytearray(parquet_of(pokechamp_rows(20)))
        data[100:140] = bytes(40)
        path.write_bytes(data)

    with pytest.raises(GamefleetError, match=name):
        logs_below(tmp_path)


def test_a_parquet_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet_of([{"move": "e4"}]))
    with pytest.raises(SourceError, match="no column with battle logs"):
        units_of(tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing else PAR1")
    with pytest.raises(SourceError, match="is damaged"):
        units_of(tmp_path)


def test_a_file_that_was_replaced_meanwhile_is_not_read(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", ROWS)
    unit = units_of(tmp_path)[0]
    write_lines(tmp_path / "a.jsonl", ROWS[:2])

    with pytest.raises(SourceError, match="no longer has the"):
        list(read_unit(tmp_path, unit))
    with pytest.raises(SourceError, match="cannot be read"):
        list(read_unit(tmp_path, Unit(name="gone.jsonl", num_bytes=1)))


def test_ratings_are_the_logs_own_even_when_players_left() -> None:
    assert ratings_in(log_of(3)) == (1030, 1035)
    assert ratings_in("|player|p1|A|1|\n|player|p2|B|2|1500\n|player|p1|") == (1500,)
    assert ratings_in("|player|p1|A|1\n|player|p2|B|2") == ()


@pytest.mark.parametrize(
    ("row", "highest"),
    [
        ({"elo": "1200-1399"}, 1399),
        ({"elo": "1800+"}, 10_000),
        ({"rating": 1461}, 1461),
        ({"rating": "1461"}, 1461),
        ({}, -1),
        ({"elo": "none"}, -1),
    ],
)
def test_without_ratings_in_the_log_the_collections_word_counts(row: dict[str, object], highest: int) -> None:
    assert highest_rating(row, "|gametype|singles") == highest


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "no_log"),
        ({"log": 5}, "no_log"),
        ({"log": "x" * 9_000_000}, "too_long"),
        ({"log": log_of(1), "formatid": "gen2ou"}, "other_format"),
        ({"log": log_of(1), "formatid": "gen1ou"}, "rating_too_low"),
        ({"log": "|turn|1", "formatid": "gen1ou"}, "rating_unknown"),
        ({"log": log_of(50), "formatid": "gen1ou"}, ""),
        ({"log": log_of(50).replace("singles", "doubles"), "formatid": "gen1ou"}, "not_singles"),
    ],
)
def test_what_cannot_be_used_is_told_without_parsing(row: dict[str, object], reason: str) -> None:
    assert refusal(row, min_elo=1200, formats=("gen1ou",)) == reason


def test_days_in_ids_that_are_none_are_left_alone() -> None:
    assert "uploadtime" not in canonical({"battle_id": "12-2025-13-45", "text": "x"})
    assert canonical({"uploadtime": "1741000011"})["uploadtime"] == 1741000011
    assert canonical({"uploadtime": "1" * 5000})["uploadtime"] == "1" * 5000, "Python makes no number of so many digits"
    assert highest_rating({"rating": "1" * 5000}, "") > 0
