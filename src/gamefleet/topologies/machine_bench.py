"""A short benchmark of this machine: games in processes, choosing actions, learning.

Job: measure what `cluster.autotune` decides with. Place in the data flow: `autotune` passes the measurements on. Left
out: deciding, and careful comparisons of code (`benchmarks/`): a few seconds per point are enough to choose numbers.

Everything is measured as it is used: processes started as subprocesses (never forked, so macOS is no special case),
actions from the real network, updates of the real learner on noise of the game's shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from gamefleet.actors.steps import Restart, Vector, VectorStep, num_bytes, over
from gamefleet.actors.vector import make_vector
from gamefleet.cluster.hardware import Accelerator
from gamefleet.cluster.measurements import Play, Timing
from gamefleet.experience.types import SequenceBatch
from gamefleet.games.base import GamePackage, GameSpec
from gamefleet.topologies.build import make_learner, make_network
from gamefleet.topologies.config import RunConfig

Clock = Callable[[], float]
"""Seconds from any beginning."""

SEED = 0
STEPS_BETWEEN_LOOKS = 4
WARM_UP_CALLS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long things are measured.

    Args:
        random_s: Random actions per point.
        policy_s: The network's actions per point.
        inference_s: Choosing actions, per device and batch.
        updates: Updates per device and batch, after one that does not count.
        inference_batches: Games at once.
        update_batches: Windows at once, as factors of the settings' batch.
        plays_end_s: No further point is begun when the benchmark has lasted so long.
        is_full: Also try fewer workers than the cores allow, down to one.
    """

    random_s: float
    policy_s: float
    inference_s: float
    updates: int
    inference_batches: tuple[int, ...]
    update_batches: tuple[float, ...]
    plays_end_s: float
    is_full: bool = False


QUICK = Effort(
    random_s=1.0,
    policy_s=2.5,
    inference_s=0.3,
    updates=2,
    inference_batches=(1, 4, 16),
    update_batches=(0.5, 1.0),
    plays_end_s=30.0,
)
FULL = Effort(
    random_s=4.0,
    policy_s=6.0,
    inference_s=1.0,
    updates=6,
    inference_batches=(1, 2, 4, 8, 16, 32),
    update_batches=(0.25, 0.5, 1.0, 2.0),
    plays_end_s=240.0,
    is_full=True,
)


def find_accelerators() -> tuple[tuple[Accelerator, ...], dict[str, str]]:
    """Accelerators that torch can use here, and why the others cannot be used."""
    import torch

    found: list[Accelerator] = []
    missing: dict[str, str] = {}
    if torch.cuda.is_available():
        facts = torch.cuda.get_device_properties(0)
        found.append(Accelerator(device="cuda", name=facts.name, memory_bytes=facts.total_memory))
    else:
        missing["cuda"] = "no CUDA device" if torch.version.cuda else "this PyTorch was made without CUDA"
    if torch.backends.mps.is_available():
        found.append(Accelerator(device="mps", name="Apple GPU"))
    else:
        missing["mps"] = "no Apple GPU" if not torch.backends.mps.is_built() else "macOS is too old or has no Apple GPU"
    return tuple(found), missing


def measure_inference(
    package: GamePackage, config: RunConfig, device: str, effort: Effort, clock: Clock
) -> list[Timing]:
    """How long choosing actions takes on one device, batch by batch.

    Raises:
        RuntimeError: The device failed.
    """
    from gamefleet.actors.policy import network_policy

    spec = package.make_spec(config.game)
    network = make_network(package, spec, config)
    timings = []
    for batch in effort.inference_batches:
        policy = network_policy(network, epsilons=np.zeros(batch), seed=SEED, device=device)
        view = over(bytearray(num_bytes(spec, batch)), spec, batch).step
        for _ in range(WARM_UP_CALLS):
            policy.act(view)
        calls = 0
        began = clock()
        while calls == 0 or clock() - began < effort.inference_s:
            policy.act(view)  # copies the actions back, so it waits for the device
            calls += 1
        timings.append(Timing(device=device, batch=batch, seconds=(clock() - began) / calls))
    return timings


def measure_updates(package: GamePackage, config: RunConfig, device: str, effort: Effort, clock: Clock) -> list[Timing]:
    """How long a learner's update takes on one device, batch by batch.

    Raises:
        RuntimeError: The device failed.
    """
    spec = package.make_spec(config.game)
    network = make_network(package, spec, config)
    learner = make_learner(package, spec, config, network, device)
    timings = []
    for factor in effort.update_batches:
        batch_size = max(1, round(config.learner.batch_size * factor))
        batch = noise_batch(spec, config, batch_size, state_size=network.state_size)
        learner.update(batch)
        began = clock()
        for _ in range(effort.updates):
            learner.update(batch)  # returns priorities, so it waits for the device
        timings.append(Timing(device=device, batch=batch_size, seconds=(clock() - began) / effort.updates))
    return timings


