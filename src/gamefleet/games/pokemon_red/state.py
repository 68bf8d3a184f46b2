"""Work RAM bytes to a typed state.

Job: decode the stretches of memory that matter. Place in the data flow: `reader` fetches the bytes after each step;
`observe`, `reward` and `milestones` see nothing but the state. Pure. Left out: pixels, and what the numbers are worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gamefleet.games.base import FlagRow
from gamefleet.games.pokemon_red import tables

FACINGS = ("down", "up", "left", "right")
PARTY_STRUCT_BYTES = 44
MAX_PARTY = 6
BATTLE_LOST = 0xFF


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
class Story:
    """What happened so far.

    Args:
        events: The event array as one integer; bit n is event n.
        flags: Values of `tables.story_flags()`.
        badges: Bit field of badges.
    """

    events: int
    flags: tuple[int, ...]
    badges: int

    @property
    def num_badges(self) -> int:
        """How many badges there are."""
        return self.badges.bit_count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Belongings:
    """What the player owns and knows.

    Args:
        bag: Item number and quantity, in turn, as many as there are kinds of items.
        money: Coins.
        owned: Bit field of species owned.
        seen: Bit field of species seen.
    """

    bag: bytes
    money: int
    owned: int
    seen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is going on, other than walking.

    Args:
        battle: 0 none, 1 wild, 2 trainer, 255 lost.
        has_text: A text box or menu is open.
        joy_ignored: Bit field of buttons that the game ignores now; not 0 in cut scenes.
        menu: First row, first column, cursor, last entry and scroll offset of the latest menu.
        movement: 0 walking, 1 cycling, 2 surfing.
        own_health: Hit points of the partner in battle and their maximum; zeros outside.
        enemy: Species, hit points, their maximum and level of the opponent; zeros outside of battles.
    """

    battle: int
    has_text: bool
    joy_ignored: int
    menu: tuple[int, int, int, int, int]
    movement: int
    own_health: tuple[int, int]
    enemy: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything the environment knows of one moment.

    A part that did not change since the last reading is the same object, so that `is` tells cheaply what is new.

    Args:
        map_id: Number of the present map.
        y: Row of the player in steps from the map's top.
        x: Column in steps.
        facing: Index into `FACINGS`.
        story: What happened so far.
        party: The members, in their order.
        belongings: Bag, money and Pokédex.
        situation: Battle, text, menus.
    """

    map_id: int
    y: int
    x: int
    facing: int
    story: Story
    party: tuple[Partner, ...]
    belongings: Belongings
    situation: Situation

    @property
    def has_won(self) -> bool:
        """The team stands in the hall of fame."""
        return self.story.flags[-1] > 0


def story_of(events: Iterable[int], flags: Sequence[int]) -> Story:
    """Decode progress.

    Args:
        events: The 320 bytes of the event array.
        flags: The badge byte, then the bytes that `tables.story_flags()` test.

    Returns:
        The story so far.
    """
    values = zip(tables.story_flags(), flags[1:], strict=True)
    return Story(
        events=int.from_bytes(bytes(events), "little"),
        flags=tuple(flag.value(byte) for flag, byte in values),
        badges=flags[0],
    )


def belongings_of(data: bytes) -> Belongings:
    """Decode bag, money and Pokédex.

    Args:
        data: The bytes from `wPokedexOwned` to the end of `wPlayerMoney`.

    Returns:
        What the player owns.
    """
    at = tables.symbols()
    start = at["wPokedexOwned"].address

    def part(name: str) -> bytes:
        return data[at[name].address - start : at[name].end - start]

    return Belongings(
        bag=bag_of(part("wNumBagItems") + part("wBagItems")),
        money=money_of(part("wPlayerMoney")),
        owned=int.from_bytes(part("wPokedexOwned"), "little"),
        seen=int.from_bytes(part("wPokedexSeen"), "little"),
    )


def situation_of(data: Sequence[int]) -> Situation:
    """Decode what is going on.

    Args:
        data: The bytes of `reader.MOMENT`, in battles followed by those of `reader.BATTLE`.

    Returns:
        The situation.
    """
    battle, font, ignored, row, column, cursor, last, scroll, movement = data[:9]
    own_high, own_low, own_most_high, own_most_low, *enemy = data[9:] or [0] * 10
    return Situation(
        battle=battle,
        has_text=bool(font & 1),
        joy_ignored=ignored,
        menu=(row, column, cursor, last, scroll),
        movement=movement,
        own_health=(own_high << 8 | own_low, own_most_high << 8 | own_most_low),
        enemy=(enemy[0], enemy[1] << 8 | enemy[2], enemy[3] << 8 | enemy[4], enemy[5]),
    )


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


def describe_flags(state: State, *, only_set: bool = False) -> Iterator[FlagRow]:
    """Every event and story flag with its value, for people.

    Args:
        state: The moment.
        only_set: Leave out zeros.

    Yields:
        Events by index, then the flags outside the array.
    """
    for event in tables.events():
        value = state.story.events >> event.index & 1
        if value or not only_set:
            yield FlagRow(name=event.name, index=event.index, value=value, place=event.place, meaning=event.meaning)
    for flag, value in zip(tables.story_flags(), state.story.flags, strict=True):
        if value or not only_set:
            yield FlagRow(name=flag.name, index=None, value=value, place="outside the array", meaning=flag.meaning)
