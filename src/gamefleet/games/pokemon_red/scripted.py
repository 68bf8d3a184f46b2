"""A scripted player of the shipped cartridge: it plays from any moment of the story to the second badge.

Job: choose the next button from work RAM alone. Place in the data flow: demonstrations, end-to-end tests and baselines
call `Solver.next_button` once per agent step (a button held 8 of 24 frames). Left out: pressing the button, and the
commercial game, whose maps are not in `cartridge.world`.

The story is an ordered list of errands; the first one that is not done gives the goal. Paths are shortest paths over
all maps at once. Battles, texts, cut-scenes and blackouts need no memory: every call looks at the present state only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .cartridge.world import EVENT_FLAGS, FACINGS, MapData, Move, Person, Position, Species, load_world

Read = Callable[[int, int], bytes]
Place = tuple[int, Position]

STEPS: Mapping[str, Position] = {"down": (0, 1), "up": (0, -1), "left": (-1, 0), "right": (1, 0)}

TILE_MAP, COLUMNS, ROWS = 0xC3A0, 20, 18
CURSOR, MORE = 0xED, 0xEE
ACTIVE_MEMBER, JOY_IGNORE, FONT_LOADED = 0xCC2F, 0xCD6B, 0xCFC4
LIST_OFFSET = 0xCC36
ENEMY, OWN, FIGHTER_SIZE = 0xCFE5, 0xD014, 29
IN_BATTLE, PARTY_COUNT, PARTY, MEMBER_SIZE = 0xD057, 0xD163, 0xD16B, 44
BAG, MONEY, BADGES, MAP, ROW, COLUMN, FACING = 0xD31D, 0xD347, 0xD356, 0xD35E, 0xD361, 0xD362, 0xC109
FLAGS, FLAG_BYTES = 0xD5A6, 737

ACTION_PLACES: Mapping[str, Position] = {"fight": (9, 14), "bag": (9, 16), "mon": (15, 14), "run": (15, 16)}
LIST_TOP, LIST_COLUMN = 5, 1
QUESTION_COLUMN = 15

BALL, POTION, SUPER_POTION = 0x04, 0x14, 0x13
WANTED_POTIONS = 4
POTION_PRICE = 300
PARTNERS = 2

STARTER, BATTLED_RIVAL, BALLS_GIVEN, DEX, TOWN_MAP, ASKED = 34, 35, 36, 37, 24, 33
PARCEL_TAKEN, SHEARS, BEAT_FIRST, BEAT_SECOND = 57, 1504, 119, 191

WEARY, DESPERATE = 0.5, 0.3
"""Share of health below which the leader of the party is healed: between battles, and within one."""


@dataclass(frozen=True)
class Errand:
    """Something to do at a place: stand on a cell and, unless `facing` is empty, look somewhere and press A."""

    map_id: int
    at: Position
    facing: str = ""


@dataclass(frozen=True)
class Fighter:
    """One side of a battle, as the fighter struct in work RAM has it."""

    species: int
    hp: int
    types: tuple[int, int]
    moves: tuple[int, ...]
    level: int
    max_hp: int
    pp: tuple[int, ...]


TALK_TO_NURSES = (Errand(41, (5, 3), "up"), Errand(58, (5, 3), "up"), Errand(64, (5, 3), "up"))
TALK_TO_MOTHER = Errand(37, (2, 3), "up")


class Solver:
    """Plays the cartridge by looking at work RAM.

    Args:
        read: Returns bytes of work RAM: `read(address, length)`.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._world = load_world()
        self._plan: dict[Place, str] = {}
        self._planned: tuple[tuple[Errand, ...], bytes] | None = None

    def next_button(self) -> str:
        """The button for the next agent step: "down", "left", "right", "up", "a", "b" or "start"."""
        if self._byte(IN_BATTLE) in (1, 2):
            return self._battle_button()
        if self._byte(JOY_IGNORE):
            return "a"
        if self._byte(FONT_LOADED) & 1:
            return self._text_button()
        return self._walk_button()

    def finished(self) -> bool:
        """Whether both badges are won and the last text is closed."""
        return self._byte(BADGES) & 3 == 3 and not self._byte(FONT_LOADED) & 1

    # ---- looking at memory ----

    def _byte(self, address: int) -> int:
        return self._read(address, 1)[0]

    def _flag(self, number: int) -> bool:
        return bool(self._byte(FLAGS + number // 8) >> number % 8 & 1)

    def _event(self, index: int) -> bool:
        return self._flag(EVENT_FLAGS + index)

    def _place(self) -> Place:
        return self._byte(MAP), (self._byte(COLUMN), self._byte(ROW))

    def _item_count(self, item: int) -> int:
        bag = self._read(BAG, 42)
        stacks = dict(zip(bag[1 : 1 + 2 * bag[0] : 2], bag[2 : 2 + 2 * bag[0] : 2], strict=True))
        return stacks.get(item, 0)

    def _bag_index(self, item: int) -> int | None:
        bag = self._read(BAG, 42)
        items = list(bag[1 : 1 + 2 * bag[0] : 2])
        return items.index(item) if item in items else None

    def _money(self) -> int:
        return int(self._read(MONEY, 3).hex())

    def _member_health(self, index: int) -> float:
        data = self._read(PARTY + MEMBER_SIZE * index, MEMBER_SIZE)
        return int.from_bytes(data[1:3], "big") / max(1, int.from_bytes(data[0x22:0x24], "big"))

    def _fighter(self, address: int) -> Fighter:
        data = self._read(address, FIGHTER_SIZE)
        return Fighter(
            species=data[0],
            hp=int.from_bytes(data[1:3], "big"),
            types=(data[5], data[6]),
            moves=tuple(data[8:12]),
            level=data[14],
            max_hp=int.from_bytes(data[15:17], "big"),
            pp=tuple(data[25:29]),
        )

    def _cursor(self) -> Position | None:
        """Column and row of the menu cursor on screen, if a menu waits."""
        index = self._read(TILE_MAP, COLUMNS * ROWS).find(CURSOR)
        return None if index < 0 else (index % COLUMNS, index // COLUMNS)

    def _page_waits(self) -> bool:
        return self._byte(TILE_MAP + 16 * COLUMNS + 18) == MORE

    # ---- texts and menus outside battles ----

    def _text_button(self) -> str:
        cursor = self._cursor()
        if self._page_waits() or cursor is None:
            return "b"
        if cursor[0] == QUESTION_COLUMN:
            return "a"
        if cursor[0] == LIST_COLUMN and self._at_counter() and self._wants_potion():
            return self._list_button(cursor, list(self._world.shop).index("POTION"))
        return "b"

    def _at_counter(self) -> bool:
        return self._place() == (42, (3, 4))

    def _wants_potion(self) -> bool:
        return self._item_count(POTION) < WANTED_POTIONS and self._money() >= POTION_PRICE

    def _list_button(self, cursor: Position, wanted: int) -> str:
        """Moves the cursor of a scrolling list to an entry, and takes it."""
        current = self._byte(LIST_OFFSET) + (cursor[1] - LIST_TOP) // 2
        if current == wanted:
            return "a"
        return "down" if current < wanted else "up"

    # ---- battles ----

    def _battle_button(self) -> str:
        cursor = self._cursor()
        if self._page_waits() or cursor is None:
            return "a"
        if cursor in ACTION_PLACES.values():
            return self._action_button(cursor)
        if self._byte(0xCC24) == 13:
            return self._move_button(cursor)
        if self._byte(0xCC24) == LIST_TOP:
            index = self._bag_index(self._battle_item())
            return "b" if index is None else self._list_button(cursor, index)
        return self._member_button(cursor)

    def _battle_item(self) -> int:
        """The item that the present moment calls for, or 0 for none."""
        own = self._fighter(OWN)
        if own.hp < own.max_hp * DESPERATE:
            for item in (POTION, SUPER_POTION):
                if self._item_count(item):
                    return item
        alone = self._byte(PARTY_COUNT) < PARTNERS
        if alone and self._byte(IN_BATTLE) == 1 and self._item_count(BALL) and own.hp:
            return BALL
        return 0

    def _action_button(self, cursor: Position) -> str:
        own = self._fighter(OWN)
        action = "fight"
        if self._battle_item():
            action = "bag"
        elif self._byte(IN_BATTLE) == 1 and own.hp < own.max_hp * DESPERATE:
            action = "run"
        column, row = ACTION_PLACES[action]
        if cursor[0] != column:
            return "right" if cursor[0] < column else "left"
        if cursor[1] != row:
            return "down" if cursor[1] < row else "up"
        return "a"

    def _move_button(self, cursor: Position) -> str:
        own, enemy = self._fighter(OWN), self._fighter(ENEMY)
        usable = [slot for slot in range(4) if own.moves[slot] and own.pp[slot] & 63]
        if not usable:
            return "b"
        best = max(usable, key=lambda slot: self._promise(own, enemy, own.moves[slot]))
        current = cursor[1] - 13
        if current == best:
            return "a"
        return "down" if current < best else "up"

    def _promise(self, own: Fighter, enemy: Fighter, number: int) -> float:
        """Expected damage of a move, in arbitrary units."""
        move: Move = self._world.moves[number - 1]
        factors = {(attack, defence): factor / 2 for attack, defence, factor in self._world.type_chart}
        value = move.power * move.accuracy * (1.5 if move.type in own.types else 1.0)
        for kind in set(enemy.types):
            value *= factors.get((move.type, kind), 1.0)
        return value

    def _member_button(self, cursor: Position) -> str:
        """In the party screen: whoever is in battle when a potion is meant, else the first who can fight."""
        wanted = self._byte(ACTIVE_MEMBER)
        if self._member_health(wanted) == 0:
            wanted = next((i for i in range(self._byte(PARTY_COUNT)) if self._member_health(i) > 0), 0)
        current = cursor[1] // 2
        if current == wanted:
            return "a"
        return "down" if current < wanted else "up"

    # ---- walking ----

    def _errands(self) -> tuple[Errand, ...]:
        """What to do now: any of these errands will do, the nearest is taken."""
        if self._event(STARTER) and self._member_health(0) < WEARY:
            return (*TALK_TO_NURSES, TALK_TO_MOTHER)
        return (next(self._story()),)

    def _story(self) -> Iterator[Errand]:
        """The errands that are still open, in the story's order."""
        if not self._event(STARTER):
            yield Errand(40, (6, 5), "up") if self._event(ASKED) else Errand(0, (10, 1))
        if not self._event(BATTLED_RIVAL):
            yield Errand(40, (4, 6))
        if not self._event(PARCEL_TAKEN):
            yield Errand(42, (3, 6))
        if not self._event(DEX):
            yield Errand(40, (5, 3), "up")
        if not self._event(TOWN_MAP):
            yield Errand(39, (1, 4), "up")
        if self._wants_potion() and not self._event(BEAT_FIRST):
            yield Errand(42, (3, 4), "left")
        if not self._event(BEAT_FIRST):
            yield Errand(54, (4, 3), "up")
        if not self._event(SHEARS):
            yield Errand(2, (16, 9), "up")
        yield Errand(65, (5, 3), "up")

    def _walk_button(self) -> str:
        errands = self._errands()
        place = self._place()
        for errand in errands:
            if place == (errand.map_id, errand.at) and errand.facing:
                return "a" if self._byte(FACING) == FACINGS[errand.facing] else errand.facing
        situation = (errands, self._read(FLAGS, FLAG_BYTES))
        if situation != self._planned or place not in self._plan:
            self._plan = self._find_path(place, {(errand.map_id, errand.at) for errand in errands})
            self._planned = situation
        button = self._plan.get(place)
        if button is None:
            return "b"
        return "a" if self._bush_ahead(place, button) else button

    def _bush_ahead(self, place: Place, button: str) -> bool:
        """Whether the player already looks at a bush on the way; the engine's own cells say if it still stands."""
        map_id, (column, row) = place
        target = (column + STEPS[button][0], row + STEPS[button][1])
        data = self._world.maps[map_id]
        if data.kind(target).name != "bush" or self._byte(FACING) != FACINGS[button]:
            return False
        tile = self._byte(TILE_MAP + (8 + 2 * STEPS[button][1]) * COLUMNS + 8 + 2 * STEPS[button][0])
        return tile != self._byte(TILE_MAP + 8 * COLUMNS + 8)

    def _find_path(self, start: Place, goals: set[Place]) -> dict[Place, str]:
        """Shortest path over all maps.

        Returns:
            The button to press on every place of the path; empty when there is none.
        """
        came: dict[Place, tuple[Place, str]] = {}
        blocked = {map_id: self._blocked(data) for map_id, data in self._world.maps.items()}
        queue = deque([start])
        seen = {start}
        while queue:
            place = queue.popleft()
            if place in goals and place != start:
                return self._buttons(came, start, place)
            for button in STEPS:
                target = self._after(place, button, blocked)
                if target is not None and target not in seen:
                    seen.add(target)
                    came[target] = (place, button)
                    queue.append(target)
        return {}

    def _buttons(self, came: Mapping[Place, tuple[Place, str]], start: Place, goal: Place) -> dict[Place, str]:
        path = {}
        place = goal
        while place != start:
            place, button = came[place]
            path[place] = button
        return path

    def _after(self, place: Place, button: str, blocked: Mapping[int, set[Position]]) -> Place | None:
        """Where a step leads, through warps; None when something is in the way."""
        map_id, (column, row) = place
        data = self._world.maps[map_id]
        target = (column + STEPS[button][0], row + STEPS[button][1])
        if not (0 <= target[0] < data.width and 0 <= target[1] < data.height) or target in blocked[map_id]:
            return None
        kind = data.kind(target)
        if kind.solid and not (kind.name == "bush" and self._event(SHEARS)):
            return None
        for warp in data.warps:
            if warp.at == target:
                return warp.to, warp.arrive
        return map_id, target

    def _blocked(self, data: MapData) -> set[Position]:
        return {person.at for person in data.people if self._present(person)}

    def _present(self, person: Person) -> bool:
        if person.shows is not None:
            return self._flag(person.shows)
        return person.hides is None or not self._flag(person.hides)


__all__ = ["Errand", "Fighter", "Solver", "Species"]
