"""Everything that a run can be told, in one place.

Job: assemble the settings of all parts from layers: defaults < resumed run < file < `--set` < flags. Place in the data
flow: the command line makes a `RunConfig`, topologies read it, the run folder keeps it as `resolved.json`. Left out:
what a setting does (the dataclass beside the code that reads it says so) and how files are written (`foreign_config`).

Settings come from people and files, so they are checked here, once: unknown names, wrong types, values out of range.
Inside, they are frozen dataclasses that nobody checks again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gamefleet.actors.settings import ActorSettings, CurriculumSettings
from gamefleet.experience.settings import ReplaySettings
from gamefleet.games.base import GamePackage
from gamefleet.learners.settings import CuriositySettings, ValueSettings
from gamefleet.models.settings import NetworkSettings
from gamefleet.runs.settings import RunSettings, TrackerSettings
from gamefleet.topologies.config_parts import GAME_NAME, checked_parts, inner_dataclass, resolved_sections
from gamefleet.topologies.foreign_config import SettingsFile, read_settings_file, translate
from gamefleet.topologies.layers import Origins, Settings, merge, nested, parse_assignment
from gamefleet.topologies.remote_learner.settings import RemoteSettings
from gamefleet.topologies.settings_text import to_toml
from gamefleet.topologies.shared_folder.settings import CollaborationSettings
from gamefleet.topologies.streaming.settings import StreamingSettings

__all__ = [
    "GAME_NAME",
    "SECTIONS",
    "Asked",
    "RunConfig",
    "ask",
    "make_config",
    "merge",
    "section_types",
    "setting_names",
    "to_toml",
]

SECTIONS: Mapping[str, type[Any]] = {
    "run": RunSettings,
    "network": NetworkSettings,
    "learner": ValueSettings,
    "curiosity": CuriositySettings,
    "replay": ReplaySettings,
    "actors": ActorSettings,
    "curriculum": CurriculumSettings,
    "trackers": TrackerSettings,
    "collaboration": CollaborationSettings,
    "streaming": StreamingSettings,
    "remote": RemoteSettings,
}
"""Every section but `game`, whose type the game says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """All settings of a run.

    Args:
        game_name: The game's key.
        game: The game's own settings, of its `config_type`.
        run: Name, length, checkpoints, device.
        network: The Q-network.
        learner: Recurrent double Q-learning.
        curiosity: Random network distillation.
        replay: What is remembered.
        actors: How games are played.
        curriculum: Where episodes start.
        trackers: Mirrors of the metrics.
        collaboration: The fleet that the run is a member of.
        streaming: Showing the games to people who watch.
        remote: A learner on another machine.
    """

    game_name: str
    game: Any
    run: RunSettings
    network: NetworkSettings
    learner: ValueSettings
    curiosity: CuriositySettings
    replay: ReplaySettings
    actors: ActorSettings
    curriculum: CurriculumSettings
    trackers: TrackerSettings
    collaboration: CollaborationSettings
    streaming: StreamingSettings
    remote: RemoteSettings

    def resolved(self) -> Settings:
        """All settings as plain JSON values; `make_config` makes an equal object of them."""
        return resolved_sections(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for, before defaults.

    Args:
        settings: Sections and values.
        origins: Where each value was written.
    """

    settings: Settings
    origins: Origins = field(default_factory=dict)

    @property
    def game_name(self) -> str:
        """The game that a file or a resumed run names; empty when none does."""
        return str(self.settings.get(GAME_NAME, ""))

    def as_toml(self) -> str:
        """The content of `run.toml`: a settings file that asks for the same."""
        return to_toml(self.settings)


def ask(
    *, file: Path | None, assignments: Iterable[str], flags: Mapping[str, Any], base: Settings | None = None
) -> Asked:
    """Put the layers of settings on top of each other.

    Args:
        file: A TOML, YAML or JSON file, or None.
        assignments: `section.name=value` each, values as in TOML; plain words need no quotes.
        flags: Dotted names -> values of command-line flags; None means not given.
        base: Settings below the file: those of the run that is resumed.

    Raises:
        ConfigError: The file cannot be read, or an assignment is malformed.
    """
    asked = Asked(settings={})
    merge(asked.settings, base or {})
    if file is not None:
        _add(asked, read_settings_file(file))
    for assignment in assignments:
        _add(asked, translate(parse_assignment(assignment), path=Path("--set")))
    for name, value in flags.items():
        if value is not None:
            _add(asked, SettingsFile(settings=nested(name, value), origins={name: "command line"}))
    return asked


def _add(asked: Asked, layer: SettingsFile) -> None:
    merge(asked.settings, layer.settings)
    asked.origins.update(layer.origins)


def make_config(package: GamePackage, asked: Asked | Mapping[str, Any]) -> RunConfig:
    """Check settings and fill in the defaults.

    Args:
        package: The game.
        asked: What `ask` returned, or sections and values (such as the content of `resolved.json`).

    Raises:
        ConfigError: An unknown section or name, or a bad value; says where and what is possible.
    """
    parts = checked_parts(section_types(package), *settings_and_origins(asked), package.defaults)
    return RunConfig(game_name=package.name, **parts)


def settings_and_origins(asked: Asked | Mapping[str, Any]) -> tuple[Mapping[str, Any], Origins]:
    """What was asked for, and where; of plain settings nobody knows."""
    return (asked.settings, asked.origins) if isinstance(asked, Asked) else (asked, {})


def section_types(package: GamePackage) -> dict[str, type[Any]]:
    """Section -> dataclass for one game."""
    return {"game": package.config_type, **SECTIONS}


def setting_names(package: GamePackage) -> Iterator[str]:
    """Dotted names of all settings of one game."""
    for section, kind in section_types(package).items():
        yield from _names_below(section, kind)


def _names_below(prefix: str, kind: type[Any]) -> Iterator[str]:
    for setting in dataclasses.fields(kind):
        inner = inner_dataclass(setting)
        if inner is None:
            yield f"{prefix}.{setting.name}"
        else:
            yield from _names_below(f"{prefix}.{setting.name}", inner)
