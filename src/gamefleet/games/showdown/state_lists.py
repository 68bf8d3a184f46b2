"""Ids and bit masks that messages look up for every line, made once per process.

Job: keep look-ups out of the per-line work: reading a log is a few hundred lines in half a millisecond. Place in the
data flow: below the message functions. Left out: facts that only policies need (`tables`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gamefleet.games.showdown import tables
from gamefleet.games.showdown.layout import VOLATILE_WORDS, VOLATILES, WORD_BITS
from gamefleet.games.showdown.tables import Table

RAMPAGES: Final = ("outrage", "thrash", "petaldance", "ragingfury", "rollout", "iceball", "uproar", "bide", "rage")
LEAVES_WITH_FOE: Final = ("attract", "partiallytrapped", "trapped", "octolock", "syrupbomb")
"""Volatiles that end when the Pokémon that caused them leaves."""
BATTLE_FORMES: Final = (1, 3)
"""Kinds of formes that are only reached in a battle: Mega Evolution and the like, and other changes of form."""

Masks = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """What message functions look up.

    Args:
        moves: The table of moves.
        volatiles: Bit numbers by key.
        ordinary: Moves that a Pokémon can know: no Z-moves, no Max Moves, not Struggle.
        protecting: Moves whose chance falls with each success in a row.
        rampages: Moves that go on by themselves.
        crystals: The Z-crystal of each Z-move that needs a certain one.
        one_ability: The ability of each forme that is only reached in a battle and has just one, by species.
        riders: Calyrex's double ability, by species.
        turn_masks: Column in a side's block and the bits to keep when a turn begins.
        move_masks: The same when the Pokémon moves again.
        foe_masks: The same when the foe leaves.
        bases: The species that each species is a forme of.
    """

    moves: Table
    volatiles: Mapping[str, int]
    struggle: int
    mimic: int
    wish: int
    pressure: int
    ordinary: frozenset[int]
    protecting: frozenset[int]
    rampages: frozenset[int]
    crystals: Mapping[int, int]
    one_ability: Mapping[int, int]
    riders: Mapping[int, int]
    turn_masks: Masks
    move_masks: Masks
    foe_masks: Masks
    bases: tuple[int, ...]


@functools.cache
def lists() -> Lists:
    """The lists; made when first asked for."""
    moves, species, abilities = tables.moves(), tables.species(), tables.abilities()
    volatiles = tables.volatiles()
    return Lists(
        moves=moves,
        volatiles=volatiles,
        struggle=moves.ids["struggle"],
        mimic=moves.ids["mimic"],
        wish=moves.ids["wish"],
        pressure=abilities.ids["pressure"],
        ordinary=_ordinary(moves),
        protecting=frozenset(moves.bit("behaviour", tables.MOVE_BEHAVIOURS, "protects").nonzero()[0].tolist()),
        rampages=frozenset(moves.ids[key] for key in RAMPAGES),
        crystals=_crystals(),
        one_ability=_one_ability(),
        riders={
            species.ids["calyrexice"]: abilities.ids["asoneglastrier"],
            species.ids["calyrexshadow"]: abilities.ids["asonespectrier"],
        },
        turn_masks=masks_without(tables.volatiles_lasting("turn")),
        move_masks=masks_without(tables.volatiles_lasting("move")),
        foe_masks=masks_without(frozenset(volatiles[key] for key in LEAVES_WITH_FOE)),
        bases=tuple(int(base) or number for number, base in enumerate(species.column("base"))),
    )


def _ordinary(moves: Table) -> frozenset[int]:
    kinds = moves.column("kind").tolist()
    return frozenset(
        number for number, kind in enumerate(kinds) if number and not kind and number != moves.ids["struggle"]
    )


def _crystals() -> dict[int, int]:
    return {move: item for item, move in enumerate(tables.items().column("z_move").tolist()) if move}


def _one_ability() -> dict[int, int]:
    table = tables.species()
    kinds, own = table.column("forme").tolist(), table.column("ability1").tolist()
    others = table.column("ability2") + table.column("ability3") + table.column("ability4")
    return {number: own[number] for number, kind in enumerate(kinds) if kind in BATTLE_FORMES and not others[number]}


def masks_without(numbers: frozenset[int]) -> Masks:
    """Per word of volatiles that has any of the bits `numbers`: its column in a side's block, a mask of all others."""
    whole = (1 << WORD_BITS) - 1
    masks = []
    for word in range(VOLATILE_WORDS):
        bits = sum(1 << number % WORD_BITS for number in numbers if number // WORD_BITS == word)
        if bits:
            masks.append((VOLATILES + word, whole & ~bits))
    return tuple(masks)
