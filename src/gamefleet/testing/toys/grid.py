"""Grid: fetch the key, open the door, reach the goal. A search knows the best return.

Job: a deterministic game with a known optimal return, several observation arrays, two ways to end, quests, a picture
and a scripted player: what tests of whole pipelines need. Left out: randomness.

Every step costs `step_cost`; the key pays `key_reward` once, the goal pays 1, the pit costs 1; goal and pit end the
episode; walls and the closed door stop the player.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.base import ArraySpec, Game, GamePackage, GameSpec, Quest, Step
from gamefleet.testing.toys.encoders import make_encoder
from gamefleet.testing.toys.saved import pack, unpack

WORLD = (
    "#######",
    "#S..#K#",
    "#.#...#",
    "#..P#D#",
    "#.###G#",
    "#######",
)
"""`S` start, `K` key, `D` door, `G` goal, `P` pit, `#` wall."""

MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))
COLOURS = {"#": (60, 60, 60), "P": (40, 0, 60), "K": (240, 200, 0), "D": (150, 90, 30), "G": (0, 170, 80)}
FLOOR_COLOUR, PLAYER_COLOUR, PIXELS_PER_CELL = (230, 230, 230), (200, 30, 60), 8


@dataclass(frozen=True, slots=True, kw_only=True)
class GridConfig:
    """Settings of the grid.

    Args:
        step_cost: Reward lost with every step.
        key_reward: Paid when the key is picked up.
        max_episode_steps: Steps after which the episode is truncated.
    """

    step_cost: float = 0.01
    key_reward: float = 0.25
    max_episode_steps: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that shapes the game's future."""

    row: int = 1
    column: int = 1
    has_key: bool = False
    door_opened: bool = False
    num_steps: int = 0
    terms: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)

    @property
    def tile(self) -> str:
        """What the player stands on."""
        return WORLD[self.row][self.column]


class Grid:
    """The game; see the module's docstring."""

    def __init__(self, config: GridConfig) -> None:
        self.config = config
        self.spec = make_spec(config)
        self._now = Situation()

    @property
    def situation(self) -> Situation:
        """Where the player is, for scripted players and tests."""
        return self._now

    def reset(self, seed: int) -> Step:
        """Start at `S`; every seed gives the same game."""
        self._now = Situation()
        return self._step()

    def step(self, action: int) -> Step:
        """Move up, down, left or right."""
        self._now = moved(self._now, action, self.config)
        return self._step()

    def _step(self) -> Step:
        now = self._now
        at_goal, is_over = now.tile == "G", now.tile in "GP"
        player = np.zeros((len(WORLD), len(WORLD[0])), dtype=np.uint8)
        player[now.row, now.column] = 1
        return Step(
            obs={"player": player, "has_key": np.array([now.has_key], dtype=np.uint8)},
            terms=np.array(now.terms, dtype=np.float32),
            terminated=is_over,
            truncated=not is_over and now.num_steps >= self.config.max_episode_steps,
            milestones=np.array([now.has_key, now.door_opened, at_goal]),
            cell=(now.row * len(WORLD[0]) + now.column) * 2 + now.has_key,
            progress=float(now.has_key + now.door_opened + at_goal),
        )

    def save_state(self) -> bytes:
        """See `Game`."""
        return pack(self.spec, asdict(self._now))

    def restore_state(self, state: bytes, *, new_episode: bool) -> Step:
        """See `Game`."""
        fields = unpack(self.spec, state)
        self._now = Situation(**{**fields, "terms": tuple(fields["terms"])})
        if new_episode:
            self._now = replace(self._now, num_steps=0, terms=Situation().terms)
        return self._step()

    def spot(self) -> tuple[int, int, int]:
        """See `Placed`; there is one area."""
        return 0, self._now.column, self._now.row

    def frame(self) -> NDArray[np.uint8]:
        """See `Rendered`."""
        colours = [[COLOURS.get(tile, FLOOR_COLOUR) for tile in row] for row in WORLD]
        colours[self._now.row][self._now.column] = PLAYER_COLOUR
        picture = np.array(colours, dtype=np.uint8)
        return picture.repeat(PIXELS_PER_CELL, axis=0).repeat(PIXELS_PER_CELL, axis=1)


def moved(now: Situation, action: int, config: GridConfig) -> Situation:
    """The situation after one action; pure, so that the search can use it."""
    row, column = now.row + MOVES[action][0], now.column + MOVES[action][1]
    tile = WORLD[row][column]
    if tile == "#" or (tile == "D" and not now.has_key):
        row, column, tile = now.row, now.column, now.tile
    takes_key = tile == "K" and not now.has_key
    return Situation(
        row=row,
        column=column,
        has_key=now.has_key or takes_key,
        door_opened=now.door_opened or tile == "D",
        num_steps=now.num_steps + 1,
        terms=(config.key_reward * takes_key, float(tile == "G"), -float(tile == "P"), -config.step_cost),
    )


def shortest_plan(start: Situation, config: GridConfig) -> list[int]:
    """The fewest actions from a situation to the goal, by breadth-first search."""
    queue: deque[tuple[Situation, list[int]]] = deque([(start, [])])
    seen = {(start.row, start.column, start.has_key)}
    while queue:
        now, plan = queue.popleft()
        if now.tile == "G":
            return plan
        for action in range(len(MOVES)):
            after = moved(now, action, config)
            place = (after.row, after.column, after.has_key)
            if after.tile != "P" and place not in seen:
                seen.add(place)
                queue.append((after, [*plan, action]))
    raise AssertionError("the world has no way to the goal")


def optimal_return(config: GridConfig) -> float:
    """The largest sum of rewards of an episode: the shortest way, which must pass the key."""
    return 1.0 + config.key_reward - config.step_cost * len(shortest_plan(Situation(), config))


class GridPlayer:
    """Follows the shortest plan: the optimal player."""

    def __init__(self, game: Game) -> None:
        if not isinstance(game, Grid):
            raise TypeError(f"GridPlayer plays Grid, not {type(game).__name__}")
        self._game = game

    def act(self) -> int:
        """The first action of the shortest plan from here."""
        return shortest_plan(self._game.situation, self._game.config)[0]


def make_spec(config: GridConfig) -> GameSpec:
    """The spec for these settings."""
    shape = (len(WORLD), len(WORLD[0]))
    return GameSpec(
        name="grid",
        version="1",
        observations=(
            ArraySpec(name="player", shape=shape, dtype="uint8", low=0, high=1, meaning="1 where the player is"),
            ArraySpec(name="has_key", shape=(1,), dtype="uint8", low=0, high=1, meaning="1 with the key"),
        ),
        actions=("up", "down", "left", "right"),
        reward_terms=("key", "goal", "pit", "step"),
        milestones=("key", "door", "goal"),
        max_episode_steps=config.max_episode_steps,
        picture_shape=(len(WORLD) * PIXELS_PER_CELL, len(WORLD[0]) * PIXELS_PER_CELL),
    )


PACKAGE = GamePackage(
    name="grid",
    module=__name__,
    config_type=GridConfig,
    make_game=Grid,
    make_encoder=make_encoder,
    make_spec=make_spec,
    reward_json=lambda config: {"key": config.key_reward, "step": config.step_cost},
    make_scripted=GridPlayer,
    quests=(
        Quest(name="fetch the key", goal="key"),
        Quest(name="open the door", goal="door", requires=("fetch the key",)),
        Quest(name="reach the goal", goal="goal", requires=("open the door",)),
    ),
)
