"""Everything that a run can be told, in one place.

Job: assemble the settings of all parts from layers: defaults < file < `--set` < flags. Place in the data flow: the
command line makes a `RunConfig`, topologies read it, the run folder keeps it as `resolved.json`. Left out: what a
setting does (the dataclass beside the code that reads it says so) and foreign files (`foreign_config`).

Settings come from people and files, so they are checked here, once: unknown names, wrong types, values out of range.
Inside, they are frozen dataclasses that nobody checks again.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import TypeAdapter, ValidationError

from gamefleet.actors.settings import ActorSettings, CurriculumSettings
from gamefleet.errors import ConfigError, nearest
from gamefleet.experience.settings import ReplaySettings
from gamefleet.games.base import GamePackage
from gamefleet.learners.settings import CuriositySettings, ValueSettings
from gamefleet.models.settings import NetworkSettings
from gamefleet.runs.settings import RunSettings, TrackerSettings
from gamefleet.topologies.foreign_config import read_settings_file

Settings = dict[str, Any]
"""Nested settings as they are written in files: section -> name -> value."""

SECTIONS: Mapping[str, type[Any]] = {
    "run": RunSettings,
    "network": NetworkSettings,
    "learner": ValueSettings,
    "curiosity": CuriositySettings,
    "replay": ReplaySettings,
    "actors": ActorSettings,
    "curriculum": CurriculumSettings,
    "trackers": TrackerSettings,
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

    def resolved(self) -> Settings:
        """All settings as plain JSON values; `make_config` makes the same object of them."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for, before defaults.

    Args:
        settings: Sections and values.
        not_yet: Keys of the guides' files whose feature this version does not have.
    """

    settings: Settings
    not_yet: tuple[str, ...] = ()

    def as_toml(self) -> str:
        """The content of `run.toml`."""
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
    settings: Settings = {}
    not_yet: tuple[str, ...] = ()
    if base is not None:
        merge(settings, base)
    if file is not None:
        found, not_yet = read_settings_file(file)
        merge(settings, found)
    for assignment in assignments:
        merge(settings, parse_assignment(assignment))
    for name, value in flags.items():
        if value is not None:
            merge(settings, nested(name, value))
    return Asked(settings=settings, not_yet=not_yet)


def make_config(package: GamePackage, settings: Mapping[str, Any]) -> RunConfig:
    """Check settings and fill in the defaults.

    Args:
        package: The game.
        settings: Sections and values.

    Raises:
        ConfigError: An unknown section or name, or a bad value; says where and what is possible.
    """
    types = {"game": package.config_type, **SECTIONS}
    for section, values in settings.items():
        if section == GAME_NAME:
            continue
        if section not in types:
            raise ConfigError("There is no such section", value=section, remedy=nearest(section, types))
        check_names(types[section], values, section)
    parts = {section: validated(kind, settings.get(section, {}), section) for section, kind in types.items()}
    return RunConfig(game_name=package.name, **parts)


def check_names(kind: type[Any], values: Any, where: str) -> None:
    """Refuse names that a section does not have, in nested dataclasses too.

    Raises:
        ConfigError: Names the unknown one and the nearest known one.
    """
    if not isinstance(values, Mapping):
        raise ConfigError("This is a section, not a value", value=values, where=where, remedy=f"Set {where}.NAME.")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name, value in values.items():
        if name not in fields:
            raise ConfigError("There is no such setting", value=f"{where}.{name}", remedy=nearest(str(name), fields))
        factory = fields[name].default_factory
        if isinstance(factory, type) and dataclasses.is_dataclass(factory):
            check_names(factory, value, f"{where}.{name}")


def validated(kind: type[Any], values: Mapping[str, Any], section: str) -> Any:
    """Make the dataclass of a section.

    Raises:
        ConfigError: A value has another type, or the dataclass refuses it.
    """
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join([section, *(str(part) for part in first["loc"] if isinstance(part, str))])
        raise ConfigError(
            f"The value does not fit: {first['msg'].lower()}",
            value=first["input"],
            where=name,
            remedy="`gamefleet config schema` says what fits.",
        ) from error


def merge(target: Settings, source: Mapping[str, Any]) -> None:
    """Put `source` on top of `target`, section by section."""
    for key, value in source.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = dict(value) if isinstance(value, Mapping) else value


def parse_assignment(text: str) -> Settings:
    """`a.b=c` as nested settings.

    Raises:
        ConfigError: It is not of that form.
    """
    name, is_assigned, value = text.partition("=")
    if not is_assigned or not all(name.strip().split(".")):
        raise ConfigError(
            "This is not an assignment",
            value=text,
            where="--set",
            remedy="Write section.name=value, for example --set actors.num_envs=4.",
        )
    return nested(name.strip(), parse_value(value.strip()))


def parse_value(text: str) -> Any:
    """A value as TOML reads it; `null` is none, and what TOML cannot read is a plain word."""
    if text in ("null", "none", "None"):
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def nested(name: str, value: Any) -> Settings:
    """`a.b` and a value as `{a: {b: value}}`."""
    first, _, rest = name.partition(".")
    return {first: nested(rest, value) if rest else value}


def to_toml(settings: Mapping[str, Any]) -> str:
    """Settings as TOML; names without a value are left as comments, because TOML has no null."""
    document = tomlkit.document()
    plain = {name: value for name, value in settings.items() if not isinstance(value, Mapping)}
    for name, value in plain.items():
        document.add(name, tomlkit.item(value))
    for name, value in settings.items():
        if isinstance(value, Mapping):
            document.add(name, _table(value))
    return tomlkit.dumps(document)


def _table(values: Mapping[str, Any]) -> Any:
    table = tomlkit.table()
    for name, value in sorted(values.items(), key=lambda item: isinstance(item[1], Mapping)):
        if value is None:
            table.add(tomlkit.comment(f"{name} is not set"))
        else:
            table.add(name, _table(value) if isinstance(value, Mapping) else tomlkit.item(value))
    return table


def schema(package: GamePackage) -> Settings:
    """JSON schema of all sections for one game."""
    types = {"game": package.config_type, **SECTIONS}
    properties = {section: TypeAdapter(kind).json_schema() for section, kind in types.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def setting_names(package: GamePackage) -> Iterator[str]:
    """Dotted names of all settings of one game."""
    yield from _names({"game": package.config_type, **SECTIONS}, "")


def _names(types: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for section, kind in types.items():
        for field in dataclasses.fields(kind):
            factory = field.default_factory
            if isinstance(factory, type) and dataclasses.is_dataclass(factory):
                yield from _names({f"{section}.{field.name}": factory}, prefix)
            else:
                yield f"{prefix}{section}.{field.name}"
