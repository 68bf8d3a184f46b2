"""The game: a simulator in, rows of steps out.

Job: `HanabiBatch`, many games in one process. Place in the data flow: actors call `step`; what they find in their rows
comes from the pure modules beside this one. Left out: rules, encodings and rewards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import IncompatibleError
from gamefleet.games.base import GameSpec
from gamefleet.games.batch import StepRows
from gamefleet.games.hanabi.actions import action_names
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.observe import Encoder, arrays_of
from gamefleet.games.hanabi.record import record_of, replay
from gamefleet.games.hanabi.render import picture_of, picture_shape
from gamefleet.games.hanabi.reward import MILESTONES, TERMS, cells, milestone_scores, terms_of
from gamefleet.games.hanabi.saved import VERSION, SavedState, pack, unpack
from gamefleet.games.hanabi.shuffle import decks_of
from gamefleet.games.hanabi.simulator import Simulator, find_illegal
from gamefleet.games.single import SingleGame

Ints = NDArray[np.int64]


def make_spec(config: HanabiConfig) -> GameSpec:
    """The spec for these settings."""
    return GameSpec(
        name="hanabi",
        version=VERSION,
        observations=arrays_of(config),
        actions=action_names(config),
        reward_terms=TERMS,
        milestones=MILESTONES,
        max_episode_steps=config.max_episode_steps,
        picture_shape=picture_shape(config),
        legal="legal",
        num_players=config.num_players,
        hears_intent=config.sad,
    )


class HanabiBatch:
    """Many games that are moved together; see `BatchGame`.

    Args:
        config: The game.
        rows: Receive the steps.
    """

    def __init__(self, config: HanabiConfig, rows: StepRows) -> None:
        self.config = config
        self.simulator = Simulator(config, len(rows.terminated))
        self.encoder = Encoder(config, self.simulator.state)
        self._rows = rows
        self._first_move = np.zeros(len(rows.terminated), np.int64)
        self._legal = np.zeros(len(rows.terminated), np.uint64)
        self._milestone_scores = milestone_scores(config)

    def reset(self, envs: Ints, seeds: Sequence[int]) -> None:
        """Deal shuffled decks.

        Args:
            envs: int64 `[n]`.
            seeds: Decide the decks, and nothing else does.
        """
        self.deal(envs, decks_of(self.config, seeds))

    def deal(self, envs: Ints, decks: NDArray[np.int8]) -> None:
        """Deal given decks: int8 `[n, num_cards]`, the first player's hand first."""
        if not len(envs):
            return
        self.simulator.deal(envs, decks)
        self._first_move[envs] = 0
        self._show(envs, np.zeros((len(envs), len(TERMS)), np.float32))

    def step(self, envs: Ints, actions: NDArray[np.int16]) -> None:
        """Make one move in each game.

        Args:
            envs: int64 `[n]`.
            actions: int16 `[n]`; with `sad`, as `games.batch.with_intent` makes them.

        Raises:
            ValueError: A move is illegal, or its game is over.
        """
        if not len(envs):
            return
        greedy, chosen = np.divmod(actions.astype(np.int64), self.config.num_actions)
        self._check(envs, chosen, greedy)
        scored, is_lost = self.simulator.move(envs, chosen, greedy if self.config.sad else None)
        self._show(envs, terms_of(scored, self.simulator.state.score[envs], is_lost))

    def save_states(self, envs: Sequence[int]) -> list[bytes]:
        """The games since their deal, about 110 bytes each; see `saved`."""
        return [
            pack(
                self.config,
                SavedState(record=record_of(self.simulator, env), first_move=int(self._first_move[env])),
            )
            for env in envs
        ]

    def restore_states(self, envs: Sequence[int], states: Sequence[bytes], new_episode: Sequence[bool]) -> None:
        """Go to saved states by playing their moves again.

        Args:
            envs: Rows.
            states: What `save_states` returned.
            new_episode: Start an episode there instead of continuing the saved one.

        Raises:
            IncompatibleError: A state is none of this game, or an episode would begin after the game's end. Nothing
                was changed.
        """
        saved = [unpack(self.config, state) for state in states]
        if not saved:
            return
        again = Simulator(self.config, len(saved))
        terms = np.zeros((len(saved), len(TERMS)), np.float32)
        for moved in replay(again, [one.record for one in saved]):
            terms[moved.envs] = terms_of(moved.scored, again.state.score[moved.envs], moved.is_lost)
        begins = np.array(new_episode, np.bool_)
        if (again.state.is_over & begins).any():
            raise IncompatibleError(
                "No episode can begin where a game of hanabi is over", remedy="Save states earlier."
            )
        rows = np.array(envs, np.int64)
        first = np.where(begins, again.state.num_moves, [one.first_move for one in saved])
        terms[first == again.state.num_moves] = 0
        self.simulator.state.copy_rows(rows, again.state, np.arange(len(saved)))
        self._first_move[rows] = first
        self._show(rows, terms)

    def frame(self, env: int) -> NDArray[np.uint8]:
        """A picture of one game, all hands open; uint8 `[height, width, 3]`, RGB."""
        return picture_of(self.config, self.simulator.state, env)

    def _check(self, envs: Ints, actions: Ints, greedy: Ints) -> None:
        illegal = find_illegal(self._legal[envs], actions)
        if illegal:
            env, action = int(envs[illegal[0]]), int(actions[illegal[0]])
            raise ValueError(f"game {env}: action {action} is not legal now, or the game is over")
        if greedy.max(initial=0) >= (self.config.num_actions if self.config.sad else 1):
            raise ValueError("an action carries an intent that is none of the game's actions, or that nobody hears")

    def _show(self, envs: Ints, terms: NDArray[np.float32]) -> None:
        """Write the rows of some games."""
        rows, state = self._rows, self.simulator.state
        words = self.simulator.legal_words(envs)
        self._legal[envs] = words
        self.encoder.fill(rows.obs, envs, words)
        is_over, score = state.is_over[envs], state.score[envs]
        num_steps = state.num_moves[envs] - self._first_move[envs]
        rows.terms[envs] = terms
        rows.terminated[envs] = is_over
        rows.truncated[envs] = ~is_over & (num_steps >= self.config.max_episode_steps)
        rows.milestones[envs] = score[:, None] >= self._milestone_scores
        rows.cell[envs] = cells(self.config, state, envs)
        rows.progress[envs] = score


def make_batch(config: HanabiConfig, rows: StepRows) -> HanabiBatch:
    """Many games over the rows of a vector."""
    return HanabiBatch(config, rows)


def make_game(config: HanabiConfig) -> SingleGame[HanabiBatch]:
    """One game."""
    return SingleGame(make_spec(config), lambda rows: HanabiBatch(config, rows))
