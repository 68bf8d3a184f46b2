"""Layers of settings: nested dicts on top of each other, each value with the place where it was written.

Job: merge files, `--set` assignments and flags, and remember the origin of every value, so that an error can say which
line to correct. Place in the data flow: between `foreign_config` and `config`. Left out: what the names mean.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from gamefleet.errors import ConfigError

Settings = dict[str, Any]
"""Nested settings as they are written in files: section -> name -> value."""

Origins = dict[str, str]
"""Dotted name -> where it was written, for example `slim.yaml, line 3`."""

NO_VALUE = "null"
"""How `--set` writes that a setting has no value; `none` is a word that several settings take."""


def merge(target: Settings, source: Mapping[str, Any]) -> None:
    """Put `source` on top of `target`, section by section; `source` is not kept."""
    for key, value in source.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = copied(value)


def copied(value: Any) -> Any:
    """Nested dicts as fresh dicts."""
    return {key: copied(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def nested(name: str, value: Any) -> Settings:
    """`a.b` and a value as `{a: {b: value}}`."""
    first, _, rest = name.partition(".")
    return {first: nested(rest, value) if rest else value}


def flattened(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of every value; empty sections count as values."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


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
    """A value as TOML reads it; `null` is no value, and what TOML cannot read is a plain word."""
    if text == NO_VALUE:
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
