"""A learner on another machine gives the result of one machine, bit for bit, and goes on where it was cut."""

from pathlib import Path
from typing import Any

import pytest
from tests.topologies.remote_pair import RED, Lines, coordinated, restarting, served, settings_of, solo, weights_hash

from gamefleet.runs.events import read_events
from gamefleet.runs.paths import RunPaths

EXACT = {"weights": "float32", "groups": 1}


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Hash of the weights after the run on one machine."""
    return weights_hash(solo(settings_of(tmp_path_factory.mktemp("solo"), "alone")))


@pytest.mark.parametrize(
    "remote",
    [
        {"inference": "actor"},
        {"inference": "learner"},
        pytest.param({"inference": "actor", "batches": "arrays"}, marks=pytest.mark.long),
        pytest.param({"inference": "learner", "batches": "arrays"}, marks=pytest.mark.long),
    ],
    ids=lambda remote: "-".join(remote.values()),
)
def test_the_result_is_that_of_one_machine(wanted: str, tmp_path: Path, remote: dict[str, Any]) -> None:
    config = settings_of(tmp_path / "runs", "apart", remote={**EXACT, **remote})
    with served(tmp_path / "learner") as learner:
        outcome = coordinated(config, learner)

    assert outcome.status == "finished"
    assert weights_hash(outcome) == wanted


def test_another_game_with_memory_curiosity_and_priorities_is_learned_as_on_one_machine(tmp_path: Path) -> None:
    alone = weights_hash(solo(settings_of(tmp_path / "solo", "alone", RED)))

    with served(tmp_path / "learner") as learner:
        for inference in ("actor", "learner"):
            config = settings_of(tmp_path / "runs", inference, RED, remote={**EXACT, "inference": inference})
            assert weights_hash(coordinated(config, learner)) == alone


@pytest.mark.long
@pytest.mark.parametrize("inference", ["actor", "learner", "auto"])
def test_a_coordinator_that_is_cut_and_starts_again_comes_to_the_same_result(
    wanted: str, tmp_path: Path, inference: str
) -> None:
    config = settings_of(tmp_path / "runs", "apart", remote={**EXACT, "inference": inference})
    with served(tmp_path / "learner") as learner:
        asked = iter(range(1_000_000))
        cut = coordinated(config, learner, reason=lambda: "enough" if next(asked) > 15 else "")
        assert cut.status == "stopped"
        assert 0 < cut.step < 600
        outcome = coordinated(config, learner, start="resume")

    assert weights_hash(outcome) == wanted


@pytest.mark.long
def test_a_learner_that_ends_and_starts_again_hears_again_what_no_checkpoint_holds(wanted: str, tmp_path: Path) -> None:
    config = settings_of(tmp_path / "runs", "apart", remote={**EXACT, "inference": "actor"})
    with restarting(tmp_path / "learner", at_updates=(10, 70, 130)) as learner:
        outcome = coordinated(config, learner, lines=(lines := Lines()))

    assert weights_hash(outcome) == wanted
    assert learner.restarts >= 2
    assert lines.said


def test_a_joint_checkpoint_comes_out_of_turn_before_the_line_can_keep_no_more(tmp_path: Path) -> None:
    changes = {"run": {"checkpoint_interval_steps": 1_000_000, "total_steps": 300}, "remote": {"batches": "arrays"}}
    config = settings_of(tmp_path / "runs", "apart", **changes)
    with served(tmp_path / "learner") as learner:
        outcome = coordinated(config, learner, kept_bytes=100_000)

    assert outcome.status == "finished"
    events = read_events(RunPaths(outcome.folder).events("train")).rows
    assert sum(event["kind"] == "checkpoint_saved" for event in events) > 1
