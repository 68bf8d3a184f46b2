"""A scripted player of the shipped cartridge: it plays from any moment of the story to the second badge.

Job: choose the next button from work RAM alone. Place in the data flow: demonstrations, end-to-end tests and baselines
call `Solver.next_button` once per agent step (a button held 8 of 24 frames). Left out: pressing the button, and the
commercial game, whose maps are not in `cartridge.world`.

The story is an ordered list of errands; the first one that is not done gives the goal. Paths are shortest paths over
all maps at once. Battles, texts, cut-scenes and blackouts need no memory: every call looks at the present state only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .cartridge.world import load_world
from .cartridge.world_types import FACINGS, Position
from .scripted_battle import POTION, BattleRule
from .scripted_memory import (
    BADGES,
    FACING,
    FLAG_BYTES,
    FLAGS,
    FONT_LOADED,
    IN_BATTLE,
    JOY_IGNORE,
    Memory,
    Place,
    Read,
)
from .scripted_paths import SHEARS, Pathfinder

QUESTION_COLUMN, LIST_COLUMN = 15, 1
WANTED_POTIONS = 4
POTION_PRICE = 300

STARTER, BATTLED_RIVAL, DEX, TOWN_MAP, ASKED = 34, 35, 37, 24, 33
PARCEL_TAKEN, BEAT_FIRST = 57, 119

WEARY = 0.5
"""Share of health below which the leader of the party is taken to be healed."""


@dataclass(frozen=True)
class Errand:
    """Something to do at a place: stand on a cell and, unless `facing` is empty, look somewhere and press A."""

    map_id: int
    at: Position
    facing: str = ""


TALK_TO_NURSES = (Errand(41, (5, 3), "up"), Errand(58, (5, 3), "up"), Errand(64, (5, 3), "up"))
TALK_TO_MOTHER = Errand(37, (2, 3), "up")


class Solver:
    """Plays the cartridge by looking at work RAM.

    Args:
        read: Returns bytes of work RAM: `read(address, length)`.
    """

    def __init__(self, read: Read) -> None:
        self._memory = Memory(read)
        self._world = load_world()
        self._battle = BattleRule(self._memory, self._world)
        self._paths = Pathfinder(self._memory, self._world)
        self._plan: dict[Place, str] = {}
        self._planned: tuple[tuple[Errand, ...], bytes] | None = None

    def next_button(self) -> str:
        """The button for the next agent step: "down", "left", "right", "up", "a", "b" or "start"."""
        if self._memory.byte(IN_BATTLE) in (1, 2):
            return self._battle.next_button()
        if self._memory.byte(JOY_IGNORE):
            return "a"
        if self._memory.byte(FONT_LOADED) & 1:
            return self._text_button()
        return self._walk_button()

    def finished(self) -> bool:
        """Whether both badges are won and the last text is closed."""
        return self._memory.byte(BADGES) & 3 == 3 and not self._memory.byte(FONT_LOADED) & 1

    def _text_button(self) -> str:
        cursor = self._memory.cursor()
        if self._memory.page_waits() or cursor is None:
            return "b"
        if cursor[0] == QUESTION_COLUMN:
            return "a"
        if cursor[0] == LIST_COLUMN and self._at_counter() and self._wants_potion():
            return self._memory.list_button(cursor, list(self._world.shop).index("POTION"))
        return "b"

    def _at_counter(self) -> bool:
        return self._memory.place() == (42, (3, 4))

    def _wants_potion(self) -> bool:
        return self._memory.item_count(POTION) < WANTED_POTIONS and self._memory.money() >= POTION_PRICE

    def _errands(self) -> tuple[Errand, ...]:
        """What to do now: any of these errands will do, the nearest is taken."""
        if self._memory.event(STARTER) and self._memory.member_health(0) < WEARY:
            return (*TALK_TO_NURSES, TALK_TO_MOTHER)
        return (next(self._story()),)

    def _story(self) -> Iterator[Errand]:
        """The errands that are still open, in the story's order."""
        if not self._memory.event(STARTER):
            yield Errand(40, (6, 5), "up") if self._memory.event(ASKED) else Errand(0, (10, 1))
        if not self._memory.event(BATTLED_RIVAL):
            yield Errand(40, (4, 6))
        if not self._memory.event(PARCEL_TAKEN):
            yield Errand(42, (3, 6))
        if not self._memory.event(DEX):
            yield Errand(40, (5, 3), "up")
        if not self._memory.event(TOWN_MAP):
            yield Errand(39, (1, 4), "up")
        if self._wants_potion() and not self._memory.event(BEAT_FIRST):
            yield Errand(42, (3, 4), "left")
        if not self._memory.event(BEAT_FIRST):
            yield Errand(54, (4, 3), "up")
        if not self._memory.event(SHEARS):
            yield Errand(2, (16, 9), "up")
        yield Errand(65, (5, 3), "up")

    def _walk_button(self) -> str:
        errands = self._errands()
        place = self._memory.place()
        for errand in errands:
            if place == (errand.map_id, errand.at) and errand.facing:
                return "a" if self._memory.byte(FACING) == FACINGS[errand.facing] else errand.facing
        situation = (errands, self._memory.read(FLAGS, FLAG_BYTES))
        if situation != self._planned or place not in self._plan:
            self._plan = self._paths.find_path(place, {(errand.map_id, errand.at) for errand in errands})
            self._planned = situation
        button = self._plan.get(place)
        if button is None:
            return "b"
        return "a" if self._paths.bush_ahead(place, button) else button
