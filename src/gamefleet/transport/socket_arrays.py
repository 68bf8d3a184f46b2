"""Arrays as parts of a message.

Job: describe named arrays so that the other side can build them from raw bytes, and check a description before it is
believed. Place in the data flow: between the arrays of `socket` and the payloads of a link. Left out: what the arrays
mean. Nothing is copied in either direction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import GamefleetError

MOST_AXES = 8
MOST_ARRAYS = 4096
LONGEST_NAME = 256
_SIZES = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
TYPES = frozenset(("bool", *_SIZES, "float16", "float32", "float64"))


class ArraysError(GamefleetError):
    """The other side described arrays that cannot be, or that its bytes do not fit."""


def describe(arrays: Mapping[str, NDArray[Any]]) -> tuple[list[list[Any]], list[memoryview]]:
    """What a header says about arrays, and their memory in the same order.

    Raises:
        ValueError: An array holds no numbers.
    """
    facts: list[list[Any]] = []
    parts: list[memoryview] = []
    for name, array in arrays.items():
        if array.dtype.name not in TYPES:
            raise ValueError(f"the array {name!r} is of {array.dtype}, which cannot be sent")
        plain = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
        facts.append([name, array.dtype.name, list(array.shape)])
        parts.append(plain.reshape(-1).view(np.uint8).data)
    return facts, parts


def restore(facts: object, parts: Sequence[memoryview]) -> dict[str, NDArray[Any]]:
    """The arrays again: views of the parts.

    Args:
        facts: As it arrived: anything.
        parts: Raw bytes.

    Raises:
        ArraysError: It is no description, or the bytes do not fit it.
    """
    if not isinstance(facts, list) or len(facts) != len(parts) or len(facts) > MOST_ARRAYS:
        raise ArraysError("A message describes other arrays than it holds")
    arrays: dict[str, NDArray[Any]] = {}
    for fact, part in zip(facts, parts, strict=True):
        name, dtype, shape = _checked(fact)
        if name in arrays or math.prod(shape) * dtype.itemsize != part.nbytes:
            raise ArraysError("An array came twice, or with another size than described", value=name)
        raw = np.frombuffer(part, np.uint8)
        if dtype == np.bool_ and raw.size and raw.max() > 1:
            raise ArraysError("An array is neither true nor false", value=name)
        arrays[name] = raw.view(dtype).reshape(shape)
    return arrays


def _checked(fact: object) -> tuple[str, np.dtype[Any], tuple[int, ...]]:
    match fact:
        case [str(name), str(kind), list(shape)] if kind in TYPES and len(shape) <= MOST_AXES:
            lengths = tuple(length for length in shape if type(length) is int and 0 <= length < 2**40)
            # An empty axis must not hide others that are too long for an array.
            is_possible = math.prod(max(1, length) for length in lengths) < 2**40
            if len(lengths) == len(shape) and is_possible and len(name) <= LONGEST_NAME:
                return name, np.dtype(kind).newbyteorder("<"), lengths
    raise ArraysError("A message describes an array that cannot be", value=repr(fact)[:80])
