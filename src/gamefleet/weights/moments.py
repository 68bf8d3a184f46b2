"""Running mean and variance that several members add to.

Job: merge and subtract moments exactly. Place in the data flow: part of the content that members share; the numpy twin
of `learners.normalise.Moments`. Left out: whitening with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Count, mean and sum of squared deviations of rows.

    Args:
        count: Rows seen.
        mean: `float32[columns]`.
        deviation: Sum of squared deviations from the mean, `float32[columns]`.
    """

    count: float
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    def has_same_bits(self, other: Moments) -> bool:
        """Whether nothing differs, not even the sign of a zero."""
        return (
            self.count == other.count
            and self.mean.tobytes() == other.mean.tobytes()
            and self.deviation.tobytes() == other.deviation.tobytes()
        )

    @property
    def is_sane(self) -> bool:
        """Whether rows exist that have these moments, up to rounding."""
        with np.errstate(all="ignore"):
            parts = (self.count, float(np.sum(self.mean)), float(np.sum(self.deviation)))
        return bool(np.isfinite(parts).all()) and self.count >= 0 and bool((self.deviation >= 0).all())


def pooled(one: Moments, other: Moments) -> Moments:
    """Moments of the rows of both.

    Source: Chan, Golub & LeVeque 1983, "Algorithms for Computing the Sample Variance", equation 2.1.
    """
    if other.count <= 0:
        return one
    if one.count <= 0:
        return other
    total = one.count + other.count
    mean, shift = one.mean.astype(np.float64), other.mean.astype(np.float64) - one.mean
    deviation = one.deviation.astype(np.float64) + other.deviation + shift * shift * (one.count * other.count / total)
    return _made(total, mean + shift * (other.count / total), deviation)


def without(whole: Moments, part: Moments) -> Moments:
    """Moments of the rows of `whole` that are not in `part`: `pooled` backwards, in double precision.

    Rounding may leave a deviation just below zero, which is then zero.
    """
    count = whole.count - part.count
    if part.count <= 0 or count <= 0:
        return whole if part.count <= 0 else _made(0.0, np.zeros_like(whole.mean), np.zeros_like(whole.mean))
    mean = (whole.count * whole.mean.astype(np.float64) - part.count * part.mean.astype(np.float64)) / count
    shift = mean - part.mean
    deviation = whole.deviation.astype(np.float64) - part.deviation - shift * shift * (part.count * count / whole.count)
    return _made(count, mean, np.maximum(deviation, 0.0))


def _made(count: float, mean: NDArray[np.floating], deviation: NDArray[np.floating]) -> Moments:
    return Moments(count=count, mean=mean.astype(np.float32), deviation=deviation.astype(np.float32))
