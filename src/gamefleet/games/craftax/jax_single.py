"""One world, compiled.

Job: the functions of `jax_world` for a single world, with NumPy on the outside. Place in the data flow: `game`. Left
out: rewards and observations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from gamefleet.games.craftax.jax_world import make_jax_world
from gamefleet.games.craftax.state import State
from gamefleet.games.craftax.variants import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleWorld:
    """Functions over one world, which is opaque.

    Args:
        generate: `(seed) -> world`.
        step: `(seed, number of the step, world, action) -> (world, State)`.
        look: `(world) -> State`.
        to_arrays: `(world) -> {name: array}`.
        from_arrays: The reverse.
    """

    generate: Callable[[int], Any]
    step: Callable[[int, int, Any, int], tuple[Any, State]]
    look: Callable[[Any], State]
    to_arrays: Callable[[Any], dict[str, NDArray[Any]]]
    from_arrays: Callable[[Mapping[str, NDArray[Any]]], Any]


@cache
def make_single(variant: Variant) -> SingleWorld:
    """The functions for a variant; made once in a process, because compiling them takes long."""
    world = make_jax_world(variant)
    column = world.feature_names.index("health")
    level = world.feature_names.index("level") if "level" in world.feature_names else None

    def seen(states: Any, is_dead: Any) -> tuple[Any, ...]:
        features = world.features(states)[0]
        floor = jnp.int32(0) if level is None else features[level].astype(jnp.int32)
        place = states.player_position[0]
        return world.observe(states)[0], states.achievements[0], features[column], place, floor, is_dead[0]

    def advance(seed: Any, number: Any, states: Any, action: Any) -> tuple[Any, Any]:
        moved, died = world.step(jax.random.fold_in(_key(seed), number), states, action[None])
        return moved, seen(moved, died)

    run_generate = jax.jit(lambda seed: world.generate(_key(seed), 1))
    run_advance = jax.jit(advance)
    run_look = jax.jit(lambda states: seen(states, world.is_dead(states)))

    def step(seed: int, number: int, states: Any, action: int) -> tuple[Any, State]:
        moved, parts = run_advance(_words(seed), np.uint32(number), states, np.int32(action))
        return moved, _state(parts)

    return SingleWorld(
        generate=lambda seed: run_generate(_words(seed)),
        step=step,
        look=lambda states: _state(run_look(states)),
        to_arrays=world.to_arrays,
        from_arrays=world.from_arrays,
    )


def _words(seed: int) -> NDArray[np.uint32]:
    """A seed of up to 64 bits as a key."""
    return np.array([seed >> 32 & 0xFFFFFFFF, seed & 0xFFFFFFFF], np.uint32)


def _key(words: Any) -> Any:
    return jnp.asarray(words, jnp.uint32)


def _state(parts: tuple[Any, ...]) -> State:
    symbols, achievements, health, position, level, is_dead = (np.asarray(part) for part in parts)
    return State(
        symbols=symbols.astype(np.float32),
        achievements=achievements.astype(np.bool_),
        health=float(health),
        position=(int(position[0]), int(position[1])),
        level=int(level),
        is_dead=bool(is_dead),
    )
