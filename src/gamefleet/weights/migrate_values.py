"""The few things besides plain values that an old pickle may hold: arrays of NumPy and JAX, and FrozenDicts.

Job: make them from their parts, without calling anything that the pickle names: a name is looked up in this table and
nowhere else. Place in the data flow: under the pickle machine. Left out: everything else, which is refused.

Shapes and sizes are checked against the bytes that are there, so that a small file cannot ask for a large array.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class RefusedError(Exception):
    """A pickle holds what is not allowed; the text says what."""


@dataclass(slots=True)
class Unfinished:
    """An array or a type before its state has been given to it.

    Args:
        kind: `array` or `dtype`.
        value: The type so far.
        places: Where the memo refers to it, so that it can be replaced.
    """

    kind: str
    value: Any = None
    places: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Name:
    """A name of the table: what a pickle may call."""

    module: str
    name: str


NUMPY_MODULES = ("numpy.core", "numpy._core")
MOST_AXES = 8
TYPES = frozenset({"?", "b1", "bool", "f2", "f4", "f8", *(f"{kind}{size}" for kind in "iu" for size in "1248")})
"""Types of numbers; none of them can hold an object."""


def call(name: Name, arguments: Any) -> Any:
    """What a pickle's call of an allowed name makes.

    Raises:
        RefusedError: The arguments are not what that name takes.
    """
    if not isinstance(arguments, tuple):
        raise RefusedError(f"a call of {name.module}.{name.name} without a tuple of arguments")
    try:
        return ALLOWED[name](*arguments)
    except (TypeError, ValueError, KeyError, OverflowError, UnicodeError) as error:
        raise RefusedError(f"a call of {name.module}.{name.name} with odd arguments") from error


def build(target: Any, state: Any) -> Any:
    """What becomes of an unfinished array or type by its state.

    Raises:
        RefusedError: There is nothing to finish, or the state is not what belongs there.
    """
    try:
        if isinstance(target, Unfinished) and target.kind == "dtype":
            return Unfinished("dtype", target.value.newbyteorder(_order(state[1])))
        if isinstance(target, Unfinished) and target.kind == "array":
            _, shape, kind, is_fortran, data = state
            return _array(data, kind, shape, "F" if is_fortran is True else "C")
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise RefusedError("a state that does not belong to an array") from error
    raise RefusedError("a state for something that is no array")


def _order(letter: Any) -> Any:
    if letter not in ("<", ">", "|", "="):
        raise ValueError(letter)
    return letter


def _dtype(text: Any, *_: Any) -> Unfinished:
    if not isinstance(text, str) or text not in TYPES:
        raise RefusedError(f"an array of {str(text)[:20]!r}")
    return Unfinished("dtype", np.dtype(text))


def _reconstruct(kind: Any, *_: Any) -> Unfinished:
    if kind != NDARRAY:
        raise RefusedError("an array of an unknown class")
    return Unfinished("array")


def _array(data: Any, kind: Any, shape: Any, order: Any) -> Any:
    if not isinstance(data, bytes | bytearray) or not isinstance(kind, Unfinished) or kind.kind != "dtype":
        raise ValueError("no bytes or no type")
    axes = tuple(shape)
    is_shape = len(axes) <= MOST_AXES and all(type(axis) is int and axis >= 0 for axis in axes)
    if not is_shape or math.prod(axes) * kind.value.itemsize != len(data):
        raise ValueError("bytes and shape do not fit")
    return np.frombuffer(data, kind.value).reshape(axes, order="F" if order == "F" else "C")


def _scalar(kind: Any, data: Any) -> Any:
    return _array(data, kind, (), "C")[()].item()


def _jax_array(function: Any, arguments: Any, state: Any, _: Any) -> Any:
    if function not in ALLOWED or ALLOWED[function] is not _reconstruct:
        raise RefusedError("an array of JAX that is not made of one of NumPy")
    return build(call(function, arguments), state)


def _never(*_: Any) -> Any:
    raise ValueError("only ever an argument")


def _frozen(values: Any = None) -> dict[Any, Any]:
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ValueError("no dict")
    return values


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    return dict(pairs)


def _latin1(text: Any, encoding: Any) -> bytes:
    """Bytes as old protocols write them: letters of the same numbers."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("another encoding")
    return text.encode("latin-1")


def _no_bytes() -> bytes:
    """Empty bytes, as old protocols write them."""
    return b""


NDARRAY = Name("numpy", "ndarray")

ALLOWED: Mapping[Name, Callable[..., Any]] = {
    **{Name(f"{module}.multiarray", "_reconstruct"): _reconstruct for module in NUMPY_MODULES},
    **{Name(f"{module}.multiarray", "scalar"): _scalar for module in NUMPY_MODULES},
    **{Name(f"{module}.numeric", "_frombuffer"): _array for module in NUMPY_MODULES},
    Name("numpy", "dtype"): _dtype,
    NDARRAY: _never,
    Name("jax._src.array", "_reconstruct_array"): _jax_array,
    Name("flax.core.frozen_dict", "FrozenDict"): _frozen,
    Name("collections", "OrderedDict"): _ordered,
    Name("_codecs", "encode"): _latin1,
    Name("__builtin__", "bytes"): _no_bytes,
    Name("builtins", "bytes"): _no_bytes,
}
"""What a pickle may name, and what of ours is called instead."""


def find(module: Any, name: Any) -> Name:
    """A name of the table.

    Raises:
        RefusedError: It is not in the table.
    """
    if not isinstance(module, str) or not isinstance(name, str):
        raise RefusedError("a name that is no text")
    wanted = Name(module, name)
    if wanted not in ALLOWED:
        raise RefusedError(f"{module[:60]}.{name[:60]}, which is neither an array nor a dict")
    return wanted
