"""Everything that a run on recorded play can be told, in one place.

Job: assemble its settings from the same layers as every run's: defaults < resumed run < file < `--set` < flags. Place
in the data flow: as `config`, of which it is the other kind. Left out: what a setting does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from gamefleet.games.base import GamePackage
from gamefleet.learners.sequence_settings import SequenceSettings
from gamefleet.runs.settings import RunSettings, TrackerSettings
from gamefleet.topologies.config import Asked, RunConfig, make_config, settings_and_origins
from gamefleet.topologies.config_parts import checked_parts, resolved_sections
from gamefleet.topologies.layers import Settings
from gamefleet.topologies.sequence.settings import (
    DataSettings,
    EvaluationSettings,
    SequenceNetworkSettings,
    TrainerSettings,
)

SEQUENCE_SECTIONS: Mapping[str, type[Any]] = MappingProxyType(
    {
        "run": RunSettings,
        "data": DataSettings,
        "network": SequenceNetworkSettings,
        "learner": SequenceSettings,
        "trainer": TrainerSettings,
        "trackers": TrackerSettings,
        "evaluation": EvaluationSettings,
    }
)
"""Every section but `game`, whose type the game says."""

BY_CLOCK_ONLY = 10**9
"""Steps between checkpoints that never come: a quarter of an hour means the same on one CPU and on 32 GPUs."""

LARGEST_JUMP = 0.1
"""A learning rate that moves by less than this share when a run goes on is not worth a word."""

RUN_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "total_steps": 200_000,
        "checkpoint_interval_steps": BY_CLOCK_ONLY,
        "checkpoint_interval_s": 900.0,
        "metrics_interval_steps": 50,
    }
)
"""Where this kind of run differs from those that play; a step is an optimizer step here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceConfig:
    """All settings of a run on recorded play.

    Args:
        game_name: The game's key.
        game: The game's own settings, of its `config_type`.
        run: Name, length, checkpoints, device.
        data: Which records.
        network: Its size.
        learner: Losses and step sizes.
        trainer: Batches, ranks, precision.
        trackers: Mirrors of the metrics.
        evaluation: Measuring on records set aside.
    """

    game_name: str
    game: Any
    run: RunSettings
    data: DataSettings
    network: SequenceNetworkSettings
    learner: SequenceSettings
    trainer: TrainerSettings
    trackers: TrackerSettings
    evaluation: EvaluationSettings

    def resolved(self) -> Settings:
        """All settings as plain JSON values; `make_sequence_config` makes an equal object of them."""
        return resolved_sections(self)

    def network_json(self) -> dict[str, Any]:
        """What the game's `make_network` takes."""
        named: dict[str, Any] = resolved_sections(self)["network"]
        return {name: value for name, value in named.items() if value}

    def with_size(self, size: str) -> SequenceConfig:
        """The same with another size of the network."""
        return replace(self, network=replace(self.network, size=size))


def rate_jump(config: SequenceConfig, changes: Mapping[str, list[Any]], step: int) -> str:
    """What to say when another number of steps moves the learning rate of a run that goes on.

    Args:
        config: Its settings now.
        changes: Dotted key -> [before, now] of those that are others than they were.
        step: Updates made.

    Returns:
        A sentence; empty when the rate stays about where it was.
    """
    before = changes.get("run.total_steps", [None])[0]
    if before is None:
        return ""
    was, now = (config.learner.rate_share(step, int(total)) for total in (before, config.run.total_steps))
    if abs(now - was) <= LARGEST_JUMP * max(was, now):
        return ""
    return (
        f"note: with {config.run.total_steps:,} steps in place of {before:,} the learning rate jumps from {was:.0%} to "
        f"{now:.0%} of its peak: its schedule follows the length of the run. learner.schedule=constant does not."
    )


def make_sequence_config(package: GamePackage, asked: Asked | Mapping[str, Any]) -> SequenceConfig:
    """Check settings and fill in the defaults; see `config.make_config`.

    Raises:
        ConfigError: An unknown section or name, or a bad value; says where and what is possible.
    """
    types = sequence_section_types(package)
    parts = checked_parts(types, *settings_and_origins(asked), lambda _game: {"run": dict(RUN_DEFAULTS)})
    return SequenceConfig(game_name=package.name, **parts)


def any_config(package: GamePackage, resolved: Mapping[str, Any]) -> RunConfig | SequenceConfig:
    """The settings of a run of either kind, from its `resolved.json`.

    Raises:
        ConfigError: As `make_sequence_config`.
    """
    if package.recorded is not None and "data" in resolved:
        return make_sequence_config(package, resolved)
    return make_config(package, resolved)


def sequence_section_types(package: GamePackage) -> dict[str, type[Any]]:
    """Section -> dataclass for a game that is learned from records."""
    return {"game": package.config_type, **SEQUENCE_SECTIONS}
