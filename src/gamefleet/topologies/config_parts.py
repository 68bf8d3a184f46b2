"""Sections of settings: checked, made into dataclasses, and written out again.

Job: what every kind of configuration does with its sections. Place in the data flow: under `config` and
`sequence.config`. Left out: which sections there are, and the layers that their values come from (`layers`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gamefleet.errors import ConfigError, nearest
from gamefleet.topologies.layers import Origins, Settings, flattened, merge

GAME_NAME = "game_name"
"""Key of the game's name beside the sections."""


def checked_parts(
    types: Mapping[str, type[Any]],
    settings: Mapping[str, Any],
    origins: Origins,
    defaults: Callable[[Any], Mapping[str, Any]] | None,
) -> dict[str, Any]:
    """Check settings and make the dataclass of each section.

    Args:
        types: Section -> dataclass, `game` among them.
        settings: Sections and values.
        origins: Where each value was written, as far as that is known.
        defaults: `(game settings) -> settings` below those that are asked for, or None.

    Raises:
        ConfigError: An unknown section or name, or a bad value; says where and what is possible.
    """
    for section, values in settings.items():
        if section != GAME_NAME:
            _check_section(types, section, values, origins)
    game = _validated(types["game"], settings.get("game", {}), "game", origins)
    layered: Settings = {}
    merge(layered, defaults(game) if defaults is not None else {})
    merge(layered, settings)
    others = {section: kind for section, kind in types.items() if section != "game"}
    parts = {section: _validated(kind, layered.get(section, {}), section, origins) for section, kind in others.items()}
    return {"game": game, **parts}


def resolved_sections(config: Any) -> Settings:
    """All sections of a configuration as plain JSON values, and the game's name."""
    sections = {
        section.name: TypeAdapter(type(value)).dump_python(value, mode="json")
        for section in dataclasses.fields(config)
        if section.name != GAME_NAME
        for value in [getattr(config, section.name)]
    }
    return {GAME_NAME: config.game_name, **sections}


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
