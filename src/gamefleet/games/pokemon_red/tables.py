"""The facts: WRAM symbols, events, story flags, maps, milestones and quests, read from `tables/`.

Job: turn the committed tables into typed rows. Place in the data flow: the bottom of this package; `state` finds its
addresses here, `milestones` and `reward` their flags. Left out: any meaning beyond what a row says. Each table names
its source in its first line; every row has a description, which a test checks.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """Bytes of the work RAM.

    Args:
        address: First byte.
        length: Number of bytes.
        meaning: What they hold.
    """

    address: int
    length: int
    meaning: str

    @property
    def end(self) -> int:
        """The address after the last byte."""
        return self.address + self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One bit of the event array.

    Args:
        name: The name the disassembly gives it.
        index: Bit number, counted from the array's first byte, least significant bit first.
        story_order: Rank on the story's main line from 1, or 0 beside it.
        place: Where it happens.
        meaning: What happened when it is set.
    """

    name: str
    index: int
    story_order: int
    place: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryFlag:
    """Progress that the game keeps outside the event array.

    Args:
        name: Our name.
        address: The byte.
        test: `bit N`, `equals N`, `positive`, or `count` (number of set bits).
        meaning: What it stands for.
    """

    name: str
    address: int
    test: str
    meaning: str

    def value(self, byte: int) -> int:
        """Decode the byte: 0 or 1, or the count of its set bits."""
        kind, _, number = self.test.partition(" ")
        if kind == "bit":
            return byte >> int(number) & 1
        if kind == "equals":
            return int(byte == int(number))
        return byte.bit_count() if kind == "count" else int(byte > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRow:
    """One map of the commercial game; our cartridge uses a few of the same numbers.

    Args:
        number: Value of `wCurMap`.
        name: Its name in the disassembly.
        width_steps: Width in 16-pixel steps.
        height_steps: Height in steps.
        tileset: Its tileset.
        global_x: Column of its left edge on the stitched map of all outdoor maps, or None indoors.
        global_y: Row of its top edge there.
    """

    number: int
    name: str
    width_steps: int
    height_steps: int
    tileset: str
    global_x: int | None
    global_y: int | None


def rows(table: str) -> list[dict[str, str]]:
    """The rows of one table.

    Args:
        table: File name without its ending.

    Returns:
        One dict per row, keyed by the header line.
    """
    text = resources.files(__package__).joinpath("tables", f"{table}.tsv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t"))


@cache
def symbols() -> dict[str, Symbol]:
    """Every WRAM symbol by name; the fields of a party member are keyed `party_struct+0x21` with their offset."""
    return {
        row["symbol"]: Symbol(
            address=int(row["address"].removeprefix("offset +"), 16),
            length=int(row["length"]),
            meaning=row["meaning"],
        )
        for row in rows("wram")
    }


@cache
def events() -> tuple[Event, ...]:
    """All named events, by index."""
    parsed = [
        Event(
            name=row["flag"],
            index=int(row["index"]),
            story_order=int(row["story_order"] or 0),
            place=row["place"],
            meaning=row["meaning"],
        )
        for row in rows("events")
    ]
    return tuple(sorted(parsed, key=lambda event: event.index))


@cache
def event_mask(*, story_only: bool) -> int:
    """The events of the main line, or all named ones, as one integer with bit `index` set for each."""
    return sum(1 << event.index for event in events() if event.story_order or not story_only)


@cache
def story_flags() -> tuple[StoryFlag, ...]:
    """The five flags outside the event array, in the order of the observation `story`."""
    return tuple(
        StoryFlag(name=row["flag"], address=int(row["address"], 16), test=row["test"], meaning=row["meaning"])
        for row in rows("story_flags")
    )


@cache
def maps() -> dict[int, MapRow]:
    """All maps by number."""
    parsed = (
        MapRow(
            number=int(row["id"]),
            name=row["name"],
            width_steps=int(row["width_steps"]),
            height_steps=int(row["height_steps"]),
            tileset=row["tileset"],
            global_x=int(row["global_x"]) if row["global_x"] else None,
            global_y=int(row["global_y"]) if row["global_y"] else None,
        )
        for row in rows("maps")
    )
    return {row.number: row for row in parsed}
