"""Ladders of players whose true strength is known, played by a game that is a biased coin."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gamefleet.cli import ladder_matches, ladder_promoted
from gamefleet.cli.ladder import DEFAULT_BLOCKS, EXIT_CODES, PROMOTION_BLOCKS, tell
from gamefleet.cli.ladder_matches import (
    FACTS,
    RESULTS,
    LadderRequest,
    PlayingLadder,
    kept_anchor,
    kept_facts,
)
from gamefleet.cli.ladder_promoted import BEST, best_of, decided, promotion
from gamefleet.errors import ConfigError
from gamefleet.files import write_json
from gamefleet.games.recorded import Contestant, Matches, MatchGame, MatchOrder
from gamefleet.rating.bradley_terry import expected_score
from gamefleet.rating.results import read_results
from gamefleet.rating.sprt import Gate

STRENGTH = {"random": -2000.0, "weak": 0.0, "strong": 200.0, "twin": 0.0}


def toss(first: Contestant, second: Contestant, order: MatchOrder) -> Iterator[MatchGame]:
    """The stronger wins more often; block and seed alone decide the chance."""
    chance = expected_score(STRENGTH[first.name] - STRENGTH[second.name])
    for block in order.blocks:
        rng = np.random.default_rng([order.seed, block, len(first.name), len(second.name)])
        for is_swapped in (False, True):
            yield MatchGame(score=float(rng.random() < chance), block=block, is_swapped=is_swapped)


MATCHES = Matches(scripted=("random", "weak", "strong"), formats=("toss", "other"), play=toss)


@pytest.fixture
def ladder(tmp_path: Path) -> Callable[..., PlayingLadder]:
    def make(*names: str, format: str = "") -> PlayingLadder:
        request = LadderRequest(game="coin", format=format, seed=3, folder=tmp_path, runs_folder=tmp_path)
        facts = kept_facts(request, MATCHES)
        players = {name: Contestant(name=name) for name in names}
        return PlayingLadder(folder=tmp_path, matches=MATCHES, format=facts["format"], seed=3, players=players)

    return make


def test_a_ladder_plays_every_pair_and_shows_who_is_stronger(
    ladder: Callable[..., PlayingLadder], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ladder("random", "weak", "strong").play(60, say=print)
    capsys.readouterr()
    tell(tmp_path, "", 0.0, as_json=True)
    shown = json.loads(capsys.readouterr().out)

    assert [row["player"] for row in shown["players"]] == ["strong", "weak", "random"]
    assert shown["anchor"] == "weak", "random loses everything, so nobody knows how weak it is"
    strong = shown["players"][0]
    assert strong["games"] == 240
    assert abs(strong["elo"] - 200) < strong["half_width"] * 1.5


def test_a_short_ladder_says_that_there_are_too_few_games(
    ladder: Callable[..., PlayingLadder], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ladder("random", "strong").play(1, say=print)
    tell(tmp_path, "strong", 0.0, as_json=False)

    said = capsys.readouterr().out
    assert "| random" in said
    assert "| too few |" in said
    assert "too few games for an interval" in said


def test_a_format_that_cannot_be_played_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    def refuse(name: str) -> None:
        raise ConfigError("There is no such format", value=name)

    folder = tmp_path / "ladder"
    request = LadderRequest(game="coin", format="no", seed=3, folder=folder, runs_folder=tmp_path)
    with pytest.raises(ConfigError, match="no such format"):
        kept_facts(request, replace(MATCHES, check_format=refuse))
    assert not folder.exists()


def test_the_table_says_that_its_scale_is_its_own(
    ladder: Callable[..., PlayingLadder], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ladder("weak", "strong").play(20, say=print)
    tell(tmp_path, "weak", 1000.0, as_json=False)
    text = capsys.readouterr().out

    assert "this ladder's own scale" in text
    assert "| weak          |" in text.split("score against")[1] or "| weak" in text
    assert "1000 |      0 |    40" in text


def test_what_was_played_is_not_played_again(ladder: Callable[..., PlayingLadder], tmp_path: Path) -> None:
    ladder("weak", "strong").play(5, say=print)
    before = read_results(tmp_path / RESULTS)
    ladder("strong", "weak", "random").play(6, say=print)
    after = read_results(tmp_path / RESULTS)

    assert after[: len(before)] == before
    assert len(after) == 3 * 6 * 2
    assert len({(*one.pair, one.block, one.is_swapped == (one.first < one.second)) for one in after}) == len(after)


def test_results_of_another_format_are_not_mixed_in(ladder: Callable[..., PlayingLadder]) -> None:
    ladder("weak", "strong", format="other")

    assert ladder("weak", "strong").format == "other", "the folder says it where the command does not"
    with pytest.raises(ConfigError, match="another format"):
        ladder("weak", "strong", format="toss")


@pytest.fixture
def request_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LadderRequest:
    """For ladders of the coin's scripted players."""
    monkeypatch.setattr(ladder_matches, "matches_of", lambda game: MATCHES)
    monkeypatch.setattr(ladder_promoted, "matches_of", lambda game: MATCHES)
    return LadderRequest(game="coin", format="", seed=3, folder=tmp_path, runs_folder=tmp_path)


