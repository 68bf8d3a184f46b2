"""Weighted sums of arrays at the speed of memory.

Job: add up arrays of several members without temporary arrays of their size. Place in the data flow: the arithmetic of
`merge` and of taking over merged weights. Left out: which weights.

Sums run in float32 (float64 for arrays of that type), in pieces that stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK_BYTES = 1 << 20

Term = tuple[float, NDArray[Any]]


def weighted_sum(terms: Sequence[Term], out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Add up `factor * array` over terms.

    Terms whose factor is zero are left out; a single term with factor one is a copy, bit for bit.

    Args:
        terms: Factors and arrays of floats, all of one shape and type; at least one factor is not zero.
        out: Where the sum goes, of that shape and type, in C order; may be the array of the first term.

    Returns:
        `out`, or a fresh array.
    """
    # Equal factors are applied once, to their sum; a stable sort keeps the order, and with it every bit, fixed.
    kept = sorted((term for term in terms if term[0] != 0.0), key=lambda term: -abs(term[0]))
    shape, dtype = kept[0][1].shape, kept[0][1].dtype
    result = np.empty(shape, dtype) if out is None else out
    flat = result.reshape(-1)
    groups = [
        (factor, [np.ascontiguousarray(array).reshape(-1) for _, array in group])
        for factor, group in groupby(kept, key=lambda term: term[0])
    ]
    if len(kept) == 1 and kept[0][0] == 1.0:
        np.copyto(flat, groups[0][1][0])
        return result
    working = dtype if dtype.itemsize >= 4 else np.dtype(np.float32)
    size = max(1, CHUNK_BYTES // working.itemsize)
    scratch = np.empty(min(size, flat.size), working)
    # Straight into the result where it is of the right type and none of the arrays that are still to be read.
    is_direct = working == dtype and not any(np.may_share_memory(flat, array) for _, array in kept)
    total = flat if is_direct else np.empty(min(size, flat.size), working)
    for start in range(0, flat.size, size):
        stop = min(start + size, flat.size)
        into = flat[start:stop] if is_direct else total[: stop - start]
        _sum_chunk(groups, slice(start, stop), into, scratch[: stop - start])
        if not is_direct:
            flat[start:stop] = into
    return result


def _sum_chunk(
    groups: Sequence[tuple[float, Sequence[NDArray[Any]]]], part: slice, total: NDArray[Any], scratch: NDArray[Any]
) -> None:
    for number, (factor, arrays) in enumerate(groups):
        into = scratch if number else total
        if len(arrays) == 1:
            np.multiply(arrays[0][part], factor, out=into, dtype=into.dtype)
        else:
            np.add(arrays[0][part], arrays[1][part], out=into, dtype=into.dtype)
            for array in arrays[2:]:
                np.add(into, array[part], out=into, dtype=into.dtype)
            if factor != 1.0:
                np.multiply(into, factor, out=into)
        if number:
            np.add(total, scratch, out=total)
