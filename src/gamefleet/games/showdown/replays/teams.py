"""Team tables: all that is known of each Pokémon at the end of a battle.

Job: read team sheets, and gather what the rows revealed. Place in the data flow: `parse` calls it once a log has been
read. Left out: guesses about what was never shown.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gamefleet.games.showdown import tables
from gamefleet.games.showdown.layout import (
    BASE_SPECIES,
    FLAG_GIGANTAMAX,
    FLAGS,
    GENDER,
    LEVEL,
    MON_WIDTH,
    MOVES,
    NUM_MONS,
    NUM_MOVES,
    NUM_SIDES,
    TEAM_ABILITY,
    TEAM_FLAG_GIGANTAMAX,
    TEAM_FLAG_SHEET,
    TEAM_FLAGS,
    TEAM_GENDER,
    TEAM_ITEM,
    TEAM_LEVEL,
    TEAM_MOVES,
    TEAM_SIZE,
    TEAM_SPECIES,
    TEAM_TERA,
    TEAM_WIDTH,
    TERA_TYPE,
    mon_at,
)
from gamefleet.games.showdown.replays.reasons import ReplayRejected
from gamefleet.games.showdown.state_board import Board
from gamefleet.games.showdown.state_words import GENDERS

GMAX_SUFFIX: Final = "gmax"
SHEET_FIELDS: Final = 11
UNSHOWN_FORMES: Final = {"greninjabond": "greninja", "rockruffdusk": "rockruff"}
CROWN_ITEMS: Final = {"zacian": "rustedsword", "zamazenta": "rustedshield"}
CROWN_SUFFIX: Final = "crowned"


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetEntry:
    """One Pokémon of a team sheet, as ids."""

    nickname: str
    species: int
    level: int
    gender: int
    item: int
    ability: int
    tera_type: int
    moves: tuple[int, ...]
    is_gigantamax: bool


def team_tables(board: Board, sheets: Sequence[str]) -> array[int]:
    """The team tables, flat [side, slot, TEAM_WIDTH]; Pokémon that only a sheet names get free slots.

    What was seen first counts, because items are lost and swapped, and formes change.

    Args:
        board: At the end of the battle.
        sheets: Packed team per side, "" where there is none.

    Raises:
        ReplayRejected: A team sheet is malformed.
    """
    table = array("h", bytes(2 * NUM_MONS * TEAM_WIDTH))
    for mon in range(NUM_MONS):
        if board.row[mon * MON_WIDTH + BASE_SPECIES]:
            _from_board(table, mon * TEAM_WIDTH, board, mon * MON_WIDTH)
    for side in range(NUM_SIDES):
        if sheets[side]:
            _from_sheet(table, side, board, read_sheet(sheets[side]))
    return table


def _from_board(table: array[int], to: int, board: Board, at: int) -> None:
    row = board.row
    table[to + TEAM_SPECIES] = board.first_species.get(at) or row[at + BASE_SPECIES]
    table[to + TEAM_LEVEL], table[to + TEAM_GENDER] = row[at + LEVEL], row[at + GENDER]
    table[to + TEAM_ITEM] = board.first_items.get(at, 0)
    table[to + TEAM_ABILITY] = board.first_abilities.get(at, 0)
    table[to + TEAM_TERA] = row[at + TERA_TYPE]
    table[to + TEAM_MOVES : to + TEAM_MOVES + NUM_MOVES] = row[at + MOVES : at + MOVES + NUM_MOVES]
    table[to + TEAM_FLAGS] = TEAM_FLAG_GIGANTAMAX if row[at + FLAGS] & FLAG_GIGANTAMAX else 0


def _from_sheet(table: array[int], side: int, board: Board, entries: list[SheetEntry]) -> None:
    left = list(entries)
    for slot in range(TEAM_SIZE):
        entry = _entry_of(board, side, slot, left)
        if entry is None and slot >= board.count[side] and left:
            entry = left[0]
        if entry is not None:
            left.remove(entry)
            _write(table, (side * TEAM_SIZE + slot) * TEAM_WIDTH, entry)


def _entry_of(board: Board, side: int, slot: int, entries: list[SheetEntry]) -> SheetEntry | None:
    """The entry that describes a Pokémon of the battle: the same kind, and of several the same nickname and level."""
    at = mon_at(side, slot)
    bases = board.lists.bases
    kin = [entry for entry in entries if bases[entry.species] == bases[board.row[at + BASE_SPECIES]]]
    if slot >= board.count[side] or not kin:
        return None
    names = {name for name, slots in board.names[side].items() if slot in slots}
    return max(kin, key=lambda entry: 2 * (entry.nickname in names) + (entry.level == board.row[at + LEVEL]))


def _write(table: array[int], to: int, entry: SheetEntry) -> None:
    table[to + TEAM_SPECIES] = entry.species
    table[to + TEAM_LEVEL] = entry.level
    table[to + TEAM_GENDER] = table[to + TEAM_GENDER] or entry.gender
    table[to + TEAM_ITEM], table[to + TEAM_ABILITY] = entry.item, entry.ability
    table[to + TEAM_TERA] = entry.tera_type
    for place in range(NUM_MOVES):
        table[to + TEAM_MOVES + place] = entry.moves[place] if place < len(entry.moves) else 0
    table[to + TEAM_FLAGS] = TEAM_FLAG_SHEET | (TEAM_FLAG_GIGANTAMAX if entry.is_gigantamax else 0)


def read_sheet(packed: str) -> list[SheetEntry]:
    """The Pokémon of a packed team.

    Raises:
        ReplayRejected: It is no packed team of at most six Pokémon that the tables have.
    """
    texts = [text for text in packed.split("]") if text]
    if len(texts) > TEAM_SIZE:
        raise ReplayRejected("team_too_large", packed[:80])
    return [_read_entry(text) for text in texts]


def _read_entry(text: str) -> SheetEntry:
    fields = text.split("|")
    if len(fields) < SHEET_FIELDS:
        raise ReplayRejected("malformed", text[:80])
    name = fields[1] or fields[0]
    species = _species_in_battle(tables.to_id(name), tables.to_id(fields[2]))
    if not species:
        raise ReplayRejected("unknown_name", name)
    extras = ["", *fields[11].split(",")[1:]] if len(fields) > SHEET_FIELDS else []
    level = fields[10]
    return SheetEntry(
        nickname=fields[0] or fields[1],
        species=species,
        level=min(int(level), 9999) if level.isascii() and level.isdigit() and len(level) < 6 else 100,
        gender=GENDERS.get(fields[7], 0),
        item=tables.items().id(fields[2]) if fields[2] else tables.NONE,
        ability=_ability(species, fields[3]),
        tera_type=tables.types().id(extras[5]) if len(extras) > 5 else 0,
        moves=tuple(_move(move) for move in fields[4].split(",")[:NUM_MOVES]),
        is_gigantamax=(len(extras) > 3 and extras[3] != "") or tables.to_id(name).endswith(GMAX_SUFFIX),
    )


def _species_in_battle(key: str, item: str) -> int:
    """The species that a battle shows for one that a team names; 0 where the tables have none.

    The simulator keeps two formes to itself (`Pokemon.getUpdatedDetails`), and the heroes of Galar hold their crown's
    item from the first turn on.
    """
    key = UNSHOWN_FORMES.get(key, key) + (CROWN_SUFFIX if CROWN_ITEMS.get(key, "none") == item else "")
    return tables.species().id(key)


def _move(text: str) -> int:
    """Id of a move; teams write Hidden Power with its type and some moves with their power ("return102")."""
    table = tables.moves()
    key = tables.to_id(text)
    return (
        table.ids["hiddenpower"]
        if key.startswith("hiddenpower")
        else table.id(key) or table.id(key.rstrip("0123456789"))
    )


def _ability(species: int, text: str) -> int:
    """Id of an ability, which packed teams may write as a slot: "", "0", "1", "H" or "S"."""
    places = {"": "ability1", "0": "ability1", "1": "ability2", "H": "ability3", "S": "ability4"}
    if text in places:
        return int(tables.species().column(places[text])[species])
    return tables.abilities().id(text)