def test_a_better_candidate_is_promoted_after_few_games_and_is_the_next_standard(request_of: LadderRequest) -> None:
    gate = Gate(elo_high=100)
    verdict = promotion(request_of, "strong", "weak", gate=gate, blocks=400, say=print)

    assert verdict == "better"
    assert best_of(request_of) == "strong"
    assert len(read_results(request_of.folder / RESULTS)) < 400
    assert promotion(request_of, "twin", "", gate=gate, blocks=400, say=print) == "not better"
    assert {result.pair for result in read_results(request_of.folder / RESULTS)} == {
        ("strong", "twin"),
        ("strong", "weak"),
    }
    with pytest.raises(ConfigError, match="better than itself"):
        promotion(request_of, "strong", "", gate=gate, blocks=400, say=print)


def test_an_equal_candidate_is_not_promoted(request_of: LadderRequest) -> None:
    verdict = promotion(request_of, "twin", "weak", gate=Gate(elo_high=100), blocks=400, say=print)

    assert verdict == "not better"
    assert not (request_of.folder / BEST).exists()


def test_a_gate_that_has_too_few_games_says_so(
    ladder: Callable[..., PlayingLadder], capsys: pytest.CaptureFixture[str]
) -> None:
    assert decided(ladder("twin", "weak"), gate=Gate(), blocks=2, say=print) == "play on"
    assert "more --blocks would decide" in capsys.readouterr().out


def test_whoever_is_named_exactly_is_meant_and_a_run_without_its_step_means_all_its_checkpoints(
    ladder: Callable[..., PlayingLadder],
) -> None:
    opened = ladder("heuristic@0.25", "heuristic")
    networks = {name: Contestant(name=name, network=object()) for name in ("mine@3000 t1", "mine@4000", "mine2@3000")}
    opened = replace(opened, players={**opened.players, **networks})

    assert opened.names_of("heuristic") == ("heuristic",)
    assert opened.names_of("mine@3000 t1") == ("mine@3000 t1",)
    assert opened.names_of("runs/mine") == ("mine@3000 t1", "mine@4000")
    assert ladder("heuristic@0.25").names_of("heuristic") == ("heuristic",)


def test_a_ladder_that_does_not_say_where_it_was_played_was_played_on_the_host(tmp_path: Path) -> None:
    write_json(tmp_path / FACTS, {"game": "coin", "format": "toss", "seed": 3})
    request = LadderRequest(game="coin", format="", seed=3, folder=tmp_path, runs_folder=tmp_path)

    assert kept_facts(request, MATCHES)["format"] == "toss"
    with pytest.raises(ConfigError, match="another place, 'host'"):
        kept_facts(replace(request, on_server=True), MATCHES)


@pytest.mark.parametrize(
    ("candidate", "blocks", "status"), [("strong", PROMOTION_BLOCKS, 0), ("twin", PROMOTION_BLOCKS, 1), ("twin", 2, 3)]
)
def test_the_status_of_a_promotion_tells_no_from_not_yet(
    ladder: Callable[..., PlayingLadder], candidate: str, blocks: int, status: int
) -> None:
    verdict = decided(ladder(candidate, "weak"), gate=Gate(elo_high=50), blocks=blocks, say=print)

    assert EXIT_CODES[verdict] == status


def test_a_folder_without_a_ladder_says_how_to_begin_one(tmp_path: Path, request_of: LadderRequest) -> None:
    with pytest.raises(ConfigError, match="ladder run"):
        kept_anchor(tmp_path / "none")
    with pytest.raises(ConfigError, match="--best"):
        best_of(request_of)


@pytest.mark.parametrize("words", [("--blocks", 0), ("--blocks", -1), ("--promote", "weak", "--blocks", 0)])
def test_a_ladder_without_blocks_is_refused_and_plays_no_others_instead(
    gamefleet: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[object, ...]
) -> None:
    monkeypatch.setattr(ladder_matches, "matches_of", lambda game: MATCHES)
    answer = gamefleet("ladder", "run", "--folder", tmp_path / "ladder", *words)

    assert answer.status == 2
    assert "--blocks" in answer.err
    assert "Invalid value" in answer.err
    assert not (tmp_path / "ladder").exists()


def test_the_usual_number_of_blocks_is_played_where_none_is_named(
    gamefleet: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ladder_matches, "matches_of", lambda game: replace(MATCHES, scripted=("weak", "strong")))

    assert gamefleet("ladder", "run", "--folder", tmp_path).status == 0
    assert len(read_results(tmp_path / RESULTS)) == 2 * DEFAULT_BLOCKS
