"""How many games this machine should play: detect, measure if asked, decide, remember.

Job: put hardware (`cluster.hardware`), benchmark (`machine_bench`), rule (`cluster.autotune`) and profile
(`cluster.machine_profile`) together. Place in the data flow: behind `gamefleet autotune` and `--num-envs auto`. Left
out: each of those parts, and printing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import psutil

from gamefleet import __version__
from gamefleet.actors.cpus import usable_cpus
from gamefleet.actors.settings import ActorSettings
from gamefleet.cluster.autotune import Chosen, Recommendation, recommend
from gamefleet.cluster.hardware import Accelerator, Hardware, detect_hardware
from gamefleet.cluster.machine_profile import MachineProfile, recommended, save_profile
from gamefleet.cluster.measurements import Measurements, Needs, Play
from gamefleet.cluster.room import find_limits
from gamefleet.errors import DeviceMemoryError
from gamefleet.experience.layout import num_bytes
from gamefleet.games.base import GamePackage
from gamefleet.topologies.build import import_learning
from gamefleet.topologies.config import RunConfig
from gamefleet.topologies.machine_bench import (
    QUICK,
    Clock,
    Effort,
    find_accelerators,
    measure_inference,
    measure_play,
    measure_updates,
    play_points,
    resident_bytes,
)

Tell = Callable[[str], None]
"""Receives one line about what is being measured."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a member on this machine should do.

    Args:
        num_envs: Games.
        num_workers: Processes that play them.
        device: Where actions are chosen.
        batch_size: Windows per update, for a member that learns.
        reasons: One per choice, and where they come from.
        learning_device: Where a member that learns does so.
        replay_capacity_steps: Steps that its replay can hold.
        source: Where the numbers come from, in one sentence.
    """

    num_envs: int
    num_workers: int
    device: str
    batch_size: int
    reasons: tuple[str, ...]
    learning_device: str
    replay_capacity_steps: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """This machine as far as it can be known without measuring.

    Args:
        hardware: Facts.
        missing: Device -> why it is not there.
    """

    hardware: Hardware
    missing: Mapping[str, str] = field(default_factory=dict)


def choose(
    user_id: str,
    package: GamePackage,
    config: RunConfig,
    *,
    measure: bool,
    environ: Mapping[str, str] = os.environ,
    tell: Tell | None = None,
    effort: Effort = QUICK,
) -> Choice:
    """Numbers for this machine: measured now, or by its profile, or by the rule alone.

    Args:
        user_id: The machine's name.
        package: The game.
        config: All settings.
        measure: Run the benchmark first and save its result.
        environ: Environment variables.
        tell: Hears what is being measured.
        effort: How long is measured.

    Raises:
        ConfigError: The name is none for a file.
        WorkerError: The games do not start.
    """
    if measure:
        profile = tune(user_id, package, config, effort=effort, environ=environ, tell=tell)
        save_profile(profile, environ)
        return as_choice(profile.recommendation, "measured now")
    hardware = look(environ).hardware
    advice = recommended(user_id, hardware, needs_of(package, config), game=package.name, environ=environ)
    return as_choice(advice.recommendation, advice.source)


def as_choice(recommendation: Recommendation, source: str) -> Choice:
    """A recommendation in the words of a member."""
    return Choice(
        num_envs=recommendation.num_envs,
        num_workers=recommendation.num_workers,
        device=recommendation.device,
        batch_size=recommendation.batch_size,
        reasons=(*map(in_words, recommendation.reasons), source),
        learning_device=recommendation.learning_device,
        replay_capacity_steps=recommendation.capacity_steps,
        source=source,
    )


def in_words(chosen: Chosen) -> str:
    """A choice and its reason on one line."""
    value = f"{chosen.value:,}" if isinstance(chosen.value, int) else chosen.value
    return f"{chosen.name} {value}: {chosen.reason}"


def look(environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> Machine:
    """Detect this machine; imports torch to ask for accelerators."""
    import_learning()
    accelerators, missing = find_accelerators()
    return machine_with(accelerators, missing, environ, root)


def machine_with(
    accelerators: tuple[Accelerator, ...], missing: Mapping[str, str], environ: Mapping[str, str], root: Path
) -> Machine:
    """Detect this machine, given its accelerators."""
    hardware = detect_hardware(
        granted_cpus=usable_cpus(environ, root), accelerators=accelerators, environ=environ, root=root
    )
    return Machine(hardware=hardware, missing=missing)


def needs_of(package: GamePackage, config: RunConfig) -> Needs:
    """What a game needs, before measuring."""
    layout = {array.name: (array.shape, array.dtype) for array in package.make_spec(config.game).observations}
    state_size = 2 * config.network.hidden_size  # an LSTM's; a GRU has half, which hardly shows
    total = num_bytes(layout, config.replay, state_size=state_size)
    capacity = config.replay.capacity_steps
    return Needs(
        slot_bytes=-(-total // capacity),
        steps_per_env=capacity // ActorSettings().num_envs,
        capacity_steps=capacity,
        batch_size=config.learner.batch_size,
    )


def tune(
    user_id: str,
    package: GamePackage,
    config: RunConfig,
    *,
    effort: Effort = QUICK,
    environ: Mapping[str, str] = os.environ,
    tell: Tell | None = None,
    clock: Clock = time.monotonic,
) -> MachineProfile:
    """Measure this machine and decide; nothing is saved.

    Args:
        user_id: The machine's name.
        package: The game.
        config: All settings.
        effort: `machine_bench.QUICK` or `FULL`.
        environ: Environment variables.
        tell: Hears what is being measured.
        clock: Seconds.

    Raises:
        WorkerError: The games do not start.
    """
    began, load = clock(), os.getloadavg()[0]
    machine = look(environ)
    bench = _Bench(package, config, effort, tell or _in_silence, clock)
    measurements = replace(bench.run(machine, began), load=load)
    return MachineProfile(
        user_id=user_id,
        hardware=machine.hardware,
        measurements=measurements,
        recommendation=recommend(machine.hardware, needs_of(package, config), measurements),
        gamefleet=__version__,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def planned_points(machine: Machine, needs: Needs, *, is_full: bool) -> list[tuple[int, int]]:
    """Games and processes that a benchmark of this machine would try."""
    limits = find_limits(machine.hardware, needs)
    return play_points(limits.max_workers, limits.max_envs, is_full=is_full)


class _Bench:
    """One benchmark: what stays the same from measurement to measurement."""

    def __init__(self, package: GamePackage, config: RunConfig, effort: Effort, tell: Tell, clock: Clock) -> None:
        self._package = package
        self._config = config
        self._effort = effort
        self._tell = tell
        self._clock = clock
        self._missing: dict[str, str] = {}

    def run(self, machine: Machine, began: float) -> Measurements:
        """Measure everything: devices first, because games are played with actions of the best one."""
        hardware = machine.hardware
        devices = ["cpu", *(accelerator.device for accelerator in hardware.accelerators)]
        self._missing.update(machine.missing)
        inference = [t for device in devices for t in self._on(device, "choosing actions", measure_inference)]
        updates = [t for device in devices for t in self._on(device, "learning", measure_updates)]
        so_far = Measurements(
            game=self._package.name,
            inference=tuple(inference),
            updates=tuple(updates),
            learner_bytes=resident_bytes(psutil.Process()),
        )
        needs = needs_of(self._package, self._config)
        device = recommend(hardware, needs, so_far).device
        points = planned_points(machine, needs, is_full=self._effort.is_full)
        plays: list[Play] = []
        for point in points:
            if plays and self._clock() - began > self._effort.plays_end_s:
                break
            self._tell(f"playing, environments: {point[0]}, workers: {point[1]}")
            plays.append(self._play(point, device))
        return Measurements(
            game=so_far.game,
            plays=tuple(plays),
            inference=so_far.inference,
            updates=so_far.updates,
            learner_bytes=so_far.learner_bytes,
            missing=self._missing,
            took_s=self._clock() - began,
        )

    def _play(self, point: tuple[int, int], device: str) -> Play:
        effort, clock = self._effort, self._clock
        return measure_play(self._package, self._config, point, device=device, effort=effort, clock=clock)

    def _on(self, device: str, what: str, measure: Callable[..., list[T]]) -> list[T]:
        """Measure on one device; one that fails is left out with its reason, unless it is the CPU."""
        self._tell(f"{what} on {device}")
        try:
            return measure(self._package, self._config, device, self._effort, self._clock)
        except (RuntimeError, DeviceMemoryError) as error:
            if device == "cpu":
                raise
            self._missing[device] = f"{what} failed: {str(error).splitlines()[0][:120]}"
            return []


def _in_silence(line: str) -> None:
    pass
