"""From memory to a state, as cheaply as PyBoy allows.

Job: fetch the bytes that `state` decodes. Place in the data flow: `game` reads a state after each step. Anything that
can be indexed by address will do, a PyBoy memory or the image of one. Left out: what the bytes mean.

PyBoy reads about 40 bytes a microsecond in a slice and 8 one by one, so neighbouring symbols are read in one slice, the
party only as far as it is filled, the battle only during one, and only what changed is decoded.
"""

from __future__ import annotations

from typing import Any, Protocol, overload

from gamefleet.games.pokemon_red import tables
from gamefleet.games.pokemon_red.state import (
    MAX_PARTY,
    PARTY_STRUCT_BYTES,
    State,
    belongings_of,
    party_of,
    situation_of,
    story_of,
)

# The order in which single bytes are read.
PLACE = ("wCurMap", "wYCoord", "wXCoord", "wSpritePlayerStateData1FacingDirection", "wPartyCount")
MOMENT = (
    *("wIsInBattle", "wFontLoaded", "wJoyIgnore", "wTopMenuItemY", "wTopMenuItemX"),
    *("wCurrentMenuItem", "wMaxMenuItem", "wListScrollOffset", "wWalkBikeSurfState"),
)
BATTLE = (
    *(("wBattleMonHP", 0), ("wBattleMonHP", 1), ("wBattleMonMaxHP", 0), ("wBattleMonMaxHP", 1)),
    *(("wEnemyMonSpecies", 0), ("wEnemyMonHP", 0), ("wEnemyMonHP", 1)),
    *(("wEnemyMonMaxHP", 0), ("wEnemyMonMaxHP", 1), ("wEnemyMonLevel", 0)),
)


class Memory(Protocol):
    """The address space of a Game Boy."""

    @overload
    def __getitem__(self, address: int, /) -> int: ...
    @overload
    def __getitem__(self, address: slice, /) -> Any: ...


class StateReader:
    """Reads states from a memory; keeps the raw bytes of the last one, to decode only what changed.

    Args:
        memory: What can be indexed by address.
    """

    def __init__(self, memory: Memory) -> None:
        symbols = tables.symbols()
        self._memory = memory
        at = self._at = {name: symbol.address for name, symbol in symbols.items()}
        self._events = slice(at["wEventFlags"], symbols["wEventFlags"].end)
        self._belongings = slice(at["wPokedexOwned"], symbols["wPlayerMoney"].end)
        self._parties = [slice(at["wPartyMons"], at["wPartyMons"] + PARTY_STRUCT_BYTES * n) for n in range(7)]
        self._place = [at[name] for name in PLACE]
        self._flags = [at["wObtainedBadges"], *(flag.address for flag in tables.story_flags())]
        self._moment = [at[name] for name in MOMENT]
        self._battle = [at[name] + offset for name, offset in BATTLE]
        self._raw: dict[str, list[int]] = {"events": [], "flags": [], "party": [], "belongings": [], "situation": []}
        self._parts: dict[str, Any] = {}

    def read(self) -> State:
        """The state of this moment."""
        memory = self._memory
        map_id, y, x, facing, num_partners = [memory[address] for address in self._place]
        situation = [memory[address] for address in self._moment]
        if situation[0]:
            situation += [memory[address] for address in self._battle]
        events = memory[self._events]
        flags = [memory[address] for address in self._flags]
        is_story_same = self._is_same("events", events) & self._is_same("flags", flags)
        party = memory[self._parties[min(num_partners, MAX_PARTY)]] if num_partners else []
        belongings = memory[self._belongings]
        parts = self._parts
        if not is_story_same or "story" not in parts:
            parts["story"] = story_of(events, flags)
        if not self._is_same("party", party) or "party" not in parts:
            parts["party"] = party_of(bytes(party))
        if not self._is_same("belongings", belongings):
            parts["belongings"] = belongings_of(bytes(belongings))
        if not self._is_same("situation", situation):
            parts["situation"] = situation_of(situation)
        return State(map_id=map_id, y=y, x=x, facing=facing >> 2 & 3, **parts)

    def _is_same(self, part: str, raw: list[int]) -> bool:
        if raw == self._raw[part]:
            return True
        self._raw[part] = raw
        return False
