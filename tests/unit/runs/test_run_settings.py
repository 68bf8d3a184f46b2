"""The run's settings have the guides' defaults and refuse what makes no sense."""

from __future__ import annotations

from typing import Any

import pytest

from gamefleet.errors import ConfigError
from gamefleet.runs.settings import RunSettings, TrackerSettings


def test_the_defaults_are_those_of_the_guides() -> None:
    settings = RunSettings()

    assert (settings.total_steps, settings.checkpoint_interval_steps) == (5_000_000, 10_000)
    assert settings.max_runtime_s is None


def test_no_tracker_is_on_unless_it_is_asked_for() -> None:
    settings = TrackerSettings()

    assert (settings.wandb, settings.tensorboard, settings.trackio) == ("off", False, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("total_steps", 0),
        ("checkpoint_interval_steps", 0),
        ("checkpoint_interval_s", 0.5),
        ("keep_checkpoints", 0),
        ("max_runtime_s", 0.0),
        ("max_runtime_s", float("nan")),
        ("metrics_interval_steps", -1),
    ],
)
def test_values_out_of_range_are_named(name: str, value: float) -> None:
    settings: dict[str, Any] = {name: value}

    with pytest.raises(ConfigError, match=rf"run\.{name}"):
        RunSettings(**settings)


@pytest.mark.parametrize("name", ["a/b", "..", ".", "a\\b"])
def test_a_name_that_is_no_folder_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="plain folder name"):
        RunSettings(name=name)
