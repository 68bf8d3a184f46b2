"""What vectors of games take and give.

Job: the types between games in many processes and the actor, and the arrays that hold one step of all of them. Place in
the data flow: games write their `Step`s into the arrays, policies and actors read them as `VectorStep`. Left out: who
runs the games (`inline`, `shared`).

Axes: `env` (one game each), `term` (reward terms), `milestone`; in the order of the game's spec.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.base import GameSpec
from gamefleet.games.batch import StepRows

LEAVE_ALONE = -1
"""The action of a game that shall not move in this step; its view stays as it is."""

NOWHERE = -1
"""In place of an area and its x and y, where nobody knows where the player stands."""

START = "start"
"""Origin of episodes that begin where the game begins."""

ALIGNMENT_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Where a game goes instead of being stepped.

    Args:
        seed: For `Game.reset`; unused with a state.
        state: A saved state to go to instead of the game's beginning.
        new_episode: As in `Game.restore_state`.
        origin: Where the episode starts, for statistics: `start`, or the name of a saved state.
        path_steps: Steps from the game's beginning to `state`, for statistics.
    """

    seed: int
    state: bytes | None = None
    new_episode: bool = True
    origin: str = START
    path_steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFailure:
    """The evidence of a worker that crashed or hung.

    Args:
        worker: Its number.
        pid: Its process id.
        reason: `crashed` or `hung`.
        exit_code: Of the process; negative for a signal.
        envs: The games that it played.
        last_state: Per game, what was known of it: action sent, steps since its start, progress, cell.
        log_tail: The end of what the worker wrote to its log.
    """

    worker: int
    pid: int
    reason: str
    exit_code: int | None
    envs: tuple[int, ...]
    last_state: tuple[str, ...]
    log_tail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorStep:
    """One step of all games; the arrays are valid until the next `send`.

    Args:
        obs: Named arrays `[env, ...]`.
        reward: float32 `[env]`, caused by the last action; zero after a restart.
        terms: float32 `[env, term]`, what the reward is made of.
        terminated: bool `[env]`, the game ended.
        truncated: bool `[env]`, the episode was cut.
        is_first: bool `[env]`, the observation starts an episode.
        lost: bool `[env]`, the worker failed: the observation starts a fresh episode at the game's beginning, and what
            the last action did is unknown.
        milestones: bool `[env, milestone]`, as in `Step`.
        cell: uint64 `[env]`, as in `Step`.
        progress: float32 `[env]`, as in `Step`.
        failures: Workers that failed since the last step.
    """

    obs: dict[str, NDArray[Any]]
    reward: NDArray[np.float32]
    terms: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    is_first: NDArray[np.bool_]
    lost: NDArray[np.bool_]
    milestones: NDArray[np.bool_]
    cell: NDArray[np.uint64]
    progress: NDArray[np.float32]
    failures: tuple[WorkerFailure, ...] = ()

    @property
    def ended(self) -> NDArray[np.bool_]:
        """Which games, bool `[env]`: this view is an episode's last one; the game needs a restart."""
        return self.terminated | self.truncated


class Vector(Protocol):
    """Several games of one kind that are stepped together."""

    spec: GameSpec
    num_envs: int
    scene: Scene

    def send(self, actions: NDArray[np.int16], restarts: Mapping[int, Restart]) -> None:
        """Start one step of all games.

        Args:
            actions: int16 `[env]`; `LEAVE_ALONE` where a game shall not move, ignored where it restarts.
            restarts: By game; a game whose episode ended (or has not begun) must restart or be left alone.
        """
        ...

    def receive(self) -> VectorStep:
        """Wait for the step that `send` started."""
        ...

    def save_states(self, envs: Sequence[int]) -> list[bytes]:
        """The states of some games; only between `receive` and `send`. Empty bytes where the worker just failed."""
        ...

    def close(self) -> None:
        """End the games and free their processes and memory."""
        ...


STEP_FIELDS: Mapping[str, str] = {
    "reward": "float32",
    "terms": "float32",
    "terminated": "bool",
    "truncated": "bool",
    "is_first": "bool",
    "lost": "bool",
    "milestones": "bool",
    "cell": "uint64",
    "progress": "float32",
}
"""The arrays of a `VectorStep` other than the observations, with their types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What can be seen of the games besides what agents see; views of memory that the next step overwrites.

    Args:
        spots: int32 `[env, 3]`, where each player stands (see `games.base.Placed`); `NOWHERE` where that is unknown.
        wanted: bool `[env]`; set it between two steps, and the following ones draw the game's picture.
        pictures: uint8 `[env, height, width, 3]`, RGB; empty for a game that shows none. Valid where it was wanted,
            between `receive` and the next `send`.
    """

    spots: NDArray[np.int32]
    wanted: NDArray[np.bool_]
    pictures: NDArray[np.uint8]

    @property
    def has_pictures(self) -> bool:
        """Whether the game can show itself."""
        return self.pictures.size > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepArrays:
    """One step of all games and the actions that lead to the next, over one block of memory.

    Args:
        actions: int16 `[env]`.
        step: Views of the block.
        scene: For those who watch.
    """

    actions: NDArray[np.int16]
    step: VectorStep
    scene: Scene


def num_bytes(spec: GameSpec, num_envs: int) -> int:
    """Size of the block that `over` lays its arrays into."""
    return max(end for _, _, _, _, end in _layout(spec, num_envs))


def over(buffer: bytearray | mmap.mmap, spec: GameSpec, num_envs: int) -> StepArrays:
    """Lay the arrays of one step over a block of `num_bytes` zeroed bytes; the same layout in every process."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, shape, dtype, start, _ in _layout(spec, num_envs):
        arrays[name] = np.ndarray(shape, dtype, buffer=buffer, offset=start)
    obs = {array.name: arrays[f"obs/{array.name}"] for array in spec.observations}
    fields: dict[str, Any] = {name: arrays[name] for name in STEP_FIELDS}
    scene = Scene(spots=arrays["spots"], wanted=arrays["wanted"], pictures=arrays["pictures"])
    return StepArrays(actions=arrays["actions"], step=VectorStep(obs=obs, **fields), scene=scene)


def rows_of(arrays: StepArrays, first: int, count: int) -> StepRows:
    """The rows of some neighbouring games, for a batch that plays them."""
    step, rows = arrays.step, slice(first, first + count)
    return StepRows(
        obs={name: array[rows] for name, array in step.obs.items()},
        terms=step.terms[rows],
        terminated=step.terminated[rows],
        truncated=step.truncated[rows],
        milestones=step.milestones[rows],
        cell=step.cell[rows],
        progress=step.progress[rows],
    )


def _layout(spec: GameSpec, num_envs: int) -> Iterator[tuple[str, tuple[int, ...], str, int, int]]:
    widths = {"terms": (len(spec.reward_terms),), "milestones": (len(spec.milestones),)}
    arrays: list[tuple[str, tuple[int, ...], str]] = [("actions", (), "int16")]
    arrays += [(name, widths.get(name, ()), dtype) for name, dtype in STEP_FIELDS.items()]
    arrays += [(f"obs/{array.name}", array.shape, array.dtype) for array in spec.observations]
    # Last, and pages that nobody writes cost nothing: pictures are drawn only while somebody watches.
    picture = (*(spec.picture_shape or (0, 0)), 3)
    arrays += [("spots", (3,), "int32"), ("wanted", (), "bool"), ("pictures", picture, "uint8")]
    start = 0
    for name, inner, dtype in arrays:
        shape = (num_envs, *inner)
        end = start + int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        yield name, shape, dtype, start, end
        start = -(-end // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
