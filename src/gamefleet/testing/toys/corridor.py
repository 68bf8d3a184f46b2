"""Cue corridor: what is seen at the start decides where to turn at the end. Only memory solves it.

Job: a T-maze whose optimal return is 1 with memory and 0.5 on average without. Left out: everything else.

The first observation shows the cue, left or right. Then comes a corridor in which only `ahead` moves, and a junction
that looks the same for both cues: the turn that the cue showed pays 1, the other pays nothing; both end the episode.

Source: Bakker 2001, "Reinforcement Learning with Long Short-Term Memory", section 4.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from gamefleet.games.base import ArraySpec, Game, GamePackage, GameSpec, Step
from gamefleet.testing.toys.encoders import make_encoder
from gamefleet.testing.toys.saved import pack, unpack

LEFT, RIGHT, AHEAD = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorridorConfig:
    """Settings of the corridor.

    Args:
        length: Cells between the cue and the junction; an optimal episode takes `length + 2` steps.
        max_episode_steps: Steps after which the episode is truncated.
    """

    length: int = 6
    max_episode_steps: int = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that shapes the game's future."""

    cue: int
    position: int = 0
    num_steps: int = 0
    turned: int = -1
    reward: float = 0.0


class Corridor:
    """The game; see the module's docstring."""

    def __init__(self, config: CorridorConfig) -> None:
        self.config = config
        self.spec = make_spec(config)
        self._now = Situation(cue=LEFT)

    @property
    def cue(self) -> int:
        """The turn that pays, for scripted players and tests."""
        return self._now.cue

    @property
    def at_junction(self) -> bool:
        """Whether a turn ends the episode now."""
        return self._now.position == self.config.length + 1

    def reset(self, seed: int) -> Step:
        """Start at the cue; the seed chooses it."""
        self._now = Situation(cue=int(np.random.default_rng(seed).integers(2)))
        return self._step()

    def step(self, action: int) -> Step:
        """Move ahead, or turn at the junction."""
        now = replace(self._now, num_steps=self._now.num_steps + 1, reward=0.0)
        if self.at_junction and action != AHEAD:
            now = replace(now, turned=action, reward=float(action == now.cue))
        elif action == AHEAD and not self.at_junction:
            now = replace(now, position=now.position + 1)
        self._now = now
        return self._step()

    def _step(self) -> Step:
        now = self._now
        is_over = now.turned >= 0
        at_cue = now.position == 0
        view = [at_cue and now.cue == LEFT, at_cue and now.cue == RIGHT, not at_cue, self.at_junction]
        return Step(
            obs={"view": np.array(view, dtype=np.uint8)},
            terms=np.array([now.reward], dtype=np.float32),
            terminated=is_over,
            truncated=not is_over and now.num_steps >= self.config.max_episode_steps,
            milestones=np.array([self.at_junction, now.turned == now.cue]),
            cell=now.position,
            progress=float(now.position + 2 * (now.turned == now.cue)),
        )

    def save_state(self) -> bytes:
        """See `Game`."""
        return pack(self.spec, asdict(self._now))

    def restore_state(self, state: bytes, *, new_episode: bool) -> Step:
        """See `Game`."""
        self._now = Situation(**unpack(self.spec, state))
        if new_episode:
            self._now = replace(self._now, num_steps=0, reward=0.0)
        return self._step()


class CorridorPlayer:
    """Remembers the cue: the optimal player."""

    def __init__(self, game: Game) -> None:
        if not isinstance(game, Corridor):
            raise TypeError(f"CorridorPlayer plays Corridor, not {type(game).__name__}")
        self._game = game

    def act(self) -> int:
        """Ahead until the junction, then as the cue said."""
        return self._game.cue if self._game.at_junction else AHEAD


def make_spec(config: CorridorConfig) -> GameSpec:
    """The spec for these settings."""
    view = ArraySpec(
        name="view", shape=(4,), dtype="uint8", low=0, high=1, meaning="cue left, cue right, in corridor, at junction"
    )
    return GameSpec(
        name="corridor",
        version="1",
        observations=(view,),
        actions=("left", "right", "ahead"),
        reward_terms=("turn",),
        milestones=("junction", "goal"),
        max_episode_steps=config.max_episode_steps,
    )


PACKAGE = GamePackage(
    name="corridor",
    module=__name__,
    config_type=CorridorConfig,
    make_game=Corridor,
    make_encoder=make_encoder,
    make_spec=make_spec,
    reward_json=lambda config: {"turn": 1.0},
    make_scripted=CorridorPlayer,
)
