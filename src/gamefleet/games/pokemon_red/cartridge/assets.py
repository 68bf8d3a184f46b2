"""Turns the hand-drawn text files of `art/` into the byte layouts of the Game Boy.

Job: parse drawings, cut them into 8x8 tiles without repeats, and pack two bits a pixel. Place in the data flow: between
`art/*.txt` and `tables.py`. Left out: where the tiles go in video memory (`src/video.c`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from gamefleet.errors import ConfigError

Pixels = list[list[int]]

SHADES: Mapping[str, int] = {".": 0, "-": 1, "+": 2, "#": 3}
"""Letters of the drawings and their shades, from white to black."""

BACKGROUND_TILES = 96
"""Tile numbers that cells may use; the interface begins after them."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ():;[]abcdefghijklmnopqrstuvwxyz"
"""Glyphs of the tile numbers from 0x80, as the commercial game's text encoding orders them."""

SIGNS: Mapping[int, str] = {
    0xE0: "'", 0xE3: "-", 0xE6: "?", 0xE7: "!", 0xE8: ".", 0xED: ">", 0xEE: "v", 0xF0: "$", 0xF1: "*", 0xF3: "/",
    0xF4: ",", **{0xF6 + digit: str(digit) for digit in range(10)},
}  # fmt: skip
"""Glyphs of single tile numbers from 0xE0."""


@dataclass(frozen=True)
class CellArt:
    """Background tiles and which four of them (by rows) make up each cell."""

    tiles: bytes
    quarters: Mapping[str, tuple[int, int, int, int]]


@dataclass(frozen=True)
class PeopleArt:
    """Sprite tiles and, by look, the first tile, the sprite attributes and whether there is only one picture."""

    names: tuple[str, ...]
    tiles: bytes
    first_tile: tuple[int, ...]
    attributes: tuple[int, ...]
    single: tuple[bool, ...]


@dataclass(frozen=True)
class CreatureArt:
    """The left half of a creature's symmetric picture, seen from the front and from behind."""

    front: bytes
    back: bytes


def _read(name: str) -> str:
    return (resources.files(__package__) / "art" / name).read_text(encoding="utf-8")


def read_blocks(name: str) -> dict[str, list[str]]:
    """Split an art file into its drawings.

    Args:
        name: File in `art/`.

    Returns:
        The rows of every block that a line "= title" opens, by title.
    """
    blocks: dict[str, list[str]] = {}
    rows: list[str] = []
    for line in _read(name).splitlines():
        if line.startswith("= "):
            rows = blocks.setdefault(line[2:], [])
        elif line:
            rows.append(line)
    return blocks


def pack_tile(pixels: Sequence[Sequence[int]]) -> bytes:
    """Pack 8x8 shades into the hardware's 16 bytes: per row, the low bits and then the high bits."""
    packed = bytearray()
    for row in pixels:
        packed.append(sum((shade & 1) << 7 - x for x, shade in enumerate(row)))
        packed.append(sum((shade >> 1) << 7 - x for x, shade in enumerate(row)))
    return bytes(packed)


def cut(pixels: Pixels, column: int, row: int) -> Pixels:
    """The 8x8 tile of a picture in a column and row of tiles."""
    return [line[column * 8 : column * 8 + 8] for line in pixels[row * 8 : row * 8 + 8]]


def _mirrored(rows: Sequence[str]) -> list[str]:
    return [row + row[::-1] for row in rows]


def _whole(title: str, rows: list[str]) -> list[str]:
    """Complete a drawing to 16x16: repeat a small one, mirror half of one."""
    size = (len(rows[0]), len(rows))
    if any(len(row) != size[0] for row in rows):
        raise ConfigError("Rows of a drawing differ in length", value=[len(r) for r in rows], where=title)
    if size == (8, 8):
        return [row * 2 for row in rows * 2]
    if size == (8, 16):
        return _mirrored(rows)
    if size == (16, 16):
        return rows
    raise ConfigError("A drawing must be 8x8, 8x16 or 16x16 pixels", value=size, where=title)


def _pixels(rows: Sequence[str], shades: Mapping[str, int]) -> Pixels:
    return [[shades[letter] for letter in row] for row in rows]


