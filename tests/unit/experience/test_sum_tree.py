"""The tree against a plain list: sums, draws in proportion, and masses that rounding puts on an edge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamefleet.experience.sum_tree import SumTree

VALUES = st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1e6)), min_size=1, max_size=40)


def tree_of(values: list[float]) -> SumTree:
    tree = SumTree(len(values))
    tree.set(np.arange(len(values)), np.array(values))
    return tree


@given(VALUES, st.data())
def test_any_sequence_of_settings_leaves_the_values_last_set_and_their_sum(values: list[float], data) -> None:
    tree, naive = tree_of(values), list(values)
    changes = data.draw(st.lists(st.tuples(st.integers(0, len(values) - 1), st.floats(0, 1e6)), max_size=20))
    for index, value in changes:
        tree.set(np.array([index]), np.array([value]))
        naive[index] = value

    assert tree.values.tolist() == naive
    assert tree.total == pytest.approx(sum(naive))


@given(VALUES, st.data())
def test_the_order_of_settings_does_not_change_a_single_bit(values: list[float], data) -> None:
    one_by_one = SumTree(len(values))
    for index in data.draw(st.permutations(range(len(values)))):
        one_by_one.set(np.array([index]), np.array([values[index]]))

    assert one_by_one.total == tree_of(values).total


@given(VALUES.filter(any), st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20))
def test_a_mass_finds_the_leaf_at_which_the_running_sum_passes_it(values: list[float], parts: list[float]) -> None:
    tree = tree_of(values)
    mass = np.minimum(np.array(parts) * tree.total, np.nextafter(tree.total, 0.0))

    for leaf, wanted in zip(tree.find(mass).tolist(), mass.tolist(), strict=True):
        tolerance = 1e-12 * tree.total
        assert values[leaf] > 0
        assert sum(values[:leaf]) - tolerance <= wanted <= sum(values[: leaf + 1]) + tolerance


def test_an_index_that_comes_twice_keeps_its_last_value() -> None:
    tree = tree_of([1.0, 1.0, 1.0])

    tree.set(np.array([1, 1]), np.array([5.0, 3.0]))

    assert tree.values.tolist() == [1.0, 3.0, 1.0]
    assert tree.total == 5.0


def test_equal_values_are_each_drawn_once_when_there_are_as_many_draws_as_leaves() -> None:
    tree = tree_of([1.0] * 13)

    assert tree.draw(13, np.random.default_rng(0)).tolist() == list(range(13))


def test_draws_are_in_proportion_to_the_values() -> None:
    values = np.array([0.0, 1.0, 5.0, 0.0, 3.0, 1.0])
    tree, rng = tree_of(values.tolist()), np.random.default_rng(0)

    counts = np.bincount(np.concatenate([tree.draw(10, rng) for _ in range(1000)]), minlength=6)

    np.testing.assert_allclose(counts / 10_000, values / 10, atol=0.01)
    assert counts[0] == counts[3] == 0


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_a_value_that_is_no_priority_is_refused_and_changes_nothing(value: float) -> None:
    tree = tree_of([1.0, 2.0])

    with pytest.raises(ValueError, match="finite and not negative"):
        tree.set(np.array([0, 1]), np.array([3.0, value]))

    assert tree.values.tolist() == [1.0, 2.0]
