"""Chain: one reward at the far end, reached only by a long row of right choices. Only curiosity finds it.

Job: a game in which random play needs about 2^length episodes to see a reward at all. Left out: everything else.

Each cell has one action that leads on; the other one leads back to the start. Which one differs from cell to cell, so
that no habit helps. The last cell pays 1 and ends the episode. Positions are seen, so no memory is needed.

Source: the combination lock of Kakade 2003, "On the Sample Complexity of Reinforcement Learning", section 2.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from gamefleet.games.base import ArraySpec, Game, GamePackage, GameSpec, Step
from gamefleet.testing.toys.encoders import make_encoder
from gamefleet.testing.toys.saved import pack, unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainConfig:
    """Settings of the chain.

    Args:
        length: Right choices from the start to the reward.
        lock_seed: Decides which action is right in which cell.
        max_episode_steps: Steps after which the episode is truncated; 0 means twice the length.
    """

    length: int = 20
    lock_seed: int = 0
    max_episode_steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that shapes the game's future."""

    position: int = 0
    furthest: int = 0
    num_steps: int = 0
    reward: float = 0.0


class Chain:
    """The game; see the module's docstring."""

    def __init__(self, config: ChainConfig) -> None:
        self.config = config
        self.spec = make_spec(config)
        self._keys = np.random.default_rng(config.lock_seed).integers(2, size=config.length)
        self._now = Situation()

    @property
    def right_action(self) -> int:
        """The action that leads on from here, for scripted players and tests."""
        return int(self._keys[self._now.position])

    def reset(self, seed: int) -> Step:
        """Start at the first cell; every seed gives the same game."""
        self._now = Situation()
        return self._step()

    def step(self, action: int) -> Step:
        """Go on or back to the start."""
        position = self._now.position + 1 if action == self.right_action else 0
        self._now = Situation(
            position=position,
            furthest=max(position, self._now.furthest),
            num_steps=self._now.num_steps + 1,
            reward=float(position == self.config.length),
        )
        return self._step()

    def _step(self) -> Step:
        now, length = self._now, self.config.length
        is_over = now.position == length
        return Step(
            obs={"position": np.eye(length + 1, dtype=np.uint8)[now.position]},
            terms=np.array([now.reward], dtype=np.float32),
            terminated=is_over,
            truncated=not is_over and now.num_steps >= self.spec.max_episode_steps,
            milestones=np.array([now.furthest >= length // 2, now.furthest >= length]),
            cell=now.position,
            progress=float(now.furthest),
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


class ChainPlayer:
    """Knows the lock: the optimal player."""

    def __init__(self, game: Game) -> None:
        if not isinstance(game, Chain):
            raise TypeError(f"ChainPlayer plays Chain, not {type(game).__name__}")
        self._game = game

    def act(self) -> int:
        """The right action of this cell."""
        return self._game.right_action


def make_spec(config: ChainConfig) -> GameSpec:
    """The spec for these settings."""
    position = ArraySpec(
        name="position", shape=(config.length + 1,), dtype="uint8", low=0, high=1, meaning="one-hot cell"
    )
    return GameSpec(
        name="chain",
        version="1",
        observations=(position,),
        actions=("a", "b"),
        reward_terms=("end",),
        milestones=("half", "end"),
        max_episode_steps=config.max_episode_steps or 2 * config.length,
    )


PACKAGE = GamePackage(
    name="chain",
    module=__name__,
    config_type=ChainConfig,
    make_game=Chain,
    make_encoder=make_encoder,
    make_spec=make_spec,
    reward_json=lambda config: {"end": 1.0},
    make_scripted=ChainPlayer,
)
