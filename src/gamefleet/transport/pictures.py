"""Pictures as bytes: small for screens of few colours, exact wherever that is affordable.

Job: encode one picture so that any browser shows it. Place in the data flow: between a game's picture and the lossy
channel of `frames`. Left out: when a picture is taken and who gets it.

A Game Boy's screen has four colours: as a PNG with a palette of two bits a pixel it is smaller than any JPEG, exact,
and needs nothing but zlib. Pictures of many colours need Pillow: WebP without loss while they are small, JPEG beyond.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import MissingDependencyError

Codec = Literal["png", "webp", "jpeg"]

MOST_COLOURS = 256
MOST_SEPARATE = 16
"""Colours that are told apart one by one."""

EXACT_PIXELS = 320 * 240
"""Up to this size pictures of many colours are sent without loss; beyond, JPEG is several times smaller."""

JPEG_QUALITY = 80
ZLIB_LEVEL = 6
"""Of a palette picture: level 1 saves 0.2 ms of a millisecond's work and costs a quarter more bytes."""

PNG_START = b"\x89PNG\r\n\x1a\n"
PALETTE = 3
"""PNG's number for pictures with a palette."""

STARTS: dict[str, tuple[bytes, ...]] = {"png": (PNG_START,), "webp": (b"RIFF",), "jpeg": (b"\xff\xd8\xff",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedPicture:
    """A picture that a browser can show.

    Args:
        codec: How `data` is to be read.
        width: In pixels.
        height: In pixels.
        data: The file's content.
    """

    codec: Codec
    width: int
    height: int
    data: bytes


def encode(picture: NDArray[np.uint8]) -> EncodedPicture:
    """Encode a picture.

    Args:
        picture: uint8 `[height, width, 3]`, RGB.

    Raises:
        MissingDependencyError: It has many colours, and Pillow is not installed.
    """
    height, width = picture.shape[:2]
    indexed = by_red(picture) or by_colour(picture)
    if indexed is not None:
        return EncodedPicture(codec="png", width=width, height=height, data=palette_png(*indexed))
    codec: Codec = "webp" if height * width <= EXACT_PIXELS else "jpeg"
    return EncodedPicture(codec=codec, width=width, height=height, data=_by_pillow(picture, codec))


Indexed = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""uint8 `[height, width]`, and the palette into which it points, uint8 `[colour, 3]`."""


def by_red(picture: NDArray[np.uint8]) -> Indexed | None:
    """The palette of a picture whose colours all differ in red, such as one of a few greys; None for others.

    Several times as fast as `by_colour`: nothing is sorted.
    """
    red, green, blue = (np.ascontiguousarray(picture[:, :, channel]) for channel in range(3))
    reds = np.flatnonzero(np.bincount(red.ravel(), minlength=256))
    if reds.size > MOST_SEPARATE:
        return None
    first = [int(np.argmax(red.ravel() == value)) for value in reds]  # any pixel will do, if all of a red agree
    palette = picture.reshape(-1, 3)[first]
    place = np.zeros(256, np.uint8)
    place[reds] = np.arange(reds.size)
    index = place.take(red)
    is_grey = np.array_equal(red, green) and np.array_equal(red, blue)
    if is_grey or all(np.array_equal(palette[:, at].take(index), side) for at, side in ((1, green), (2, blue))):
        return index, palette
    return None


def by_colour(picture: NDArray[np.uint8]) -> Indexed | None:
    """The palette of any picture; None when it has too many colours."""
    red, green, blue = (picture[:, :, channel].astype(np.uint32) for channel in range(3))
    colours_of = red << 16 | green << 8 | blue
    colours = np.unique(colours_of)
    if colours.size > MOST_COLOURS:
        return None
    palette = np.stack([colours >> 16 & 255, colours >> 8 & 255, colours & 255], axis=1).astype(np.uint8)
    return np.searchsorted(colours, colours_of).astype(np.uint8), palette


def palette_png(index: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """A PNG with a palette.

    Args:
        index: uint8 `[height, width]`, rows of the palette.
        palette: uint8 `[colour, 3]`; at most 256 rows.

    Source: the PNG specification, W3C, third edition, sections 5, 7.2 and 11.2.
    """
    height, width = index.shape
    bits = next(bits for bits in (1, 2, 4, 8) if len(palette) <= 1 << bits)
    rows = _packed(index, bits)
    lines = np.zeros((height, rows.shape[1] + 1), np.uint8)  # each line begins with its filter: 0, none
    lines[:, 1:] = rows
    header = struct.pack(">IIBBBBB", width, height, bits, PALETTE, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", palette.tobytes()),
        (b"IDAT", zlib.compress(lines.data, ZLIB_LEVEL)),
        (b"IEND", b""),
    )
    return PNG_START + b"".join(_chunk(kind, data) for kind, data in chunks)


def _packed(index: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Several pixels a byte, the leftmost in the highest bits."""
    share = 8 // bits
    height, width = index.shape
    padded = np.zeros((height, -(-width // share) * share), np.uint8)
    padded[:, :width] = index
    packed = np.zeros((height, padded.shape[1] // share), np.uint8)
    for place in range(share):
        packed |= padded[:, place::share] << np.uint8(bits * (share - 1 - place))
    return packed


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _by_pillow(picture: NDArray[np.uint8], codec: Codec) -> bytes:
    try:
        from PIL import Image
    except ImportError as error:
        remedy = "pip install pillow where the game is played"
        raise MissingDependencyError("Pictures of many colours need Pillow", remedy=remedy) from error
    stream = io.BytesIO()
    settings: dict[str, Any] = {"lossless": True, "quality": 0, "method": 0}
    if codec == "jpeg":
        settings = {"quality": JPEG_QUALITY}
    Image.fromarray(picture).save(stream, format=codec.upper(), **settings)
    return stream.getvalue()


def looks_like(codec: str, data: bytes | memoryview, *, width: int, height: int) -> bool:
    """Whether bytes from elsewhere begin like a picture of this kind; a PNG must also have the size that is said.

    A small file can announce an enormous picture, and whoever shows it would take the memory for that.
    """
    start = bytes(data[:24])
    if not any(start.startswith(word) for word in STARTS.get(codec, ())):
        return False
    return codec != "png" or (len(start) == 24 and struct.unpack(">II", start[16:24]) == (width, height))
