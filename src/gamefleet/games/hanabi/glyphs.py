"""Letters for pictures: capitals and digits, 5 pixels by 7.

Job: text in a frame without a font file or a drawing library. Place in the data flow: `render` stamps it. Left out:
small letters, which are drawn as capitals.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 7, 5
SPACING = 1

# One letter: seven rows of five pixels each, as the digits of a number in base 32.
_ROWS = {
    "0": "EHJLPHE", "1": "4C4444E", "2": "EH1248V", "3": "V2421HE", "4": "26AIV22", "5": "VGU11HE", "6": "68GUHHE",
    "7": "V124888", "8": "EHHEHHE", "9": "EHHF12C", "A": "EHHVHHH", "B": "UHHUHHU", "C": "EHGGGHE", "D": "SIHHHIS",
    "E": "VGGUGGV", "F": "VGGUGGG", "G": "EHGNHHF", "H": "HHHVHHH", "I": "E44444E", "J": "72222IC", "K": "HIKOKIH",
    "L": "GGGGGGV", "M": "HRLLHHH", "N": "HHPLJHH", "O": "EHHHHHE", "P": "UHHUGGG", "Q": "EHHHLID", "R": "UHHUKIH",
    "S": "FGGE11U", "T": "V444444", "U": "HHHHHHE", "V": "HHHHHA4", "W": "HHHLLLA", "X": "HHA4AHH", "Y": "HHHA444",
    "Z": "V1248GV", "+": "044V440", "-": "000V000", "/": "01248G0", ":": "0CC0CC0", ".": "00000CC", " ": "0000000",
    "?": "EH12404", "!": "4444404", ">": "G84248G",
}  # fmt: skip
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"


@cache
def glyph(letter: str) -> NDArray[np.bool_]:
    """The pixels of one letter, bool `[7, 5]`, read-only; unknown letters look like a question mark."""
    rows = _ROWS.get(letter.upper(), _ROWS["?"])
    numbers = np.array([_DIGITS.index(row) for row in rows])
    pixels = ((numbers[:, None] >> np.arange(WIDTH - 1, -1, -1)) & 1).astype(np.bool_)
    pixels.flags.writeable = False
    return pixels


def text_width(text: str, scale: int = 1) -> int:
    """Pixels from the left of the first letter to the right of the last."""
    return max(len(text) * (WIDTH + SPACING) - SPACING, 0) * scale


def stamp(
    picture: NDArray[np.uint8], text: str, at: tuple[int, int], ink: tuple[int, int, int], scale: int = 1
) -> None:
    """Write into a picture; what does not fit is cut off.

    Args:
        picture: uint8 `[height, width, 3]`.
        text: One line.
        at: Row and column of its upper left corner.
        ink: RGB.
        scale: Pixels per pixel.
    """
    row, column = at
    for place, letter in enumerate(text):
        pixels = np.kron(glyph(letter), np.ones((scale, scale), np.bool_))
        left = column + place * (WIDTH + SPACING) * scale
        target = picture[row : row + pixels.shape[0], left : left + pixels.shape[1]]
        target[pixels[: target.shape[0], : target.shape[1]]] = ink
