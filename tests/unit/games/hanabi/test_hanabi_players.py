"""The scripted player of Hanabi, and what people see of the game."""

from itertools import pairwise

import numpy as np
import pytest

from gamefleet.games.base import Game
from gamefleet.games.hanabi import PACKAGE
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.game import make_game
from gamefleet.games.hanabi.glyphs import glyph, stamp, text_width
from gamefleet.games.hanabi.scripted import make_scripted
from gamefleet.games.hanabi.view import NOBODY, TYPES, view_of


def play(game: Game, seed: int) -> float:
    step, player, total = game.reset(seed), make_scripted(game), 0.0
    while not step.terminated:
        step = game.step(player.act())
        total += step.reward
    return total


@pytest.mark.parametrize(("players", "least"), [(2, 19.0), (3, 18.5), (4, 18.5), (5, 15.5)])
def test_the_scripted_player_scores_well_with_any_number_of_players(players: int, least: float) -> None:
    game = make_game(HanabiConfig(num_players=players))

    assert np.mean([play(game, seed) for seed in range(6)]) > least


@pytest.mark.parametrize("variant", ["small", "very_small", "mini"])
def test_the_scripted_player_finishes_games_of_every_variant(variant: str) -> None:
    game = make_game(HanabiConfig(variant=variant, sad=True))

    assert sum(play(game, seed) for seed in range(10)) > 15


def test_a_view_says_what_the_observation_holds() -> None:
    config = HanabiConfig(num_players=3)
    game = make_game(config)
    game.reset(4)
    names = game.spec.actions
    state = game.batch.simulator.state
    color = int(state.hands[0, 2, 0]) // config.num_ranks
    game.step(names.index("play 2"))
    hint = names.index(f"hint +1 {('red', 'yellow', 'green', 'white', 'blue')[color]}")
    view = view_of(config, game.step(hint).obs)

    np.testing.assert_array_equal(view.hands[1:], np.roll(state.hands[0], -2, axis=0)[1:])
    assert (view.hands[0] == -1).all()
    last, before = view.moves
    assert (last.ago, last.actor, TYPES[last.type], last.target, last.value) == (1, 2, "hint color", 0, color)
    assert (before.ago, before.actor, TYPES[before.type], before.slot, before.target) == (2, 1, "play", 1, NOBODY)
    assert view.hinted[0][:, color].nonzero()[0].tolist() == list(last.revealed)
    assert (view.information, view.deck, view.lives) == (7, 34, int(state.lives[0]))
    assert view.discarded.sum() + view.fireworks.sum() == 1


@pytest.mark.parametrize("players", [2, 5])
def test_a_game_draws_itself_in_the_size_that_it_promises(players: int) -> None:
    game = make_game(HanabiConfig(num_players=players))
    game.reset(1)
    player = make_scripted(game)
    pictures = [game.frame()]
    for _ in range(10):
        game.step(player.act())
        pictures.append(game.frame())

    assert {picture.shape for picture in pictures} == {(*(game.spec.picture_shape or ()), 3)}
    assert all((a != b).any() for a, b in pairwise(pictures))
    assert all(side % 2 == 0 for side in game.spec.picture_shape or ())


def test_text_is_cut_off_at_the_edge_of_the_picture() -> None:
    picture = np.zeros((9, 20, 3), np.uint8)

    stamp(picture, "HANABI", (4, 2), (255, 255, 255))

    assert picture[4:, 2:].any()
    assert text_width("HANABI") == 35
    assert not np.array_equal(glyph("h"), glyph("b"))


def test_the_package_makes_batches_and_single_games_of_the_same_spec() -> None:
    config = HanabiConfig(variant="mini")

    assert PACKAGE.make_game(config).spec == PACKAGE.make_spec(config)
    assert PACKAGE.make_batch is not None
    assert PACKAGE.evaluation_epsilon == 0.0
