"""Results on disk, schedules, and the table that comes of them."""

from pathlib import Path

import pytest

from gamefleet.errors import ConfigError, RunFolderError
from gamefleet.rating.ladder import ladder_of
from gamefleet.rating.results import Result, append_results, points, read_results
from gamefleet.rating.schedule import schedule


def test_results_are_read_as_they_were_appended(tmp_path: Path) -> None:
    path = tmp_path / "ladder" / "results.jsonl"
    first = Result(first="a", second="b", score=0.5, block=3, is_swapped=True, end="tie")

    append_results(path, [first])
    append_results(path, [Result(first="b", second="a", score=1.0)])

    assert read_results(path) == [first, Result(first="b", second="a", score=1.0)]


def test_a_line_that_a_crash_cut_off_is_passed_over_and_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    append_results(path, [Result(first="a", second="b", score=1.0)])
    with path.open("ab") as file:
        file.write(b'{"first": "a", "sec')

    append_results(path, [Result(first="a", second="b", score=0.0, block=1)])

    assert [result.score for result in read_results(path)] == [1.0, 0.0]


def test_a_whole_line_that_is_no_result_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"first": "a", "second": "b", "score": 7}\n')

    with pytest.raises(RunFolderError, match="Line 1 of the results"):
        read_results(path)


def test_points_count_a_tie_for_both() -> None:
    results = [Result(first="b", second="a", score=0.5), Result(first="a", second="b", score=1.0)]

    assert points(results, ("a", "b")).tolist() == [[0.0, 1.5], [0.5, 0.0]]


def test_every_pair_plays_every_block_on_both_sides() -> None:
    games = schedule(["a", "b", "c"], blocks=2)

    assert len(games) == 3 * 2 * 2
    assert len(set(games)) == len(games)
    assert {game.block for game in games[:6]} == {0}, "one block of every pair before the next"
    assert sum(game.is_swapped for game in games) == 6


def test_what_was_played_is_not_played_again_whoever_was_named_first() -> None:
    games = schedule(["a", "b"], blocks=2)
    done = [games[0].result(1.0), Result(first="b", second="a", score=0.0, block=0, is_swapped=False)]

    assert schedule(["b", "a"], blocks=2, done=done) == schedule(["b", "a"], blocks=2)[2:]


def test_only_pairs_with_the_players_that_are_asked_for_are_played() -> None:
    games = schedule(["a", "b", "c"], blocks=1, against=["c"])

    assert {frozenset((game.first, game.second)) for game in games} == {frozenset("ac"), frozenset("bc")}


@pytest.mark.parametrize("players", [["a"], ["a", "a"]])
def test_a_ladder_needs_two_players(players: list[str]) -> None:
    with pytest.raises(ConfigError, match="at least two players"):
        schedule(players, blocks=1)


def test_the_table_is_sorted_and_the_anchor_is_fixed() -> None:
    results = [Result(first="weak", second="strong", score=float(block % 4 == 0), block=block) for block in range(80)]
    results += [Result(first="weak", second="middle", score=float(block % 3 == 0), block=block) for block in range(90)]

    ladder = ladder_of(results, anchor="weak", anchor_elo=1000.0)

    assert [row.player for row in ladder.rows] == ["strong", "middle", "weak"]
    anchor = ladder.rows[-1]
    assert (anchor.elo, anchor.half_width, anchor.games) == (1000.0, 0.0, 170)
    assert ladder.rows[0].half_width >= max(ladder.rows[0].fisher, ladder.rows[0].resampled)
    assert ladder.rows[0].gxe > 50 > anchor.gxe
    assert ladder.scores[0, 2] == 0.75
    assert str(ladder.scores[0, 1]) == "nan", "they did not meet"


def test_a_misspelt_anchor_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="max-damage"):
        ladder_of([Result(first="random", second="max-damage", score=0.0)], anchor="max-damge")


def test_no_results_are_an_error_that_says_how_to_get_some() -> None:
    with pytest.raises(ConfigError, match="ladder run"):
        ladder_of([])
