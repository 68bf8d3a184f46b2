"""The dashboard's table shows the game that was played: every card, what its owner knows of it, and every move."""

from typing import Any

import numpy as np
import pytest

from gamefleet.games.base import Observation
from gamefleet.games.hanabi import PACKAGE
from gamefleet.games.hanabi.actions import action_names
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.game import make_game
from gamefleet.games.hanabi.panel import describe, table_data
from gamefleet.games.hanabi.scripted import make_scripted
from gamefleet.games.hanabi.state import State

KINDS = {"2 players": HanabiConfig(), "3 players": HanabiConfig(num_players=3), "mini": HanabiConfig(variant="mini")}


def played(config: HanabiConfig, seed: int) -> tuple[list[Observation], list[dict[str, Any]], list[str]]:
    """A game of the scripted player: observations, the truth at each, and the moves between them."""
    game = make_game(config)
    player = make_scripted(game)
    step, state = game.reset(seed), game.batch.simulator.state
    observations: list[Observation] = []
    truth: list[dict[str, Any]] = []
    moves: list[str] = []
    while True:
        observations.append({name: array.copy() for name, array in step.obs.items()})
        truth.append(situation(config, state))
        if step.terminated:
            return observations, truth, moves
        action = player.act()
        moves.append(action_names(config)[action])
        step = game.step(action)


def situation(config: HanabiConfig, state: State) -> dict[str, Any]:
    hands, known = state.hands[0], state.knowledge[0].astype(int)
    bits = 1 << np.arange(config.num_kinds)
    return {
        "hands": np.where(hands == config.num_kinds, -1, hands).tolist(),
        "plausible": (known[..., : config.num_kinds] @ bits).tolist(),
        "fireworks": state.fireworks[0].tolist(),
        "discarded": state.discarded[0].tolist(),
        "deck": config.num_cards - int(state.drawn[0]),
        "information": int(state.information[0]),
        "lives": int(state.lives[0]),
        "is_over": bool(state.is_over[0]),
    }


def words(config: HanabiConfig, move: dict[str, Any]) -> str:
    """A told move as the game names it."""
    if "slot" in move:
        return f"{move['type']} {move['slot'] + 1}"
    offset = (move["target"] - move["player"]) % config.num_players
    return f"hint +{offset} {table_data(config)['values'][move['value']]}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_every_situation_and_move_of_a_game_is_told_as_it_was(kind: str, seed: int) -> None:
    config = KINDS[kind]
    observations, truth, moves = played(config, seed)
    frames = describe(config, observations)["frames"]

    for turn, (frame, real) in enumerate(zip(frames, truth, strict=True)):
        told = {**frame, "plausible": [[card[0] for card in hand] for hand in frame["known"]]}
        assert {name: told[name] for name in real} == real, f"at move {turn}"
    assert [words(config, frame["move"]) for frame in frames[1:]] == moves
    assert frames[0]["move"] is None
    seats = [turn % config.num_players for turn in range(len(moves))]
    assert [frame["move"]["player"] for frame in frames[1:]] == seats
    assert [frame["player"] for frame in frames[:-1]] == seats
    assert frames[-1]["player"] == -1


def test_what_was_hinted_is_told_beside_each_card() -> None:
    config = HanabiConfig()
    observations, _, moves = played(config, 1)
    frames = describe(config, observations)["frames"]
    hint = next(frame for frame, move in zip(frames[1:], moves, strict=True) if move.startswith("hint"))

    move = hint["move"]
    is_rank = move["value"] >= config.num_colors
    for slot in move["slots"]:
        _, color, rank = hint["known"][move["target"]][slot]
        assert (rank if is_rank else color) == move["value"] - config.num_colors * is_rank


def test_a_game_whose_beginning_is_not_known_is_told_from_where_it_is() -> None:
    config = HanabiConfig()
    observations, truth, _ = played(config, 2)
    frames = describe(config, observations[10:])["frames"]

    assert [frame["hands"] for frame in frames] == [real["hands"] for real in truth[10:]]  # ten moves: seats agree
    assert frames[0]["move"] is not None


def test_one_situation_alone_shows_no_hand_that_nobody_has_seen() -> None:
    config = HanabiConfig()
    observations, truth, _ = played(config, 2)

    (frame,) = describe(config, observations[:1])["frames"]
    assert frame["hands"] == [[-1] * config.hand_size, truth[0]["hands"][1]]


def test_the_package_offers_the_table_with_its_numbers_and_script() -> None:
    (panel,) = PACKAGE.panels
    data = panel.data(HanabiConfig(variant="mini"))

    assert panel.script.exists()
    assert (data["colors"], data["max_score"], data["hand_size"]) == (["red", "yellow"], 6, 3)
    assert data["values"] == ["red", "yellow", "rank 1", "rank 2", "rank 3"]
    assert panel.describe is not None
    assert panel.describe(HanabiConfig(), []) == {"frames": []}