def cell_art() -> CellArt:
    """Cut `cells.txt` into background tiles, each stored once.

    Raises:
        ConfigError: When the drawings need more tiles than the cells may use.
    """
    tiles: dict[bytes, int] = {}
    quarters = {}
    for title, rows in read_blocks("cells.txt").items():
        pixels = _pixels(_whole(title, rows), SHADES)
        packed = [pack_tile(cut(pixels, column, row)) for row in (0, 1) for column in (0, 1)]
        a, b, c, d = (tiles.setdefault(tile, len(tiles)) for tile in packed)
        quarters[title] = (a, b, c, d)
    if len(tiles) > BACKGROUND_TILES:
        raise ConfigError("The cells need too many tiles", value=len(tiles), where="art/cells.txt")
    return CellArt(b"".join(tiles), quarters)


def interface_art() -> bytes:
    """Tiles 0x60 to 0x7F: the blank, box corners and health bars with zero to eight pixels of fill."""
    tiles = {code: bytes(16) for code in range(0x60, 0x80)}
    for title, rows in read_blocks("interface.txt").items():
        name, code = title.split()
        tiles[int(code, 16)] = pack_tile(_pixels(rows, SHADES))
        if name == "health":
            for fill in range(9):
                bar = [row if "#" in row else ("+" * fill).ljust(8, ".") for row in rows[2:6]]
                tiles[int(code, 16) + fill] = pack_tile(_pixels([*rows[:2], *bar, *rows[6:]], SHADES))
    return b"".join(tiles[code] for code in sorted(tiles))


def people_art() -> PeopleArt:
    """Dress the templates of `people.txt` in the looks of `looks.toml`."""
    templates = read_blocks("people.txt")
    looks = tomllib.loads(_read("looks.toml"))["look"]
    tiles = bytearray()
    first_tile = []
    for look in looks:
        first_tile.append(len(tiles) // 16)
        poses = ["down"] if look.get("single") else ["down", "up", "left"]
        if look.get("walks"):
            poses += [f"{pose}_walk" for pose in poses]
        for pose in poses:
            title = f"{look['template']} {pose}"
            pixels = _pixels(_whole(title, templates[title]), {".": 0, **look["shades"]})
            columns = (0, 1) if pose.startswith("left") else (0,)  # the other half is its mirror image
            tiles += b"".join(pack_tile(cut(pixels, column, row)) for row in (0, 1) for column in columns)
    return PeopleArt(
        names=tuple(look["name"] for look in looks),
        tiles=bytes(tiles),
        first_tile=tuple(first_tile),
        attributes=tuple(0x10 if look.get("dark") else 0 for look in looks),
        single=tuple(bool(look.get("single")) for look in looks),
    )


def _strips(rows: Sequence[str], shades: Mapping[str, int]) -> bytes:
    """Pack half a picture as three strips of 24 rows, four pixels a byte: low bits above high bits."""
    packed = bytearray()
    for strip in range(3):
        for row in _pixels(rows, shades):
            four = row[strip * 4 : strip * 4 + 4]
            low = sum((shade & 1) << 3 - x for x, shade in enumerate(four))
            high = sum((shade >> 1) << 3 - x for x, shade in enumerate(four))
            packed.append(low << 4 | high)
    return bytes(packed)


def creature_art() -> dict[str, CreatureArt]:
    """Pictures of all creatures by lower-case name; from behind, the face has the colour of the body."""
    front, back = {**SHADES, "@": 3, "o": 0}, {**SHADES, "@": 1, "o": 1}
    blocks = read_blocks("creatures.txt")
    for name, rows in blocks.items():
        if len(rows) != 24 or any(len(row) != 12 for row in rows):
            raise ConfigError("A creature's drawing must be 12x24", value=[len(r) for r in rows], where=name)
    return {name: CreatureArt(_strips(rows, front), _strips(rows, back)) for name, rows in blocks.items()}


def glyphs() -> dict[str, bytes]:
    """One byte a row for every glyph of `font.txt`, moved one pixel away from its left neighbour."""
    found: dict[str, bytes] = {}
    for title, rows in read_blocks("font.txt").items():
        columns = [row.split() for row in rows]
        for index, letter in enumerate(title.split()):
            found[letter] = bytes(int(row[index].replace("#", "1").replace(".", "0"), 2) << 2 for row in columns)
    return found


def font_letters() -> bytes:
    """Glyphs of tiles 0x80 to 0xB9, eight bytes each."""
    known = glyphs()
    return b"".join(known.get(letter, bytes(8)) for letter in LETTERS)


def font_signs() -> bytes:
    """Glyphs of tiles 0xE0 to 0xFF, eight bytes each."""
    known = glyphs()
    return b"".join(known.get(SIGNS.get(code, ""), bytes(8)) for code in range(0xE0, 0x100))
