"""Targets against a slow walk along each sequence, one slot at a time."""

import numpy as np
import pytest
import torch

from gamefleet.learners.returns import endless_targets, episodic_targets

GAMMA = 0.9


def walk_episodic(reward, value, is_last, is_terminal, start: int, num_steps: int) -> float:
    total, weight, slot = 0.0, 1.0, start
    for _ in range(num_steps):
        if is_last[slot]:
            break
        total += weight * reward[slot]
        weight *= GAMMA
        slot += 1
    return total + (0.0 if is_terminal[slot] else weight * value[slot])


def walk_endless(reward, value, is_last, start: int, num_steps: int) -> float:
    total, weight = 0.0, 1.0
    for slot in range(start, start + num_steps):
        if not is_last[slot]:
            total += weight * reward[slot]
            weight *= GAMMA
    end = start + num_steps
    if is_last[end] and end + 1 < len(value):
        end += 1
    return total + weight * value[end]


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(array) for array in arrays]


@pytest.mark.parametrize("num_steps", [1, 3, 5])
@pytest.mark.parametrize("end_rate", [0.0, 0.1, 0.4])
def test_targets_equal_a_walk_along_the_sequence(num_steps: int, end_rate: float) -> None:
    rng = np.random.default_rng(0)
    reward, value = rng.normal(size=(2, 20, 12)).astype(np.float32)
    is_last = rng.random((20, 12)) < end_rate
    is_terminal = is_last & (rng.random((20, 12)) < 0.5)
    r, v, last, terminal = tensors(reward, value, is_last, is_terminal)
    episodic = episodic_targets(r, v, last, is_terminal=terminal, num_steps=num_steps, discount=GAMMA)
    endless = endless_targets(r, v, last, num_steps=num_steps, discount=GAMMA)
    assert episodic.shape == endless.shape == (20, 12 - num_steps)
    for row in range(20):
        for slot in range(12 - num_steps):
            wanted = walk_endless(reward[row], value[row], is_last[row], slot, num_steps)
            assert float(endless[row, slot]) == pytest.approx(wanted, abs=1e-5)
            if not is_last[row, slot]:
                wanted = walk_episodic(reward[row], value[row], is_last[row], is_terminal[row], slot, num_steps)
                assert float(episodic[row, slot]) == pytest.approx(wanted, abs=1e-5)


def one_row(last: list[int], terminal: list[int]) -> tuple[torch.Tensor, ...]:
    reward = torch.tensor([[1.0, 2.0, 4.0, 0.0, 8.0, 16.0]])
    value = torch.tensor([[10.0, 20.0, 30.0, 40.0, 50.0, 60.0]])
    marks = [torch.tensor([[slot in slots for slot in range(6)]]) for slots in (last, terminal)]
    return reward, value, *marks


def test_by_hand_a_window_without_an_end() -> None:
    reward, value, last, terminal = one_row([], [])
    targets = episodic_targets(reward, value, last, is_terminal=terminal, num_steps=2, discount=0.5)
    # r0 + r1/2 + v2/4, r1 + r2/2 + v3/4, ...
    assert targets.tolist() == [[1 + 1 + 7.5, 2 + 2 + 10, 4 + 0 + 12.5, 0 + 4 + 15]]


def test_by_hand_a_truncation_bootstraps_from_the_last_observation() -> None:
    reward, value, last, terminal = one_row([3], [])
    targets = episodic_targets(reward, value, last, is_terminal=terminal, num_steps=2, discount=0.5)
    # Slot 1 meets the end at its look-ahead, slot 2 after one reward.
    assert targets[0, :3].tolist() == [1 + 1 + 7.5, 2 + 2 + 10, 4 + 20]


def test_by_hand_a_termination_is_worth_nothing() -> None:
    reward, value, last, terminal = one_row([3], [3])
    targets = episodic_targets(reward, value, last, is_terminal=terminal, num_steps=2, discount=0.5)
    assert targets[0, :3].tolist() == [1 + 1 + 7.5, 2 + 2, 4]


def test_by_hand_curiosity_goes_on_in_the_next_episode() -> None:
    reward, value, last, _ = one_row([3], [])
    reward[0, 3] = 99.0  # means nothing at a last slot
    targets = endless_targets(reward, value, last, num_steps=2, discount=0.5)
    # Slot 1 would bootstrap at the last slot and does so at the next episode's first one; slot 2 crosses the end, which
    # takes no time: one reward, then the value of the next episode's first slot, discounted once.
    assert targets[0, :3].tolist() == [1 + 1 + 7.5, 2 + 2 + 50 / 4, 4 + 50 / 2]


def test_nothing_of_the_next_episode_reaches_an_episodic_target() -> None:
    reward, value, last, terminal = one_row([3], [])
    first = episodic_targets(reward, value, last, is_terminal=terminal, num_steps=2, discount=0.5)
    reward[0, 4:], value[0, 4:] = 1e6, 1e6
    second = episodic_targets(reward, value, last, is_terminal=terminal, num_steps=2, discount=0.5)
    assert torch.equal(first[:, :3], second[:, :3])


def test_broken_values_behind_an_end_do_not_leak_through_multiplications_by_zero() -> None:
    reward, value, last, terminal = one_row([3], [3])
    value[0, 3:], reward[0, 4:] = float("nan"), float("inf")
    targets = episodic_targets(reward, value, last, is_terminal=terminal, num_steps=2, discount=0.5)
    assert torch.isfinite(targets[:, :3]).all()
