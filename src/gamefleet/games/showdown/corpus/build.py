"""Make the battles that come with gamefleet: `python -m gamefleet.games.showdown.corpus.build`.

Job: play them again, to the same bytes. Place in the data flow: simulator -> `FORMAT.jsonl.zst` beside this file. Left
out: everything that uses them.

The simulator is Pokémon Showdown 0.11.11 (MIT licence); teams are drawn from its random-battle sets, and both sides are
played by the strongest policy of the host. No person took part.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import zstandard

from gamefleet.files import write_bytes
from gamefleet.games.showdown.corpus import FOLDER
from gamefleet.games.showdown.host.grades import STRONGEST
from gamefleet.games.showdown.host.host import BattleHost
from gamefleet.games.showdown.replays.generate import CHUNK_BATTLES, GenerateSettings, Row, play_rows

COUNTS: Mapping[str, int] = {
    "gen1ou": 100,
    "gen2ou": 30,
    "gen3ou": 30,
    "gen4ou": 30,
    "gen5ou": 20,
    "gen6ou": 20,
    "gen7ou": 20,
    "gen8ou": 20,
    "gen9ou": 40,
    "gen9randombattle": 30,
}
SEED = 20250101
UPLOADTIME = 1735689600
"""2025-01-01, for all of them: the files are the same whenever they are made."""

_LEVEL = 19


def settings_for(format_name: str) -> GenerateSettings:
    """What is played of a format."""
    return GenerateSettings(
        output_dir=Path(),
        max_games=COUNTS[format_name],
        formats=(format_name,),
        grades=(STRONGEST,),
        seed=SEED,
        uploadtime=UPLOADTIME,
    )


def play_format(host: BattleHost, format_name: str, count: int) -> list[Row]:
    """The first battles of a format."""
    rows: list[Row] = []
    for start in range(0, count, CHUNK_BATTLES):
        rows += play_rows(host, settings_for(format_name), range(start, min(start + CHUNK_BATTLES, count)))
    return rows


def main() -> None:
    """Play and write all of them."""
    with BattleHost() as host:
        for format_name, count in COUNTS.items():
            text = b"".join(msgspec.json.encode(row) + b"\n" for row in play_format(host, format_name, count))
            packed = zstandard.ZstdCompressor(level=_LEVEL).compress(text)
            write_bytes(FOLDER / f"{format_name}.jsonl.zst", packed)
            sys.stdout.write(f"{format_name}: {count} battles, {len(packed) / 1e3:.0f} kB\n")


if __name__ == "__main__":
    main()