def noise_batch(spec: GameSpec, config: RunConfig, batch_size: int, *, state_size: int) -> SequenceBatch:
    """Windows of noise in the game's shapes, without episode ends."""
    rng = np.random.default_rng(SEED)
    num_slots = config.replay.burn_in + config.replay.unroll + config.learner.num_steps
    shape = (batch_size, num_slots)
    action = rng.integers(spec.num_actions, size=shape).astype(np.int16)
    nowhere = np.zeros(shape, np.bool_)
    return SequenceBatch(
        obs={
            array.name: rng.uniform(array.low, array.high, size=(*shape, *array.shape)).astype(array.dtype)
            for array in spec.observations
        },
        action=action,
        reward=np.zeros(shape, np.float32),
        previous_action=np.roll(action, 1, axis=1),
        previous_reward=np.zeros(shape, np.float32),
        is_first=nowhere,
        is_last=nowhere,
        is_terminal=nowhere,
        state=np.zeros((batch_size, state_size), np.float32),
        index=np.arange(batch_size),
        probability=np.full(batch_size, 1.0 / batch_size),
        num_windows=batch_size,
    )


def measure_play(
    package: GamePackage, config: RunConfig, point: tuple[int, int], *, device: str, effort: Effort, clock: Clock
) -> Play:
    """How fast some games in some processes are played.

    Args:
        package: The game.
        config: All settings.
        point: Games and processes.
        device: Where actions are chosen.
        effort: How long.
        clock: Seconds.

    Raises:
        WorkerError: The processes do not come up.
    """
    from gamefleet.actors.policy import network_policy, random_policy

    num_envs, num_workers = point
    network = make_network(package, package.make_spec(config.game), config)
    with started(package, config, num_envs, num_workers) as vector:
        at_random = random_policy(vector, seed=SEED)
        chooser = network_policy(network, epsilons=np.full(num_envs, 0.5), seed=SEED, device=device)
        random_rate = rate(vector, lambda view: at_random.act(view).actions, effort.random_s, clock)
        policy_rate = rate(vector, lambda view: chooser.act(view).actions, effort.policy_s, clock)
        worker_bytes = largest_child_bytes()
    return Play(
        num_envs=num_envs,
        num_workers=num_workers,
        random_steps_per_s=random_rate,
        policy_steps_per_s=policy_rate,
        worker_bytes=worker_bytes,
    )


@contextmanager
def started(package: GamePackage, config: RunConfig, num_envs: int, num_workers: int) -> Iterator[Vector]:
    """Games that have begun their first episodes."""
    vector = make_vector(package, config.game, num_envs=num_envs, num_workers=num_workers, seed=SEED)
    try:
        vector.send(np.zeros(num_envs, np.int16), begin_again(np.ones(num_envs, np.bool_)))
        vector.receive()
        yield vector
    finally:
        vector.close()


def rate(vector: Vector, choose: Callable[[VectorStep], NDArray[np.int16]], seconds: float, clock: Clock) -> float:
    """Steps per second of all games together; the steps that begin episodes count as well."""
    view = play_on(vector, np.zeros(vector.num_envs, np.int16), np.ones(vector.num_envs, np.bool_))
    steps = 0
    began = clock()
    while steps == 0 or clock() - began < seconds:
        for _ in range(STEPS_BETWEEN_LOOKS):
            view = play_on(vector, choose(view), view.ended)
        steps += STEPS_BETWEEN_LOOKS * vector.num_envs
    return steps / (clock() - began)


def play_on(vector: Vector, actions: NDArray[np.int16], ended: NDArray[np.bool_]) -> VectorStep:
    """One step of all games; episodes that have ended begin again."""
    vector.send(actions, begin_again(ended))
    return vector.receive()


def begin_again(envs: NDArray[np.bool_]) -> dict[int, Restart]:
    """Restarts of some games."""
    return {env: Restart(seed=SEED + env) for env in np.flatnonzero(envs).tolist()}


def largest_child_bytes() -> int:
    """Resident memory of this process's largest child; 0 without children."""
    return max((resident_bytes(child) for child in psutil.Process().children()), default=0)


def resident_bytes(process: Any) -> int:
    """Resident memory of a process; 0 when it is gone."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def play_points(max_workers: int, max_envs: int, *, is_full: bool) -> list[tuple[int, int]]:
    """Games and processes to try, the most telling ones first, none of which could exhaust the memory.

    Args:
        max_workers: Processes that the cores allow.
        max_envs: Games that the memory allows.
        is_full: Also try a quarter of the processes, and one.
    """
    workers = min(max_workers, max_envs)
    fewer: Sequence[int] = [workers // 2, workers // 4, 1] if is_full else [workers // 2]
    points = [(workers * factor, workers) for factor in (1, 2, 4)]
    points += [(few * factor, few) for few in fewer if few for factor in (1, 2)]
    return [point for point in dict.fromkeys(points) if point[0] <= max_envs]
