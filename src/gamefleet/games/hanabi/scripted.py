"""A hand-written player who gives and reads hints by one convention.

Job: a baseline, and games for tests and pages that look like play. Place in the data flow: baselines and tests play it.
Left out: memory; everything it does follows from the observation of its turn.

The convention: a hint says *play the newest card that I mean*. Whoever was hinted since the last turn does so, unless
that card cannot fit whatever it is. So a hint whose newest card never fits says nothing, and is used to save cards and
to pass. Without a hint, players play what must fit, hint a card that fits, save a card about to be lost, or discard:
first what is useless, then the oldest card that no hint ever meant.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import ConfigError
from gamefleet.games.base import Game
from gamefleet.games.hanabi.actions import Actions, actions_of
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.game import HanabiBatch
from gamefleet.games.hanabi.view import View, view_of
from gamefleet.games.single import SingleGame

Bools = NDArray[np.bool_]


class Thought:
    """One turn of the player.

    Args:
        config: The game.
        view: What the player to move knows.
    """

    def __init__(self, config: HanabiConfig, view: View) -> None:
        self._config = config
        self._view = view
        self._actions: Actions = actions_of(config)
        self._copies = np.tile(config.copies, config.num_colors)
        kinds = np.arange(config.num_kinds)
        self._color, self._rank = kinds // config.num_ranks, kinds % config.num_ranks
        self._fits_now = self._fitting(view.fireworks)
        self._is_played = self._rank < view.fireworks[self._color]
        self._is_useless = self._is_played | (self._rank >= self._reachable()[self._color])
        self._left = self._copies - view.discarded - self._is_played

    def choose(self) -> int:
        """The action to take."""
        found = self._play()
        if found is None and self._view.information:
            found = self._play_hint()
        if found is None and self._view.information:
            found = self._saving_hint()
        if found is None and self._view.information < self._config.information_tokens:
            found = self._discard()
        if found is None:
            found = self._silent_hint()
        return int(np.flatnonzero(self._view.legal)[0]) if found is None else found

    def _play(self) -> int | None:
        """Play what was asked for, or what must fit."""
        own = self._possible_own()
        for move in self._view.moves:
            # Its place is still the same, because only the own moves shift the own cards.
            is_fresh = move.target == 0 and move.ago < self._config.num_players
            if is_fresh and (own[move.revealed[-1]] & self._fits_now).any():
                return self._config.hand_size + move.revealed[-1]
        must_fit = own.any(axis=1) & ~(own & ~self._fits_now).any(axis=1)
        slots = np.flatnonzero(must_fit)
        return self._config.hand_size + int(slots[0]) if slots.size else None

    def _play_hint(self) -> int | None:
        """Ask for the lowest card that fits once everyone has played what was asked for."""
        fits = self._fitting(self._expected_fireworks())
        best: tuple[int, int] | None = None
        for action, target, meant in self._hints():
            card = int(self._view.hands[target, meant[-1]])
            if fits[card] and target not in self._asked():
                rank = (int(self._rank[card]), action)
                best = rank if best is None else min(best, rank)
        return best[1] if best else None

    def _saving_hint(self) -> int | None:
        """Mean a card that its owner would discard next although no other copy is left, without asking for a play."""
        for target in range(1, self._config.num_players):
            slot = self._next_discard(target)
            if slot is None or target in self._asked():
                continue
            card = int(self._view.hands[target, slot])
            if card < 0 or self._is_useless[card] or self._left[card] > 1:
                continue
            for action, hinted, meant in self._hints():
                if hinted == target and slot in meant and self._is_silent(action, target, meant):
                    return action
        return None

    def _silent_hint(self) -> int | None:
        """Pass: a hint that asks for nothing."""
        for action, target, meant in self._hints():
            if self._is_silent(action, target, meant):
                return action
        return None

    def _discard(self) -> int | None:
        own = self._possible_own()
        useless = np.flatnonzero(own.any(axis=1) & ~(own & ~self._is_useless).any(axis=1))
        slot = int(useless[0]) if useless.size else self._next_discard(0)
        if slot is None:
            # Everything was meant once: give up the card that is least likely to be the last of its kind.
            weights = own * self._left
            risk = (weights * (self._left == 1) * ~self._is_useless).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
            slot = int(np.where(own.any(axis=1), risk, np.inf).argmin())
        return slot

    def _next_discard(self, player: int) -> int | None:
        """The oldest card that no hint has meant."""
        view = self._view
        free = np.flatnonzero(~view.hinted[player].any(axis=1) & view.plausible[player].any(axis=1))
        return int(free[0]) if free.size else None

    def _hints(self) -> list[tuple[int, int, list[int]]]:
        """Legal hints with their targets and the slots they mean."""
        found = []
        for action in np.flatnonzero(self._view.legal & (self._actions.is_card == 0)).tolist():
            target, value = int(self._actions.offset[action]), int(self._actions.value[action])
            cards = self._view.hands[target]
            meant = np.flatnonzero((cards >= 0) & self._means(value)[cards]).tolist()
            found.append((action, target, meant))
        return found

    def _is_silent(self, action: int, target: int, meant: list[int]) -> bool:
        """Whether the target, knowing what this hint tells, cannot think that its newest card fits."""
        value = int(self._actions.value[action])
        possible = self._view.plausible[target, meant[-1]] & self._means(value) & (self._left > 0)
        return not (possible & self._fits_now).any()

    def _asked(self) -> set[int]:
        """Players who have been asked to play and have not moved since."""
        return {move.target for move in self._view.moves if move.target > 0 and self._is_waiting(move.target, move.ago)}

    def _is_waiting(self, target: int, ago: int) -> bool:
        # Since then `ago - 1` players have moved, up to the one before the observer.
        return target + ago <= self._config.num_players

    def _expected_fireworks(self) -> NDArray[np.int64]:
        fireworks = self._view.fireworks.copy()
        for move in reversed(self._view.moves):
            if move.target > 0 and self._is_waiting(move.target, move.ago):
                card = int(self._view.hands[move.target, move.revealed[-1]])
                if card >= 0 and self._rank[card] == fireworks[self._color[card]]:
                    fireworks[self._color[card]] += 1
        return fireworks

    def _possible_own(self) -> Bools:
        """What each own card can be, bool `[slot, kind]`, without the cards that the player sees elsewhere."""
        hands = self._view.hands[1:]
        seen = np.bincount(hands[hands >= 0], minlength=self._config.num_kinds)
        possible: Bools = self._view.plausible[0] & (self._left - seen > 0)
        return possible

    def _means(self, value: int) -> Bools:
        colors = self._config.num_colors
        meant: Bools = self._color == value if value < colors else self._rank == value - colors
        return meant

    def _fitting(self, fireworks: NDArray[np.int64]) -> Bools:
        fits: Bools = self._rank == fireworks[self._color]
        return fits

    def _reachable(self) -> NDArray[np.int64]:
        """int64 `[color]`: how high each firework can still become."""
        lost = (self._view.discarded == self._copies).reshape(self._config.num_colors, -1)
        return np.where(lost.any(axis=1), lost.argmax(axis=1), self._config.num_ranks)


class ConventionPlayer:
    """Plays for whoever is to move, each time knowing only what that player may know.

    Args:
        game: The game to play.
    """

    def __init__(self, game: SingleGame[HanabiBatch]) -> None:
        self._game = game

    def act(self) -> int:
        """The next action."""
        config = self._game.batch.config
        action = Thought(config, view_of(config, self._game.step_now().obs)).choose()
        # It never explores: what it does is what it means.
        return action + config.num_actions * action if config.sad else action


def make_scripted(game: Game) -> ConventionPlayer:
    """A scripted player for one game.

    Raises:
        ConfigError: The game is no game of Hanabi.
    """
    if not isinstance(game, SingleGame) or not isinstance(game.batch, HanabiBatch):
        raise ConfigError("This scripted player only knows hanabi", value=type(game).__name__)
    return ConventionPlayer(game)
