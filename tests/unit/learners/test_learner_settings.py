from typing import Any

import pytest

from gamefleet.errors import ConfigError
from gamefleet.learners.settings import CuriositySettings, ValueSettings, replay_ratio_warning


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


def test_a_replay_ratio_above_the_cap_is_refused_and_the_cap_can_be_raised() -> None:
    with pytest.raises(ConfigError, match="trained on 65 times") as refusal:
        ValueSettings(replay_ratio=65.0)
    assert "learner.max_replay_ratio" in refusal.value.remedy
    assert ValueSettings(replay_ratio=65.0, max_replay_ratio=100.0).replay_ratio == 65.0
    with pytest.raises(ConfigError, match=r"learner\.replay_ratio"):
        ValueSettings(replay_ratio=5.0, max_replay_ratio=4.0)


def test_only_an_unusual_replay_ratio_gets_a_warning_with_its_reason() -> None:
    assert replay_ratio_warning(4.0) == ""
    assert "19.4" in replay_ratio_warning(19.4)
    assert "overfit" in replay_ratio_warning(19.4)


def test_the_learning_rate_falls_in_a_straight_line_to_a_tenth_and_stays_there() -> None:
    falling = ValueSettings(learning_rate_decay_updates=100)
    assert [falling.learning_rate_share(updates) for updates in (0, 50, 100, 1000)] == pytest.approx(
        [1, 0.55, 0.1, 0.1]
    )
    assert ValueSettings().learning_rate_share(10**6) == 1.0
