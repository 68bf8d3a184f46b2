"""A picture of one battle.

Job: both teams with their HP, who is on the field, weather and turn. Place in the data flow: viewers and videos;
`game.frame` calls it. Left out: letters (`glyphs`), and the dashboard's panel.

It shows what a spectator sees, the own side below.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown import tables
from gamefleet.games.showdown.glyphs import Color, stamp

PICTURE_SHAPE: Final = (224, 320)
"""Height and width in pixels, both even."""

_BACK: Final[Color] = (24, 27, 34)
_CARD: Final[Color] = (40, 45, 56)
_ACTIVE: Final[Color] = (64, 74, 96)
_TEXT: Final[Color] = (214, 218, 226)
_FAINT: Final[Color] = (96, 104, 120)
_FULL: Final[Color] = (76, 175, 96)
_HALF: Final[Color] = (236, 200, 60)
_LOW: Final[Color] = (226, 72, 66)

_MARGIN: Final = 6
_CARD_WIDTH, _CARD_HEIGHT, _GAP = 100, 40, 4
_STATUS_COLOR: Final[Color] = (178, 132, 230)


def picture_of(row: NDArray[np.int16], side: int) -> NDArray[np.uint8]:
    """Draw one situation.

    Args:
        row: int16 `[WIDTH]`.
        side: Drawn below.

    Returns:
        uint8 `[height, width, 3]`, RGB.
    """
    picture = np.empty((*PICTURE_SHAPE, 3), np.uint8)
    picture[:] = _BACK
    weather = tables.WEATHERS[int(row[at.FIELD + at.WEATHER])]
    terrain = tables.TERRAINS[int(row[at.FIELD + at.TERRAIN])]
    head = f"turn {row[at.FIELD + at.TURN]}   {weather} {terrain}"
    stamp(picture, head, (_MARGIN, _MARGIN), _TEXT, scale=2)
    for who, top in ((at.other(side), 24), (side, 124)):
        _draw_side(picture, row, who, top)
    return picture


def _draw_side(picture: NDArray[np.uint8], row: NDArray[np.int16], side: int, top: int) -> None:
    for slot in range(at.TEAM_SIZE):
        line, column = divmod(slot, 3)
        place = (top + line * (_CARD_HEIGHT + _GAP), _MARGIN + column * (_CARD_WIDTH + _GAP))
        block = row[at.mon_at(side, slot) : at.mon_at(side, slot) + at.MON_WIDTH]
        _draw_mon(picture, block, place, is_active=int(row[at.side_at(side) + at.ACTIVE]) == slot)


def _draw_mon(picture: NDArray[np.uint8], block: NDArray[np.int16], place: tuple[int, int], *, is_active: bool) -> None:
    top, left = place
    picture[top : top + _CARD_HEIGHT, left : left + _CARD_WIDTH] = _ACTIVE if is_active else _CARD
    species = int(block[at.SPECIES])
    if not species:
        stamp(picture, "?", (top + 8, left + 6), _FAINT, scale=2)
        return
    hp = int(block[at.HP_PERMILLE])
    stamp(picture, tables.species().names[species][:23], (top + 6, left + 4), _TEXT if hp else _FAINT)
    status = at.STATUSES[int(block[at.STATUS])]
    stamp(picture, f"{hp // 10}% {status}", (top + 16, left + 4), _STATUS_COLOR if status else _TEXT)
    bar = left + 4 + (_CARD_WIDTH - 8) * hp // 1000
    picture[top + 28 : top + 34, left + 4 : left + _CARD_WIDTH - 4] = _BACK
    picture[top + 28 : top + 34, left + 4 : bar] = _FULL if hp > 500 else _HALF if hp > 200 else _LOW
