"""Who was promoted stays the same player, whatever its run does next. A network is a number here, a game a coin."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gamefleet.cli import ladder_matches, ladder_players, ladder_promoted
from gamefleet.cli.ladder_matches import RESULTS, LadderRequest, open_ladder
from gamefleet.cli.ladder_players import PROMOTED, entry_of
from gamefleet.cli.ladder_promoted import BEST, best_of, promotion
from gamefleet.cli.play_showdown import opponent_for
from gamefleet.errors import CheckpointError, ConfigError, CorruptCheckpointError
from gamefleet.files import read_json, write_json
from gamefleet.games.recorded import Contestant, Matches, MatchGame, MatchOrder
from gamefleet.rating.bradley_terry import expected_score
from gamefleet.rating.results import read_results
from gamefleet.rating.sprt import Gate
from gamefleet.runs.checkpoint import CheckpointStore, open_checkpoint
from gamefleet.runs.manifest import Compatibility
from gamefleet.runs.paths import RunPaths

GATE = Gate(elo_high=100)
COMPATIBILITY = Compatibility(game="1", observation={}, reward={}, architecture={})
met: list[tuple[float, float]] = []
"""Strengths and temperatures that played, of the second contestant."""


def strength(player: Contestant) -> float:
    return 0.0 if player.network is None else float(player.network["elo"][0])


def toss(first: Contestant, second: Contestant, order: MatchOrder) -> Iterator[MatchGame]:
    met.append((strength(second), second.temperature))
    chance = expected_score(strength(first) - strength(second))
    for block in order.blocks:
        rng = np.random.default_rng([order.seed, block])
        for is_swapped in (False, True):
            yield MatchGame(score=float(rng.random() < chance), block=block, is_swapped=is_swapped)


MATCHES = Matches(scripted=("weak",), formats=("toss",), play=toss)


@pytest.fixture(autouse=True)
def coin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A game whose networks are their arrays."""
    met.clear()
    monkeypatch.setattr(ladder_matches, "matches_of", lambda game: MATCHES)
    monkeypatch.setattr(ladder_promoted, "matches_of", lambda game: MATCHES)
    monkeypatch.setattr(ladder_players, "network_of", lambda folder, game, arrays, device: (arrays, 64))


@pytest.fixture
def request_of(tmp_path: Path) -> LadderRequest:
    return LadderRequest(
        game="coin", format="", seed=3, folder=tmp_path / "ladder", runs_folder=tmp_path / "runs", device="cpu"
    )


