"""Features of many states at once, in JAX.

Job: compute the numbers that `features` names, in that order. Place in the data flow: `jax_world` calls it after every
step. Left out: observations for networks, which the game itself computes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gamefleet.games.craftax.features import FAR, beside, mobs
from gamefleet.games.craftax.variants import Variant

Array = Any
"""A JAX array; JAX has no types where it is not installed."""


def make_features(variant: Variant) -> Callable[[Any], Array]:
    """Features of one state: `(state) -> float32[features]`; map it over many."""
    numbers = _classic_numbers if variant.is_classic else _full_numbers
    creatures = _classic_mobs if variant.is_classic else _full_mobs
    blocks = jnp.array([variant.blocks.index(name) for name in beside(variant)])

    def compute(state: Any) -> Array:
        floor = state.map if variant.is_classic else state.map[state.player_level]
        distances = jnp.concatenate(
            [_block_distances(variant, floor, state.player_position, blocks), _mob_distances(variant, state, creatures)]
        )
        flat, king = distances[:, 0], distances[:, 1]
        parts = [numbers(variant, state), king <= 1, jnp.minimum(flat, FAR), state.achievements]
        return jnp.concatenate([jnp.asarray(part, jnp.float32) for part in parts])

    return compute


def _block_distances(variant: Variant, floor: Array, position: Array, blocks: Array) -> Array:
    """float32[blocks, 2]: steps to the closest of each kind in sight, and moves of a king."""
    rows, columns = variant.view
    padded = jnp.pad(floor, ((rows // 2,) * 2, (columns // 2,) * 2), constant_values=1)
    view = jax.lax.dynamic_slice(padded, position, variant.view)
    down, right = jnp.abs(jnp.arange(rows) - rows // 2), jnp.abs(jnp.arange(columns) - columns // 2)
    flat = (down[:, None] + right[None, :]).astype(jnp.float32)
    king = jnp.maximum(down[:, None], right[None, :]).astype(jnp.float32)
    # The player's own tile counts as one step away: near means "on one of the tiles around".
    both = jnp.maximum(jnp.stack([flat, king]), 1.0)
    found = view[None, None] == blocks[:, None, None, None]
    return jnp.where(found, both[None], FAR).min((-2, -1))


def _mob_distances(variant: Variant, state: Any, creatures: Callable[[Any], list[tuple[Array, Array]]]) -> Array:
    """float32[kinds, 2], as `_block_distances`."""
    reach = jnp.array(variant.view) // 2

    def closest(positions: Array, mask: Array) -> Array:
        offset = jnp.abs(positions - state.player_position)
        both = jnp.stack([offset.sum(-1), offset.max(-1)], -1).astype(jnp.float32)
        seen = mask & (offset <= reach).all(-1)
        return jnp.where(seen[:, None], jnp.maximum(both, 1.0), FAR).min(0)

    kinds = creatures(state)
    if len(kinds) != len(mobs(variant)):
        raise AssertionError("one entry per kind of creature")
    return jnp.stack([closest(*kind) for kind in kinds])


def _classic_mobs(state: Any) -> list[tuple[Array, Array]]:
    return [(kind.position, kind.mask) for kind in (state.zombies, state.cows, state.skeletons)]


def _full_mobs(state: Any) -> list[tuple[Array, Array]]:
    kinds = (state.melee_mobs, state.passive_mobs, state.ranged_mobs)
    return [(kind.position[state.player_level], kind.mask[state.player_level]) for kind in kinds]


def _stack(values: list[Any]) -> Array:
    return jnp.stack([jnp.asarray(value, jnp.float32) for value in values])


def _needs(state: Any) -> list[Any]:
    return [
        state.player_health,
        state.player_food,
        state.player_drink,
        state.player_energy,
        state.light_level,
        state.is_sleeping,
    ]


def _classic_numbers(variant: Variant, state: Any) -> Array:
    return _stack([*(getattr(state.inventory, name) for name in variant.inventory), *_needs(state)])


def _full_numbers(variant: Variant, state: Any) -> Array:
    carried = [getattr(state.inventory, name) for name in variant.inventory]
    enchanted = [state.sword_enchantment > 0, state.bow_enchantment > 0]
    special = [
        state.inventory.armour.sum(),
        sum(jnp.asarray(one, jnp.int32) for one in enchanted) + (state.armour_enchantments > 0).sum(),
        state.learned_spells.sum(),
        state.player_level,
        state.monsters_killed[state.player_level],
        state.player_xp,
        state.player_dexterity,
        state.player_strength,
        state.player_intelligence,
        state.player_mana,
    ]
    return jnp.concatenate(
        [_stack(carried), jnp.asarray(state.inventory.potions, jnp.float32), _stack(special + _needs(state))]
    )
