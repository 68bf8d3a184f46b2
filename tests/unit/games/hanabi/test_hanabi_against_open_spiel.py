"""Our rules and encodings agree with OpenSpiel's, which wraps the Hanabi Learning Environment."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyspiel
import pytest
from numpy.typing import NDArray
from open_spiel.python.observation import make_observation

from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.observe import Encoder, layout
from gamefleet.games.hanabi.reward import terms_of
from gamefleet.games.hanabi.shuffle import decks_of
from gamefleet.games.hanabi.simulator import Simulator
from gamefleet.games.hanabi.state import PLAYABLE

GAMES: list[dict[str, Any]] = [
    {"num_players": 2},
    {"num_players": 3},
    {"num_players": 4},
    {"num_players": 5},
    {"variant": "small"},
    {"variant": "very_small"},
    {"variant": "mini"},
    {"num_players": 3, "num_colors": 3, "num_ranks": 4, "hand_size": 2},
    {"num_players": 5, "num_colors": 4, "num_ranks": 2, "hand_size": 3, "information_tokens": 2, "life_tokens": 5},
    {"num_players": 2, "num_colors": 1, "num_ranks": 3, "hand_size": 3, "life_tokens": 2},
]
"""The last one deals the whole deck: its games are one round."""


def open_spiel_game(config: HanabiConfig) -> Any:
    return pyspiel.load_game(
        "hanabi",
        {
            "players": config.num_players,
            "colors": config.num_colors,
            "ranks": config.num_ranks,
            "hand_size": config.hand_size,
            "max_information_tokens": config.information_tokens,
            "max_life_tokens": config.life_tokens,
        },
    )


@dataclass
class Reference:
    """OpenSpiel's side of many games."""

    config: HanabiConfig
    decks: NDArray[np.int8]

    def __post_init__(self) -> None:
        game = open_spiel_game(self.config)
        self.observer = make_observation(game)
        self.states = [game.new_initial_state() for _ in self.decks]
        self.undealt = [iter(deck.tolist()) for deck in self.decks]
        for env in range(len(self.decks)):
            self.deal(env)

    def deal(self, env: int) -> None:
        while self.states[env].is_chance_node():
            self.states[env].apply_action(next(self.undealt[env]))

    def move(self, env: int, action: int) -> tuple[float, bool]:
        state = self.states[env]
        state.apply_action(action)
        self.deal(env)
        return state.rewards()[0], state.is_terminal()

    def observations(self, envs: NDArray[np.int64], seat: int) -> NDArray[np.uint8]:
        rows = np.empty((len(envs), layout(self.config).num_bits), np.uint8)
        for row, env in zip(rows, envs, strict=True):
            self.observer.set_from(self.states[env], seat)
            row[:] = self.observer.tensor
        return rows

    def legal(self, envs: NDArray[np.int64]) -> NDArray[np.uint64]:
        return np.array([sum(1 << (63 - a) for a in self.states[env].legal_actions()) for env in envs], np.uint64)


def choose(
    config: HanabiConfig, words: NDArray[np.uint64], own_cards: NDArray[np.int8], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Random legal moves; a third of them careful (plays that fit, else no play), so that games get long."""
    legal = (words[:, None] >> (63 - np.arange(config.num_actions)).astype(np.uint64)) & np.uint64(1)
    weights = legal * rng.random(legal.shape)
    plays = slice(config.hand_size, 2 * config.hand_size)
    care = np.ones_like(weights)
    care[:, plays] = np.where(own_cards == PLAYABLE, 100.0, 1e-6)
    is_careful = np.arange(len(words)) % 3 > 0
    weights[is_careful] *= care[is_careful]
    return weights.argmax(axis=1)


def assert_all_see_the_same(encoder: Encoder, reference: Reference, envs: NDArray[np.int64]) -> None:
    for seat in range(reference.config.num_players):
        seen = np.unpackbits(encoder.encode(envs, np.full(envs.size, seat)), axis=1, count=encoder.layout.num_bits)
        np.testing.assert_array_equal(seen, reference.observations(envs, seat), f"what player {seat} sees")


def play_both(config: HanabiConfig, num_games: int, seed: int) -> Iterator[int]:
    """Play the same games on both sides and compare everything; yields how many moves were made and compared."""
    simulator = Simulator(config, num_games)
    encoder = Encoder(config, simulator.state)
    decks = decks_of(config, range(seed, seed + num_games))
    simulator.deal(np.arange(num_games), decks)
    reference = Reference(config, decks)
    rng = np.random.default_rng(seed)
    envs = np.arange(num_games)
    assert_all_see_the_same(encoder, reference, envs)
    while envs.size:
        words = simulator.legal_words(envs)
        np.testing.assert_array_equal(words, reference.legal(envs), "legal actions")
        actions = choose(config, words, encoder.own_cards(envs, simulator.state.seat[envs]), rng)
        scored, is_lost = simulator.move(envs, actions)
        terms = terms_of(scored, simulator.state.score[envs], is_lost)
        moved = [reference.move(env, action) for env, action in zip(envs.tolist(), actions.tolist(), strict=True)]
        np.testing.assert_array_equal(terms.sum(axis=1), [reward for reward, _ in moved], "rewards")
        np.testing.assert_array_equal(simulator.state.is_over[envs], [is_over for _, is_over in moved], "ends")
        # Ended games, too: what is seen at the end is the same.
        assert_all_see_the_same(encoder, reference, envs)
        yield envs.size
        envs = envs[~simulator.state.is_over[envs]]
    returns = [state.returns()[0] for state in reference.states]
    score = np.where(simulator.state.lives == 0, 0, simulator.state.score)
    np.testing.assert_array_equal(score, returns, "scores")


@pytest.mark.parametrize("settings", GAMES, ids=str)
def test_the_sizes_are_those_of_open_spiel(settings: dict[str, Any]) -> None:
    config = HanabiConfig(**settings)
    game = open_spiel_game(config)

    assert layout(config).num_bits == game.observation_tensor_shape()[0]
    assert config.num_actions == game.num_distinct_actions()


@pytest.mark.parametrize("settings", GAMES, ids=str)
def test_some_games_are_the_same_move_by_move_for_every_player(settings: dict[str, Any]) -> None:
    moves = sum(play_both(HanabiConfig(**settings), 20, seed=1))

    assert moves >= 40


@pytest.mark.long
@pytest.mark.parametrize("settings", GAMES, ids=str)
def test_thousands_of_games_are_the_same_move_by_move_for_every_player(settings: dict[str, Any]) -> None:
    num_games = 20_000 // len(GAMES) // 4

    moves = sum(sum(play_both(HanabiConfig(**settings), num_games, seed=seed)) for seed in (10**4, 10**5, 10**6, 10**7))

    assert moves >= 2 * 4 * num_games
