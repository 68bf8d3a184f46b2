"""Whether a contribution may be merged, and why not.

Job: decide, with reasons that a person can read. Place in the data flow: contributions -> merge or quarantine. Left
out: reading files (`merging`), writing down the verdict (`quarantine`), and arithmetic over weights (`deltas`).

Checks come in three stages, each over what passed the one before: of the manifest, of the content, and of candidates
beside each other, where one bad member among three honest ones stands out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from gamefleet.identity import first_difference
from gamefleet.weights.content import Content, difference_in_form
from gamefleet.weights.deltas import Measured, is_finite
from gamefleet.weights.manifests import Contribution, Norm, SharedFacts, Version
from gamefleet.weights.settings import MergeSettings

MIN_COMPARED = 3
"""Norms and candidates from which on a median says something."""
MAX_COUNT = 10**12
"""More samples or updates than any run has."""
NOISE_DEVIATIONS = 5.0
"""Directions of unrelated changes of n weights have cosines around 0 with deviation 1/sqrt(n): no reason to refuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a contribution.

    Args:
        kind: One word: `ok`, `overlap` for work of which a part was merged meanwhile (left out, without blame), or what
            is wrong.
        reason: For people; empty when nothing is wrong.
        counts: Whether it speaks against the member; being late or passed over does not.
        part: Of its change that may be merged; below 1 when it went further than is usual.
    """

    kind: str = "ok"
    reason: str = ""
    counts: bool = True
    part: float = 1.0

    @property
    def is_ok(self) -> bool:
        """Whether it may be merged."""
        return self.kind == "ok"

    @property
    def is_quarantined(self) -> bool:
        """Whether the contribution is bad, and not only passed over."""
        return self.kind not in ("ok", "overlap")


OK = Verdict()


def judge_manifest(manifest: Contribution, facts: SharedFacts, head: Version, settings: MergeSettings) -> Verdict:
    """Judge what a contribution says of itself."""
    if manifest.compatibility.get("hash") != facts.compatibility["hash"]:
        parts = manifest.compatibility.get("parts")
        difference = first_difference(facts.compatibility["parts"], parts if isinstance(parts, dict) else {})
        return Verdict(kind="incompatible", reason=f"trained something else: {difference or 'the hash differs'}")
    if manifest.lineage != head.lineage:
        reason = f"began from other first weights: lineage {head.lineage} here, {manifest.lineage} there"
        return Verdict(kind="lineage", reason=reason)
    for name, value in (("samples", manifest.samples), ("updates", manifest.updates)):
        if not 0 < value < MAX_COUNT:
            return Verdict(kind="implausible", reason=f"claims {value} {name}")
    return _judge_history(manifest, head, settings)


def _judge_history(manifest: Contribution, head: Version, settings: MergeSettings) -> Verdict:
    if manifest.blob.xxh3 in head.checksums.values() or manifest.seq <= head.included.get(manifest.member, 0):
        return Verdict(kind="replayed", reason="has been merged before: the same weights again")
    if not 0 <= manifest.base <= head.version or not 0 <= manifest.since <= manifest.base:
        return Verdict(kind="base", reason=f"grew from version {manifest.base}, which is unknown here", counts=False)
    if any(version >= manifest.base for version in head.rolled_back):
        reason = f"grew from version {manifest.base}, and that line was rolled back"
        return Verdict(kind="rolled back", reason=reason, counts=False)
    age = head.version - manifest.since
    if age > settings.max_age_versions:
        reason = (
            f"is work on version {manifest.since}, {age} versions ago; at most {settings.max_age_versions} are let in"
        )
        return Verdict(kind="stale", reason=reason, counts=False)
    if manifest.included != head.included.get(manifest.member, 0):
        return Verdict(kind="overlap", reason="covers work of which a part was merged meanwhile", counts=False)
    return OK


def judge_content(content: Content, head: Content) -> Verdict:
    """Judge the arrays of a contribution by themselves."""
    difference = difference_in_form(head, content)
    if difference:
        return Verdict(kind="form", reason=f"has other arrays: {difference}")
    if not is_finite(content):
        return Verdict(kind="not finite", reason="holds numbers that are not finite (NaN, infinite or beyond any use)")
    return OK


def judge_together(
    measured: Measured, updates: Sequence[int], recent: Sequence[Norm], settings: MergeSettings
) -> list[Verdict]:
    """Judge candidates beside each other and beside what was merged last.

    Args:
        measured: Their changes.
        updates: Of each.
        recent: Of contributions that were merged last.
        settings: Of merging.
    """
    norms = [Norm(norm=measured.norm(i) / math.sqrt(count), updates=count) for i, count in enumerate(updates)]
    # Three others that learn at the same time say what is usual now; what was merged before says only what was.
    most_ratio = settings.max_norm_ratio ** (1 if len(norms) > MIN_COMPARED else 2)
    verdicts = [
        _judge_norm(norm, [*recent, *(other for other in norms if other is not norm)], settings, most_ratio)
        for norm in norms
    ]
    good = [i for i, verdict in enumerate(verdicts) if verdict.is_ok]
    if len(good) < MIN_COMPARED:
        return verdicts
    for i in good:
        direction = _judge_direction(measured, i, [j for j in good if j != i], settings)
        if not direction.is_ok:
            verdicts[i] = direction
    return verdicts


def _judge_norm(norm: Norm, others: Sequence[Norm], settings: MergeSettings, most_ratio: float) -> Verdict:
    """Compare norms per root of updates, as of a random walk; more updates than usual may also have gone straight.

    What went further than `max_norm_ratio` is shortened up to `most_ratio`: an honest member does so too when it begins
    with a fresh optimizer, or when its agent finds something new, and what is usual must be able to grow. Source: norm
    clipping, Sun et al. 2019, "Can You Really Backdoor Federated Learning?", section 4.
    """
    if len(others) < MIN_COMPARED:
        return OK
    usual, usual_updates = median(one.norm for one in others), median(one.updates for one in others)
    straight = usual * math.sqrt(max(1.0, norm.updates / usual_updates))
    allowed = settings.max_norm_ratio * straight
    # Others that did not move at all say nothing about how far one may go.
    if norm.norm <= allowed or usual == 0:
        return OK
    if norm.norm <= most_ratio * straight:
        return Verdict(part=allowed / norm.norm)
    reason = (
        f"changed the network {norm.norm / usual:.1f} times as much as is usual for {norm.updates} updates; "
        f"at most {most_ratio:g} times is let in"
    )
    return Verdict(kind="norm", reason=reason)


def _judge_direction(measured: Measured, candidate: int, others: Sequence[int], settings: MergeSettings) -> Verdict:
    typical = median(measured.cosine(candidate, other) for other in others)
    least = settings.min_cosine - NOISE_DEVIATIONS / math.sqrt(max(1, measured.num_weights))
    if typical >= least:
        return OK
    reason = f"points away from the others' changes: median cosine {typical:.2f}, at least {least:.2f} is let in"
    return Verdict(kind="direction", reason=reason)
