"""A corridor to walk along, with faults on request: the game of the actors' tests."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gamefleet.errors import ConfigError
from gamefleet.games.base import ArraySpec, GamePackage, GameSpec, Quest, Step

ACTIONS = ("left", "right", "die", "hang", "raise", "refuse")


@dataclass(frozen=True, slots=True, kw_only=True)
class CorridorConfig:
    length: int = 12
    max_episode_steps: int = 30
    noise: float = 0.2
    folder: Path | None = None
    faulty_start: bool = False


class Corridor:
    """Walk from 0 to `length`; a slip of the foot stands for everything random. Milestones at each third."""

    def __init__(self, config: CorridorConfig) -> None:
        if config.faulty_start:
            raise ConfigError("The corridor is closed", value=config.length, where="corridor", remedy="Open it.")
        self.config = config
        self.spec = GameSpec(
            name="corridor",
            version="1",
            observations=(
                ArraySpec(name="where", shape=(3,), dtype="float32", low=0, high=1, meaning="place, time, last slip"),
                ArraySpec(name="mark", shape=(), dtype="uint8", low=0, high=255, meaning="place"),
            ),
            actions=ACTIONS,
            reward_terms=("forward", "goal"),
            milestones=("third", "two_thirds", "end"),
            max_episode_steps=config.max_episode_steps,
        )
        self.reset(0)

    def reset(self, seed: int) -> Step:
        self._rng = np.random.Generator(np.random.PCG64(seed))
        self._place, self._time, self._slip, self._furthest = 0, 0, 0.0, 0
        return self._look(0.0)

    def step(self, action: int) -> Step:
        self._fail(ACTIONS[action])
        self._slip = float(self._rng.random())
        towards = 1 if action == 1 else -1
        move = towards if self._slip >= self.config.noise else -towards
        before = self._place
        self._place = min(self.config.length, max(0, self._place + move))
        self._furthest = max(self._furthest, self._place)
        self._time += 1
        return self._look(0.1 * (self._place - before))

    def _fail(self, fault: str) -> None:
        if fault == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "hang":
            time.sleep(600)
        if fault == "raise":
            raise ArithmeticError("the floor has vanished")
        if fault == "refuse":
            raise ConfigError("The corridor refuses", where="corridor", remedy="Ask politely.")

    def _look(self, forward: float) -> Step:
        length = self.config.length
        at_end = self._place >= length
        thirds = np.array([self._furthest * 3 >= length * part for part in (1, 2, 3)])
        return Step(
            obs={
                "where": np.array([self._place / length, self._time / 100, self._slip], np.float32),
                "mark": np.array(self._place, np.uint8),
            },
            terms=np.array([forward, float(at_end)], np.float32),
            terminated=at_end,
            truncated=not at_end and self._time >= self.config.max_episode_steps,
            milestones=thirds,
            cell=2**63 + self._place,
            progress=float(self._furthest),
        )

    def save_state(self) -> bytes:
        state = {
            "rng": self._rng.bit_generator.state,
            "place": [self._place, self._time, self._furthest],
            "slip": self._slip,
        }
        return json.dumps(state).encode()

    def restore_state(self, state: bytes, *, new_episode: bool) -> Step:
        value: dict[str, Any] = json.loads(state)
        self._rng = np.random.Generator(np.random.PCG64())
        self._rng.bit_generator.state = value["rng"]
        self._place, self._time, self._furthest = value["place"]
        self._slip = value["slip"]
        if new_episode:
            self._time = 0
        return self._look(0.0)

    def frame(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        picture = np.zeros((9, self.config.length + 1, 3), np.uint8)
        picture[:, self._place] = 255
        return picture


class RightWalker:
    def act(self) -> int:
        return 1


PACKAGE = GamePackage(
    name="corridor",
    module="corridor_toy",
    config_type=CorridorConfig,
    make_game=Corridor,
    make_encoder=lambda spec, settings, purpose: None,
    reward_json=lambda config: {},
    make_spec=lambda config: Corridor(config).spec,
    make_scripted=lambda game: RightWalker(),
    quests=(
        Quest(name="first", goal="third"),
        Quest(name="second", goal="two_thirds", requires=("first",)),
        Quest(name="last", goal="end", requires=("second",)),
    ),
)
