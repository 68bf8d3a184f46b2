"""Raw battles as collections have them, made here: logs that a parser of the test understands at a glance."""

import io
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from gamefleet.games.recorded import Record, RecordRejected

MODULE = "tests.unit.games.showdown.replay_rows"
FORMATS = ("gen1ou", "gen4ou", "gen9ou")


def log_of(number: int) -> str:
    ratings = 1000 + 10 * number, 1005 + 10 * number
    players = "\n".join(f"|player|p{side}|Name{side}|1|{rating}" for side, rating in enumerate(ratings, 1))
    turns = "\n".join(f"|turn|{turn}" for turn in range(number % 5 + 2))
    return f"|gametype|singles\n{players}\n|tier|{FORMATS[number % 3]}\n{turns}\n|player|p1|\n|win|Name1"


def pokechamp_rows(count: int, first: int = 0) -> list[dict[str, Any]]:
    """In the columns of `milkkarten/pokechamp`."""
    return [
        {
            "text": log_of(number),
            "month_year": "March2025",
            "gamemode": FORMATS[number % 3],
            "elo": f"{1000 + number // 20 * 200}-{1199 + number // 20 * 200}",
            "battle_id": f"{number}-2025-03-{number % 28 + 1:02d}",
        }
        for number in range(first, first + count)
    ]


def parquet_of(rows: Sequence[Mapping[str, Any]], group_rows: int = 10) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), stream, row_group_size=group_rows, write_page_checksum=True)
    return stream.getvalue()


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    data = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zstandard.ZstdCompressor().compress(data) if path.suffix == ".zst" else data)


def parse(raw: Mapping[str, Any]) -> Record:
    """Stands where a game's parser does: facts from the log's own lines."""
    lines = [line.split("|") for line in raw["log"].split("\n")]
    if not any(parts[1] == "win" for parts in lines if len(parts) > 1):
        raise RecordRejected("unfinished", "no winner")
    ratings = tuple(int(parts[5]) for parts in lines if parts[1] == "player" and len(parts) > 5)
    turns = sum(parts[1] == "turn" for parts in lines)
    day = raw.get("uploadtime", -86_400) // 86_400
    tier = next(parts[2] for parts in lines if parts[1] == "tier")
    return Record(data=raw["log"].encode(), lengths=(turns, turns), ratings=ratings, day=day, group=tier)


def parse_slowly(raw: Mapping[str, Any]) -> Record:
    """Long enough for a test to kill it in the middle of a part."""
    time.sleep(0.003)
    return parse(raw)


def parse_and_die(raw: Mapping[str, Any]) -> Record:
    """Ends its process without a word at one battle."""
    if "|1620" in raw["log"]:
        os.kill(os.getpid(), 9)
    return parse(raw)


BATTLE = """|gametype|singles
|player|p1|Anna|1|{rating}
|player|p2|Bert|2|1450
|gen|1
|tier|[Gen 1] OU
|teamsize|p1|1
|teamsize|p2|1
|start
|switch|p1a: Tauros|Tauros|100/100
|switch|p2a: Snorlax|Snorlax|100/100
|turn|1
|move|p1a: Tauros|Body Slam|p2a: Snorlax
|-damage|p2a: Snorlax|40/100
|move|p2a: Snorlax|Body Slam|p1a: Tauros
|-damage|p1a: Tauros|30/100
|upkeep
|turn|2
|move|p1a: Tauros|Hyper Beam|p2a: Snorlax
|-damage|p2a: Snorlax|0 fnt
|faint|p2a: Snorlax
|
|win|Anna
"""
"""The shortest battle that a real parser takes."""


def parse_unless_in_an_array(raw: Mapping[str, Any]) -> Record:
    """Array tasks are killed as if their node were lost; the job after them is not."""
    if "SLURM_ARRAY_TASK_ID" in os.environ:
        os.write(1, b"killed in an array\n")
        os.kill(os.getpid(), 9)
    return parse(raw)
