"""A world's table of features: where each one is, and which tables fit together."""

import dataclasses

import pytest

from gamefleet.errors import ConfigError
from gamefleet.testing.crafting import WORLD


def test_a_feature_is_found_by_its_name_and_an_unknown_one_is_refused_with_the_nearest() -> None:
    assert WORLD.names[WORLD.column("stone")] == "stone"
    assert WORLD.feature("near_table").is_bit
    with pytest.raises(ConfigError, match="Did you mean 'stone'"):
        WORLD.column("stones")


def test_two_features_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="same name"):
        dataclasses.replace(WORLD, features=(*WORLD.features, WORLD.features[0]))


def test_the_hash_tells_tables_apart_by_names_order_and_ranges_but_not_by_words() -> None:
    first, second, *rest = WORLD.features
    swapped = dataclasses.replace(WORLD, features=(second, first, *rest))
    wider = dataclasses.replace(WORLD, features=(dataclasses.replace(first, high=99.0), second, *rest))
    reworded = dataclasses.replace(WORLD, features=(dataclasses.replace(first, meaning="logs"), second, *rest))

    assert len({WORLD.feature_hash(), swapped.feature_hash(), wider.feature_hash()}) == 3
    assert reworded.feature_hash() == WORLD.feature_hash()
