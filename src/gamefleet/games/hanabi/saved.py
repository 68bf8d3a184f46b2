"""The format of saved states.

Job: a game's record with what belongs to the episode, as bytes that can be trusted. Place in the data flow:
`save_states` and `restore_states`; the bytes lie in checkpoints and state archives. Left out: the record itself.

A mark, the hash of the rules, the move at which the episode began, the record, and a checksum over all: 110 bytes at
most in the standard two-player game.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from gamefleet.errors import IncompatibleError
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.record import Record, decode, encode

VERSION = "1"
"""Of the game: changes when observations, actions, rewards or saved states change their meaning."""

_MARK = b"GFHA"
_HASH_BYTES = 8
_HEAD_BYTES = len(_MARK) + _HASH_BYTES + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedState:
    """What a saved state holds.

    Args:
        record: The game since its deal.
        first_move: Moves that were made before the episode began.
    """

    record: Record
    first_move: int


def pack(config: HanabiConfig, saved: SavedState) -> bytes:
    """A state as bytes; equal states give equal bytes."""
    data = _MARK + _rules_hash(config) + bytes([saved.first_move]) + encode(config, saved.record)
    return data + _hash(data)


def unpack(config: HanabiConfig, data: bytes) -> SavedState:
    """Read a saved state.

    Raises:
        IncompatibleError: The bytes are no saved state, damaged, or of a game with other rules.
    """
    body, checksum = data[:-_HASH_BYTES], data[-_HASH_BYTES:]
    if not body.startswith(_MARK) or len(body) <= _HEAD_BYTES or _hash(body) != checksum:
        raise IncompatibleError(
            "These bytes are no saved state of hanabi, or damaged",
            value=data[:20],
            remedy="Use states that save_state wrote.",
        )
    if body[len(_MARK) : len(_MARK) + _HASH_BYTES] != _rules_hash(config):
        raise IncompatibleError(
            "The saved state belongs to a game of hanabi with other rules or of another version",
            where=f"this game is version {VERSION} with {config.rules_json()}, sad {config.sad}",
            remedy="Play the game that saved it.",
        )
    first_move, record = body[_HEAD_BYTES - 1], decode(config, body[_HEAD_BYTES:])
    if first_move > len(record.moves):
        raise IncompatibleError("The saved episode begins after the last move", value=first_move)
    return SavedState(record=record, first_move=first_move)


def _rules_hash(config: HanabiConfig) -> bytes:
    facts = {"version": VERSION, "sad": config.sad, **config.rules_json()}
    return _hash(json.dumps(facts, sort_keys=True).encode())


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_HASH_BYTES).digest()
