"""The memory behind a battle's state: the row, who is who, and what an Illusion must give back.

Job: hold what the message functions of `state_*` share, and find the Pokémon that a line speaks of. Place in the data
flow: below `state`. Left out: what the messages mean.
"""

from __future__ import annotations

from array import array
from typing import Final

from gamefleet.games.showdown import layout
from gamefleet.games.showdown.layout import (
    ACTIVE,
    BASE_SPECIES,
    FLAGS,
    GENDER,
    HP_PERMILLE,
    LEVEL,
    MON_AT,
    MON_WIDTH,
    NUM_SIDES,
    SIDE_AT,
    SPECIES,
    TEAM_SIZE,
    WIDTH,
    mon_at,
    side_at,
)
from gamefleet.games.showdown.state_lists import lists
from gamefleet.games.showdown.state_words import FULL_PERMILLE, StateError, read_details

SIDE_OF: Final = {"p1": 0, "p2": 1}

Place = tuple[int, int, int]
"""Where a row speaks of a Pokémon: side, column of its own block, column of its side's block."""

PLACES: Final = tuple(tuple((side, at, SIDE_AT[side]) for at in MON_AT[side]) for side in range(NUM_SIDES))
"""By side and team slot."""


class Board:
    """A battle's row and what is needed to go on writing it.

    Args:
        own_side: Side whose HP arrive as exact numbers (a player's own channel), or None for a spectator.

    Attributes:
        row: int16 [WIDTH], see `layout`.
        active_at: Column of each side's active block, -1 before the first arrives.
        here: The place of each side's active Pokémon by the name that lines call it ("p1a: Nick"). Most lines speak of
            one of the two, and this look-up is much cheaper than reading the name.
        names: Team slots by nickname, per side; nicknames need not be unique.
        num_named: How many team slots have a nickname, per side.
        arrived: What an Illusion has to give back: (slot, its block before it arrived) per side.
        moved: Id of the move that each side's active Pokémon used this turn, 0 for none.
        is_z_ready: Whether each side has just announced a Z-move.
        has_bits: Whether each side may have volatiles, so that there is something to clear.
        first_species: Species of each Pokémon (by the column of its block) when it first came in.
        first_items: Item of each before anything was lost or swapped, as far as shown.
        first_abilities: Ability of each before any forme change, as far as shown.
        swapped_abilities: Columns of blocks on the field whose ability, known or not, is another one's.
        running: Columns whose turns are being counted, some of which may have ended.
    """

    __slots__ = (
        "active_at",
        "arrived",
        "count",
        "first_abilities",
        "first_items",
        "first_species",
        "from_instruct",
        "has_bits",
        "has_turn_bits",
        "here",
        "is_z_ready",
        "lists",
        "looks",
        "moved",
        "names",
        "num_named",
        "own_side",
        "row",
        "running",
        "swapped_abilities",
    )

    def __init__(self, own_side: int | None = None) -> None:
        self.row = array("h", bytes(2 * WIDTH))
        self.own_side = own_side
        self.active_at = [-1, -1]
        self.here: dict[str, Place] = {}
        self.has_bits = [False, False]
        self.count = [0, 0]
        self.num_named = [0, 0]
        self.names: tuple[dict[str, list[int]], dict[str, list[int]]] = ({}, {})
        self.arrived: list[tuple[int, array[int]]] = [(-1, array("h"))] * NUM_SIDES
        self.moved = [0, 0]
        self.is_z_ready = [False, False]
        self.from_instruct = [False, False]
        self.first_species: dict[int, int] = {}
        self.first_items: dict[int, int] = {}
        self.first_abilities: dict[int, int] = {}
        self.running: set[int] = set()
        self.swapped_abilities: set[int] = set()
        self.has_turn_bits = False
        self.looks: dict[tuple[int, str, str], int] = {}
        self.lists = lists()
        for side in range(NUM_SIDES):
            self.row[side_at(side) + ACTIVE] = -1

    def mon(self, ident: str) -> int:
        """Column of the block of the Pokémon called `ident` ("p1a: Nick" is on the field, "p1: Nick" is not)."""
        side = SIDE_OF[ident[:2]]
        if ident[2] == "a":
            at = self.active_at[side]
            if at < 0:
                raise StateError("malformed", ident)
            return at
        if ident[2] != ":":
            raise StateError("malformed", ident)
        slots = self.names[side].get(ident[4:])
        if not slots:
            raise StateError("unknown_name", ident)
        return mon_at(side, slots[0])

    def find(self, ident: str) -> Place:
        """The place of the Pokémon called `ident`, for names that `here` does not have."""
        side = side_of(ident)
        return side, self.mon(ident), SIDE_AT[side]

    def enter(self, side: int, slot: int, ident: str) -> None:
        """Let the Pokémon in team slot `slot` be the active one of `side`, from now on called `ident`."""
        here = self.here
        for name, place in here.items():
            if place[0] == side:
                del here[name]
                break
        place = here[ident] = PLACES[side][slot]
        self.active_at[side] = place[1]

    def known_mon(self, ident: str) -> int:
        """As `mon`, but -1 for one that was never shown (a benched Pokémon that a bell cures)."""
        if ident[2:3] == "a":
            return self.mon(ident)
        slots = self.names[side_of(ident)].get(ident[4:])
        return mon_at(side_of(ident), slots[0]) if slots else -1

    def slot_of(self, side: int, nickname: str, details: str) -> int:
        """Team slot of the Pokémon that arrives as `nickname` with `details`; a new one if it was not shown before."""
        found = self.looks.get((side, nickname, details))
        if found is None:
            found = self.looks[side, nickname, details] = self._find_slot(side, nickname, details)
        return found

    def _find_slot(self, side: int, nickname: str, details: str) -> int:
        species, level, gender = read_details(details)
        known = self.names[side].setdefault(nickname, [])
        kin = [slot for slot in known if self._is_kin(side, slot, species)] if known else None
        if not kin:
            slot = self._unnamed_slot(side, species, level, gender)
            known.append(slot)
            self.num_named[side] += 1
            return slot
        return max(kin, key=lambda slot: self._likeness(side, slot, level, gender))

    def add_slot(self, side: int, details: str) -> int:
        """A new team slot for a Pokémon that the preview shows with `details`."""
        species, level, gender = read_details(details)
        slot = self.count[side]
        if slot >= TEAM_SIZE:
            raise StateError("team_too_large", details)
        self.count[side] = slot + 1
        at, row = mon_at(side, slot), self.row
        row[at + SPECIES] = row[at + BASE_SPECIES] = species
        row[at + HP_PERMILLE] = FULL_PERMILLE
        row[at + LEVEL], row[at + GENDER] = level, gender
        return slot

    def block(self, at: int) -> array[int]:
        """A copy of the block that begins at column `at`."""
        return self.row[at : at + MON_WIDTH]

    def _is_kin(self, side: int, slot: int, species: int) -> bool:
        bases = self.lists.bases
        return bases[self.row[mon_at(side, slot) + BASE_SPECIES]] == bases[species]

    def _likeness(self, side: int, slot: int, level: int, gender: int) -> int:
        at = mon_at(side, slot)
        alive = not self.row[at + FLAGS] & layout.FLAG_FAINTED
        return 4 * (self.row[at + LEVEL] == level) + 2 * (self.row[at + GENDER] == gender) + alive

    def _unnamed_slot(self, side: int, species: int, level: int, gender: int) -> int:
        slot = self.count[side]
        if self.num_named[side] < slot:  # a preview has shown Pokémon that have no name yet
            named = {known for slots in self.names[side].values() for known in slots}
            free = [known for known in range(slot) if known not in named and self._is_kin(side, known, species)]
            if free:
                return max(free, key=lambda known: self._likeness(side, known, level, gender))
        if slot >= TEAM_SIZE:
            raise StateError("team_too_large", str(species))
        self.count[side] = slot + 1
        return slot


def side_of(ident: str) -> int:
    """Side (0 or 1) of "p1a: Nick", "p2: Nick" or "p1".

    Raises:
        StateError: It names neither player.
    """
    side = SIDE_OF.get(ident[:2])
    if side is None:
        raise StateError("malformed", ident)
    return side
