"""A picture of one game.

Job: the tiles in sight, the player, creatures, needs and inventory, drawn with plain shapes. Place in the data flow:
viewers and videos; `game.frame` calls it. Left out: the package's own pictures, which need its textures and a window.

Below the map stand four bars (health, food, drink, energy) and one box for everything that is carried, filled from
below as there is more of it; tools are bright or dark.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.craftax.observe import observe
from gamefleet.games.craftax.state import State
from gamefleet.games.craftax.variants import Variant

TILE = 16
"""Pixels of a tile's side."""

_BAR_ROWS, _BOX_ROWS = 12, 20

Color = tuple[int, int, int]

_UNKNOWN: Color = (10, 10, 14)
_COLORS: dict[str, Color] = {
    "out_of_bounds": (0, 0, 0),
    "grass": (96, 160, 72),
    "water": (56, 112, 200),
    "stone": (120, 120, 124),
    "tree": (32, 92, 40),
    "wood": (140, 100, 56),
    "path": (176, 160, 128),
    "coal": (70, 70, 74),
    "iron": (200, 152, 112),
    "diamond": (150, 226, 232),
    "table": (150, 92, 40),
    "furnace": (92, 84, 84),
    "sand": (222, 208, 144),
    "lava": (226, 88, 24),
    "plant": (132, 196, 84),
    "ripe_plant": (220, 60, 80),
    "wall": (60, 60, 72),
    "darkness": _UNKNOWN,
    "wall_moss": (60, 84, 64),
    "stalagmite": (104, 96, 92),
    "sapphire": (40, 80, 220),
    "ruby": (208, 32, 64),
    "chest": (196, 140, 48),
    "fountain": (96, 176, 224),
    "fire_grass": (160, 72, 40),
    "ice_grass": (190, 220, 236),
    "gravel": (136, 128, 120),
    "fire_tree": (120, 40, 20),
    "ice_shrub": (140, 190, 210),
    "fire_enchantment_table": (200, 80, 60),
    "ice_enchantment_table": (80, 140, 220),
    "necromancer": (120, 20, 140),
    "necromancer_vulnerable": (220, 120, 240),
}
_ORES = ("coal", "iron", "diamond", "sapphire", "ruby")
_CLASSIC_CREATURES: tuple[Color, ...] = ((40, 130, 60), (236, 236, 236), (200, 200, 180), (120, 80, 40))
_FULL_CREATURES: tuple[Color, ...] = ((200, 40, 40), (236, 236, 236), (220, 140, 40), (150, 60, 160), (80, 200, 240))
_ITEM_COLORS: tuple[Color, ...] = (_UNKNOWN, (255, 200, 60), (30, 30, 30), (240, 240, 240), (120, 40, 40))
_BARS: tuple[Color, ...] = ((214, 60, 60), (214, 140, 60), (70, 130, 220), (230, 210, 80))
_PLAYER: Color = (250, 214, 60)
_EYE: Color = (20, 20, 20)


def picture_shape(variant: Variant) -> tuple[int, int]:
    """Height and width in pixels, both even."""
    rows, columns = variant.view
    return rows * TILE + _BAR_ROWS + _BOX_ROWS, columns * TILE


def draw(variant: Variant, state: State) -> NDArray[np.uint8]:
    """The picture of a state; uint8[height, width, 3], RGB."""
    arrays = observe(variant, state)
    picture = np.zeros((*picture_shape(variant), 3), np.uint8)
    for row in range(variant.view[0]):
        for column in range(variant.view[1]):
            spot = picture[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
            _draw_tile(variant, spot, variant.blocks[int(arrays["tiles"][row, column])])
            if "items" in arrays and arrays["items"][row, column]:
                spot[6:10, 6:10] = _ITEM_COLORS[int(arrays["items"][row, column])]
            _draw_creatures(variant, spot, np.unpackbits(arrays["creatures"][row, column].astype(np.uint8)))
    _draw_player(variant, picture, state)
    _draw_numbers(variant, picture[variant.view[0] * TILE :], state)
    return picture


def _draw_tile(variant: Variant, spot: NDArray[np.uint8], block: str) -> None:
    color = _COLORS.get(block, _UNKNOWN)
    spot[:] = _COLORS["stone"] if block in _ORES else color
    if block in _ORES:
        for top, left in ((3, 4), (9, 9), (4, 11)):
            spot[top : top + 3, left : left + 3] = color
    elif block in ("tree", "fire_tree", "ice_shrub"):
        spot[:] = _COLORS["grass"]
        spot[2:11, 3:13], spot[11:15, 7:9] = color, _COLORS["wood"]
    elif block in ("plant", "ripe_plant"):
        spot[:] = _COLORS["grass"]
        spot[5:12, 6:10] = color
    elif block in ("table", "furnace", "chest"):
        spot[2:14, 2:14] = tuple(value // 2 for value in color)
        spot[4:12, 4:12] = color


def _draw_creatures(variant: Variant, spot: NDArray[np.uint8], bits: NDArray[np.uint8]) -> None:
    for kind in np.flatnonzero(bits):
        color = _CLASSIC_CREATURES[kind] if variant.is_classic else _FULL_CREATURES[kind // 8]
        is_small = kind == 3 if variant.is_classic else kind >= 24
        margin = 6 if is_small else 3
        spot[margin : TILE - margin, margin : TILE - margin] = color


def _draw_player(variant: Variant, picture: NDArray[np.uint8], state: State) -> None:
    top, left = (size // 2 * TILE for size in variant.view)
    picture[top + 2 : top + 14, left + 4 : left + 12] = _PLAYER
    ahead = {0: (7, 3), 1: (7, 11), 2: (2, 7), 3: (12, 7)}[_direction(variant, state)]
    picture[top + ahead[0] : top + ahead[0] + 3, left + ahead[1] : left + ahead[1] + 3] = _EYE


def _direction(variant: Variant, state: State) -> int:
    """0 left, 1 right, 2 up, 3 down."""
    first = 16 if variant.is_classic else 31
    numbers = _numbers(variant, state)
    return int(numbers[first : first + 4].argmax())


def _numbers(variant: Variant, state: State) -> NDArray[np.float32]:
    return observe(variant, state)["numbers"].astype(np.float32)


def _draw_numbers(variant: Variant, panel: NDArray[np.uint8], state: State) -> None:
    numbers = _numbers(variant, state)
    carried, first_need = (12, 12) if variant.is_classic else (16, 22)
    width = panel.shape[1]
    for bar, color in enumerate(_BARS):
        full = int(np.clip(numbers[first_need + bar] / 0.9, 0, 1) * (width // 4 - 4))
        panel[3 : _BAR_ROWS - 3, bar * (width // 4) + 2 : bar * (width // 4) + 2 + full] = color
    box = width // carried
    for place in range(carried):
        share = float(np.clip(numbers[place] / 0.9, 0, 1))
        high = int(np.ceil(share * (_BOX_ROWS - 4)))
        spot = panel[_BAR_ROWS + 2 : -2, place * box + 1 : (place + 1) * box - 1]
        spot[:] = (34, 36, 44)
        if high:
            spot[-high:] = (120 + 8 * place, 200 - 6 * place, 120)
