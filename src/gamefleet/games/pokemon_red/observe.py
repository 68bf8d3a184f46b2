"""State and picture to the named arrays of an observation.

Job: define the arrays and fill them. Place in the data flow: `game` shows the filler each new state and picture; the
arrays go to actors and replay as they are, `model` takes them apart again. Left out: normalising, which is the
network's first layer, because bytes are four times cheaper to keep than floats.

The arrays belong to the observer and are overwritten by the next state; whatever did not change is not written again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.base import ArraySpec
from gamefleet.games.pokemon_red.places import Places
from gamefleet.games.pokemon_red.state import BATTLE_LOST, State

SCREEN_ROWS, SCREEN_COLUMNS = 72, 80
PARTNER_FEATURES = (
    *("species", "level", "health", "status", "type 1", "type 2"),
    *("move 1", "move 2", "move 3", "move 4", "points 1", "points 2", "points 3", "points 4"),
)
SITUATION_FEATURES = (
    *("battle", "text", "ignored buttons", "menu row", "menu column", "menu cursor", "menu last", "menu scroll"),
    *("movement", "own health", "enemy species", "enemy health", "enemy level", "money", "party health", "party size"),
)


def _spec(name: str, shape: tuple[int, ...], high: int, meaning: str) -> ArraySpec:
    return ArraySpec(name=name, shape=shape, dtype="uint8", low=0, high=high, meaning=meaning)


ARRAYS = (
    _spec(
        "screen",
        (SCREEN_ROWS, SCREEN_COLUMNS // 4),
        255,
        "every second pixel of every second row in 4 grey levels (0 black), 4 pixels a byte, the leftmost in bits 0-1",
    ),
    _spec("visited", (12,), 255, "9 x 10 bits, row by row, highest bit first: tiles on screen visited in this episode"),
    _spec(
        "position", (4,), 255, "map number, row and column in 16-pixel steps, facing (0 down, 1 up, 2 left, 3 right)"
    ),
    _spec("badges", (1,), 255, "bit field of badges"),
    _spec("party", (6, len(PARTNER_FEATURES)), 255, "per partner: " + ", ".join(PARTNER_FEATURES) + "; health of 255"),
    _spec("bag", (20, 2), 255, "per kind of item: item number, quantity"),
    _spec("events", (320,), 255, "the event array: 2,560 bits, lowest bit first; tables/events.tsv names 507"),
    _spec("story", (5,), 255, "the five flags of tables/story_flags.tsv"),
    _spec("situation", (len(SITUATION_FEATURES),), 255, ", ".join(SITUATION_FEATURES) + "; healths of 255"),
)

# Multiplying four 2-bit values, one per byte, by this collects them in the top byte without a carry.
_GATHER = np.uint32(1 << 24 | 1 << 18 | 1 << 12 | 1 << 6)


def pack_screen(picture: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Halve and pack a picture: 23,040 grey pixels to 1,440 bytes.

    Args:
        picture: uint8 `[144, 160]`, grey, of which the two highest bits count.
        out: uint8 `[72, 20]`.
    """
    levels = np.ascontiguousarray(picture[::2, ::2])
    np.right_shift(levels, 6, out=levels)
    words = levels.view("<u4")
    np.multiply(words, _GATHER, out=words)
    np.right_shift(words, 24, out=out, casting="unsafe")


def unpack_screen(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The grey levels 0 to 3 of a packed screen.

    Args:
        packed: uint8 `[..., 72, 20]`.

    Returns:
        uint8 `[..., 72, 80]`.
    """
    pixels: NDArray[np.uint8] = np.right_shift(packed[..., None], np.array([0, 2, 4, 6], np.uint8)) & np.uint8(3)
    return pixels.reshape(*packed.shape[:-1], packed.shape[-1] * 4)


def share_of_255(part: int, whole: int) -> int:
    """A fraction as a byte; anything above zero stays above zero, because one hit point is not none."""
    if part <= 0 or whole <= 0:
        return 0
    return max(1, min(255, part * 255 // whole))


def situation(state: State) -> list[int]:
    """The values of `SITUATION_FEATURES`, each 0 to 255."""
    row, column, cursor, last, scroll = state.menu
    species, health, max_health, level = state.enemy
    return [
        3 if state.battle == BATTLE_LOST else min(state.battle, 2),
        int(state.has_text),
        state.joy_ignored,
        row,
        column,
        cursor,
        last,
        scroll,
        state.movement,
        share_of_255(*state.own_health),
        species,
        share_of_255(health, max_health),
        level,
        # Money spans six digits; its logarithm (13 a doubling) fits a byte and shows what can be bought.
        min(255, 13 * state.money.bit_length()),
        share_of_255(sum(p.health for p in state.party), sum(p.max_health for p in state.party)),
        len(state.party),
    ]


class Observer:
    """Owns the arrays of one environment and keeps them up to date."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in ARRAYS}
        self._last: State | None = None

    def show(self, state: State, picture: NDArray[np.uint8], places: Places) -> None:
        """Fill the arrays.

        Args:
            state: The present moment.
            picture: uint8 `[144, 160]`, the last rendered frame in grey.
            places: Visited tiles, the present one included.
        """
        arrays, last = self.arrays, self._last
        pack_screen(picture, arrays["screen"])
        arrays["visited"][:] = np.packbits(places.window(state))
        arrays["position"][:] = (state.map_id, state.y, state.x, state.facing)
        arrays["situation"][:] = situation(state)
        if last is None or state.party_bytes != last.party_bytes:
            self._show_party(state)
        if last is None or state.events != last.events:
            arrays["events"][:] = np.frombuffer(state.events.to_bytes(320, "little"), np.uint8)
        if last is None or state.bag != last.bag:
            bag = arrays["bag"].reshape(-1)
            bag[: len(state.bag)] = np.frombuffer(state.bag, np.uint8)
            bag[len(state.bag) :] = 0
        if last is None or state.story != last.story or state.badges != last.badges:
            arrays["story"][:] = state.story
            arrays["badges"][0] = state.badges
        self._last = state

    def _show_party(self, state: State) -> None:
        party = self.arrays["party"]
        party[:] = 0
        for row, partner in zip(party, state.party, strict=False):
            health = share_of_255(partner.health, partner.max_health)
            row[:4] = (partner.species, partner.level, health, partner.status)
            row[4:6] = partner.types
            row[6:10] = partner.moves
            row[10:14] = partner.move_points

    def forget(self) -> None:
        """Write everything at the next state: the game jumped to another moment."""
        self._last = None
