from typing import Any

import pytest

from gamefleet.errors import ConfigError
from gamefleet.learners.settings import CuriositySettings, ValueSettings


@pytest.mark.parametrize(
    "bad", [{"discount": 1.1}, {"num_steps": 0}, {"learning_rate": 0.0}, {"target_mix": -0.1}, {"batch_size": 0}]
)
def test_values_out_of_range_are_refused_by_name(bad: dict[str, Any]) -> None:
    (name,) = bad
    with pytest.raises(ConfigError, match=f"learner.{name}"):
        ValueSettings(**bad)


@pytest.mark.parametrize("bad", [{"discount": 1.0}, {"train_share": 0.0}, {"weight": -1.0}, {"clip": float("nan")}])
def test_curiositys_values_out_of_range_are_refused_by_name(bad: dict[str, Any]) -> None:
    (name,) = bad
    with pytest.raises(ConfigError, match=f"curiosity.{name}"):
        CuriositySettings(**bad)


def test_the_defaults_are_the_published_numbers() -> None:
    settings, curiosity = ValueSettings(), CuriositySettings()
    assert (settings.num_steps, settings.discount, settings.target_update_interval_updates) == (5, 0.997, 2500)
    assert (settings.learning_rate, settings.adam_epsilon, settings.priority_max_share) == (1e-4, 1e-3, 0.9)
    assert (curiosity.discount, curiosity.train_share, curiosity.clip) == (0.99, 0.25, 5.0)
