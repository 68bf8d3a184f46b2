"""Games and their rows in the arrays of a vector.

Job: step and restart the games of one process and write what they give. Place in the data flow: games -> `StepArrays`;
used by vectors in this process and by workers. Left out: which process plays which games, and what is done next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.steps import LEAVE_ALONE, Restart, StepArrays, rows_of
from gamefleet.games.base import Game, GamePackage, GameSpec, Step
from gamefleet.games.batch import BatchGame


class Table(Protocol):
    """The games of one process; games have the numbers of their rows."""

    def play(self, restarts: Mapping[int, Restart]) -> None:
        """Move all games: those in `restarts` go where that says, the others take their action from the arrays."""
        ...

    def save_states(self, envs: Sequence[int]) -> list[bytes]:
        """The states of some games."""
        ...

    def close(self) -> None:
        """End the games; those that hold nothing need not have a `close`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Games:
    """Games that have no rows yet: what can be wrong with them was said when they were made.

    Args:
        spec: Of each.
        num_envs: How many.
        seated: `(arrays, first_env) -> Table`: gives them neighbouring rows; called once.
        singles: Themselves, where they are moved one by one.
    """

    spec: GameSpec
    num_envs: int
    seated: Callable[[StepArrays, int], Table]
    singles: tuple[Game, ...] = ()


def make_games(package: GamePackage, config: Any, num_envs: int, *, one_by_one: bool = False) -> Games:
    """Make games of one kind.

    Args:
        package: The game.
        config: Its settings.
        num_envs: How many.
        one_by_one: Make single games even where a batch could be had.
    """
    make_batch = package.make_batch
    if make_batch is None or one_by_one:
        return single_games([package.make_game(config) for _ in range(num_envs)])

    def seated(arrays: StepArrays, first: int) -> Table:
        return BatchTable(make_batch(config, rows_of(arrays, first, num_envs)), arrays, first, num_envs)

    return Games(spec=package.make_spec(config), num_envs=num_envs, seated=seated)


def single_games(games: Sequence[Game]) -> Games:
    """Games that somebody made."""
    return Games(spec=games[0].spec, num_envs=len(games), seated=partial(Seats, games), singles=tuple(games))


class Seat:
    """One game and its row in the arrays.

    Args:
        game: Plays.
        arrays: Receive what it plays.
        env: The row.
    """

    def __init__(self, game: Game, arrays: StepArrays, env: int) -> None:
        self.game = game
        self._arrays = arrays.step
        self._actions = arrays.actions
        self._env = env
        self._obs = [(name, array[env, ...]) for name, array in arrays.step.obs.items()]
        self._terms = arrays.step.terms[env]
        self._milestones = arrays.step.milestones[env]
        self._scene = arrays.scene
        self._spot: Callable[[], tuple[int, int, int]] | None = getattr(game, "spot", None)
        self._picture: Callable[[], NDArray[np.uint8]] | None = getattr(game, "frame", None)

    def play(self) -> None:
        """Step the game with its action, unless it shall be left alone."""
        action = int(self._actions[self._env])
        if action != LEAVE_ALONE:
            self._write(self.game.step(action), is_first=False)

    def restart(self, restart: Restart) -> None:
        """Go where `restart` says; the view then has no reward."""
        if restart.state is None:
            step = self.game.reset(restart.seed)
        else:
            step = self.game.restore_state(restart.state, new_episode=restart.new_episode)
        self._write(step, is_first=restart.state is None or restart.new_episode)

    def _write(self, step: Step, *, is_first: bool) -> None:
        env, arrays, obs = self._env, self._arrays, step.obs
        for name, target in self._obs:
            target[...] = obs[name]
        self._terms[...] = step.terms
        self._milestones[...] = step.milestones
        arrays.reward[env] = step.terms.sum()
        arrays.terminated[env] = step.terminated
        arrays.truncated[env] = step.truncated
        arrays.is_first[env] = is_first
        arrays.cell[env] = step.cell
        arrays.progress[env] = step.progress
        if self._spot is not None:
            self._scene.spots[env] = self._spot()
        if self._scene.wanted[env] and self._picture is not None and self._scene.has_pictures:
            self._scene.pictures[env] = self._picture()


class Seats:
    """Games that are moved one by one.

    Args:
        games: One per row.
        arrays: Receive what they play.
        first_env: Row of the first game.
    """

    def __init__(self, games: Sequence[Game], arrays: StepArrays, first_env: int) -> None:
        self._seats = {first_env + row: Seat(game, arrays, first_env + row) for row, game in enumerate(games)}

    def play(self, restarts: Mapping[int, Restart]) -> None:
        """See `Table.play`."""
        for env, seat in self._seats.items():
            if env in restarts:
                seat.restart(restarts[env])
            else:
                seat.play()

    def save_states(self, envs: Sequence[int]) -> list[bytes]:
        """See `Table.save_states`."""
        return [self._seats[env].game.save_state() for env in envs]

    def close(self) -> None:
        """See `Table.close`."""
        for seat in self._seats.values():
            close = getattr(seat.game, "close", None)
            if close is not None:
                close()


class BatchTable:
    """Games that are moved by the same array operations.

    Args:
        batch: The games; it writes their rows itself.
        arrays: Of all games of the vector.
        first_env: Row of the first game.
        num_envs: Number of games.
    """

    def __init__(self, batch: BatchGame, arrays: StepArrays, first_env: int, num_envs: int) -> None:
        self._batch = batch
        self._first = first_env
        self._rows = slice(first_env, first_env + num_envs)
        self._actions = arrays.actions[self._rows]
        self._reward = arrays.step.reward[self._rows]
        self._terms = arrays.step.terms[self._rows]
        self._is_first = arrays.step.is_first[self._rows]
        self._scene = arrays.scene
        self._picture: Callable[[int], NDArray[np.uint8]] | None = getattr(batch, "frame", None)

    def play(self, restarts: Mapping[int, Restart]) -> None:
        """See `Table.play`."""
        moves = self._actions != LEAVE_ALONE
        own = {env - self._first: restart for env, restart in restarts.items()}
        moves[list(own)] = False
        stepped = np.flatnonzero(moves)
        if len(stepped):
            self._batch.step(stepped, self._actions[stepped])
            self._is_first[stepped] = False
        if own:
            self._restart(own)
        np.sum(self._terms, axis=1, out=self._reward)
        self._draw()

    def save_states(self, envs: Sequence[int]) -> list[bytes]:
        """See `Table.save_states`."""
        return self._batch.save_states([env - self._first for env in envs])

    def close(self) -> None:
        """See `Table.close`."""
        close = getattr(self._batch, "close", None)
        if close is not None:
            close()

    def _restart(self, own: Mapping[int, Restart]) -> None:
        fresh = {env: restart.seed for env, restart in own.items() if restart.state is None}
        if fresh:
            self._batch.reset(np.fromiter(fresh, np.int64), list(fresh.values()))
            self._is_first[list(fresh)] = True
        states = {env: restart.state for env, restart in own.items() if restart.state is not None}
        if states:
            begins = [own[env].new_episode for env in states]
            self._batch.restore_states(list(states), list(states.values()), begins)
            self._is_first[list(states)] = begins

    def _draw(self) -> None:
        if self._picture is None or not self._scene.has_pictures:
            return
        for env in np.flatnonzero(self._scene.wanted[self._rows]).tolist():
            self._scene.pictures[self._first + env] = self._picture(env)
