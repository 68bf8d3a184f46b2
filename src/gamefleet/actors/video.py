"""Videos without a display: mp4 through PyAV, gif through Pillow.

Job: encode frames into a file that appears whole or not at all. Place in the data flow: frames of `record` -> media of
a run. Left out: sound, and live viewing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.record import Frame
from gamefleet.errors import ConfigError, MissingDependencyError, nearest
from gamefleet.files import open_atomic

CAPTION_HEIGHT = 16
"""Pixels under the picture for one line of text."""


def write_video(path: Path, frames: Iterable[Frame], *, frames_per_s: int = 15, scale: int = 3) -> int:
    """Write frames with their captions; the file's ending chooses mp4 or gif.

    Args:
        path: `*.mp4` or `*.gif`; its folder must exist.
        frames: At least one, all of one size; an iterator is consumed as it is encoded.
        frames_per_s: Speed of play.
        scale: Pixels per pixel of the game.

    Returns:
        Number of frames written.

    Raises:
        ConfigError: Another ending, or no frame.
        MissingDependencyError: The encoder is not installed.
    """
    encoders = {".mp4": _write_mp4, ".gif": _write_gif}
    if path.suffix not in encoders:
        raise ConfigError("Unknown kind of video", value=path.name, remedy=nearest(path.suffix, encoders))
    pictures = (captioned(frame, scale) for frame in frames)
    first = next(pictures, None)
    if first is None:
        raise ConfigError("There is no frame to write", where=path, remedy="Record at least one step.")
    with open_atomic(path) as stream:
        return encoders[path.suffix](stream, chain([first], pictures), frames_per_s)


def captioned(frame: Frame, scale: int) -> NDArray[np.uint8]:
    """Enlarge a picture, write its caption below it, and make both sides even, as video codecs want them.

    Args:
        frame: Picture and caption.
        scale: Pixels per pixel of the game.

    Returns:
        The picture, uint8 `[height, width, 3]`.
    """
    large = frame.picture.repeat(scale, axis=0).repeat(scale, axis=1)
    height, width = large.shape[:2]
    canvas = np.zeros((height + CAPTION_HEIGHT + height % 2, width + width % 2, 3), np.uint8)
    canvas[:height, :width] = large
    canvas[-CAPTION_HEIGHT:] = _line_of_text(frame.caption, canvas.shape[1])
    return canvas


def _line_of_text(text: str, width: int) -> NDArray[np.uint8]:
    image, draw = _pillow()
    strip = image.new("RGB", (width, CAPTION_HEIGHT))
    draw.Draw(strip).text((3, 2), text, fill=(230, 230, 230))
    return np.asarray(strip, np.uint8)


def _write_mp4(stream: BinaryIO, pictures: Iterable[NDArray[np.uint8]], frames_per_s: int) -> int:
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError("Writing mp4 needs PyAV", remedy="pip install 'gamefleet[red]'") from error
    count = 0
    with av.open(stream, "w", format="mp4") as container:
        track = None
        for picture in pictures:
            if track is None:
                track = container.add_stream("libx264", rate=Fraction(frames_per_s))
                track.height, track.width = picture.shape[:2]
                # Players in browsers show no other pixel format; one thread encodes the same bytes everywhere.
                track.pix_fmt = "yuv420p"
                track.thread_count = 1
            container.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            count += 1
        if track is not None:
            container.mux(track.encode())
    return count


def _write_gif(stream: BinaryIO, pictures: Iterable[NDArray[np.uint8]], frames_per_s: int) -> int:
    image, _ = _pillow()
    count = 0

    def images() -> Iterator[Any]:
        nonlocal count
        for picture in pictures:
            count += 1
            yield image.fromarray(picture).quantize(32)

    rest = images()
    first = next(rest)
    first.save(stream, format="GIF", save_all=True, append_images=rest, duration=round(1000 / frames_per_s), loop=0)
    return count


def _pillow() -> tuple[Any, Any]:
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise MissingDependencyError("Videos need Pillow", remedy="pip install 'gamefleet[red]'") from error
    return Image, ImageDraw
