"""Between modules and named numpy arrays: what checkpoints, snapshots and actors exchange.

Job: read all weights of a module as arrays and put arrays back, refusing what does not fit. Place in the data flow:
learner -> arrays -> actors or files. Left out: files and versions (`weights`, `runs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gamefleet.errors import IncompatibleError

Arrays = dict[str, NDArray[Any]]


def module_arrays(module: nn.Module) -> Arrays:
    """Copies of all parameters and persistent buffers, on the CPU, under their names in the module."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in module.state_dict().items()}


def load_arrays(module: nn.Module, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Put arrays into a module; nothing is changed when they do not fit.

    Args:
        module: Receives the numbers, on whatever device it is.
        arrays: As `module_arrays` returned for a module of the same architecture.

    Raises:
        IncompatibleError: A name is missing or unknown, or a shape differs.
    """
    present = module.state_dict()
    check_names(set(present), set(arrays))
    for name, tensor in present.items():
        if tuple(tensor.shape) != np.shape(arrays[name]):
            raise mismatch(f"{name} is {np.shape(arrays[name])}, this network has {tuple(tensor.shape)}")
    with torch.no_grad():
        for name, tensor in present.items():
            tensor.copy_(torch.tensor(arrays[name]))


def check_names(ours: set[str], theirs: set[str]) -> None:
    """Raise `IncompatibleError` unless both sets are equal."""
    if ours != theirs:
        raise mismatch(f"only here: {sorted(ours - theirs)[:3]}, only there: {sorted(theirs - ours)[:3]}")


def mismatch(difference: str) -> IncompatibleError:
    """The error for weights of another architecture."""
    return IncompatibleError(
        "The weights belong to another network",
        value=difference,
        remedy="Use the network settings that the weights were trained with (see resolved.json of their run).",
    )
