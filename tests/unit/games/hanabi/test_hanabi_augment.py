"""Exchanged colours in recorded play are what playing the permuted deck shows."""

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from gamefleet.games.batch import StepRows, empty_rows, with_intent
from gamefleet.games.hanabi.augment import ColorShuffle
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.game import HanabiBatch, make_spec
from gamefleet.games.hanabi.shuffle import decks_of

NUM_GAMES = 30
GAMES = [
    HanabiConfig(),
    HanabiConfig(variant="mini", sad=True),
    HanabiConfig(num_players=3, num_colors=3, sad=True),
    HanabiConfig(num_players=5, history_moves=6),
    HanabiConfig(variant="very_small"),
]


def dealt(config: HanabiConfig, decks: NDArray[np.int8]) -> tuple[HanabiBatch, StepRows]:
    rows = empty_rows(make_spec(config), len(decks))
    games = HanabiBatch(config, rows)
    games.deal(np.arange(len(decks)), decks)
    return games, rows


def permuted_decks(config: HanabiConfig, decks: NDArray[np.int8], which: NDArray[np.int64]) -> NDArray[np.int8]:
    """The permutation says where each colour comes from; a card's new colour is where its old one goes."""
    order = np.array(list(permutations(range(config.num_colors))))[which]
    color, rank = decks // config.num_ranks, decks % config.num_ranks
    becomes = np.take_along_axis(np.argsort(order, axis=1), color.astype(np.int64), axis=1)
    return (becomes * config.num_ranks + rank).astype(np.int8)


def random_moves(config: HanabiConfig, legal: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.int16]:
    mask = np.unpackbits(legal, axis=-1, count=config.num_actions)
    return (rng.random(mask.shape) * mask).argmax(axis=-1).astype(np.int16)


@pytest.mark.parametrize("config", GAMES, ids=lambda config: f"{config.num_players}p{config.num_colors}c")
def test_exchanging_colours_is_exactly_playing_the_permuted_deck(config: HanabiConfig) -> None:
    rng = np.random.default_rng(5)
    shuffle = ColorShuffle(config)
    which = rng.integers(len(shuffle.tables.actions), size=NUM_GAMES)
    decks = decks_of(config, range(NUM_GAMES))
    games, rows = dealt(config, decks)
    others, other_rows = dealt(config, permuted_decks(config, decks, which))
    playing, num_seen = np.arange(NUM_GAMES), 0
    while len(playing):
        seen = {name: array[:, None] for name, array in rows.obs.items()}
        action, greedy = (random_moves(config, rows.obs["legal"], rng) for _ in range(2))
        chosen = np.stack([action, greedy, np.full_like(action, -1)], axis=1)
        obs, changed = shuffle.apply(seen, chosen, which)
        for name, array in obs.items():
            assert (array[:, 0] == other_rows.obs[name]).all(), name
        assert (changed[:, 2] == -1).all()
        sent, other = (
            with_intent(moves[:, 0], moves[:, 1], config.num_actions) if config.sad else moves[:, 0]
            for moves in (chosen, changed)
        )
        games.step(playing, sent[playing])
        others.step(playing, other[playing])
        assert (rows.terms == other_rows.terms).all()
        assert (rows.terminated == other_rows.terminated).all()
        num_seen += len(playing)
        playing = np.flatnonzero(~rows.terminated)
    assert num_seen > NUM_GAMES


def test_each_window_gets_a_permutation_of_its_own_and_nothing_is_written_over() -> None:
    config = HanabiConfig()
    _, rows = dealt(config, decks_of(config, [3] * 64))
    obs = {name: np.repeat(array[:, None], 3, axis=1) for name, array in rows.obs.items()}
    before = {name: array.copy() for name, array in obs.items()}
    action = np.full((64, 3), 10, np.int16)
    changed, actions = ColorShuffle(config)(obs, action, np.random.default_rng(0))
    assert len(np.unique(actions[:, 0])) == config.num_colors
    assert (actions == actions[:, :1]).all()
    assert len(np.unique(changed["bits"][:, 0], axis=0)) > 30
    assert (changed["bits"] == changed["bits"][:, :1]).all()
    assert all((obs[name] == before[name]).all() for name in obs)
    assert (changed["own_cards"] == obs["own_cards"]).all()
