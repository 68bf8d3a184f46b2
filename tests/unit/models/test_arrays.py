import numpy as np
import pytest
import torch
from torch import nn

from gamefleet.errors import IncompatibleError
from gamefleet.models.arrays import load_arrays, module_arrays


def test_arrays_go_out_and_in_unchanged_and_share_no_memory() -> None:
    module, other = nn.Linear(3, 2), nn.Linear(3, 2)
    arrays = module_arrays(module)
    load_arrays(other, arrays)
    assert torch.equal(module.weight, other.weight)
    with torch.no_grad():
        module.weight.zero_()
    assert arrays["weight"].any()


@pytest.mark.parametrize(
    "arrays",
    [
        {"weight": np.zeros((2, 3), np.float32)},
        {"weight": np.zeros((2, 3), np.float32), "bias": np.zeros(2, np.float32), "more": np.zeros(1, np.float32)},
        {"weight": np.zeros((2, 3), np.float32), "bias": np.zeros(3, np.float32)},
    ],
)
def test_arrays_of_another_network_change_nothing(arrays: dict[str, np.ndarray]) -> None:
    module = nn.Linear(3, 2)
    before = module_arrays(module)
    with pytest.raises(IncompatibleError, match="another network"):
        load_arrays(module, arrays)
    after = module_arrays(module)
    assert all((before[name] == after[name]).all() for name in before)