Train = Callable[..., None]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Let a run save a checkpoint of a strength; it keeps one at a time."""

    def save(step: int, elo: float, run: str = "learner") -> None:
        paths = RunPaths(tmp_path / "runs" / run)
        paths.checkpoints.mkdir(parents=True, exist_ok=True)
        write_json(paths.manifest, {"format_version": 1})
        write_json(paths.resolved, {"game_name": "coin"})
        store = CheckpointStore(paths, compatibility=COMPATIBILITY, fence=lambda: None, keep=1)
        parts: dict[str, Any] = {"model": {"elo": np.full(1, elo, np.float32)}, "optimizer": {"moments": np.ones(9)}}
        store.save(step, parts)

    return save


def promoted(request: LadderRequest, candidate: str = "learner", best: str = "") -> str:
    return promotion(request, candidate, best, gate=GATE, blocks=200, say=print)


def test_a_run_that_trained_on_meets_the_weights_that_were_promoted(request_of: LadderRequest, train: Train) -> None:
    train(400, 300.0)
    assert promoted(request_of, best="weak") == "better"
    train(800, 600.0)  # which deletes the promoted checkpoint
    met.clear()

    assert promoted(request_of) == "better"
    assert set(met) == {(300.0, 0.0)}
    assert read_json(request_of.folder / BEST) | {"weights": ""} == {
        "player": "learner@800",
        "run": "learner",
        "step": 800,
        "temperature": 0.0,
        "weights": "",
        "over": "learner@400",
    }
    assert {result.pair for result in read_results(request_of.folder / RESULTS)} == {
        ("learner@400", "weak"),
        ("learner@400", "learner@800"),
    }


def test_another_candidate_meets_the_promoted_weights_after_their_run_is_gone(
    request_of: LadderRequest, train: Train
) -> None:
    train(400, 300.0)
    promoted(request_of, best="weak")
    shutil.rmtree(request_of.runs_folder / "learner")
    train(7, 300.0, run="twin")
    met.clear()

    assert promoted(request_of, "twin") == "not better"
    assert set(met) == {(300.0, 0.0)}
    assert [place.name for place in (request_of.folder / PROMOTED).iterdir()] == ["learner@400"]


def test_a_copy_is_a_checkpoint_of_weights_only(request_of: LadderRequest, train: Train) -> None:
    train(400, 300.0)
    promoted(request_of, best="weak")
    own = request_of.runs_folder / "learner" / "checkpoints" / "step-000000400"
    copy = request_of.folder / PROMOTED / "learner@400" / "checkpoints" / "step-000000400"

    assert open_checkpoint(copy).parts == ("model",)
    assert (copy / "model.safetensors").read_bytes() == (own / "model.safetensors").read_bytes()
    entry = entry_of(str(copy.parent.parent), request_of, MATCHES)
    assert (entry.name, entry.run, entry.step) == ("learner@400", "learner", 400)


def test_a_checkpoint_that_is_deleted_while_it_plays_is_promoted_all_the_same(
    request_of: LadderRequest, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(400, 300.0)
    decided = ladder_promoted.decided

    def trained_meanwhile(*words: Any, **options: Any) -> Any:
        train(800, -900.0)
        return decided(*words, **options)

    monkeypatch.setattr(ladder_promoted, "decided", trained_meanwhile)

    assert promoted(request_of, best="weak") == "better"
    assert entry_of(best_of(request_of), request_of, MATCHES).name == "learner@400"


def test_the_promoted_player_keeps_its_temperature(request_of: LadderRequest, train: Train) -> None:
    train(400, 300.0)
    assert promoted(replace(request_of, temperature=0.7), best="weak") == "better"
    train(800, 600.0)
    met.clear()

    promoted(request_of)

    assert [(round(elo), round(warmth, 3)) for elo, warmth in set(met)] == [(300, 0.7)]
    assert read_json(request_of.folder / BEST)["over"] == "learner@400 t0.7"


@pytest.mark.parametrize("ending", ["not better", "broken off"])
def test_nothing_is_left_of_a_candidate_that_was_not_promoted(
    request_of: LadderRequest, train: Train, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    train(400, -200.0)
    if ending == "broken off":
        monkeypatch.setattr(ladder_promoted, "decided", lambda *words, **options: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            promoted(request_of, best="weak")
    else:
        assert promoted(request_of, best="weak") == "not better"

    assert list((request_of.folder / PROMOTED).iterdir()) == []


def test_a_run_that_saved_nothing_since_is_no_candidate(request_of: LadderRequest, train: Train) -> None:
    train(400, 300.0)
    promoted(request_of, best="weak")

    with pytest.raises(ConfigError, match=r"better than itself: 'learner@400'.*train on"):
        promoted(request_of)


def test_results_of_two_checkpoints_of_a_run_are_those_of_two_players(request_of: LadderRequest, train: Train) -> None:
    asked = replace(request_of, players=("learner", "weak"))
    train(400, 300.0)
    open_ladder(asked).play(3, say=print)
    train(800, 600.0)
    open_ladder(asked).play(3, say=print)

    pairs = [result.pair for result in read_results(request_of.folder / RESULTS)]
    assert pairs == [("learner@400", "weak")] * 6 + [("learner@800", "weak")] * 6


def test_a_run_begun_anew_is_no_player_of_the_ladder_at_any_temperature(
    request_of: LadderRequest, train: Train
) -> None:
    train(400, 300.0)
    promoted(request_of, best="weak")
    shutil.rmtree(request_of.runs_folder / "learner")
    train(400, 100.0)

    for temperature in (0.0, 1.0):
        with pytest.raises(ConfigError, match="another run's weights"):
            open_ladder(replace(request_of, players=("learner", "weak"), temperature=temperature))


def test_names_of_the_table_name_players(request_of: LadderRequest, train: Train) -> None:
    train(400, 300.0)
    folder = request_of.runs_folder / "learner" / "checkpoints" / "step-000000400"

    for word in ("learner@400", str(request_of.runs_folder / "learner@400"), "learner@400 t0.5"):
        entry = entry_of(word, request_of, MATCHES)
        assert (entry.checkpoint, entry.temperature) == (folder, 0.5 if "t0.5" in word else 0.0)
    with pytest.raises(ConfigError, match="no such player, run or checkpoint: 'learner@401'"):
        entry_of("learner@401", request_of, MATCHES)
    assert entry_of("weak@1", request_of, MATCHES).checkpoint is None
    assert entry_of("other@1", request_of, MATCHES).name == "other@1", "the game knows what that is"


def test_weights_that_are_gone_and_a_note_that_says_nothing_are_told(request_of: LadderRequest) -> None:
    request_of.folder.mkdir()
    note = request_of.folder / BEST
    note.write_text(json.dumps({"player": "learner@300", "run": "learner", "step": 300, "over": "weak"}))
    with pytest.raises(ConfigError, match=r"promoted last are gone: 'learner@300'.*--best"):
        best_of(request_of)
    note.write_text(json.dumps({"player": "weak"}))
    with pytest.raises(ConfigError, match=r"no note of a promotion.*--best"):
        best_of(request_of)


def test_a_checkpoint_that_is_damaged_or_gone_is_not_copied(
    request_of: LadderRequest, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(400, 300.0)
    entry = entry_of("learner", request_of, MATCHES)
    assert entry.checkpoint is not None
    (entry.checkpoint / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(CorruptCheckpointError):
        ladder_promoted.keep(request_of.folder, entry)
    shutil.rmtree(request_of.runs_folder)
    with pytest.raises(CheckpointError, match="A checkpoint is gone"):
        ladder_promoted.keep(request_of.folder, entry)

    assert list((request_of.folder / PROMOTED).iterdir()) == []


def test_a_single_battle_against_a_run_leaves_nothing_among_the_runs(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for elo in (300.0, 100.0):
        train(400, elo)
        assert opponent_for("learner").name == "learner@400", "also where the run was begun anew"
        assert [path.name for path in (tmp_path / "runs").iterdir()] == ["learner"]
        shutil.rmtree(tmp_path / "runs")
