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
from gamefleet.games.pokemon_red.state import BATTLE_LOST, State, Story

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
_TO_LEVEL = np.uint8(6)
_GATHER = np.uint32(1 << 24 | 1 << 18 | 1 << 12 | 1 << 6)


class ScreenPacker:
    """Halves and packs pictures: 23,040 grey pixels to 1,440 bytes, in 1.5 % of a step.

    Args:
        picture: uint8 `[144, 160, 4]`, contiguous, the live view of the emulator's screen; the two highest bits of its
            first channel count.
        out: uint8 `[72, 20]`, where the packed screen goes.
    """

    def __init__(self, picture: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        # Two neighbouring pixels are one word whose lowest byte is the first pixel's first channel: narrowing every
        # second row of words to bytes halves the picture faster than slicing it does.
        self._pairs = picture.reshape(picture.shape[0], -1).view("<u8")[::2]
        self._levels = np.empty((SCREEN_ROWS, SCREEN_COLUMNS), np.uint8)
        self._words = self._levels.view("<u4")
        self._packed = self._levels[:, 3::4]
        self._out = out

    def pack(self) -> None:
        """Pack what the screen shows now."""
        np.copyto(self._levels, self._pairs, casting="unsafe")
        np.right_shift(self._levels, _TO_LEVEL, out=self._levels)
        np.multiply(self._words, _GATHER, out=self._words)
        np.copyto(self._out, self._packed)


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


def describe_situation(state: State) -> list[int]:
    """The values of `SITUATION_FEATURES`, each 0 to 255."""
    now = state.situation
    species, health, max_health, level = now.enemy
    return [
        3 if now.battle == BATTLE_LOST else min(now.battle, 2),
        int(now.has_text),
        now.joy_ignored,
        *now.menu,
        now.movement,
        share_of_255(*now.own_health),
        species,
        share_of_255(health, max_health),
        level,
        # Money spans six digits; its logarithm (13 a doubling) fits a byte and shows what can be bought.
        min(255, 13 * state.belongings.money.bit_length()),
        share_of_255(sum(p.health for p in state.party), sum(p.max_health for p in state.party)),
        len(state.party),
    ]


class Observer:
    """Owns the arrays of one environment and keeps them up to date.

    Args:
        picture: uint8 `[144, 160, 4]`, the live view of the emulator's screen.
    """

    def __init__(self, picture: NDArray[np.uint8]) -> None:
        self.arrays: dict[str, NDArray[Any]] = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in ARRAYS}
        self._screen = ScreenPacker(picture, self.arrays["screen"])
        self._last: State | None = None

    def show(self, state: State, places: Places) -> None:
        """Fill the arrays.

        Args:
            state: The present moment.
            places: Visited tiles, the present one included.
        """
        self._screen.pack()
        last, self._last = self._last, state
        if last is None:
            self._show_all(state, places)
            return
        is_team_new = state.party is not last.party
        if (state.x, state.y, state.map_id, state.facing) != (last.x, last.y, last.map_id, last.facing):
            self._show_place(state, places)
        if state.story is not last.story:
            self._show_story(state.story)
        if is_team_new:
            self._show_party(state)
        if state.belongings is not last.belongings:
            self._show_bag(state.belongings.bag)
        if is_team_new or state.situation is not last.situation or state.belongings is not last.belongings:
            self.arrays["situation"][:] = describe_situation(state)

    def forget(self) -> None:
        """Write everything at the next state: the game jumped to another moment."""
        self._last = None

    def _show_all(self, state: State, places: Places) -> None:
        self._show_place(state, places)
        self._show_story(state.story)
        self._show_party(state)
        self._show_bag(state.belongings.bag)
        self.arrays["situation"][:] = describe_situation(state)

    def _show_place(self, state: State, places: Places) -> None:
        self.arrays["visited"][:] = np.packbits(places.window(state))
        self.arrays["position"][:] = (state.map_id, state.y, state.x, state.facing)

    def _show_story(self, story: Story) -> None:
        self.arrays["events"][:] = np.frombuffer(story.events.to_bytes(320, "little"), np.uint8)
        self.arrays["story"][:] = story.flags
        self.arrays["badges"][0] = story.badges

    def _show_bag(self, items: bytes) -> None:
        bag = self.arrays["bag"].reshape(-1)
        bag[: len(items)] = np.frombuffer(items, np.uint8)
        bag[len(items) :] = 0

    def _show_party(self, state: State) -> None:
        party = self.arrays["party"]
        party[:] = 0
        for row, partner in zip(party, state.party, strict=False):
            health = share_of_255(partner.health, partner.max_health)
            row[:4] = (partner.species, partner.level, health, partner.status)
            row[4:6] = partner.types
            row[6:10] = partner.moves
            row[10:14] = partner.move_points
