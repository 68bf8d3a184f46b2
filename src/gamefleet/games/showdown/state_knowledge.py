"""What lines give away about items and abilities.

Job: items and abilities that are shown, lost, exchanged or named as a cause. Place in the data flow: called by
`state.BattleState` for such lines, and by the other message functions for the cause at a line's end.
Left out: drawing conclusions from what did not happen.
"""

from __future__ import annotations

from typing import Final

from gamefleet.games.showdown import tables
from gamefleet.games.showdown.layout import (
    ABILITY,
    BASE_ABILITY,
    BASE_SPECIES,
    FLAG_TRANSFORMED,
    FLAGS,
    ITEM,
    LOST_ITEM,
)
from gamefleet.games.showdown.state_board import SIDE_OF, Board
from gamefleet.games.showdown.tables import NONE

FROM_ITEM: Final = "[from] item: "
FROM_ABILITY: Final = "[from] ability: "
OF: Final = "[of] "
SWAPS: Final = ("[from] move: Trick", "[from] move: Switcheroo")
AS_ONE: Final = ("As One", "Unnerve", "Chilling Neigh", "Grim Neigh")
ABILITY_EXCHANGES: Final = ("Trace", "Receiver", "Power of Alchemy")


def note_source(board: Board, at: int, parts: list[str]) -> None:
    """Read the cause of a line; the Pokémon behind `[of]` has the item or ability, else the one at column `at`."""
    for part in parts[4:]:
        if part.startswith(FROM_ITEM):
            see_item(board, _owner(board, at, parts), part[len(FROM_ITEM) :])
        elif part.startswith(FROM_ABILITY):
            see_ability(board, _owner(board, at, parts), part[len(FROM_ABILITY) :])


def note_healer(board: Board, at: int, parts: list[str]) -> None:
    """As `note_source` for lines whose subject owns the cause, whoever stands behind `[of]`."""
    part = parts[4]
    if part.startswith(FROM_ITEM):
        see_item(board, at, part[len(FROM_ITEM) :])
    elif part.startswith(FROM_ABILITY):
        see_ability(board, at, part[len(FROM_ABILITY) :])


def note_reason(board: Board, parts: list[str]) -> None:
    """`|-immune|`, `|-fail|`, `|-block|`, `|-miss|`: only the cause matters."""
    if len(parts) > 3:
        for part in parts[3:]:
            if part.startswith(FROM_ABILITY):
                see_ability(board, _owner(board, board.mon(parts[2]), parts), part[len(FROM_ABILITY) :])
            elif part.startswith(FROM_ITEM):
                see_item(board, _owner(board, board.mon(parts[2]), parts), part[len(FROM_ITEM) :])


def _owner(board: Board, at: int, parts: list[str]) -> int:
    for part in parts[3:]:
        if part.startswith(OF):
            return board.mon(part[len(OF) :])
    return at


def see_item(board: Board, at: int, name: str) -> None:
    """The Pokémon at `at` holds `name`, unless it has just used it up."""
    item = tables.items().id(name)
    if item and not (board.row[at + ITEM] == NONE and board.row[at + LOST_ITEM] == item):
        board.row[at + ITEM] = item
        board.first_items.setdefault(at, item)


def see_ability(board: Board, at: int, name: str) -> None:
    """The Pokémon at `at` has the ability `name`: its own, unless it was given another one since it came in."""
    row, ability = board.row, tables.abilities().id(name)
    if name in AS_ONE:
        ability = board.lists.riders.get(row[at + BASE_SPECIES], ability)
    if ability:
        is_unknown = not row[at + BASE_ABILITY] and not row[at + ABILITY]
        row[at + ABILITY] = ability
        if is_unknown and not row[at + FLAGS] & FLAG_TRANSFORMED and at not in board.swapped_abilities:
            row[at + BASE_ABILITY] = ability
            board.first_abilities.setdefault(at, ability)


def on_item(board: Board, parts: list[str]) -> None:
    """`|-item|p1a: Nick|Leftovers|[from] move: Trick`."""
    if not parts[2]:
        return
    at, item = board.mon(parts[2]), tables.items().id(parts[3])
    _take(board, parts, item)
    board.row[at + ITEM] = item
    cause = parts[4] if len(parts) > 4 else ""
    if cause.startswith(SWAPS):
        foe = board.active_at[1 - SIDE_OF[parts[2][:2]]]
        if foe >= 0:
            _tell_first(board, foe, item)  # what this one has now, the other one had before
        board.first_items.setdefault(at, 0)
    elif not cause or cause.endswith("Frisk"):
        board.first_items.setdefault(at, item)
    else:
        board.first_items.setdefault(at, NONE)  # who takes or is given an item has none, and has lost none
    if cause.startswith(FROM_ABILITY):
        see_ability(board, _holder_of_cause(board, parts), cause[len(FROM_ABILITY) :])


