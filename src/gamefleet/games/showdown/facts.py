"""What is true of species, moves and types, as tensors that the network looks up.

Job: the tables as buffers per generation, and how hard each attack would hit. Place in the data flow: ids of
observations -> numbers that `tokens` embeds. Left out: what is learned; nothing here has weights.

A small network could not learn the type chart from a few thousand battles, and need not: it is known.

Axes: `n` decisions, `a` attackers, `m` their moves, `b` defenders.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown import tables

STATS = ("hp", "atk", "def", "spa", "spd", "spe")
NUM_STATUSES = 7
SAME_TYPE_BONUS = 1.5
FIXED_DAMAGE_POWER = 60.0
"""Stands for moves whose damage follows from no power (Seismic Toss, Super Fang)."""

PHYSICAL = 1
"""Code of the column `category`; 0 is a status move, 2 a special one."""


class Facts(nn.Module):
    """Tables of all generations; their ids are those of `tables`.

    Attributes:
        species_size: Numbers per species.
        move_size: Numbers per move.
    """

    species_facts: Tensor
    move_facts: Tensor
    species_types: Tensor
    stats: Tensor
    move_type: Tensor
    move_power: Tensor
    is_physical: Tensor
    chart: Tensor

    def __init__(self) -> None:
        super().__init__()
        species, moves = tables.species(), tables.moves()
        types = np.stack([_column(species, "type1"), _column(species, "type2")], axis=-1)
        for name, array in {
            "species_facts": species_numbers(species),
            "move_facts": move_numbers(moves),
            "species_types": types.astype(np.int64),
            "stats": np.stack([_column(species, name) for name in STATS], axis=-1).astype(np.float32),
            "move_type": _column(moves, "type").astype(np.int64),
            "move_power": powers(moves),
            "is_physical": (_column(moves, "category") == PHYSICAL),
            "chart": type_chart(),
        }.items():
            # They follow from the version of the tables, so no checkpoint needs them.
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(array)), persistent=False)
        self.species_size = self.species_facts.shape[-1]
        self.move_size = self.move_facts.shape[-1]

    def types_of(self, mons: Int[Tensor, "n a column"], generation: Int[Tensor, " n"]) -> Int[Tensor, "n a 2"]:
        """Types that a Pokémon defends with: changed ones, else the Tera type, else those of its species."""
        own = self.species_types[generation[:, None], mons[:, :, at.SPECIES]]
        tera = mons[:, :, at.TERA_TYPE, None] * torch.tensor([1, 0], device=mons.device)
        own = torch.where((mons[:, :, at.FLAGS, None] & at.FLAG_TERASTALLIZED) > 0, tera, own)
        changed = mons[:, :, at.TYPES : at.TYPES + 2]
        return torch.where(changed[:, :, :1] > 0, changed, own)

    def multipliers(
        self, attacks: Int[Tensor, "n k"], defenders: Int[Tensor, "n b 2"], generation: Int[Tensor, " n"]
    ) -> Float[Tensor, "n k b"]:
        """How much of an attack of a type goes through to defenders of two types each; 1 is all of it."""
        generation = generation[:, None, None]
        first, second = defenders[:, None, :, 0], defenders[:, None, :, 1]
        return self.chart[generation, first, attacks[..., None]] * self.chart[generation, second, attacks[..., None]]

    def blows(
        self,
        attackers: Int[Tensor, "n a column"],
        moves: Int[Tensor, "n a m"],
        defenders: Int[Tensor, "n b column"],
        generation: Int[Tensor, " n"],
    ) -> Float[Tensor, "n a m b"]:
        """How hard each move of each attacker would hit each defender, roughly in units of a neutral power of 100.

        Power x same-type bonus x type chart x base attack / base defence: what the damage formula multiplies, without
        stages, items, abilities, weather and luck. Zero for unknown moves and Pokémon.
        """
        by = generation[:, None, None]
        kind, power = self.move_type[by, moves], self.move_power[by, moves]
        own_types = self.types_of(attackers, generation)
        bonus = 1 + (SAME_TYPE_BONUS - 1) * (kind[..., None] == own_types[:, :, None]).any(-1)
        through = self.multipliers(kind.flatten(1), self.types_of(defenders, generation), generation)
        ratio = self._ratios(attackers, moves, defenders, generation)
        is_there = (defenders[:, None, None, :, at.SPECIES] > 0) & (attackers[:, :, None, None, at.SPECIES] > 0)
        strength = power * bonus / 100
        through = through.reshape(*moves.shape, defenders.shape[1])
        hits: Tensor = strength[..., None] * through * ratio * is_there
        return hits

    def _ratios(self, attackers: Tensor, moves: Tensor, defenders: Tensor, generation: Tensor) -> Tensor:
        """Base attack over base defence as the move's category has it, `[n, a, m, b]`."""
        by = generation[:, None]
        attack, defence = self.stats[by, attackers[:, :, at.SPECIES]], self.stats[by, defenders[:, :, at.SPECIES]]
        physical = self.is_physical[by[..., None], moves][..., None]
        with_body = attack[:, :, None, None, 1] / defence[:, None, None, :, 2].clamp(min=1)
        from_afar = attack[:, :, None, None, 3] / defence[:, None, None, :, 4].clamp(min=1)
        return torch.where(physical, with_body, from_afar)


