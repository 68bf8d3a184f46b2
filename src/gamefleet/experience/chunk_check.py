"""Whether a chunk of another member may enter this replay.

Job: compare names, shapes, types and meaning of a chunk's arrays with what the replay expects. Place in the data flow:
between `chunk_file.decode` and `Replay.extend`. Left out: whether the game really gives what the chunk says
(`actors.resimulate`), and whether the compatibility hash is ours (the reader of the folder knows it).

Axes: `time` (slots of the chunk), `state` (numbers of a recurrent state).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.experience.bounded import ChunkError
from gamefleet.experience.chunk_file import ChunkContent
from gamefleet.experience.layout import FLAGS, Layout
from gamefleet.experience.types import Slots


def check_fits(
    content: ChunkContent, layout: Layout, *, num_actions: int, state_size: int, where: object = None
) -> None:
    """Fail unless a chunk can be learned from.

    Args:
        content: What `decode` gave.
        layout: Observation arrays of the replay.
        num_actions: Actions of the game.
        state_size: Numbers in a recurrent state of our network.
        where: File or peer that it came from, for errors.

    Raises:
        ChunkError: Names the first thing that does not fit.
    """
    slots = content.slots
    problem = (
        _difference({name: getattr(slots, name) for name in FLAGS}, FLAGS, content.num_slots)
        or _difference({"state": content.state}, {"state": ((state_size,), "float32")}, content.num_slots)
        or _difference(slots.obs, layout, content.num_slots)
        or _not_finite({"reward": slots.reward, "state": content.state, **slots.obs})
        or _contradiction(slots)
        or _strange_action(slots, num_actions)
    )
    if problem:
        raise ChunkError(
            f"A chunk does not fit the replay: {problem}",
            where=where,
            remedy="It is left out; if this member's chunks keep failing, ask its owner which version it runs.",
        )


def _difference(arrays: Mapping[str, NDArray[Any]], layout: Layout, num_slots: int) -> str:
    if arrays.keys() != layout.keys():
        return f"it holds the arrays {sorted(arrays)}, not {sorted(layout)}"
    for name, (shape, dtype) in layout.items():
        array = arrays[name]
        if array.shape != (num_slots, *shape) or array.dtype != np.dtype(dtype):
            return f"{name} is {array.dtype} {array.shape}, not {dtype} {(num_slots, *shape)}"
    return ""


def _not_finite(arrays: Mapping[str, NDArray[Any]]) -> str:
    """One number that is not finite would spoil every weight that is learned from it."""
    broken = [name for name, array in arrays.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
    return f"{broken[0]} holds numbers that are not finite" if broken else ""


def _contradiction(slots: Slots) -> str:
    if not slots.is_first[0] or slots.is_first[1:].any():
        return "is_first is not set at exactly the first slot"
    if not slots.is_last[-1] or slots.is_last[:-1].any():
        return "is_last is not set at exactly the last slot"
    if slots.is_terminal[:-1].any():
        return "is_terminal is set before the last slot"
    if slots.action[-1] != 0 or slots.reward[-1] != 0:
        return "its last slot has an action or a reward"
    return ""


def _strange_action(slots: Slots, num_actions: int) -> str:
    strange = slots.action[(slots.action < 0) | (slots.action >= num_actions)]
    return f"it holds action {strange[0]} of a game with {num_actions}" if len(strange) else ""
