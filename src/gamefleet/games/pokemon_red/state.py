"""Work RAM bytes to a typed state.

Job: read the few stretches of memory that matter and decode them. Place in the data flow: `game` reads a state after
each step; `observe`, `reward` and `milestones` see nothing else. Pure: anything that can be sliced by address will do,
a PyBoy memory or the image of one. Left out: pixels, and what the numbers are worth.

One `memory[a:b]` of PyBoy costs about 20 ns a byte, so neighbouring symbols are read in one slice, and the party only
as far as it is filled: a state costs about 4 % of a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, overload

from gamefleet.games.pokemon_red import tables

FACINGS = ("down", "up", "left", "right")
PARTY_STRUCT_BYTES = 44
MAX_PARTY = 6
BATTLE_LOST = 0xFF


class Memory(Protocol):
    """The address space of a Game Boy."""

    @overload
    def __getitem__(self, address: int, /) -> int: ...
    @overload
    def __getitem__(self, address: slice, /) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """One member of the party.

    Args:
        species: The game's internal number, not the one of the Pokédex.
        level: 1 to 100.
        health: Current hit points.
        max_health: Most hit points.
        status: Bits 0-2 turns of sleep, 3 poison, 4 burn, 5 freeze, 6 paralysis.
        types: Two type numbers.
        moves: Four move numbers, 0 for none.
        move_points: Uses left of each move.
    """

    species: int
    level: int
    health: int
    max_health: int
    status: int
    types: tuple[int, int]
    moves: tuple[int, ...]
    move_points: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything the environment knows of one moment.

    Args:
        map_id: Number of the present map.
        y: Row of the player in steps from the map's top.
        x: Column in steps.
        facing: Index into `FACINGS`.
        events: The event array as one integer; bit n is event n.
        story: Values of `tables.story_flags()`.
        badges: Bit field of badges.
        party: The members.
        party_bytes: Their bytes, to notice cheaply that nothing changed.
        bag: Item number and quantity, in turn, as many as there are kinds of items.
        money: Coins.
        owned: Bit field of species owned.
        seen: Bit field of species seen.
        battle: 0 none, 1 wild, 2 trainer, 255 lost.
        has_text: A text box or menu is open.
        joy_ignored: Bit field of buttons that the game ignores now; not 0 in cut scenes.
        menu: First row, first column, cursor, last entry and scroll offset of the latest menu.
        movement: 0 walking, 1 cycling, 2 surfing.
        own_health: Hit points of the partner in battle and their maximum; zeros outside.
        enemy: Species, hit points, their maximum and level of the opponent; zeros outside of battles.
    """

    map_id: int
    y: int
    x: int
    facing: int
    events: int
    story: tuple[int, ...]
    badges: int
    party: tuple[Partner, ...]
    party_bytes: bytes
    bag: bytes
    money: int
    owned: int
    seen: int
    battle: int
    has_text: bool
    joy_ignored: int
    menu: tuple[int, int, int, int, int]
    movement: int
    own_health: tuple[int, int]
    enemy: tuple[int, int, int, int]

    @property
    def num_badges(self) -> int:
        """How many badges there are."""
        return self.badges.bit_count()

    @property
    def has_won(self) -> bool:
        """The team stands in the hall of fame."""
        return self.story[-1] > 0


