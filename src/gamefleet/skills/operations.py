"""What expressions compute: two dozen operations on arrays, with one result on NumPy and on JAX.

Job: the arithmetic under expressions and their compiled programs. Place in the data flow: `expression` and `program`
call `apply` with NumPy, `program_jax` with `jax.numpy`. Left out: text and trees (`expression`).

Every value is 0 or has a magnitude between `SMALLEST` and `LARGEST`; results are brought back into that range,
dividing by 0 gives 0, the root of what is below 0 is 0, and a feature that is not a number counts as 0. So nothing
overflows, nothing is ever NaN, and no result depends on how a machine treats denormal numbers. The range check also
stands between a product and the sum that takes it, which keeps compilers from fusing the two into one rounding.

Truth is a number: comparisons give 1 or 0, and whatever is not 0 is true.
"""

from __future__ import annotations

import enum
from typing import Any

LARGEST = 1e9
SMALLEST = 1e-18
"""The product of two smallest values is still a normal float32."""


class Operation(enum.IntEnum):
    """What one node or instruction does with its arguments x, y and z; the first four read what an index names."""

    CONSTANT = 0
    NOW = 1
    BEFORE = 2
    GAINED = 3
    ADD = 4
    SUBTRACT = 5
    MULTIPLY = 6
    DIVIDE = 7
    FLOOR_DIVIDE = 8
    MODULO = 9
    MINIMUM = 10
    MAXIMUM = 11
    ABSOLUTE = 12
    NEGATE = 13
    ROOT = 14
    CLIP = 15
    CHOOSE = 16
    LESS = 17
    LESS_EQUAL = 18
    EQUAL = 19
    NOT_EQUAL = 20
    AND = 21
    OR = 22
    NOT = 23


READS = (Operation.CONSTANT, Operation.NOW, Operation.BEFORE, Operation.GAINED)


def tidy(xp: Any, value: Any) -> Any:
    """Bring numbers into the range that the module's docstring promises."""
    return xp.where(xp.abs(value) < SMALLEST, xp.zeros_like(value), xp.clip(value, -LARGEST, LARGEST))


def clean(xp: Any, features: Any) -> Any:
    """Features as expressions see them: float32 (or the float64 that was given), in range, 0 where not a number."""
    features = xp.asarray(features)
    if features.dtype != xp.float64:
        features = features.astype(xp.float32)
    return tidy(xp, xp.where(features == features, features, xp.zeros_like(features)))


def apply(operation: Operation, xp: Any, x: Any, y: Any, z: Any) -> Any:
    """The result of one operation other than `READS`.

    Args:
        operation: What to do.
        xp: NumPy or `jax.numpy`.
        x: First argument, tidy.
        y: Second argument; ignored where there is none.
        z: Third argument; likewise.
    """
    if operation in (Operation.CHOOSE, Operation.AND, Operation.OR, Operation.NOT):
        return _decide(operation, xp, (x, y, z))
    if operation in (Operation.LESS, Operation.LESS_EQUAL, Operation.EQUAL, Operation.NOT_EQUAL):
        return _compare(operation, xp, x, y)
    return _calculate(operation, xp, (x, y, z))


def _calculate(operation: Operation, xp: Any, arguments: tuple[Any, Any, Any]) -> Any:
    x, y, z = arguments
    match operation:
        case Operation.ADD:
            return tidy(xp, x + y)
        case Operation.SUBTRACT:
            return tidy(xp, x - y)
        case Operation.MULTIPLY:
            return tidy(xp, x * y)
        case Operation.DIVIDE:
            return _divide(xp, x, y)
        case Operation.FLOOR_DIVIDE:
            return tidy(xp, xp.floor(_divide(xp, x, y)))
        case Operation.MODULO:
            # Not the library's remainder: NumPy's and JAX's differ in the last bit.
            rest = x - tidy(xp, y * xp.floor(_divide(xp, x, y)))
            return xp.where(y == 0, xp.zeros_like(rest), tidy(xp, rest))
        case Operation.MINIMUM:
            return xp.minimum(x, y)
        case Operation.MAXIMUM:
            return xp.maximum(x, y)
        case Operation.ABSOLUTE:
            return xp.abs(x)
        case Operation.NEGATE:
            return tidy(xp, -x)
        case Operation.ROOT:
            return tidy(xp, xp.sqrt(xp.maximum(x, xp.zeros_like(x))))
        case Operation.CLIP:
            return xp.minimum(xp.maximum(x, y), z)
        case _:
            raise ValueError(f"{operation!r} computes nothing")


def _divide(xp: Any, x: Any, y: Any) -> Any:
    # That the divisor seems to depend on x keeps XLA from multiplying by a constant's reciprocal, which rounds twice.
    is_defined = (x == x) & (y != 0)
    quotient = x / xp.where(is_defined, y, xp.ones_like(y))
    return tidy(xp, xp.where(is_defined, quotient, xp.zeros_like(quotient)))


def _compare(operation: Operation, xp: Any, x: Any, y: Any) -> Any:
    match operation:
        case Operation.LESS:
            truth = x < y
        case Operation.LESS_EQUAL:
            truth = x <= y
        case Operation.EQUAL:
            truth = x == y
        case _:
            truth = x != y
    return _number(xp, truth, x)


def _decide(operation: Operation, xp: Any, arguments: tuple[Any, Any, Any]) -> Any:
    x, y, z = arguments
    match operation:
        case Operation.CHOOSE:
            return xp.where(x != 0, y, z)
        case Operation.AND:
            truth = (x != 0) & (y != 0)
        case Operation.OR:
            truth = (x != 0) | (y != 0)
        case _:
            truth = x == 0
    return _number(xp, truth, x)


def _number(xp: Any, truth: Any, like: Any) -> Any:
    return truth.astype(like.dtype)
