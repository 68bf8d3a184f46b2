"""Species, moves, items, abilities and types of all generations with fixed ids and the facts that play depends on.

Job: one id space for what battles mention. Place in the data flow: a leaf beside `layout`; the state writes these ids,
observations and policies look facts up. Left out: learnsets, tiers, rules of formats.

Ids are stable as long as the simulator's version is (`SOURCE`): 0 is unknown, and 1 means "none" for items, abilities
and types. `build` writes the files from the simulator's npm package.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

SOURCE: Final = "npm pokemon-showdown 0.11.11 (MIT)"
NUM_GENERATIONS: Final = 9
UNKNOWN: Final = 0
NONE: Final = 1

WEATHERS: Final = (
    "",
    "raindance",
    "sunnyday",
    "sandstorm",
    "hail",
    "snowscape",
    "primordialsea",
    "desolateland",
    "deltastream",
)
TERRAINS: Final = ("", "electricterrain", "grassyterrain", "mistyterrain", "psychicterrain")

MOVE_FLAGS: Final = (
    "contact",
    "sound",
    "punch",
    "bite",
    "slicing",
    "pulse",
    "bullet",
    "powder",
    "wind",
    "dance",
    "heal",
    "charge",
    "recharge",
    "protect",
    "reflectable",
)
"""Bits of the column `flags` of `moves`."""
MOVE_BEHAVIOURS: Final = (
    "pivots",
    "forces_out",
    "user_faints",
    "one_hit_ko",
    "multiple_hits",
    "protects",
    "sets_side_condition",
    "sets_weather",
    "sets_field",
    "changes_boosts",
    "sets_volatile",
    "is_z",
    "is_max",
    "fixed_damage",
    "thaws",
)
"""Bits of the column `behaviour` of `moves`."""


def to_id(text: str) -> str:
    """`text` as the simulator's id: lower case, letters and digits only ("Mr. Mime" is "mrmime")."""
    return "".join(letter for letter in text.lower() if ("a" <= letter <= "z") or ("0" <= letter <= "9"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One kind of thing, by id.

    Args:
        keys: The simulator's id of each thing, by our id.
        names: The name shown to people, by our id.
        since: Generation that introduced it, by our id.
        ids: Our id by the simulator's id; looks that change nothing (cosmetic formes) are listed too.
        columns: Names of the facts.
        facts: [generation 0-9, id, fact]; generation 0 repeats 9. Before it existed a thing has its first facts.
    """

    keys: tuple[str, ...]
    names: tuple[str, ...]
    since: NDArray[np.int16]
    ids: Mapping[str, int]
    columns: tuple[str, ...]
    facts: NDArray[np.int16]
    _found: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.keys)

    def id(self, name: str) -> int:
        """Our id of `name` as it is written anywhere in a log; 0 when it is unknown."""
        found = self._found.get(name)
        if found is None:
            found = self.ids.get(to_id(name), UNKNOWN)
            if len(self._found) < 100_000:  # a hostile log must not fill the memory
                self._found[name] = found
        return found

    def column(self, name: str, generation: int = NUM_GENERATIONS) -> NDArray[np.int16]:
        """The fact `name` of every id in `generation`."""
        return self.facts[generation, :, self.columns.index(name)]

    def bit(self, column: str, bits: tuple[str, ...], name: str) -> NDArray[np.bool_]:
        """Whether each id has the bit `name` of `column`, whose bits are called `bits`."""
        found: NDArray[np.bool_] = (self.column(column) >> bits.index(name)) & 1 == 1
        return found


def species() -> Table:
    """Every species and forme; `base` is the id of the species that it is a forme of."""
    return _table("species")


def moves() -> Table:
    """Every move, Z-moves and Max Moves included."""
    return _table("moves")


def items() -> Table:
    """Every item; id 1 is "no item"."""
    return _table("items")


def abilities() -> Table:
    """Every ability; id 1 is "no ability"."""
    return _table("abilities")


def types() -> Table:
    """Every type; the fact `from_TYPE` is the damage in per cent that it takes from TYPE; id 1 is "no type"."""
    return _table("types")


@functools.cache
def volatiles() -> Mapping[str, int]:
    """Bit numbers of what sticks to an active Pokémon."""
    return {key: number for key, (number, _) in _volatile_lines().items()}


@functools.cache
def volatiles_lasting(how_long: str) -> frozenset[int]:
    """Bit numbers of the volatiles that last `turn`, `move`, `field` or `pass` (see volatiles.tsv)."""
    return frozenset(number for number, lasts in _volatile_lines().values() if lasts == how_long)


def _volatile_lines() -> dict[str, tuple[int, str]]:
    rows = [line.split("\t") for line in _lines("volatiles")[1:]]
    return {key: (int(number), lasts) for number, key, lasts in rows}


def _lines(name: str) -> list[str]:
    text = resources.files(__package__).joinpath(f"{name}.tsv").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@functools.cache
def _table(name: str) -> Table:
    header, *rows = (line.split("\t") for line in _lines(name))
    columns = tuple(header[6:])
    size = 1 + max(int(row[0]) for row in rows)
    keys, names, since = [""] * size, [""] * size, np.zeros(size, np.int16)
    facts = np.zeros((NUM_GENERATIONS + 1, size, len(columns)), np.int16)
    seen: set[int] = set()
    for row in rows:
        number = int(row[0])
        first = int(row[4]) if number in seen else 1
        facts[first : int(row[5]) + 1, number] = [int(value) for value in row[6:]]
        keys[number], names[number], since[number] = row[1], row[2], int(row[3])
        seen.add(number)
    facts[0] = facts[NUM_GENERATIONS]
    return Table(
        keys=tuple(keys),
        names=tuple(names),
        since=since,
        ids=_ids(name, keys),
        columns=columns,
        facts=facts,
    )


def _ids(name: str, keys: list[str]) -> dict[str, int]:
    ids = {key: number for number, key in enumerate(keys) if key}
    if not keys[NONE]:
        ids |= {"none": NONE, "noability": NONE, "noitem": NONE}
    if name == "species":
        ids.update({key: ids[looks_of] for key, _, looks_of in (line.split("\t") for line in _lines("cosmetic")[1:])})
    return ids