class StateReader:
    """Reads states from a memory; holds only addresses, taken from the table once.

    Args:
        memory: What can be indexed by address.
    """

    def __init__(self, memory: Memory) -> None:
        symbols = tables.symbols()
        self._memory = memory
        at = {name: symbol.address for name, symbol in symbols.items()}
        self._at = at
        self._events = slice(at["wEventFlags"], symbols["wEventFlags"].end)
        self._player = slice(at["wPokedexOwned"], symbols["wXCoord"].end)
        self._menu = slice(at["wTopMenuItemY"], symbols["wListScrollOffset"].end)
        self._story = [(flag.address, flag.value) for flag in tables.story_flags()]

    def read(self) -> State:
        """The state of this moment."""
        memory, at, base = self._memory, self._at, self._player.start
        player = bytes(memory[self._player])
        menu = memory[self._menu]
        first = self._menu.start
        count = min(memory[at["wPartyCount"]], MAX_PARTY)
        party = bytes(memory[at["wPartyMons"] : at["wPartyMons"] + count * PARTY_STRUCT_BYTES]) if count else b""
        battle = memory[at["wIsInBattle"]]
        return State(
            map_id=player[at["wCurMap"] - base],
            y=player[at["wYCoord"] - base],
            x=player[at["wXCoord"] - base],
            facing=memory[at["wSpritePlayerStateData1FacingDirection"]] >> 2 & 3,
            events=int.from_bytes(bytes(memory[self._events]), "little"),
            story=tuple([value(memory[address]) for address, value in self._story]),
            badges=player[at["wObtainedBadges"] - base],
            party=party_of(party),
            party_bytes=party,
            bag=bag_of(player[at["wNumBagItems"] - base : at["wBagItems"] + 40 - base]),
            money=money_of(player[at["wPlayerMoney"] - base : at["wPlayerMoney"] + 3 - base]),
            owned=int.from_bytes(player[0:19], "little"),
            seen=int.from_bytes(player[at["wPokedexSeen"] - base : at["wPokedexSeen"] + 19 - base], "little"),
            battle=battle,
            has_text=bool(memory[at["wFontLoaded"]] & 1),
            joy_ignored=memory[at["wJoyIgnore"]],
            menu=(
                menu[0],
                menu[1],
                menu[at["wCurrentMenuItem"] - first],
                menu[at["wMaxMenuItem"] - first],
                menu[at["wListScrollOffset"] - first],
            ),
            movement=memory[at["wWalkBikeSurfState"]],
            own_health=self._own_health() if battle else (0, 0),
            enemy=self._enemy() if battle else (0, 0, 0, 0),
        )

    def _own_health(self) -> tuple[int, int]:
        memory, at = self._memory, self._at
        now, most = at["wBattleMonHP"], at["wBattleMonMaxHP"]
        return memory[now] << 8 | memory[now + 1], memory[most] << 8 | memory[most + 1]

    def _enemy(self) -> tuple[int, int, int, int]:
        memory, at = self._memory, self._at
        now, most = at["wEnemyMonHP"], at["wEnemyMonMaxHP"]
        return (
            memory[at["wEnemyMonSpecies"]],
            memory[now] << 8 | memory[now + 1],
            memory[most] << 8 | memory[most + 1],
            memory[at["wEnemyMonLevel"]],
        )


@lru_cache(maxsize=256)
def party_of(data: bytes) -> tuple[Partner, ...]:
    """Decode party structs.

    Args:
        data: 44 bytes for each member.

    Returns:
        The members in their order.
    """
    size = PARTY_STRUCT_BYTES
    return tuple(_partner(data[start : start + size]) for start in range(0, len(data), size))


def _partner(data: bytes) -> Partner:
    return Partner(
        species=data[0],
        level=data[0x21],
        health=int.from_bytes(data[1:3], "big"),
        max_health=int.from_bytes(data[0x22:0x24], "big"),
        status=data[4],
        types=(data[5], data[6]),
        moves=tuple(data[8:12]),
        move_points=tuple(points & 0x3F for points in data[0x1D:0x21]),
    )


def bag_of(data: bytes) -> bytes:
    """The filled part of the bag.

    Args:
        data: Number of kinds, then up to 20 pairs of item and quantity; what follows the last kind is garbage.

    Returns:
        The pairs.
    """
    return data[1 : 1 + 2 * min(data[0], 20)]


def money_of(data: bytes) -> int:
    """Decode money.

    Args:
        data: Three bytes of two decimal digits each, the largest first; a digit above 9 counts as it stands.

    Returns:
        Coins.
    """
    value = 0
    for byte in data:
        value = value * 100 + (byte >> 4) * 10 + (byte & 15)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRow:
    """One line of the decoded flag table.

    Args:
        name: Event or story flag.
        index: Bit of the event array, or None for a story flag.
        value: 0 or 1, or a count.
        place: Where it happens.
        meaning: What it says when set.
    """

    name: str
    index: int | None
    value: int
    place: str
    meaning: str


def describe_flags(state: State, *, only_set: bool = False) -> Iterator[FlagRow]:
    """Every event and story flag with its value, for people.

    Args:
        state: The moment.
        only_set: Leave out zeros.

    Yields:
        Events by index, then the flags outside the array.
    """
    for event in tables.events():
        value = state.events >> event.index & 1
        if value or not only_set:
            yield FlagRow(name=event.name, index=event.index, value=value, place=event.place, meaning=event.meaning)
    for flag, value in zip(tables.story_flags(), state.story, strict=True):
        if value or not only_set:
            yield FlagRow(name=flag.name, index=None, value=value, place="outside the array", meaning=flag.meaning)
