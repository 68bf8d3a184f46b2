"""Decompression that a hostile sender cannot turn against the memory of this process.

Job: turn zstd frames of other machines into bytes, never more than was granted. Place in the data flow: under
`chunk_file`, and wherever a packed game state of another machine is opened. Left out: what the bytes mean.
"""

from __future__ import annotations

import zstandard

from gamefleet.errors import GamefleetError


class ChunkError(GamefleetError):
    """A chunk of experience is damaged, lies about itself, or does not fit this replay."""


def compress(data: bytes | bytearray, *, level: int) -> bytes:
    """One zstd frame that states its size, which `decompress` insists on."""
    return zstandard.ZstdCompressor(level=level, write_content_size=True).compress(data)


def decompress(frame: bytes | memoryview, *, max_bytes: int, where: object = None) -> bytes:
    """Open one frame whose content has at most `max_bytes`.

    The stated size is looked at first: the library reserves as much memory as a frame asks for, whatever limit it is
    given. A frame that holds more than it states is cut off at that size and refused.

    Args:
        frame: One zstd frame and nothing else.
        max_bytes: Size of the content that is granted.
        where: File or peer that it came from, for errors.

    Raises:
        ChunkError: It is no such frame, is damaged, or wants more memory.
    """
    try:
        stated = zstandard.get_frame_parameters(frame).content_size
        if stated in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR) or stated > max_bytes:
            raise damaged(f"A compressed part states no size, or one above {max_bytes} bytes", where)
        content = zstandard.ZstdDecompressor().decompress(frame, max_output_size=max_bytes, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise damaged(f"A compressed part cannot be opened: {error}", where) from error
    if len(content) != stated:
        raise damaged(f"A compressed part states {stated} bytes and holds {len(content)}", where)
    return content


def damaged(what: str, where: object) -> ChunkError:
    """The error for bytes that are not what they should be."""
    return ChunkError(what, where=where, remedy="It is left out; if this member's chunks keep failing, ask its owner.")
