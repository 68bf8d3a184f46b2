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
    Belongings,
    Partner,
    Situation,
    State,
    Story,
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
        at = {name: symbol.address for name, symbol in symbols.items()}
        self._events_at = slice(at["wEventFlags"], symbols["wEventFlags"].end)
        self._belongings_at = slice(at["wPokedexOwned"], symbols["wPlayerMoney"].end)
        self._parties_at = [slice(at["wPartyMons"], at["wPartyMons"] + PARTY_STRUCT_BYTES * n) for n in range(7)]
        self._place_at = [at[name] for name in PLACE]
        self._flags_at = [at["wObtainedBadges"], *(flag.address for flag in tables.story_flags())]
        self._moment_at = [at[name] for name in MOMENT]
        self._battle_at = [at[name] + offset for name, offset in BATTLE]
        # Raw bytes of the last reading, and what they decoded to. No memory holds these bytes: all is decoded at first.
        nothing = [-1]
        self._raw_events = self._raw_flags = self._raw_party = self._raw_belongings = self._raw_situation = nothing
        self._story: Story
        self._party: tuple[Partner, ...]
        self._belongings: Belongings
        self._situation: Situation

    def read(self) -> State:
        """The state of this moment."""
        memory = self._memory
        map_id, y, x, facing, num_partners = [memory[address] for address in self._place_at]
        party = memory[self._parties_at[min(num_partners, MAX_PARTY)]] if num_partners else []
        if party != self._raw_party:
            self._raw_party, self._party = party, party_of(bytes(party))
        belongings = memory[self._belongings_at]
        if belongings != self._raw_belongings:
            self._raw_belongings, self._belongings = belongings, belongings_of(bytes(belongings))
        self._read_story()
        self._read_situation()
        return State(
            map_id=map_id,
            y=y,
            x=x,
            facing=facing >> 2 & 3,
            story=self._story,
            party=self._party,
            belongings=self._belongings,
            situation=self._situation,
        )

    def _read_story(self) -> None:
        memory = self._memory
        events = memory[self._events_at]
        flags = [memory[address] for address in self._flags_at]
        if events != self._raw_events or flags != self._raw_flags:
            self._raw_events, self._raw_flags = events, flags
            self._story = story_of(events, flags)

    def _read_situation(self) -> None:
        memory = self._memory
        situation = [memory[address] for address in self._moment_at]
        if situation[0]:
            situation += [memory[address] for address in self._battle_at]
        if situation != self._raw_situation:
            self._raw_situation, self._situation = situation, situation_of(situation)
