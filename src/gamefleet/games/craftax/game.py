"""The game: a compiled world in, steps out.

Job: `CraftaxGame`, one environment. Place in the data flow: actors call `step`; what they find in it comes from the
pure modules beside this one. Left out: many worlds at once, which `jax_world` moves for learners that are compiled with
it.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.base import GameSpec, Step
from gamefleet.games.craftax.config import CraftaxConfig
from gamefleet.games.craftax.observe import arrays_of, observe
from gamefleet.games.craftax.render import draw, picture_shape
from gamefleet.games.craftax.reward import TERMS, cell_of, progress_of, terms_of
from gamefleet.games.craftax.saved import VERSION, pack, unpack
from gamefleet.games.craftax.state import State
from gamefleet.models.jax_setup import prepare_jax

_COUNTERS = "game/counters"
"""Name of the array with seed, steps of the world, and steps of the episode."""

_TERMS = "game/terms"


def make_spec(config: CraftaxConfig) -> GameSpec:
    """The spec for these settings."""
    return GameSpec(
        name="craftax",
        version=VERSION,
        observations=arrays_of(config.variant),
        actions=config.variant.actions,
        reward_terms=TERMS,
        milestones=config.variant.achievements,
        max_episode_steps=config.max_episode_steps,
        picture_shape=picture_shape(config.variant),
    )


class CraftaxGame:
    """One world; see `Game`. The world's chance comes from its seed and the number of the step.

    Args:
        config: The game.
    """

    def __init__(self, config: CraftaxConfig) -> None:
        prepare_jax(os.environ)
        from gamefleet.games.craftax.jax_single import make_single

        self.config = config
        self.spec = make_spec(config)
        self._single = make_single(config.variant)
        self._world: Any = None
        self._state: State
        self._seed = self._world_steps = self._episode_steps = 0
        self._terms = np.zeros(len(TERMS), np.float32)

    def reset(self, seed: int) -> Step:
        """See `Game`."""
        self._seed, self._world_steps = seed, 0
        self._world = self._single.generate(seed)
        return self._begin()

    def step(self, action: int) -> Step:
        """See `Game`."""
        previous = self._state
        self._world_steps += 1
        self._episode_steps += 1
        self._world, self._state = self._single.step(self._seed, self._world_steps, self._world, action)
        self._terms = terms_of(self.config, previous, self._state)
        return self._step_now()

    def save_state(self) -> bytes:
        """See `Game`."""
        counters = np.array([self._seed, self._world_steps, self._episode_steps], np.int64)
        arrays = self._single.to_arrays(self._world)
        return pack(self.config.variant, {**arrays, _COUNTERS: counters, _TERMS: self._terms})

    def restore_state(self, state: bytes, *, new_episode: bool) -> Step:
        """See `Game`."""
        arrays = unpack(self.config.variant, state)
        counters, terms = arrays.pop(_COUNTERS), arrays.pop(_TERMS)
        self._world = self._single.from_arrays(arrays)
        self._seed, self._world_steps, self._episode_steps = (int(number) for number in counters)
        if new_episode:
            return self._begin()
        self._terms = terms
        self._state = self._single.look(self._world)
        return self._step_now()

    def frame(self) -> NDArray[np.uint8]:
        """See `Rendered`."""
        return draw(self.config.variant, self._state)

    def spot(self) -> tuple[int, int, int]:
        """See `Placed`."""
        row, column = self._state.position
        return self._state.level, column, row

    def _begin(self) -> Step:
        self._episode_steps = 0
        self._terms = np.zeros(len(TERMS), np.float32)
        self._state = self._single.look(self._world)
        return self._step_now()

    def _step_now(self) -> Step:
        state = self._state
        return Step(
            obs=observe(self.config.variant, state),
            terms=self._terms,
            terminated=state.is_dead,
            truncated=not state.is_dead and self._episode_steps >= self.config.max_episode_steps,
            milestones=state.achievements,
            cell=cell_of(state),
            progress=progress_of(self.config.variant, state),
        )


def make_game(config: CraftaxConfig) -> CraftaxGame:
    """One game."""
    return CraftaxGame(config)
