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

from pydantic import TypeAdapter, ValidationError

from gamefleet.actors.settings import ActorSettings, CurriculumSettings
from gamefleet.errors import ConfigError, nearest
from gamefleet.experience.settings import ReplaySettings
from gamefleet.games.base import GamePackage
from gamefleet.learners.settings import CuriositySettings, ValueSettings
from gamefleet.models.settings import NetworkSettings
from gamefleet.runs.settings import RunSettings, TrackerSettings
from gamefleet.topologies.collaboration import CollaborationSettings
from gamefleet.topologies.foreign_config import SettingsFile, read_settings_file, translate
from gamefleet.topologies.layers import Origins, Settings, flattened, merge, nested, parse_assignment
from gamefleet.topologies.remote_settings import RemoteSettings
from gamefleet.topologies.settings_text import to_toml
from gamefleet.topologies.streaming_settings import StreamingSettings

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

GAME_NAME = "game_name"
"""Key of the game's name beside the sections."""


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
        sections = {
            section.name: TypeAdapter(type(value)).dump_python(value, mode="json")
            for section in dataclasses.fields(self)
            if section.name != GAME_NAME
            for value in [getattr(self, section.name)]
        }
        return {GAME_NAME: self.game_name, **sections}


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
    settings, origins = (asked.settings, asked.origins) if isinstance(asked, Asked) else (asked, {})
    types = section_types(package)
    for section, values in settings.items():
        if section != GAME_NAME:
            _check_section(types, section, values, origins)
    game = _validated(types.pop("game"), settings.get("game", {}), "game", origins)
    layered: Settings = {}
    merge(layered, package.defaults(game) if package.defaults is not None else {})
    merge(layered, settings)
    parts = {section: _validated(kind, layered.get(section, {}), section, origins) for section, kind in types.items()}
    return RunConfig(game_name=package.name, game=game, **parts)


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


def _check_section(types: Mapping[str, type[Any]], section: str, values: Any, origins: Origins) -> None:
    if section not in types:
        raise ConfigError(
            "There is no such section or setting",
            value=section,
            where=_origin_below(section, origins),
            remedy=nearest(section, types),
        )
    _check_names(types[section], values, section, origins)


def _check_names(kind: type[Any], values: Any, where: str, origins: Origins) -> None:
    """Refuse names that a section does not have, in nested dataclasses too."""
    if not isinstance(values, Mapping):
        raise ConfigError(
            "This is a section, not a value",
            value=values,
            where=origins.get(where, where),
            remedy=f"Set {where}.NAME instead.",
        )
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name, value in values.items():
        if name not in fields:
            raise ConfigError(
                "There is no such setting",
                value=f"{where}.{name}",
                where=_origin_below(f"{where}.{name}", origins),
                remedy=nearest(str(name), fields),
            )
        inner = inner_dataclass(fields[name])
        if inner is not None:
            _check_names(inner, value, f"{where}.{name}", origins)


def inner_dataclass(field: dataclasses.Field[Any]) -> type[Any] | None:
    """The dataclass of a field that is a group of settings, None for plain settings."""
    factory = field.default_factory
    return factory if isinstance(factory, type) and dataclasses.is_dataclass(factory) else None


def _origin_below(name: str, origins: Origins) -> str | None:
    """Where a name, or the first name below it, was written."""
    return next((place for key, place in origins.items() if key == name or key.startswith(f"{name}.")), None)


def _validated(kind: type[Any], values: Mapping[str, Any], section: str, origins: Origins) -> Any:
    """Make the dataclass of a section.

    Raises:
        ConfigError: A value has another type, or the dataclass refuses it.
    """
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        # For a union pydantic appends the tried type to the place; a setting's name is what was written.
        written = {name for name, _ in flattened({section: values})}
        name = ".".join([section, *(str(part) for part in first["loc"] if isinstance(part, str))])
        while name not in written and "." in name:
            name = name.rpartition(".")[0]
        raise ConfigError(
            f"The value does not fit: {first['msg'].lower()}",
            value=first["input"],
            where=_with_origin(name, origins),
            remedy="`gamefleet config schema` says what fits.",
        ) from error
    except ConfigError as error:
        where = _with_origin(str(error.where), origins)
        raise ConfigError(error.what, value=error.value, where=where, remedy=error.remedy) from error


def _with_origin(name: str, origins: Origins) -> str:
    return f"{name}, {origins[name]}" if name in origins else name
