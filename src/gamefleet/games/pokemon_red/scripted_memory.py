"""What the scripted solver sees: the cartridge's work RAM, decoded.

Job: name the facts that decisions need. Place in the data flow: below `scripted*`; above it is whoever can read bytes.
Left out: deciding anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .cartridge.world_types import EVENT_FLAGS, Position

Read = Callable[[int, int], bytes]
"""Returns bytes of work RAM: (address, length)."""

Place = tuple[int, Position]
"""A map id and a cell of that map."""

TILE_MAP, COLUMNS, ROWS = 0xC3A0, 20, 18
CURSOR, MORE = 0xED, 0xEE
ACTIVE_MEMBER, JOY_IGNORE, FONT_LOADED = 0xCC2F, 0xCD6B, 0xCFC4
MENU_TOP, LIST_OFFSET = 0xCC24, 0xCC36
ENEMY, OWN, FIGHTER_SIZE = 0xCFE5, 0xD014, 29
IN_BATTLE, PARTY_COUNT, PARTY, MEMBER_SIZE = 0xD057, 0xD163, 0xD16B, 44
BAG, BAG_BYTES, MONEY, BADGES = 0xD31D, 42, 0xD347, 0xD356
MAP, ROW, COLUMN, FACING = 0xD35E, 0xD361, 0xD362, 0xC109
FLAGS, FLAG_BYTES = 0xD5A6, 737

LIST_TOP = 5
"""Screen row of a scrolling list's first entry."""


@dataclass(frozen=True)
class Fighter:
    """One side of a battle, as the fighter struct in work RAM has it."""

    species: int
    hp: int
    types: tuple[int, int]
    moves: tuple[int, ...]
    level: int
    max_hp: int
    pp: tuple[int, ...]


class Memory:
    """Work RAM by meaning.

    Args:
        read: Returns bytes of work RAM: `read(address, length)`.
    """

    def __init__(self, read: Read) -> None:
        self.read = read

    def byte(self, address: int) -> int:
        """One byte of work RAM."""
        return self.read(address, 1)[0]

    def flag(self, number: int) -> bool:
        """A flag, counted in bits from 0xD5A6."""
        return bool(self.byte(FLAGS + number // 8) >> number % 8 & 1)

    def event(self, index: int) -> bool:
        """An event flag, by its index in the commercial game's table."""
        return self.flag(EVENT_FLAGS + index)

    def place(self) -> Place:
        """Where the player stands."""
        return self.byte(MAP), (self.byte(COLUMN), self.byte(ROW))

    def item_count(self, item: int) -> int:
        """How many of an item the bag holds."""
        bag = self.read(BAG, BAG_BYTES)
        stacks = dict(zip(bag[1 : 1 + 2 * bag[0] : 2], bag[2 : 2 + 2 * bag[0] : 2], strict=True))
        return stacks.get(item, 0)

    def bag_index(self, item: int) -> int | None:
        """An item's place in the bag's list, or None."""
        bag = self.read(BAG, BAG_BYTES)
        items = list(bag[1 : 1 + 2 * bag[0] : 2])
        return items.index(item) if item in items else None

    def money(self) -> int:
        """Coins."""
        return int(self.read(MONEY, 3).hex())

    def member_health(self, index: int) -> float:
        """Share of health of a member of the party, 0 to 1."""
        data = self.read(PARTY + MEMBER_SIZE * index, MEMBER_SIZE)
        return int.from_bytes(data[1:3], "big") / max(1, int.from_bytes(data[0x22:0x24], "big"))

    def fighter(self, address: int) -> Fighter:
        """One side of the battle: `OWN` or `ENEMY`."""
        data = self.read(address, FIGHTER_SIZE)
        return Fighter(
            species=data[0],
            hp=int.from_bytes(data[1:3], "big"),
            types=(data[5], data[6]),
            moves=tuple(data[8:12]),
            level=data[14],
            max_hp=int.from_bytes(data[15:17], "big"),
            pp=tuple(data[25:29]),
        )

    def cursor(self) -> Position | None:
        """Column and row of the menu cursor on screen, if a menu waits."""
        index = self.read(TILE_MAP, COLUMNS * ROWS).find(CURSOR)
        return None if index < 0 else (index % COLUMNS, index // COLUMNS)

    def page_waits(self) -> bool:
        """Whether a page of text waits for A or B."""
        return self.byte(TILE_MAP + 16 * COLUMNS + 18) == MORE

    def list_button(self, cursor: Position, wanted: int) -> str:
        """Moves the cursor of a scrolling list to an entry, and takes it."""
        current = self.byte(LIST_OFFSET) + (cursor[1] - LIST_TOP) // 2
        if current == wanted:
            return "a"
        return "down" if current < wanted else "up"
