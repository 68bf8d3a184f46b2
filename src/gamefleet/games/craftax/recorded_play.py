"""Random play that was recorded once, so that judging a proposal needs no compiled game.

Job: give features of worlds in which actions were chosen at random, and record them anew. Place in the data flow:
`record` runs the real game and writes `tables/*_play.npz`; `worlds` hands what it holds to the verification of skills.
Left out: what is concluded from it.

Compiling the game takes minutes, and proposals are judged in seconds by a process without JAX. Record anew, after a
change of features or of the package `craftax`: `python -m gamefleet.games.craftax.recorded_play`.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gamefleet.errors import ConfigError, IncompatibleError
from gamefleet.games.craftax.features import features
from gamefleet.games.craftax.variants import VARIANTS, Variant
from gamefleet.models.jax_setup import prepare_jax
from gamefleet.skills.world import States

NUM_WORLDS, NUM_STEPS = 128, 200
SEED = 0

AS_STORED = (2, 1, 0)
"""Features, worlds, steps: what changes rarely lies together, and the file is a ninth of the size."""


def path_of(variant: Variant) -> Path:
    """Where a variant's play lies."""
    return Path(__file__).with_name("tables") / f"{'classic' if variant.is_classic else 'full'}_play.npz"


@cache
def read(variant: Variant) -> States:
    """float32[NUM_STEPS + 1, NUM_WORLDS, features]: the play of a variant.

    Raises:
        IncompatibleError: It was recorded with other features.
    """
    where = path_of(variant)
    with np.load(where, allow_pickle=False) as arrays:
        names, play = tuple(arrays["features"].tolist()), arrays["play"]
    if names != tuple(feature.name for feature in features(variant)):
        raise IncompatibleError(
            "Random play was recorded with other features",
            where=where,
            remedy="python -m gamefleet.games.craftax.recorded_play records it anew.",
        )
    found: States = play.transpose(AS_STORED)
    return found


def random_play(variant: Variant, seed: int, num: int, num_steps: int) -> States:
    """Play of some of the recorded worlds; one that ended stays as it was.

    Args:
        variant: Of the game.
        seed: Decides which worlds.
        num: How many, at most `NUM_WORLDS`.
        num_steps: Of each, at most `NUM_STEPS`.

    Returns:
        float32[num_steps + 1, num, features].

    Raises:
        ConfigError: More was asked for than was recorded.
    """
    if num > NUM_WORLDS or num_steps > NUM_STEPS:
        raise ConfigError(
            f"Only {NUM_STEPS} steps of {NUM_WORLDS} worlds were recorded", value=(num_steps, num), where="random play"
        )
    chosen = np.random.default_rng(seed).permutation(NUM_WORLDS)[:num]
    return read(variant)[: num_steps + 1, chosen]


def record(variant: Variant, num_steps: int = NUM_STEPS) -> States:
    """float32[num_steps + 1, NUM_WORLDS, features]: random play of the real game; takes minutes of compiling.

    Args:
        variant: Of the game.
        num_steps: 0 gives the fresh worlds alone, for which much less is compiled.

    Raises:
        MissingDependencyError: The package `craftax` is not installed.
    """
    import jax
    import jax.numpy as jnp

    from gamefleet.games.craftax.jax_world import make_jax_world

    world = make_jax_world(variant)
    first, later = jax.random.split(jax.random.PRNGKey(SEED))

    def one_step(states: Any, key: Any) -> tuple[Any, Any]:
        to_choose, to_move = jax.random.split(key)
        actions = jax.random.randint(to_choose, (NUM_WORLDS,), 0, world.num_actions)
        is_over = world.is_dead(states)
        moved, _ = world.step(to_move, states, actions)
        kept = jax.tree.map(
            lambda old, new: jnp.where(is_over.reshape(-1, *[1] * (new.ndim - 1)), old, new), states, moved
        )
        return kept, world.features(kept)

    start = world.begin(jax.jit(world.generate, static_argnums=1)(first, NUM_WORLDS))
    play = np.asarray(jax.jit(world.features)(start))[None]
    if num_steps:
        keys = jax.random.split(later, NUM_STEPS)[:num_steps]
        _, played = jax.jit(lambda states, keys: jax.lax.scan(one_step, states, keys))(start, keys)
        play = np.concatenate([play, np.asarray(played)])
    return play.astype(np.float32)


def main() -> None:
    """Record both variants."""
    prepare_jax(os.environ)
    for variant in VARIANTS.values():
        names = np.array([feature.name for feature in features(variant)])
        play = np.ascontiguousarray(record(variant).transpose(AS_STORED))
        np.savez_compressed(path_of(variant), features=names, play=play)


if __name__ == "__main__":
    main()
