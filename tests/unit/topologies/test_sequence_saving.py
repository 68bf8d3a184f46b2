"""A checkpoint that cannot be written does not end a run: it is told, and the last one is written all the same."""

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gamefleet.runs.deadline import Deadline
from gamefleet.runs.events import read_events
from gamefleet.runs.paths import RunPaths
from gamefleet.testing.toys import recorded
from gamefleet.topologies.ddp.group import Group
from gamefleet.topologies.ddp.ranks import Place
from gamefleet.topologies.ddp.wiring import RecordedOutcome, RecordedRun, train_recorded
from gamefleet.topologies.sequence.config import make_sequence_config

STEPS = 12


class BreakingDisk:
    """Whoever watches the run, and takes its checkpoints' folder away for a while."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hidden = folder.with_name("hidden")

    def show(self, step: int, total_steps: int, values: Mapping[str, float]) -> None:
        """A file where the folder should be, until the last row."""
        if step == STEPS:
            self._folder.unlink()
            self._hidden.rename(self._folder)
        elif not self._hidden.exists():
            self._folder.mkdir(exist_ok=True)
            self._folder.rename(self._hidden)
            self._folder.touch()

    def say(self, text: str) -> None:
        """Nothing."""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Signals mean what they meant."""
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


def trained(folder: Path) -> RecordedOutcome:
    run = {"name": "run", "runs_folder": str(folder), "device": "cpu", "total_steps": STEPS}
    settings = {
        "run": {**run, "checkpoint_interval_steps": 3, "metrics_interval_steps": 2},
        "data": {"mock": True, "mock_records": 60, "workers": 0, "row_decisions": 32},
        "network": {"size": "tiny", "width": 16},
        "trainer": {"batch_size_per_gpu": 64, "global_batch_size": 64},
    }
    wanted = RecordedRun(
        package=recorded.PACKAGE, config=make_sequence_config(recorded.PACKAGE, settings), asked="", start="first"
    )
    watcher = BreakingDisk(RunPaths(folder / "run").checkpoints)
    deadline = Deadline(max_runtime_s=None)
    return train_recorded(wanted, Group(place=Place()), deadline=deadline, progress=watcher, end=pytest.fail)


def test_a_run_outlives_checkpoints_that_cannot_be_written_and_saves_its_end(tmp_path: Path) -> None:
    outcome = trained(tmp_path)

    paths = RunPaths(tmp_path / "run")
    assert (outcome.status, outcome.step) == ("finished", STEPS)
    assert paths.found_checkpoints()[-1][0] == STEPS
    kinds = [row["kind"] for row in read_events(paths.events("train")).rows]
    assert kinds.count("checkpoint_failed") == 1, "the next try is a minute later"
    assert kinds[-2:] == ["checkpoint_saved", "attempt_ended"]
