"""Letters for pictures.

Job: stamp short texts. Place in the data flow: `render`. Left out: everything but capitals, digits and a few signs.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]

HEIGHT: Final = 5
WIDTH: Final = 4
"""Three columns of ink and one of space."""

_ROWS: Final = {
    "A": "25755", "B": "65656", "C": "34443", "D": "65556", "E": "74647", "F": "74644", "G": "34553", "H": "55755",
    "I": "72227", "J": "11152", "K": "55655", "L": "44447", "M": "57755", "N": "65555", "O": "25552", "P": "65644",
    "Q": "25563", "R": "65655", "S": "34216", "T": "72222", "U": "55557", "V": "55552", "W": "55775", "X": "55255",
    "Y": "55222", "Z": "71247", "0": "75557", "1": "26227", "2": "61247", "3": "61216", "4": "55711", "5": "74616",
    "6": "34757", "7": "71222", "8": "75757", "9": "75716", "%": "51245", "-": "00700", "+": "02720", ".": "00002",
    "'": "22000", ":": "02020", "/": "11244", "(": "12221", ")": "42224", "?": "61202", ">": "42124", "<": "12421",
}  # fmt: skip
"""Five rows per letter, each three bits as a digit."""


def stamp(picture: NDArray[np.uint8], text: str, at: tuple[int, int], color: Color, scale: int = 1) -> None:
    """Write `text` into a picture with its upper left corner at (row, column); what does not fit is cut."""
    row, column = at
    for letter in text.upper():
        bits = _ROWS.get(letter)
        if bits is not None:
            ink = np.array([[int(digit) >> shift & 1 for shift in (2, 1, 0)] for digit in bits], np.bool_)
            ink = ink.repeat(scale, 0).repeat(scale, 1)
            place = picture[row : row + HEIGHT * scale, column : column + 3 * scale]
            place[ink[: place.shape[0], : place.shape[1]]] = color
        column += WIDTH * scale