def _column(table: tables.Table, name: str) -> NDArray[np.int16]:
    """A fact of every id in every generation, `[generation, id]`."""
    return table.facts[:, :, table.columns.index(name)]


def powers(moves: tables.Table) -> NDArray[np.float32]:
    """Power of each move `[generation, id]`, with a stand-in where the damage is fixed."""
    power = _column(moves, "power").astype(np.float32)
    is_fixed = moves.bit("behaviour", tables.MOVE_BEHAVIOURS, "fixed_damage")
    return np.where(is_fixed[None] & (_column(moves, "category") > 0), np.float32(FIXED_DAMAGE_POWER), power)


def type_chart() -> NDArray[np.float32]:
    """Share of damage `[generation, defending type, attacking type]`; 1 where either is unknown or none."""
    types = tables.types()
    count = len(types)
    chart = np.ones((tables.NUM_GENERATIONS + 1, count, count), np.float32)
    named = [number for number, key in enumerate(types.keys) if key]
    for attacking in named:
        chart[:, named, attacking] = _column(types, f"from_{types.keys[attacking]}")[:, named] / 100
    return chart


def species_numbers(species: tables.Table) -> NDArray[np.float32]:
    """Stats, types, weight and whether it evolves, `[generation, id, number]`, each about 0 to 2."""
    stats = np.stack([_column(species, name) for name in STATS], axis=-1) / 100
    kinds = one_hot(_column(species, "type1"), len(tables.types())) + one_hot(
        _column(species, "type2"), len(tables.types())
    )
    weight = np.log1p(np.maximum(_column(species, "weight_hg"), 0).astype(np.float32)) / 5
    rest = np.stack([weight, _column(species, "evolves")], axis=-1)
    return np.concatenate([stats, kinds, rest], axis=-1).astype(np.float32)


def move_numbers(moves: tables.Table) -> NDArray[np.float32]:
    """What a move does, `[generation, id, number]`, each about -1 to 2."""
    plain = {"power": 100, "accuracy": 100, "pp": 32, "priority": 5, "crit_ratio": 3}
    shares = {"drain_percent": 100, "recoil_percent": 100, "heal_percent": 100}
    numbers = np.stack([_column(moves, name) / scale for name, scale in (plain | shares).items()], axis=-1)
    chance = _column(moves, "chance").astype(np.float32) / 100
    certain = np.where((_column(moves, "category") == 0) & (chance == 0), 1, chance)
    parts: list[NDArray[Any]] = [
        numbers,
        one_hot(_column(moves, "type"), len(tables.types())),
        one_hot(_column(moves, "category"), 3),
        one_hot(_column(moves, "status"), NUM_STATUSES) * certain[..., None],
        bits_of(_column(moves, "flags"), len(tables.MOVE_FLAGS)),
        bits_of(_column(moves, "behaviour"), len(tables.MOVE_BEHAVIOURS)),
    ]
    return np.concatenate(parts, axis=-1).astype(np.float32)


def one_hot(ids: NDArray[np.int16], count: int) -> NDArray[np.float32]:
    """`[...]` to `[..., count]`; 0 stands for nothing known and gives zeros."""
    table = np.eye(count, dtype=np.float32)
    table[0] = 0
    chosen: NDArray[np.float32] = table[ids]
    return chosen


def bits_of(words: NDArray[np.int16], count: int) -> NDArray[np.float32]:
    """`[...]` to `[..., count]`, lowest bit first."""
    return ((words[..., None] >> np.arange(count)) & 1).astype(np.float32)
