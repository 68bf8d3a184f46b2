"""What members share: named arrays and normalisers, as one value.

Job: name, compare, move and check it. Place in the data flow: between a learner, which exports and imports it, and the
files of the shared folder. Left out: merging (`merge`) and files (`blobs`).

Arrays of floats are averaged, arrays of integers take the largest value, moments are merged by their counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from gamefleet.errors import CorruptCheckpointError
from gamefleet.weights.average import weighted_sum
from gamefleet.weights.moments import Moments, pooled, without

NETWORK = "network/"
"""Names of the arrays that play; all that actors need."""

ARRAYS, MOMENTS, MOMENTUM = "arrays/", "moments/", "momentum/"
"""Prefixes of the names in a file."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What members share; nobody changes it any more.

    Args:
        arrays: By name; those that play begin with `network/`.
        moments: Normalisers by name.
    """

    arrays: Arrays
    moments: Mapping[str, Moments] = field(default_factory=dict)

    def has_same_bits(self, other: Content) -> bool:
        """Whether nothing differs, not even the sign of a zero."""
        return (
            difference_in_form(self, other) == ""
            and all(same_bits(array, other.arrays[name]) for name, array in self.arrays.items())
            and all(moments.has_same_bits(other.moments[name]) for name, moments in self.moments.items())
        )

    def copy(self) -> Content:
        """An independent copy."""
        moments = {
            name: Moments(count=one.count, mean=one.mean.copy(), deviation=one.deviation.copy())
            for name, one in self.moments.items()
        }
        return Content(arrays={name: array.copy() for name, array in self.arrays.items()}, moments=moments)


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays of one shape and type are equal bit for bit."""
    return one is other or bool(np.array_equal(as_bytes(one), as_bytes(other)))


def as_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """An array's bytes, in C order; not copied where it is in that order already."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def is_averaged(array: NDArray[Any]) -> bool:
    """Whether an array is averaged; the others take the largest value."""
    return array.dtype.kind == "f"


def difference_in_form(ours: Content, theirs: Content) -> str:
    """Name the first array or normaliser whose name, shape or type differs; empty when none does."""
    here, there = form(ours), form(theirs)
    for name in sorted({*here, *there}):
        if here.get(name) != there.get(name):
            return f"{name}: {here.get(name, 'absent')} here, {there.get(name, 'absent')} there"
    return ""


def form(content: Content) -> dict[str, str]:
    """Types and shapes by name, in words."""
    found = {ARRAYS + name: described(array) for name, array in content.arrays.items()}
    for name, one in content.moments.items():
        found[MOMENTS + name] = f"mean {described(one.mean)}, deviation {described(one.deviation)}"
    return found


def described(array: NDArray[Any]) -> str:
    """Type and shape of an array, as `float32[8,4]`."""
    return f"{array.dtype.name}[{','.join(map(str, array.shape))}]"


def rebased(content: Content, origin: Content, target: Content) -> Content:
    """Move what was learned since `origin` onto `target`: `target + (content - origin)`.

    Where content is still its origin, the result is the target, bit for bit.
    """
    arrays = {name: _moved(array, origin.arrays[name], target.arrays[name]) for name, array in content.arrays.items()}
    moments = {
        name: _moments_moved(one, origin.moments[name], target.moments[name]) for name, one in content.moments.items()
    }
    return Content(arrays=arrays, moments=moments)


def _moved(array: NDArray[Any], origin: NDArray[Any], target: NDArray[Any]) -> NDArray[Any]:
    if same_bits(array, origin):
        return target
    if same_bits(origin, target):
        return array
    if not is_averaged(array):
        return np.asarray(np.maximum(array, target))
    return weighted_sum([(1.0, target), (1.0, array), (-1.0, origin)])


def _moments_moved(one: Moments, origin: Moments, target: Moments) -> Moments:
    if one.has_same_bits(origin):
        return target
    return one if origin.has_same_bits(target) else pooled(target, without(one, origin))


def checksum(content: Content) -> str:
    """xxh3-128 over names, types, shapes and bytes, whatever their order: the lineage of what grows from it."""
    digest = xxhash.xxh3_128()
    named = to_arrays(content)
    for name in sorted(named):
        array = named[name]
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(as_bytes(array).data)
    return str(digest.hexdigest())


def to_arrays(content: Content, momentum: Arrays | None = None) -> dict[str, NDArray[Any]]:
    """Everything as arrays, by the names that they have in a file."""
    named: dict[str, NDArray[Any]] = {ARRAYS + name: array for name, array in content.arrays.items()}
    for name, one in content.moments.items():
        named[f"{MOMENTS}{name}/count"] = np.array(one.count, np.float64)
        named[f"{MOMENTS}{name}/mean"] = one.mean
        named[f"{MOMENTS}{name}/deviation"] = one.deviation
    named.update({MOMENTUM + name: array for name, array in (momentum or {}).items()})
    return named


def from_arrays(named: Arrays, *, where: object = None) -> tuple[Content, dict[str, NDArray[Any]]]:
    """What `to_arrays` made: content and momentum.

    Raises:
        CorruptCheckpointError: There are other names, or a part of a normaliser is missing.
    """
    arrays = below(ARRAYS, named)
    momentum = below(MOMENTUM, named)
    parts = below(MOMENTS, named)
    names = {name.rpartition("/")[0] for name in parts}
    expected = {f"{name}/{part}" for name in names for part in ("count", "mean", "deviation")}
    if len(arrays) + len(momentum) + len(parts) != len(named) or set(parts) != expected:
        raise CorruptCheckpointError(
            "These arrays are not what members share",
            where=where,
            remedy="Nothing to do: files that cannot be understood are not merged.",
        )
    moments = {name: _moments(parts, name, where) for name in sorted(names)}
    return Content(arrays=arrays, moments=moments), momentum


def below(prefix: str, named: Arrays) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin so, under the rest of their names."""
    return {name[len(prefix) :]: array for name, array in named.items() if name.startswith(prefix)}


def _moments(parts: Arrays, name: str, where: object) -> Moments:
    count, mean, deviation = (parts[f"{name}/{part}"] for part in ("count", "mean", "deviation"))
    if count.shape != () or count.dtype.kind != "f" or {mean.dtype.name, deviation.dtype.name} != {"float32"}:
        raise CorruptCheckpointError(
            "A normaliser has parts of the wrong type", value=name, where=where, remedy="It is not merged."
        )
    return Moments(count=float(count), mean=mean, deviation=deviation)
