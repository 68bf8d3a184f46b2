"""How weights of several members become one.

Job: the settings of merging, with the defaults. Place in the data flow: section `collaboration.merge` of a run's
settings -> merging, guard and garbage collection. Left out: how often a member looks (`topologies`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeSettings:
    """Rules of the shared folder; every home process of a fleet should have the same.

    Args:
        rule: `average` takes the members' work by their weights, `polyak` moves the merged weights by the part `tau`
            towards it, `outer` takes a Nesterov step along it (DiLoCo).
        tau: Part of the way for `polyak`.
        outer_learning_rate: Step size for `outer`.
        outer_momentum: Momentum for `outer`.
        age_decay: Factor on a contribution's weight for each version that was made since its work began.
        max_age_versions: Older work is refused.
        max_norm_ratio: A contribution that changed the network by more than this times the median is shortened to that;
            by more than the square of this, or beside three others that waited with it, it is refused.
        min_cosine: A contribution whose median cosine to the others is below is refused, from three on.
        max_rejections: So many refused contributions in a row put a whole member in quarantine.
        wait_s: A pending contribution waits at most this long for other live learners.
        live_s: A learner with an older heartbeat is not waited for.
        keep_versions: Merged versions that are always kept.
        grace_s: Nothing that is younger is ever removed.
    """

    rule: Literal["average", "polyak", "outer"] = "average"
    tau: float = 0.5
    outer_learning_rate: float = 0.7
    outer_momentum: float = 0.9
    age_decay: float = 0.5
    max_age_versions: int = 20
    max_norm_ratio: float = 3.0
    min_cosine: float = -0.05
    max_rejections: int = 3
    wait_s: float = 30.0
    live_s: float = 120.0
    keep_versions: int = 10
    grace_s: float = 600.0
