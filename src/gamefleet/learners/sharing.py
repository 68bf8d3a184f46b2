"""What learners of a fleet share, as the content of contributions and merged versions.

Job: name the arrays and normalisers of a learner, and put merged ones back. Place in the data flow: learner -> contents
of `weights` -> learner. Left out: averaging and files (`weights`), and what stays at home: optimizer moments, counts,
the target network (which becomes a copy of the merged weights), random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.learners.value import ValueLearner
from gamefleet.weights.content import NETWORK, Content, below
from gamefleet.weights.moments import Moments

PREDICTOR = "curiosity/predictor/"
TARGET = "fixed/curiosity/target/"
EMBED = "fixed/curiosity/embed/"
OBSERVATIONS, RETURNS = "curiosity/observations", "curiosity/returns"


def shared_content(learner: ValueLearner) -> Content:
    """A copy of what a learner shares.

    The network and the predictor of novelty are averaged, normalisers are merged by counts. The fixed networks of
    curiosity travel along unchanged: members must agree on them to the last bit, and the linear algebra that makes them
    differs between machines.
    """
    arrays = prefixed(NETWORK, learner.weights())
    if learner.curiosity is None:
        return Content(arrays=arrays, moments={})
    known = learner.curiosity.export_shared()
    arrays |= prefixed(PREDICTOR, known["predictor"])
    arrays |= prefixed(TARGET, as_bits(known["target"])) | prefixed(EMBED, as_bits(known["embed"]))
    moments = {name: moments_of(known[name.rpartition("/")[2]]) for name in (OBSERVATIONS, RETURNS)}
    return Content(arrays=arrays, moments=moments)


def adopt_content(learner: ValueLearner, content: Content) -> None:
    """Go on from a content.

    Raises:
        IncompatibleError: It belongs to another architecture, or to settings with another curiosity.
    """
    learner.adopt(below(NETWORK, content.arrays), curiosity_of(content) if learner.curiosity else None)


def curiosity_of(content: Content) -> dict[str, Any]:
    """What `Curiosity.adopt` takes."""
    moments = {name.rpartition("/")[2]: state_of(content.moments[name]) for name in (OBSERVATIONS, RETURNS)}
    fixed = {"target": from_bits(below(TARGET, content.arrays)), "embed": from_bits(below(EMBED, content.arrays))}
    return {"predictor": below(PREDICTOR, content.arrays), **fixed, **moments}


def as_bits(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Fixed float arrays as whole numbers: those are never averaged, and the largest of equal ones is the same one.

    Averages of equal floats need not be equal to them in the last bit.
    """
    return {name: array.view(np.uint32) if array.dtype == np.float32 else array for name, array in arrays.items()}


def from_bits(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The inverse of `as_bits`."""
    return {name: array.view(np.float32) if array.dtype == np.uint32 else array for name, array in arrays.items()}


def prefixed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays under longer names."""
    return {f"{prefix}{name}": array for name, array in arrays.items()}


def moments_of(state: Mapping[str, Any]) -> Moments:
    """Normalisers as `weights` merges them."""
    return Moments(
        count=float(state["count"]), mean=np.asarray(state["mean"]), deviation=np.asarray(state["deviation"])
    )


def state_of(moments: Moments) -> dict[str, Any]:
    """Normalisers as the learner reads them."""
    return {"count": moments.count, "mean": moments.mean, "deviation": moments.deviation}
