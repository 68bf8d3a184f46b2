"""A person plays Hanabi with an agent: typed lines in, the table as that seat sees it out."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

from gamefleet.cli.play_hanabi import Table, seat_at, short_words, told, understood
from gamefleet.errors import ConfigError
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.game import HanabiBatch, make_game

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(gamefleet: Callable, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Play with some options and type some lines: status, output, errors."""
    monkeypatch.setenv("COLUMNS", "200")

    def play(lines: str, *words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(lines))
        answer = gamefleet("play", "hanabi", *words)
        return answer.status, answer.out, answer.err

    return play


def table(seed: int = 3, seat: int = 0, **settings: int) -> tuple[Table, HanabiBatch]:
    game = make_game(HanabiConfig(**settings))
    game.reset(seed)
    return seat_at(game.batch, seat), game.batch


def move(batch: HanabiBatch, action: int) -> None:
    batch.step(np.zeros(1, np.int64), np.array([action], np.int16))


def test_a_person_sees_the_other_hands_and_not_the_own_one(typed: Typed) -> None:
    status, out, err = typed("q\n", "--with", "random", "--seed", "3")

    assert status == 0, err
    assert "hints 8 of 8   lives 3 of 3   deck 40   points 0 of 25" in out
    assert "player 2   white 5 (?)" in out
    assert "you        1: ?  2: ?  3: ?  4: ?  5: ?" in out
    assert "You left with 0 points." in out


def test_mistyped_and_illegal_moves_are_explained_and_asked_for_again(typed: Typed) -> None:
    status, out, _ = typed("?\np 9\ndance\nh red\nd 1\np 1\nq\n", "--with", "random", "--seed", "3")

    assert status == 0
    assert "legal now: p 1, p 2, p 3, p 4, p 5, h green, h white, h blue, h 1, h 3, h 4, h 5" in out
    assert "This is no move: 'p 9'. Did you mean 'p 5'?" in out
    assert "This is no move: 'dance'" in out
    assert "h red is not legal now: that player holds no such card" in out
    assert "d 1 is not legal now: nothing is discarded while all hints are there" in out
    assert "> you play card 1, blue 2, which does not fit: a life is lost" in out
    assert "> player 2" in out


def test_a_game_is_played_to_its_end_from_any_seat_with_any_number_of_players(typed: Typed) -> None:
    lines = "p 1\n" * 100
    status, out, err = typed(lines, "--with", "random", "--players", "3", "--seat", "3")

    assert status == 0, err
    assert "The end: " in out
    assert "> player 1" in out.split("your move")[0], "the others move first"


def test_the_same_seed_and_words_are_the_same_game(typed: Typed) -> None:
    first = typed("p 1\np 2\nq\n", "--with", "random", "--seed", "5")
    assert typed("p 1\np 2\nq\n", "--with", "random", "--seed", "5") == first
    assert typed("p 1\np 2\nq\n", "--with", "random", "--seed", "6") != first


def test_without_a_seed_the_deck_is_another_one_each_time_and_can_be_had_again(typed: Typed) -> None:
    found = {typed("q\n", "--with", "random")[1] for _ in range(3)}
    seed = next(iter(found)).split("--seed ")[1].split()[0]

    assert len(found) == 3
    assert typed("q\n", "--with", "random", "--seed", seed)[1] in found


def test_seats_games_and_checkpoints_that_do_not_exist_are_refused(typed: Typed, gamefleet: Callable) -> None:
    assert "Choose 1 to 2" in typed("", "--with", "random", "--seat", "3")[2]
    status, _, err = typed("", "--with", "runs/nothing")
    assert status == 5
    assert "runs/nothing" in err
    answer = gamefleet("play", "pokemon_red", "--with", "random")
    assert answer.status == 2
    assert "hanabi" in answer.err


def test_the_end_of_the_input_ends_the_game(typed: Typed) -> None:
    assert typed("", "--with", "random")[0] == 0


def test_hints_are_remembered_as_what_a_card_can_be() -> None:
    seen, batch = table()
    mine = understood(seen, "h blue")
    assert told(seen, 0, mine) == "you hint player 2 blue: card 3, 5"
    move(batch, mine)
    assert told(seen, 1, mine).startswith("player 2 hints you blue: card")
    move(batch, mine)

    from gamefleet.cli.play_hanabi import known

    assert known(seen, 1, 2) == "blue ?"
    assert known(seen, 1, 0) == "r/y/g/w ?"


@pytest.mark.parametrize("players", [2, 3, 5])
def test_every_action_has_words_of_its_own_that_mean_it(players: int) -> None:
    seen, _ = table(num_players=players, seat=1)
    words = [short_words(seen, action) for action in range(seen.config.num_actions)]

    assert len(set(words)) == len(words)
    assert [understood(seen, line.upper()) for line in words] == list(range(seen.config.num_actions))
    assert understood(seen, "play 1") == understood(seen, "p 1")
    assert understood(seen, "hint 1 b") == understood(seen, "h 1 blue")
    with pytest.raises(ConfigError, match="no move"):
        understood(seen, "")
