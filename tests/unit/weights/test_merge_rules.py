"""The three rules do what their formulas say, and one member's work is taken over bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamefleet.weights.average import weighted_sum
from gamefleet.weights.content import Content, checksum, difference_in_form, from_arrays, rebased, to_arrays
from gamefleet.weights.merge import Input, merge, weights_of
from gamefleet.weights.moments import Moments, pooled, without
from gamefleet.weights.settings import MergeSettings

RNG = np.random.default_rng(3)


def moments_of(rows: np.ndarray) -> Moments:
    mean = rows.mean(axis=0)
    return Moments(
        count=float(len(rows)),
        mean=mean.astype(np.float32),
        deviation=((rows - mean) ** 2).sum(axis=0).astype(np.float32),
    )


def content(seed: int, shift: float = 0.0) -> Content:
    rng = np.random.default_rng(seed)
    arrays = {
        "network/w": (rng.normal(size=(700, 801)) + shift).astype(np.float32),
        "network/empty": np.zeros((0, 3), np.float32),
        "network/scale": np.array(1.5 + seed, np.float32),
        "network/half": rng.normal(size=9).astype(np.float16),
        "network/double": rng.normal(size=9),
        "network/count": np.array(seed, np.int64),
        "network/mask": np.array([seed > 2, False]),
    }
    return Content(arrays=arrays, moments={"obs": moments_of(rng.normal(size=(5 + seed, 3)))})


def given_input(one: Content, base: Content | None = None, samples: int = 1, age: int = 0) -> Input:
    return Input(content=one, base=base, samples=samples, age=age)


@pytest.mark.parametrize("size", [0, 1, 7, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 600_000])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_weighted_sum_is_that_of_plain_arithmetic_whatever_the_size(size: int, dtype: str) -> None:
    arrays = [RNG.normal(size=size).astype(dtype) for _ in range(4)]
    factors = [0.25, 0.25, -0.5, 1.0]

    expected = sum(factor * array.astype(np.float64) for factor, array in zip(factors, arrays, strict=True))
    found = weighted_sum(list(zip(factors, arrays, strict=True)))

    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3 if dtype == "float16" else 1e-6)


def test_a_weighted_sum_may_go_into_one_of_its_own_arrays() -> None:
    one, other = RNG.normal(size=(2, 300_000)).astype(np.float32)
    expected = 0.5 * one + 0.25 * other

    assert weighted_sum([(0.5, one), (0.25, other)], out=one) is one
    np.testing.assert_allclose(one, expected, rtol=1e-6)


def test_arrays_in_any_memory_order_are_added_by_value() -> None:
    one = RNG.normal(size=(300, 40)).astype(np.float32)

    np.testing.assert_array_equal(weighted_sum([(1.0, one.T), (1.0, one.T)]), 2 * one.T)


def test_terms_without_weight_are_left_out_even_when_they_are_not_finite() -> None:
    good = np.ones(3, np.float32)

    np.testing.assert_array_equal(weighted_sum([(0.0, np.full(3, np.nan, np.float32)), (2.0, good)]), 2 * good)


def test_the_only_contribution_is_taken_over_bit_for_bit() -> None:
    head, one = content(0), content(1)
    one.arrays["network/w"][0, 0] = -0.0

    merged = merge(head, {}, [given_input(one)], MergeSettings())

    assert merged.weights == (1.0,)
    assert merged.content.has_same_bits(one)


def test_the_average_weighs_by_samples_and_halves_with_each_version_of_age() -> None:
    inputs = [given_input(content(1), samples=300), given_input(content(2), samples=400, age=1)]

    assert weights_of(inputs, MergeSettings()) == (0.6, 0.4)
    assert weights_of(inputs, MergeSettings(rule="polyak", tau=0.5)) == pytest.approx((0.3, 0.2))


def test_the_average_is_the_head_plus_the_weighted_changes() -> None:
    head, old, one, other = content(0), content(9), content(1), content(2)
    inputs = [given_input(one, samples=3), given_input(other, base=old, samples=1)]

    merged = merge(head, {}, inputs, MergeSettings()).content

    for name in ("network/w", "network/double", "network/scale"):
        g, b, x, y = (source.arrays[name].astype(np.float64) for source in (head, old, one, other))
        np.testing.assert_allclose(merged.arrays[name], g + 0.75 * (x - g) + 0.25 * (y - b), atol=2e-6)
    assert merged.arrays["network/count"] == 2, "integers take the largest"
    assert merged.arrays["network/count"].dtype == np.int64
    assert merged.arrays["network/mask"].tolist() == [False, False]
    assert difference_in_form(head, merged) == ""


def test_polyak_goes_the_part_tau_of_the_way() -> None:
    head, one, other = content(0), content(1), content(2)
    merged = merge(head, {}, [given_input(one), given_input(other)], MergeSettings(rule="polyak", tau=0.2)).content

    g, x, y = (source.arrays["network/w"] for source in (head, one, other))
    np.testing.assert_allclose(merged.arrays["network/w"], 0.8 * g + 0.1 * x + 0.1 * y, atol=1e-6)


def test_the_outer_step_is_nesterov_sgd_of_torch() -> None:
    import torch

    head = content(0)
    parameter = torch.nn.Parameter(torch.tensor(head.arrays["network/w"]))
    optimizer = torch.optim.SGD([parameter], lr=0.7, momentum=0.9, nesterov=True)
    momentum: dict[str, np.ndarray] = {}
    for round_number in range(4):
        members = [content(10 * round_number + i, shift=0.1) for i in range(1, 4)]
        inputs = [given_input(one, samples=count) for one, count in zip(members, (1, 2, 5), strict=True)]
        change = sum(
            weight * (one.arrays["network/w"] - head.arrays["network/w"])
            for weight, one in zip((1 / 8, 2 / 8, 5 / 8), members, strict=True)
        )
        parameter.grad = torch.tensor(-change)
        optimizer.step()

        merged = merge(head, momentum, inputs, MergeSettings(rule="outer"))
        head, momentum = merged.content, dict(merged.momentum)

        np.testing.assert_allclose(head.arrays["network/w"], parameter.detach().numpy(), atol=2e-5)
    state = optimizer.state[parameter]["momentum_buffer"].numpy()
    np.testing.assert_allclose(momentum["network/w"], -state, atol=2e-5)


def test_merging_gives_the_same_bits_again() -> None:
    head, inputs = content(0), [given_input(content(i), samples=i, base=content(9 if i > 2 else 8)) for i in (1, 2, 3)]
    for rule in ("average", "polyak", "outer"):
        settings = MergeSettings(rule=rule)
        assert merge(head, {}, inputs, settings).content.has_same_bits(merge(head, {}, inputs, settings).content)


@given(sizes=st.lists(st.integers(1, 200), min_size=4, max_size=4), seed=st.integers(0, 1000))
def test_merged_moments_are_those_of_the_pooled_rows(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale, shift = rng.uniform(0.5, 20, 3), rng.uniform(-5, 5, 3)
    before, since, first, second = (rng.normal(size=(size, 3)) * scale + shift for size in sizes)
    old = moments_of(before)
    head = moments_of(np.concatenate([before, since]))
    one, other = moments_of(np.concatenate([before, first])), moments_of(np.concatenate([before, since, second]))
    as_content = [Content(arrays={}, moments={"obs": moments}) for moments in (old, head, one, other)]

    inputs = [given_input(as_content[2], base=as_content[0]), given_input(as_content[3])]
    merged = merge(as_content[1], {}, inputs, MergeSettings(rule="polyak")).content.moments["obs"]

    expected = moments_of(np.concatenate([before, since, first, second]))
    assert merged.count == expected.count
    np.testing.assert_allclose(merged.mean, expected.mean, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(merged.deviation, expected.deviation, rtol=1e-2, atol=2e-2 * max(scale) ** 2)


def test_moments_of_nothing_change_nothing() -> None:
    empty = Moments(count=0.0, mean=np.zeros(3, np.float32), deviation=np.zeros(3, np.float32))
    some = moments_of(RNG.normal(size=(9, 3)))

    assert pooled(empty, some) is some
    assert pooled(some, empty) is some
    assert without(some, empty) is some
    assert without(some, some).count == 0


def test_work_moves_onto_other_weights_and_nothing_moves_bit_for_bit() -> None:
    origin, goal = content(1), content(2)
    goal.arrays["network/w"][0, 0] = -0.0
    arrays = {**origin.arrays, "network/w": origin.arrays["network/w"] + np.float32(1)}

    assert rebased(origin, origin.copy(), goal).has_same_bits(goal)
    assert rebased(goal, origin, origin.copy()).has_same_bits(goal)
    moved = rebased(replace(origin, arrays=arrays), origin, goal)
    np.testing.assert_allclose(moved.arrays["network/w"], goal.arrays["network/w"] + 1, atol=1e-6)


def test_content_comes_back_from_its_arrays_and_its_checksum_sees_everything() -> None:
    one = content(1)
    momentum = {"network/w": one.arrays["network/w"]}

    found, kept = from_arrays(to_arrays(one, momentum))

    assert found.has_same_bits(one)
    assert list(kept) == ["network/w"]
    moved = replace(one, moments={"obs": replace(one.moments["obs"], count=1e6)})
    assert len({checksum(one), checksum(content(2)), checksum(moved)}) == 3
    assert checksum(one) == checksum(found)
