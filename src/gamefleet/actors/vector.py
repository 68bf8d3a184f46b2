"""Several games in this process, and the choice between that and worker processes.

Job: `make_vector`, and `InlineVector` for tests, evaluation, video and machines with one CPU. Place in the data flow:
between games and the actor. Left out: worker processes (`shared`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.seats import Games, make_games, single_games
from gamefleet.actors.steps import LEAVE_ALONE, NOWHERE, Restart, StepArrays, Vector, VectorStep, num_bytes, over
from gamefleet.games.base import Game, GamePackage


class InlineVector:
    """Games that take turns in this process: the simplest vector, and the reference for the others.

    Args:
        games: At least one, all of one kind.
    """

    def __init__(self, games: Games | Sequence[Game]) -> None:
        games = games if isinstance(games, Games) else single_games(games)
        self.games = games.singles
        self.spec = games.spec
        self.num_envs = games.num_envs
        self._arrays = over(bytearray(num_bytes(self.spec, self.num_envs)), self.spec, self.num_envs)
        self._arrays.step.truncated[:] = True
        self.scene = self._arrays.scene
        self.scene.spots[:] = NOWHERE
        self._table = games.seated(self._arrays, 0)
        self._restarts: Mapping[int, Restart] | None = None

    def send(self, actions: NDArray[np.int16], restarts: Mapping[int, Restart]) -> None:
        """See `Vector.send`; the games move in `receive`."""
        check_sendable(self._arrays, actions, restarts, in_flight=self._restarts is not None)
        self._arrays.actions[:] = actions
        self._restarts = restarts

    def receive(self) -> VectorStep:
        """See `Vector.receive`."""
        if self._restarts is None:
            raise RuntimeError("receive() without send()")
        restarts, self._restarts = self._restarts, None
        self._table.play(restarts)
        return self._arrays.step

    def save_states(self, envs: Sequence[int]) -> list[bytes]:
        """See `Vector.save_states`."""
        if self._restarts is not None:
            raise RuntimeError("save_states() between send() and receive()")
        return self._table.save_states(envs)

    def close(self) -> None:
        """See `Vector.close`."""
        self._table.close()


def check_sendable(
    arrays: StepArrays, actions: NDArray[np.int16], restarts: Mapping[int, Restart], *, in_flight: bool
) -> None:
    """Refuse a `send` that no vector can carry out.

    Raises:
        RuntimeError: A step is already in flight.
        ValueError: An episode that has ended would be stepped.
    """
    if in_flight:
        raise RuntimeError("send() twice without receive()")
    for env in np.flatnonzero(arrays.step.ended & (actions != LEAVE_ALONE)):
        if int(env) not in restarts:
            raise ValueError(f"the episode of game {env} has ended: it needs a Restart or LEAVE_ALONE")


def make_vector(
    package: GamePackage,
    config: Any,
    *,
    num_envs: int,
    num_workers: int | Literal["auto"],
    hang_timeout_s: float = 60.0,
    max_restarts: int = 20,
    seed: int = 0,
    log_folder: Path | None = None,
    one_by_one: bool = False,
) -> Vector:
    """Games in this process or in workers.

    Args:
        package: The game.
        config: Its settings, of `package.config_type`.
        num_envs: Number of games.
        num_workers: 0 plays in this process; see `cpus.choose_workers`.
        hang_timeout_s: A worker silent for so long is replaced.
        max_restarts: Workers that may be replaced.
        seed: Of the run; seeds episodes that replace lost ones.
        log_folder: Where workers log; an anonymous file each when None.
        one_by_one: Single games in this process, even where a batch could be had.
    """
    from gamefleet.actors.cpus import choose_workers, usable_cpus

    is_batched = package.make_batch is not None
    workers = choose_workers(num_workers, num_envs=num_envs, cpus=usable_cpus(), is_batched=is_batched)
    if workers == 0 or one_by_one:
        return InlineVector(make_games(package, config, num_envs, one_by_one=one_by_one))
    from gamefleet.actors.shared import SharedMemoryVector

    bounds: dict[str, Any] = {"hang_timeout_s": hang_timeout_s, "max_restarts": max_restarts}
    return SharedMemoryVector(
        package, config, num_envs=num_envs, num_workers=workers, seed=seed, log_folder=log_folder, **bounds
    )
