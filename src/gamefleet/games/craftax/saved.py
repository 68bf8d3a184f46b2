"""The format of saved states.

Job: a world and its counters as bytes that can be trusted, without pickle. Place in the data flow: `save_state` and
`restore_state`; the bytes lie in checkpoints and state archives. Left out: what the arrays mean.

A mark, the hash of variant and version, a checksum, and the arrays as compressed safetensors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from gamefleet.errors import IncompatibleError
from gamefleet.games.craftax.variants import Variant

VERSION = "1"
"""Of the game: changes when observations, actions, rewards or saved states change their meaning."""

_MARK = b"GFCX"
_HASH_BYTES = 8
_HEAD_BYTES = len(_MARK) + 2 * _HASH_BYTES
_MOST_BYTES = 1 << 24


def pack(variant: Variant, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as bytes; equal arrays give equal bytes."""
    body = zstandard.ZstdCompressor().compress(save({name: np.asarray(a, order="C") for name, a in arrays.items()}))
    return _MARK + _hash(_kind(variant)) + _hash(body) + body


def unpack(variant: Variant, data: bytes) -> dict[str, NDArray[Any]]:
    """Read a saved state.

    Raises:
        IncompatibleError: The bytes are no saved state, damaged, or of another variant or version.
    """
    mark, kind = data[: len(_MARK)], data[len(_MARK) : len(_MARK) + _HASH_BYTES]
    checksum, body = data[len(_MARK) + _HASH_BYTES : _HEAD_BYTES], data[_HEAD_BYTES:]
    if mark != _MARK or not body or _hash(body) != checksum:
        raise IncompatibleError(
            "These bytes are no saved state of craftax, or damaged",
            value=data[:20],
            remedy="Use states that save_state wrote.",
        )
    if kind != _hash(_kind(variant)):
        raise IncompatibleError(
            "The saved state belongs to another variant or version of craftax",
            where=f"this game is {variant.env_name}, version {VERSION}",
            remedy="Play the game that saved it.",
        )
    try:
        return load(zstandard.ZstdDecompressor().decompress(body, max_output_size=_MOST_BYTES))
    except (zstandard.ZstdError, SafetensorError) as error:
        raise IncompatibleError(f"A saved state of craftax cannot be read ({error})") from error


def _kind(variant: Variant) -> bytes:
    return f"{variant.env_name} {VERSION}".encode()


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_HASH_BYTES).digest()
