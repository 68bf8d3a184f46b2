"""Milestones and quests: the story as a list to tick off.

Job: say which milestones a state has reached, how far the story is, and in which cell of the archive it lies. Place in
the data flow: `game` asks after each step; curricula save states at new milestones. Left out: what milestones pay,
which `reward` decides from the same state. One list serves the commercial game and our cartridge, which sets a part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.base import Quest
from gamefleet.games.pokemon_red import tables
from gamefleet.games.pokemon_red.state import State, Story

_MASK_64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """One entry of the list.

    Args:
        name: Unique name.
        kind: `event`, `story`, `map`, `badges`, `level`, `dex` or `party`.
        value: Name of the event, story flag or map, or the number to reach.
        meaning: What was done.
    """

    name: str
    kind: str
    value: str
    meaning: str


@cache
def milestones() -> tuple[Milestone, ...]:
    """All milestones in the order of the story."""
    return tuple(
        Milestone(name=row["name"], kind=row["kind"], value=row["value"], meaning=row["meaning"])
        for row in tables.rows("milestones")
    )


@cache
def quests() -> tuple[Quest, ...]:
    """The story as quests, each after its prerequisites."""
    return tuple(
        Quest(name=row["name"], goal=row["goal"], requires=tuple((row["requires"] or "").split()))
        for row in tables.rows("quests")
    )


class MilestoneBook:
    """The milestones reached in one episode, and how far the story is."""

    def __init__(self) -> None:
        entries = milestones()
        bits = {event.name: event.index for event in tables.events()}
        numbers = {row.name: row.number for row in tables.maps().values()}
        flags = {flag.name: index for index, flag in enumerate(tables.story_flags())}
        self.reached: NDArray[np.bool_] = np.zeros(len(entries), np.bool_)
        self.story_progress = 0
        self._events = [(i, bits[m.value]) for i, m in enumerate(entries) if m.kind == "event"]
        self._story = [(i, flags[m.value]) for i, m in enumerate(entries) if m.kind == "story"]
        self._maps = {numbers[m.value]: i for i, m in enumerate(entries) if m.kind == "map"}
        self._counts = {
            kind: [(i, int(m.value)) for i, m in enumerate(entries) if m.kind == kind]
            for kind in ("badges", "level", "dex", "party")
        }
        self._last: State | None = None

    def open(self, state: State) -> None:
        """Start an episode: nothing but what this state shows is reached.

        Args:
            state: The first state.
        """
        self.reached[:] = False
        self._last = None
        self.note(state)

    def resume(self, state: State, reached: NDArray[np.uint8]) -> None:
        """Go on in an episode.

        Args:
            state: The present moment.
            reached: 0 or 1 `[milestone]`, what it had reached by then.
        """
        self.open(state)
        self.reached[:] = reached

    def note(self, state: State) -> None:
        """Tick off what a state shows; cheap when nothing changed.

        Args:
            state: The present moment.
        """
        last = self._last
        is_story_new = last is None or state.story is not last.story
        if last is None or state.map_id != last.map_id:
            entry = self._maps.get(state.map_id)
            if entry is not None:
                self.reached[entry] = True
        if is_story_new:
            self._note_story(state.story)
        if is_story_new or last is None or state.party is not last.party or state.belongings is not last.belongings:
            self._note_counts(state)
        self._last = state

    def _note_story(self, now: Story) -> None:
        self.story_progress = story_progress(now)
        for entry, bit in self._events:
            self.reached[entry] |= bool(now.events >> bit & 1)
        for entry, flag in self._story:
            self.reached[entry] |= now.flags[flag] > 0

    def _note_counts(self, state: State) -> None:
        values = {
            "badges": state.story.num_badges,
            "level": max((partner.level for partner in state.party), default=0),
            "dex": state.belongings.owned.bit_count(),
            "party": len(state.party),
        }
        for kind, entries in self._counts.items():
            for entry, least in entries:
                self.reached[entry] |= values[kind] >= least


def story_progress(now: Story) -> int:
    """How many flags of the story's main line are set, those outside the event array included."""
    flags = zip(tables.story_flags(), now.flags, strict=True)
    outside = sum(int(value > 0) for flag, value in flags if flag.test != "count")
    return (now.events & tables.event_mask(story_only=True)).bit_count() + outside


def cell(state: State, *, story_progress: int, cell_tiles: int) -> int:
    """Coarse identity of a situation for the state archive.

    Args:
        state: The present moment.
        story_progress: What `story_progress` says of it.
        cell_tiles: Edge of a cell in tiles.

    Returns:
        64 bits that depend on map, cell, story progress and badges only, equal on every machine.

    Source: the cell of Ecoffet et al. 2021 (Go-Explore), with progress in place of a picture; the mixing is the
    finaliser of splitmix64 (Steele et al. 2014).
    """
    packed = state.map_id | (state.y // cell_tiles) << 8 | (state.x // cell_tiles) << 16
    packed |= state.story.badges << 24 | story_progress << 32
    mixed = (packed + 0x9E3779B97F4A7C15) & _MASK_64
    mixed = ((mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9) & _MASK_64
    mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & _MASK_64
    return mixed ^ mixed >> 31
