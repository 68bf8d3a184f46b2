"""Mirrors of the metrics get every row, share one id over all attempts, and can never stop a run."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gamefleet.errors import MissingDependencyError
from gamefleet.runs.metrics import FROM_START
from gamefleet.runs.paths import RunPaths
from gamefleet.runs.settings import TrackerSettings
from gamefleet.runs.trackers import Trackers, make_trackers, require_tracker, stored_id

Failures = list[tuple[str, str]]


class Recorder:
    """A mirror that keeps what it gets, and fails from some row on."""

    def __init__(self, fails_from: int = 10**9) -> None:
        self.rows: list[int] = []
        self.fails_from = fails_from
        self.is_closed = False

    def write(self, step: int, values: Mapping[str, float]) -> None:
        if step >= self.fails_from:
            raise ConnectionError("the service is down")
        self.rows.append(step)

    def close(self) -> None:
        self.is_closed = True

    @staticmethod
    def refuse(**settings: Any) -> None:
        raise ConnectionError("api_key not configured (no-tty)")


@pytest.fixture
def failures() -> Failures:
    return []


def make(paths: RunPaths, failures: Failures, resumed_step: int = FROM_START, **settings: Any) -> Trackers:
    return make_trackers(
        paths,
        TrackerSettings(**settings),
        config={"run": {"seed": 1}},
        resumed_step=resumed_step,
        on_failure=lambda name, error: failures.append((name, str(error))),
    )


def test_a_mirror_that_fails_is_reported_once_and_the_others_go_on(failures: Failures) -> None:
    good, bad = Recorder(), Recorder(fails_from=2)
    trackers = Trackers({"bad": bad, "good": good}, lambda name, error: failures.append((name, str(error))))
    for step in range(5):
        trackers.write(step, {"x": 1.0})
    trackers.close()

    assert good.rows == [0, 1, 2, 3, 4]
    assert good.is_closed
    assert bad.rows == [0, 1]
    assert failures == [("bad", "the service is down")]


def test_without_settings_there_are_no_mirrors_and_nothing_is_imported(paths: RunPaths, failures: Failures) -> None:
    before = set(sys.modules)
    trackers = make(paths, failures)
    trackers.write(1, {"x": 1.0})
    trackers.close()

    assert {name.split(".")[0] for name in set(sys.modules) - before} & {"wandb", "tensorboard", "trackio"} == set()
    assert not paths.trackers.exists()


def test_the_id_at_a_service_is_made_once_for_all_attempts(tmp_path: Path) -> None:
    first = stored_id(tmp_path / "id.txt")

    assert stored_id(tmp_path / "id.txt") == first
    assert stored_id(tmp_path / "other.txt") != first


@pytest.mark.parametrize(
    ("package", "settings"),
    [("wandb", {"wandb": "offline"}), ("torch.utils", {"tensorboard": True}), ("trackio", {"trackio": True})],
)
def test_a_mirror_that_is_not_installed_is_said_at_the_start_with_the_command(
    paths: RunPaths, failures: Failures, monkeypatch: pytest.MonkeyPatch, package: str, settings: dict[str, Any]
) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith(package):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)

    (setting,) = settings
    with pytest.raises(MissingDependencyError, match=rf"pip install 'gamefleet\[{setting}\]'"):
        make(paths, failures, **settings)


def test_a_service_that_cannot_be_opened_is_reported_once_and_training_goes_on(
    paths: RunPaths, failures: Failures, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wandb = ModuleType("wandb")
    vars(wandb)["init"] = Recorder.refuse
    monkeypatch.setitem(sys.modules, "wandb", wandb)

    trackers = make(paths, failures, wandb="online")
    for step in range(3):
        trackers.write(step, {"x": 1.0})
    trackers.close()

    assert failures == [("wandb", "api_key not configured (no-tty)")]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_missing_package_is_noticed_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)

    with pytest.raises(MissingDependencyError, match=r"pip install 'gamefleet\[wandb\]'"):
        require_tracker("wandb")


def test_tensorboard_files_hold_the_rows_and_hide_what_was_superseded(
    paths: RunPaths, failures: Failures, require_module: Callable[[str, str], None]
) -> None:
    require_module("tensorboard", "pip install 'gamefleet[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for resumed_step, steps in ((FROM_START, (10, 20, 30)), (20, (30, 40))):
        trackers = make(paths, failures, resumed_step=resumed_step, tensorboard=True)
        for step in steps:
            trackers.write(step, {"learner/loss": step + max(resumed_step, 0) / 100})
        trackers.close()

    accumulator = EventAccumulator(str(paths.trackers / "tensorboard"))
    accumulator.Reload()
    points = [(event.step, pytest.approx(event.value)) for event in accumulator.Scalars("learner/loss")]
    assert points == [(10, 10.0), (20, 20.0), (30, 30.2), (40, 40.2)]
    assert failures == []


@pytest.mark.long
def test_wandb_offline_attempts_share_one_id(
    paths: RunPaths, failures: Failures, require_module: Callable[[str, str], None]
) -> None:
    require_module("wandb", "pip install 'gamefleet[wandb]'")
    for step in (1, 2):
        trackers = make(paths, failures, resumed_step=step - 1, wandb="offline")
        trackers.write(step, {"learner/loss": 1.0})
        trackers.close()

    names = sorted(path.name for path in (paths.trackers / "wandb").glob("offline-run-*"))
    identity = (paths.trackers / "wandb-id.txt").read_text()
    assert len(names) == 2
    assert all(name.endswith(identity) for name in names)
    assert failures == []
