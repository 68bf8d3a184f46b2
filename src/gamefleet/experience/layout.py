"""Which arrays a replay holds: names, shapes, types, and the memory they take.

Job: describe a slot, check what is written and what fits. Place in the data flow: under `replay`. Left out: where slots
lie and which are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import ConfigError
from gamefleet.experience.settings import ReplaySettings
from gamefleet.experience.types import Slots
from gamefleet.experience.windows import Grid

Layout = Mapping[str, tuple[tuple[int, ...], str]]
"""Observation arrays: name -> (shape, dtype) of one slot."""

FLAGS: Layout = {
    "action": ((), "int16"),
    "reward": ((), "float32"),
    "is_first": ((), "bool"),
    "is_last": ((), "bool"),
    "is_terminal": ((), "bool"),
}
"""What a slot holds besides its observation."""


def checked_arrays(slots: Slots, rings: Mapping[str, NDArray[Any]], count: int) -> Mapping[str, NDArray[Any]]:
    """The arrays of some slots by the names of the rings that take them.

    NumPy would stretch an array of one row over all streams, and cut a number that is too large, without a word.

    Args:
        slots: What is to be written.
        rings: Where it goes, arrays `[stream, ring, ...]`.
        count: Slots there must be.

    Raises:
        ValueError: An array is missing, unknown, or of another shape or type than its ring.
    """
    arrays = {name: getattr(slots, name) for name in FLAGS} | {f"obs/{name}": slots.obs[name] for name in slots.obs}
    if arrays.keys() != rings.keys():
        raise ValueError(f"slots hold the arrays {sorted(arrays)}, the replay expects {sorted(rings)}")
    for name, ring in rings.items():
        check_array(name, arrays[name], (count, *ring.shape[2:]), ring.dtype)
    return arrays


def check_array(name: str, found: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Fail unless an array has the shape and type of the place that it is written to.

    Raises:
        ValueError: Names both.
    """
    if found.shape != shape or found.dtype != dtype:
        raise ValueError(
            f"the array {name} of the slots is {found.dtype} {found.shape}, the replay expects {dtype} {shape}"
        )


def check_size(grid: Grid, layout: Layout, settings: ReplaySettings, *, state_size: int) -> None:
    """Refuse a capacity that holds no window, or more than memory is granted for.

    Raises:
        ConfigError: Names the capacity and what to do.
    """
    if grid.num_slots < grid.least_slots:
        raise ConfigError(
            f"The replay is too small for {grid.num_streams} environments",
            value=settings.capacity_steps,
            where="replay.capacity_steps",
            remedy=f"Raise it to {grid.least_slots * grid.num_streams} or more, "
            "or lower replay.unroll or actors.num_envs.",
        )
    needed = num_bytes(layout, settings, state_size=state_size)
    if needed > settings.max_bytes:
        raise ConfigError(
            f"The replay would take {needed / 1e9:.2f} GB",
            value=settings.capacity_steps,
            where="replay.capacity_steps",
            remedy=f"Lower it, or raise replay.max_bytes (now {settings.max_bytes / 1e9:.2f} GB).",
        )


def prefixed(layout: Layout) -> Layout:
    """The observation arrays under names that cannot meet those of the flags."""
    return {f"obs/{name}": value for name, value in layout.items()}


def num_bytes(layout: Layout, settings: ReplaySettings, *, state_size: int) -> int:
    """Memory of a full replay: slots, stored states and the tree."""
    per_slot = sum(
        int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        for shape, dtype in {**FLAGS, **prefixed(layout)}.values()
    )
    num_windows = settings.capacity_steps // settings.unroll
    per_window = 4 * state_size + 8 + 4 * 8
    return settings.capacity_steps * per_slot + num_windows * per_window
