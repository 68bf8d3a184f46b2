"""Any game as a `gymnasium.Env`, for other frameworks.

Job: translate spaces, seeds and the two ways an episode ends. Place in the data flow: beside it; our own actors use
`Game` directly. Left out: registration with Gymnasium; a factory needs no global table.

    env = make_gymnasium("pokemon_red", max_episode_steps=4096)
    obs, info = env.reset(seed=1)
    obs, reward, terminated, truncated, info = env.step(env.action_space.sample())
"""

from __future__ import annotations

from typing import Any, SupportsFloat, cast

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from gamefleet.errors import ConfigError, nearest
from gamefleet.games import open_game
from gamefleet.games.base import Game, GameSpec, Observation, Rendered, Step

_SEEDS = 2**31 - 1
# For players of videos only: one picture a step, at a speed a person can follow.
_FPS = 10


def observation_space(spec: GameSpec) -> spaces.Dict:
    """The observation arrays as Gymnasium boxes.

    Args:
        spec: A game's spec.

    Returns:
        One `Box` per array, in the spec's order.
    """
    return spaces.Dict(
        {
            array.name: spaces.Box(
                low=cast("Any", array.low), high=cast("Any", array.high), shape=array.shape, dtype=_dtype(array.dtype)
            )
            for array in spec.observations
        }
    )


def _dtype(name: str) -> Any:
    return np.dtype(name).type


class GymnasiumGame(gymnasium.Env[dict[str, NDArray[Any]], np.int64]):
    """One game behind Gymnasium's interface; observations are copies.

    `reset(options={"state": data})` starts an episode at a state from `save_state`. `info` holds the reward terms by
    name, the cell, the progress and the milestones reached.

    Args:
        game: The game.
        render_mode: `rgb_array` for pictures, if the game has any.
    """

    def __init__(self, game: Game, *, render_mode: str | None = None) -> None:
        self.game = game
        self.metadata = {"render_modes": ["rgb_array"] if hasattr(game, "frame") else [], "render_fps": _FPS}
        self.render_mode = render_mode
        self.observation_space = cast("spaces.Space[dict[str, NDArray[Any]]]", observation_space(game.spec))
        self.action_space = cast("spaces.Space[np.int64]", spaces.Discrete(game.spec.num_actions))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Start an episode.

        Args:
            seed: As everywhere in Gymnasium; without one, the next number of the environment's own generator.
            options: `state`: bytes of a saved state to start from.

        Returns:
            The first observation and its info.
        """
        super().reset(seed=seed)
        state = (options or {}).get("state")
        if state is not None:
            step = self.game.restore_state(state, new_episode=True)
        else:
            step = self.game.reset(int(self.np_random.integers(_SEEDS)) if seed is None else seed)
        return _copied(step.obs), self._info(step)

    def step(self, action: np.int64) -> tuple[dict[str, NDArray[Any]], SupportsFloat, bool, bool, dict[str, Any]]:
        """Apply one action; see `gymnasium.Env.step`."""
        step = self.game.step(int(action))
        return _copied(step.obs), step.reward, step.terminated, step.truncated, self._info(step)

    def render(self) -> Any:
        """The present picture, uint8 `[height, width, 3]`, in mode `rgb_array`; otherwise None."""
        return cast("Rendered", self.game).frame() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close the game, if it holds anything that must be closed."""
        close = getattr(self.game, "close", None)
        if close is not None:
            close()

    def _info(self, step: Step) -> dict[str, Any]:
        spec = self.game.spec
        return {
            "terms": dict(zip(spec.reward_terms, step.terms.tolist(), strict=True)),
            "milestones": [name for name, reached in zip(spec.milestones, step.milestones, strict=True) if reached],
            "cell": np.uint64(step.cell),
            "progress": step.progress,
        }


def _copied(obs: Observation) -> dict[str, NDArray[Any]]:
    return {name: array.copy() for name, array in obs.items()}


def make_gymnasium(name: str, *, render_mode: str | None = None, **settings: Any) -> GymnasiumGame:
    """Open a game as a Gymnasium environment.

    Args:
        name: A key of the table of games.
        render_mode: `rgb_array` or None.
        settings: Settings of the game's configuration.

    Returns:
        The environment.

    Raises:
        ConfigError: There is no such game or setting.
    """
    package = open_game(name)
    known = list(package.config_type.__dataclass_fields__)
    for key in settings:
        if key not in known:
            raise ConfigError("Unknown setting of the game", value=key, where=name, remedy=nearest(key, known))
    env = GymnasiumGame(package.make_game(package.config_type(**settings)), render_mode=render_mode)
    # Not registered, but described: Gymnasium's vectorisers and checker copy an environment by its spec.
    env.spec = EnvSpec(
        id=f"gamefleet/{package.name}-v0",
        entry_point="gamefleet.games.gymnasium_adapter:make_gymnasium",
        kwargs={"name": name, "render_mode": render_mode, **settings},
        disable_env_checker=True,
    )
    return env