def _tell_first(board: Board, at: int, item: int) -> None:
    """The Pokémon at `at` came with `item`, unless it is known to have come with another one."""
    if not board.first_items.get(at):
        board.first_items[at] = item


def _take(board: Board, parts: list[str], item: int) -> None:
    """Thief, Covet, Magician, Pickpocket and Bestow take the item from the Pokémon behind `[of]`; Frisk only looks."""
    loser = _owner(board, -1, parts)
    if loser >= 0 and not parts[4].endswith("Frisk"):
        board.row[loser + ITEM] = NONE
        board.row[loser + LOST_ITEM] = item
        board.first_items.setdefault(loser, item)


def _holder_of_cause(board: Board, parts: list[str]) -> int:
    """Frisk belongs to the Pokémon behind `[of]`; Pickpocket, Magician and Harvest to the one that gets the item."""
    return _owner(board, board.mon(parts[2]), parts) if parts[4].endswith("Frisk") else board.mon(parts[2])


def on_end_item(board: Board, parts: list[str]) -> None:
    """`|-enditem|p1a: Nick|Choice Specs|[from] move: Knock Off|[of] p2a: Nick`."""
    at = board.mon(parts[2])
    board.row[at + ITEM] = NONE
    board.row[at + LOST_ITEM] = tables.items().id(parts[3])
    board.first_items.setdefault(at, board.row[at + LOST_ITEM])
    if len(parts) > 4 and parts[-1].startswith(SWAPS):  # it got nothing for it
        foe = board.active_at[1 - SIDE_OF[parts[2][:2]]]
        if foe >= 0:
            _tell_first(board, foe, NONE)


def on_ability(board: Board, parts: list[str]) -> None:
    """`|-ability|p1a: Nick|Intimidate|boost`, or with `[from] ability: Trace` one that is not its own."""
    if "[silent]" in parts:
        return  # told to its own player only (Pressure in the third generation)
    at = board.mon(parts[2])
    ability = tables.abilities().id(parts[3])
    cause = next((part for part in parts[4:] if part.startswith("[from] ")), "")
    if not cause or not cause.startswith((FROM_ABILITY, "[from] move: ")):
        see_ability(board, at, parts[3])
        return
    if len(parts) > 4 and not parts[4].startswith("["):  # the simulator names the ability that was replaced
        see_ability(board, at, parts[4])
        _see_of(board, parts, parts[3])
    elif cause[len(FROM_ABILITY) :] in ABILITY_EXCHANGES:
        board.row[at + BASE_ABILITY] = tables.abilities().id(cause[len(FROM_ABILITY) :])
        board.first_abilities.setdefault(at, board.row[at + BASE_ABILITY])
        see_ability(board, _owner(board, at, parts), parts[3])
    board.row[at + ABILITY] = ability


def _see_of(board: Board, parts: list[str], name: str) -> None:
    """The Pokémon behind `[of]`, if there is one, has the ability `name`."""
    at = _owner(board, -1, parts)
    if at >= 0:
        see_ability(board, at, name)


def on_end_ability(board: Board, parts: list[str]) -> None:
    """`|-endability|p1a: Nick|Levitate|[from] move: Gastro Acid`."""
    at = board.mon(parts[2])
    if len(parts) > 3 and not parts[3].startswith("["):
        see_ability(board, at, parts[3])
    board.row[at + ABILITY] = NONE


def on_skill_swap(board: Board, parts: list[str]) -> None:
    """`|-activate|p1a: Nick|Skill Swap|ITS NOW|ITS BEFORE|[of] p2a: Nick`; no names before the fifth generation."""
    if len(parts) < 7 or not parts[6].startswith(OF):
        return
    at, other = board.mon(parts[2]), board.mon(parts[6][len(OF) :])
    if parts[4]:
        see_ability(board, at, parts[5])
        see_ability(board, other, parts[4])
    board.swapped_abilities.update((at, other))
    board.row[at + ABILITY], board.row[other + ABILITY] = board.row[other + ABILITY], board.row[at + ABILITY]


def on_taken_ability(board: Board, parts: list[str]) -> None:
    """`|-activate|p2a: Cofagrigus|ability: Mummy|p1a: Nick|[ability] Intimidate`: the toucher's ability is replaced."""
    if len(parts) < 6 or parts[4][:1] != "p" or not parts[5].startswith("[ability] "):
        return
    holder, toucher = board.mon(parts[2]), board.mon(parts[4])
    see_ability(board, toucher, parts[5].removeprefix("[ability] "))
    was = board.row[toucher + ABILITY]
    board.row[toucher + ABILITY] = board.row[holder + ABILITY]
    if parts[3].endswith("Wandering Spirit"):
        board.row[holder + ABILITY] = was
