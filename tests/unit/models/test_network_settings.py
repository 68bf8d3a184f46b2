from typing import Any

import pytest

from gamefleet.errors import ConfigError
from gamefleet.models.settings import NetworkSettings, architecture_json


@pytest.mark.parametrize("bad", [{"hidden_size": 0}, {"head_size": -1}])
def test_what_no_network_can_be_built_from_is_refused_by_name(bad: dict[str, Any]) -> None:
    (name,) = bad
    with pytest.raises(ConfigError, match=f"network.{name}"):
        NetworkSettings(**bad)


def test_architectures_differ_when_weights_do_not_fit() -> None:
    first = architecture_json(NetworkSettings(), num_actions=3, num_heads=1)
    others = [
        architecture_json(NetworkSettings(core="lstm"), num_actions=3, num_heads=1),
        architecture_json(NetworkSettings(encoder={"channels": 8}), num_actions=3, num_heads=1),
        architecture_json(NetworkSettings(), num_actions=4, num_heads=1),
        architecture_json(NetworkSettings(), num_actions=3, num_heads=2),
    ]
    assert all(other != first for other in others)
    assert architecture_json(NetworkSettings(), num_actions=3, num_heads=1) == first
