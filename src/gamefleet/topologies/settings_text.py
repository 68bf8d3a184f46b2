"""Settings as text: TOML for people, JSON schema for editors.

Job: write what `config show`, `config schema` and `run.toml` need. Place in the data flow: behind `config`. Left out:
reading (`foreign_config`) and checking (`config`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import tomlkit
from pydantic import TypeAdapter

from gamefleet.topologies.layers import Settings

ARGUMENT = re.compile(r"^ {4}(\w+): (.+(?:\n {8,}.+)*)", re.MULTILINE)
"""One argument of a Google-style docstring, with its continuation lines."""


def to_toml(settings: Mapping[str, Any]) -> str:
    """Settings as TOML; names without a value become comments, because TOML has no null."""
    document = tomlkit.document()
    _fill(document, settings)
    return tomlkit.dumps(document)


def _fill(table: Any, values: Mapping[str, Any]) -> None:
    # Plain values come first: in TOML, what follows a [section] belongs to it.
    for name, value in sorted(values.items(), key=lambda item: isinstance(item[1], Mapping)):
        if value is None:
            table.add(tomlkit.comment(f"{name} is not set"))
        elif isinstance(value, Mapping):
            inner = tomlkit.table()
            _fill(inner, value)
            table.add(name, inner)
        else:
            table.add(name, tomlkit.item(value))


def make_schema(types: Mapping[str, type[Any]]) -> Settings:
    """JSON schema of a settings file.

    Args:
        types: Section -> dataclass; descriptions come from the docstrings' arguments.
    """
    mode: Literal["validation"] = "validation"
    adapters = [(name, mode, TypeAdapter(kind)) for name, kind in types.items()]
    references, definitions = TypeAdapter.json_schemas(adapters)
    described = {kind.__name__: kind for kind in every_dataclass(types.values())}
    inner: Settings = definitions.get("$defs", {})
    sections = {name: references[(name, mode)] for name in types}
    for name, schema in [*inner.items(), *((schema.get("title"), schema) for schema in sections.values())]:
        if name in described:
            describe(schema, described[name])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"game_name": {"type": "string", "description": "The game's key."}, **sections},
        "additionalProperties": False,
        "$defs": inner,
    }


def describe(schema: Settings, kind: type[Any]) -> None:
    """Add to the schema of a dataclass what its docstring says, and refuse other names."""
    meanings = argument_meanings(kind)
    schema["additionalProperties"] = False
    schema["description"] = first_line(kind)
    for name, value in schema["properties"].items():
        if name in meanings and "$ref" not in value:
            value["description"] = meanings[name]


def every_dataclass(kinds: Any) -> Iterator[type[Any]]:
    """The dataclasses and those within their fields."""
    for kind in kinds:
        yield kind
        factories = (field.default_factory for field in dataclasses.fields(kind))
        yield from every_dataclass([factory for factory in factories if dataclasses.is_dataclass(factory)])


def first_line(kind: type[Any]) -> str:
    """What a class is, from its docstring."""
    return (kind.__doc__ or "").strip().partition("\n")[0]


def argument_meanings(kind: type[Any]) -> dict[str, str]:
    """Argument -> meaning, from the `Args` of a class's docstring."""
    _, _, arguments = (kind.__doc__ or "").partition("    Args:\n")
    plain = re.sub(r"^ {4}", "", arguments, flags=re.MULTILINE)
    return {name: " ".join(meaning.split()) for name, meaning in ARGUMENT.findall(plain)}
