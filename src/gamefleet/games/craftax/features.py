"""The named numbers of a state, for skills.

Job: names, ranges and meanings of the features of each variant. Place in the data flow: expressions of skills are
written over them; `jax_features` computes them in the same order. Left out: computing them.
"""

from __future__ import annotations

from gamefleet.games.craftax.names import POTIONS
from gamefleet.games.craftax.variants import Variant
from gamefleet.skills.world import Feature

FAR = 16.0
"""Distance of what is not in sight."""

BESIDE = ("tree", "water", "stone", "coal", "iron", "diamond", "table", "furnace", "lava", "ripe_plant")
"""Blocks whose nearness is a feature."""

FULL_BESIDE = (*BESIDE, "sapphire", "ruby", "chest", "fire_enchantment_table", "ice_enchantment_table")

MOBS = ("zombie", "cow", "skeleton")
FULL_MOBS = ("melee_mob", "passive_mob", "ranged_mob")

_LEVELS = ("overworld, dungeon, gnomish mines, sewers, vault, troll mines, fire realm, ice realm, graveyard",)


def beside(variant: Variant) -> tuple[str, ...]:
    """Blocks whose nearness is a feature."""
    return BESIDE if variant.is_classic else FULL_BESIDE


def mobs(variant: Variant) -> tuple[str, ...]:
    """Kinds of creatures whose nearness is a feature."""
    return MOBS if variant.is_classic else FULL_MOBS


def features(variant: Variant) -> tuple[Feature, ...]:
    """All features, in the order in which they are computed."""
    special = () if variant.is_classic else _full_counts()
    rows = [*_inventory(variant), *special, *_intrinsics(variant)]
    seen = [*beside(variant), *mobs(variant)]
    near = [_bit(f"near_{name}", f"{_words(name)} on one of the 8 tiles around the player") for name in seen]
    distance = [
        Feature(
            name=f"distance_{name}", low=1.0, high=FAR, meaning=f"steps to the closest {_words(name)} in sight, or 16"
        )
        for name in seen
    ]
    done = [_bit(f"did_{name}", f"achieved {name} since this skill began") for name in variant.achievements]
    return (*rows, *near, *distance, *done)


def _inventory(variant: Variant) -> list[Feature]:
    tiers = {"pickaxe": 4, "sword": 4, "bow": 1, "books": variant.most}
    return [
        Feature(name=name, low=0.0, high=float(tiers.get(name, variant.most)), meaning=_carried(name))
        for name in variant.inventory
    ]


def _carried(name: str) -> str:
    if name in ("pickaxe", "sword"):
        return f"tier of the {name}: 0 none, 1 wood, 2 stone, 3 iron, 4 diamond"
    return f"{_words(name)} carried"


def _full_counts() -> list[Feature]:
    potions = [Feature(name=f"potion_{c}", low=0.0, high=99.0, meaning=f"{c} potions carried") for c in POTIONS]
    return [
        *potions,
        Feature(
            name="armour", low=0.0, high=8.0, meaning="tiers of the four pieces of armour, added: 1 iron, 2 diamond"
        ),
        Feature(name="enchantments", low=0.0, high=6.0, meaning="enchanted sword, bow and pieces of armour, counted"),
        Feature(name="spells", low=0.0, high=2.0, meaning="spells learned"),
        Feature(name="level", low=0.0, high=8.0, meaning=f"floor: {_LEVELS[0]}"),
        Feature(name="monsters_killed", low=0.0, high=1e4, meaning="on this floor; 8 open the ladder down"),
        Feature(name="xp", low=0.0, high=99.0, meaning="experience points to spend on attributes"),
        Feature(name="dexterity", low=1.0, high=5.0, meaning="attribute"),
        Feature(name="strength", low=1.0, high=5.0, meaning="attribute"),
        Feature(name="intelligence", low=1.0, high=5.0, meaning="attribute"),
        Feature(name="mana", low=0.0, high=21.0, meaning="for spells and enchantments"),
    ]


def _intrinsics(variant: Variant) -> list[Feature]:
    high = 9.0 if variant.is_classic else 17.0
    needs = [Feature(name=n, low=0.0, high=high, meaning=f"{n}; 9 at the start") for n in ("food", "drink", "energy")]
    return [
        Feature(name="health", low=-50.0, high=13.0, meaning="health; 9 at the start, dead at 0"),
        *needs,
        Feature(name="daylight", low=0.0, high=1.0, meaning="1 by day, 0 in the darkest night"),
        _bit("is_sleeping", "asleep: actions do nothing"),
    ]


def _bit(name: str, meaning: str) -> Feature:
    return Feature(name=name, low=0.0, high=1.0, meaning=meaning, is_bit=True)


def _words(name: str) -> str:
    return name.replace("_", " ")
