"""The order of trajectories: every one once, another order for every seed and epoch, any place for itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamefleet.experience.order import Order


@given(st.integers(1, 3000), st.integers(0, 2**40), st.integers(0, 1000))
def test_every_thing_comes_exactly_once(num_items: int, seed: int, epoch: int) -> None:
    found = Order(num_items, seed=seed, epoch=epoch).at(np.arange(num_items))

    assert np.array_equal(np.sort(found), np.arange(num_items))


def test_half_a_million_things_come_exactly_once() -> None:
    found = Order(500_001, seed=1, epoch=0).at(np.arange(500_001))

    assert np.array_equal(np.bincount(found), np.ones(500_001))


def test_a_place_does_not_depend_on_which_others_are_asked_for() -> None:
    order = Order(1_000, seed=3, epoch=2)

    assert order.at(np.array([17, 900])).tolist() == order.at(np.arange(1_000))[[17, 900]].tolist()


@pytest.mark.parametrize("other", [{"seed": 4, "epoch": 0}, {"seed": 3, "epoch": 1}])
def test_another_seed_or_epoch_gives_another_order(other: dict[str, int]) -> None:
    places = np.arange(1_000)

    same = Order(1_000, seed=3, epoch=0).at(places) == Order(1_000, **other).at(places)
    assert same.mean() < 0.02


def test_places_tell_nothing_about_things() -> None:
    places = np.arange(100_000)
    found = Order(100_000, seed=9, epoch=0).at(places)

    # Of a random order: neighbours, and halves, are uncorrelated within three standard errors.
    assert abs(np.corrcoef(places, found)[0, 1]) < 3 / np.sqrt(100_000)
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 3 / np.sqrt(100_000)
    counts = np.histogram(found[:10_000], bins=100, range=(0, 100_000))[0]
    assert ((counts - 100) ** 2 / 100).sum() < 150  # chi-square with 99 degrees: 150 is at 0.07 %


def test_it_is_the_same_on_every_machine() -> None:
    assert Order(10, seed=7, epoch=0).at(np.arange(10)).tolist() == [7, 1, 9, 6, 3, 4, 2, 8, 5, 0]
