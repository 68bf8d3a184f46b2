"""The format of saved states.

Job: a game's state to bytes and back, without pickle. Place in the data flow: `game.save_state` and `restore_state`;
the bytes lie in checkpoints and state archives. Left out: what the parts mean to the game.

msgpack of a header and two parts, compressed together with zstd; a state of 150 kB becomes 2 to 6 kB.
"""

from __future__ import annotations

from typing import Any

import msgspec
import zstandard

from gamefleet.errors import IncompatibleError

FORMAT = "gamefleet-red-1"
# A state is 160 kB; the cap keeps a damaged or hostile file from filling the memory.
_MAX_BYTES = 16 * 2**20


class SavedState(msgspec.Struct, frozen=True, kw_only=True):
    """What a saved state holds.

    Args:
        format: `FORMAT`.
        game_version: Version of the game's spec.
        rom_sha1: The ROM it belongs to.
        emulator: The emulator's state.
        episode: Step counter, visited tiles, accounts and milestones as plain values.
    """

    format: str
    game_version: str
    rom_sha1: str
    emulator: bytes
    episode: dict[str, Any]


_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def is_packed(data: bytes) -> bool:
    """Whether bytes look like what `pack` returns, and not like a bare emulator state."""
    return data.startswith(_ZSTD_MAGIC)


def pack(state: SavedState) -> bytes:
    """Serialise and compress; equal states give equal bytes."""
    return zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(state))


def unpack(data: bytes, *, game_version: str, rom_sha1: str) -> SavedState:
    """Read a saved state.

    Args:
        data: What `pack` returned.
        game_version: The version that reads it.
        rom_sha1: The ROM being played.

    Returns:
        The state.

    Raises:
        IncompatibleError: The bytes are no saved state, or one of another version or ROM.
    """
    try:
        # The library reserves what a frame says that it holds, whatever limit it is given: look before that.
        if zstandard.get_frame_parameters(data).content_size > _MAX_BYTES:
            raise zstandard.ZstdError("it would take more memory than a state does")
        raw = zstandard.ZstdDecompressor().decompress(data, max_output_size=_MAX_BYTES)
        state = msgspec.msgpack.decode(raw, type=SavedState)
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise IncompatibleError(
            f"These bytes are not a saved state of pokemon_red: {error}",
            where=f"{len(data)} bytes",
            remedy="Use a state that save_state or `gamefleet rollout --save-state` wrote.",
        ) from error
    found = (state.format, state.game_version, state.rom_sha1)
    wanted = (FORMAT, game_version, rom_sha1)
    if found != wanted:
        raise IncompatibleError(
            "The saved state belongs to another game version or ROM",
            value=found,
            where=f"this game is {wanted}",
            remedy="Save it again with this version, or set game.rom to the ROM it was saved with.",
        )
    return state
