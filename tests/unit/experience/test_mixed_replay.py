"""Own and foreign experience in one batch."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from gamefleet.errors import ConfigError
from gamefleet.experience.mixed import MixedReplay
from gamefleet.experience.replay import Replay
from gamefleet.experience.settings import ReplaySettings
from gamefleet.experience.types import SequenceBatch, Slots

LAYOUT = {"tag": ((), "int32")}


def make(num_slots: int, *, origin: int, seed: int = 0, exponent: float = 0.9, **other: Any) -> Replay:
    """A replay of one stream whose slots say where they come from."""
    chosen = ReplaySettings(capacity_steps=400, priority_exponent=exponent, **{"unroll": 4, "burn_in": 2, **other})
    replay = Replay(LAYOUT, chosen, num_streams=1, state_size=1, num_steps=1, seed=seed)
    times = np.arange(num_slots)
    slots = Slots(
        obs={"tag": (1000 * origin + times).astype(np.int32)},
        action=np.zeros(num_slots, np.int16),
        reward=times.astype(np.float32),
        is_first=times % 10 == 0,
        is_last=times % 10 == 9,
        is_terminal=np.zeros(num_slots, np.bool_),
    )
    if num_slots:
        replay.extend(0, slots, times[:, None].astype(np.float32))
    return replay


def value_bytes(batch: SequenceBatch) -> list[Any]:
    values = [getattr(batch, field.name) for field in fields(batch)]
    return [
        {name: array.tobytes() for name, array in value.items()}
        if isinstance(value, dict)
        else value.tobytes()
        if isinstance(value, np.ndarray)
        else value
        for value in values
    ]


@pytest.mark.parametrize(("num_foreign", "max_share"), [(0, 0.5), (4, 0.5), (200, 0.0)])
def test_without_foreign_windows_it_is_the_own_replay_bit_for_bit(num_foreign: int, max_share: float) -> None:
    plain, mixed = make(200, origin=1), MixedReplay(make(200, origin=1), make(num_foreign, origin=2), max_share)
    assert mixed.can_sample()
    for _ in range(20):
        expected, batch = plain.sample(8), mixed.sample(8)
        assert value_bytes(batch) == value_bytes(expected)
        priority = batch.reward.sum(axis=1).astype(np.float64)
        plain.update_priorities(expected.index, priority)
        mixed.update_priorities(batch.index, priority)


@pytest.mark.parametrize(
    ("num_own", "num_foreign", "max_share", "expected"), [(200, 200, 0.9, 16), (200, 200, 0.25, 8), (20, 390, 1.0, 31)]
)
def test_a_batch_takes_the_foreign_share_and_no_more(
    num_own: int, num_foreign: int, max_share: float, expected: int
) -> None:
    mixed = MixedReplay(make(num_own, origin=1), make(num_foreign, origin=2), max_share)
    batch = mixed.sample(32)
    is_foreign = batch.obs["tag"][:, 0] >= 2000
    assert int(is_foreign.sum()) == expected
    np.testing.assert_array_equal(is_foreign, batch.index < 0)
    assert batch.num_windows == mixed.own.num_sampleable + mixed.foreign.num_sampleable
    assert batch.obs["tag"].shape == batch.action.shape == (32, 7)


@pytest.mark.parametrize("max_share", [0.125, 0.75])
def test_importance_weights_undo_the_mixing(max_share: float) -> None:
    """The weighted mean of drawn values comes out as the mean over all windows, with unequal priorities everywhere."""
    mixed = MixedReplay(make(120, origin=1), make(390, origin=2, seed=5), max_share)
    rng = np.random.default_rng(0)
    for _ in range(5):
        batch = mixed.sample(64)
        mixed.update_priorities(batch.index, rng.uniform(0.3, 3.0, size=64))
    values: dict[int, float] = {}
    estimates = []
    for _ in range(2000):
        batch = mixed.sample(8)
        value = batch.obs["tag"][:, 0].astype(np.float64)
        values.update(zip(batch.index.tolist(), value.tolist(), strict=True))
        estimates.append((value / (batch.num_windows * batch.probability)).mean())
    assert len(values) == batch.num_windows
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - np.mean(list(values.values()))) < 4 * error


def test_priorities_go_back_to_the_replay_that_a_window_comes_from() -> None:
    mixed = MixedReplay(make(200, origin=1), make(200, origin=2), 0.5)
    own, foreign = make(200, origin=1), make(200, origin=2)
    batch = mixed.sample(16)
    priority = np.arange(1.0, 17.0)
    mixed.update_priorities(batch.index, priority)
    for replay in (own, foreign):
        replay.sample(8)  # takes as many random numbers as the mixed batch did
    own.update_priorities(batch.index[:8], priority[:8])
    foreign.update_priorities(-1 - batch.index[8:], priority[8:])
    assert value_bytes(mixed.own.sample(50)) == value_bytes(own.sample(50))
    assert value_bytes(mixed.foreign.sample(50)) == value_bytes(foreign.sample(50))


def test_a_priority_that_is_not_finite_changes_nothing() -> None:
    mixed = MixedReplay(make(200, origin=1), make(200, origin=2), 0.5)
    batch = mixed.sample(8)
    before = mixed.own._windows.tables()["priority"].copy()
    with pytest.raises(ValueError, match="finite"):
        mixed.update_priorities(batch.index, np.array([2.0] * 7 + [np.nan]))
    np.testing.assert_array_equal(mixed.own._windows.tables()["priority"], before)


def test_foreign_experience_alone_is_not_drawn() -> None:
    mixed = MixedReplay(make(0, origin=1), make(200, origin=2), 1.0)
    assert not mixed.can_sample()
    with pytest.raises(ValueError, match="no whole window"):
        mixed.sample(4)


def test_windows_of_another_kind_and_impossible_shares_are_refused() -> None:
    with pytest.raises(ConfigError, match="another kind"):
        MixedReplay(make(20, origin=1), make(20, origin=2, unroll=5), 0.5)
    with pytest.raises(ConfigError, match="share"):
        MixedReplay(make(20, origin=1), make(20, origin=2), 1.5)
