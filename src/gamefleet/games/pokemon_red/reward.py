"""Reward terms: what was gained for the first time.

Job: turn states into named, weighted terms. Place in the data flow: `game` calls `Ledger.settle` after each step;
the terms reach the metrics one by one and the learner as their sum. Left out: curiosity, which the learner adds.

Every term but `stuck` is the growth of an account that can only grow, and each account holds the best so far: losing
something and getting it back pays nothing, so no reward can be farmed. Where an episode starts from a saved state, the
accounts start from what that state has, so milestones reached before pay nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.pokemon_red import tables
from gamefleet.games.pokemon_red.config import RewardWeights
from gamefleet.games.pokemon_red.places import Places
from gamefleet.games.pokemon_red.state import BATTLE_LOST, State

TERMS = ("events", "badges", "levels", "exploration", "maps", "healing", "catching", "seen", "stuck")
_DAMPING = 4.0


def level_value(total_level: int, threshold: int) -> float:
    """What the party's levels are worth, in levels.

    Args:
        total_level: Sum of the party's levels.
        threshold: Sum above which a level counts a quarter, so that endless training does not beat the story.

    Returns:
        The damped sum.
    """
    return float(min(total_level, threshold)) + max(total_level - threshold, 0) / _DAMPING


def health_share(state: State) -> float:
    """Hit points of the whole party as a share of the most it can have, 0 without a party."""
    most = sum(partner.max_health for partner in state.party)
    return sum(partner.health for partner in state.party) / most if most else 0.0


def healed_share(previous: State, state: State) -> float:
    """How much the party was healed between two states.

    Args:
        previous: The state before.
        state: The state after.

    Returns:
        Growth of `health_share`; 0 where the growth was none of the player's doing: a defeated team that wakes up at
        the healer, a new or missing partner, or a level (which raises both hit points and their maximum).
    """
    if previous.party is state.party or not previous.party:
        return 0.0
    before, after = health_share(previous), health_share(state)
    is_same_team = [p.level for p in previous.party] == [p.level for p in state.party]
    was_defeated = before == 0.0 or BATTLE_LOST in (previous.situation.battle, state.situation.battle)
    return max(after - before, 0.0) if is_same_team and not was_defeated else 0.0


class Ledger:
    """The accounts of one episode.

    Args:
        weights: Weight of each term.
    """

    def __init__(self, weights: RewardWeights) -> None:
        self._weights = weights
        self._story = tables.event_mask(story_only=True)
        self._side = tables.event_mask(story_only=False) & ~self._story

    def open(self, state: State) -> None:
        """Start an episode: everything this state has counts as paid.

        Args:
            state: The first state.
        """
        self._events = state.story.events
        self._flags = list(state.story.flags)
        self._badges = state.story.badges
        self._levels = self._level_value(state)
        self._owned = state.belongings.owned
        self._seen = state.belongings.seen
        self._allowance = 1.0
        self._idle_steps = 0
        self._previous = state

    def settle(self, state: State, places: Places, *, is_new_tile: bool) -> NDArray[np.float32]:
        """Pay for one step.

        Args:
            state: The state after the step.
            places: Visited tiles, this step's included.
            is_new_tile: The step reached a tile that was not visited before.

        Returns:
            float32 `[len(TERMS)]`, weighted, in the order of `TERMS`.
        """
        weights = self._weights
        terms = np.zeros(len(TERMS), np.float32)
        num_gains = 0
        if self._has_news(state):
            num_gains = self._settle_news(state, terms)
        if is_new_tile:
            count = places.num_tiles(state.map_id)
            terms[3] = weights.exploration / (1.0 + (count - 1) / max(weights.exploration_half_tiles, 1))
            terms[4] = weights.maps if count == 1 else 0.0
        self._allowance += num_gains
        healed = min(healed_share(self._previous, state), self._allowance)
        self._allowance -= healed
        terms[5] = weights.healing * healed
        self._idle_steps = 0 if num_gains or is_new_tile else self._idle_steps + 1
        terms[8] = -weights.stuck if self._idle_steps > weights.stuck_after_steps else 0.0
        self._previous = state
        return terms

    def _has_news(self, state: State) -> bool:
        previous = self._previous
        return (
            state.story is not previous.story
            or state.party is not previous.party
            or state.belongings is not previous.belongings
        )

    def _settle_news(self, state: State, terms: NDArray[np.float32]) -> int:
        """Fill the terms of events, badges, levels and the Pokédex; return how many things were gained."""
        weights, story, belongings = self._weights, state.story, state.belongings
        fresh = story.events & ~self._events
        main = (fresh & self._story).bit_count() + self._settle_flags(state)
        side = (fresh & self._side).bit_count()
        badges = (story.badges & ~self._badges).bit_count()
        owned = (belongings.owned & ~self._owned).bit_count()
        seen = (belongings.seen & ~self._seen).bit_count()
        levels = max(self._level_value(state) - self._levels, 0.0)
        terms[0] = weights.events * (main + weights.side_event_scale * side)
        terms[1] = weights.badges * badges
        terms[2] = weights.levels * levels
        terms[6] = weights.catching * owned
        terms[7] = weights.seen * seen
        self._events |= story.events
        self._badges |= story.badges
        self._owned |= belongings.owned
        self._seen |= belongings.seen
        self._levels += levels
        return main + side + badges + owned + int(levels > 0)

    def _settle_flags(self, state: State) -> int:
        """Story flags outside the array that were set for the first time; badges have their own term."""
        fresh = 0
        for index, (flag, value) in enumerate(zip(tables.story_flags(), state.story.flags, strict=True)):
            if value > self._flags[index]:
                fresh += int(flag.test != "count" and self._flags[index] == 0)
                self._flags[index] = value
        return fresh

    def _level_value(self, state: State) -> float:
        return level_value(sum(partner.level for partner in state.party), self._weights.levels_damped_above)

    def export_state(self) -> dict[str, Any]:
        """The accounts as plain values; big integers as bytes."""
        return {
            "events": self._events.to_bytes(320, "little"),
            "flags": list(self._flags),
            "badges": self._badges,
            "levels": self._levels,
            "owned": self._owned.to_bytes(19, "little"),
            "seen": self._seen.to_bytes(19, "little"),
            "allowance": self._allowance,
            "idle_steps": self._idle_steps,
        }

    def import_state(self, state: Mapping[str, Any], previous: State) -> None:
        """Continue saved accounts.

        Args:
            state: What `export_state` returned.
            previous: The game's state at that moment.
        """
        self._events = int.from_bytes(state["events"], "little")
        self._flags = list(state["flags"])
        self._badges = state["badges"]
        self._levels = state["levels"]
        self._owned = int.from_bytes(state["owned"], "little")
        self._seen = int.from_bytes(state["seen"], "little")
        self._allowance = state["allowance"]
        self._idle_steps = state["idle_steps"]
        self._previous = previous


def reward_json(weights: RewardWeights) -> dict[str, Any]:
    """What enters the compatibility hash: the terms and their settings."""
    return {"terms": list(TERMS), "weights": weights.as_json()}
