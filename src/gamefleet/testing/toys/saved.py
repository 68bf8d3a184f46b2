"""Saved states of the toy games: JSON with the game's name and version in front.

Job: bytes to fields and back, refusing what another game wrote. Left out: what the fields mean.
"""

from __future__ import annotations

import json
from typing import Any

from gamefleet.errors import IncompatibleError
from gamefleet.games.base import GameSpec


def pack(spec: GameSpec, fields: dict[str, Any]) -> bytes:
    """Fields as bytes."""
    return json.dumps({"game": spec.name, "version": spec.version, **fields}).encode()


def unpack(spec: GameSpec, state: bytes) -> dict[str, Any]:
    """The fields that `pack` was given.

    Raises:
        IncompatibleError: The bytes are not a state of this game and version.
    """
    try:
        fields: Any = json.loads(state)
    except ValueError as error:
        raise refused(spec, state[:20]) from error
    if not isinstance(fields, dict):
        raise refused(spec, fields)
    found = (fields.pop("game", None), fields.pop("version", None))
    if found != (spec.name, spec.version):
        raise refused(spec, found)
    return fields


def refused(spec: GameSpec, found: object) -> IncompatibleError:
    """The error for foreign bytes."""
    return IncompatibleError(
        f"This is no saved state of {spec.name} {spec.version}",
        value=found,
        remedy="Use states that the same game and version saved.",
    )
