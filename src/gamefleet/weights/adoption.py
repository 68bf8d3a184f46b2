"""What a member goes on with after the merged weights have moved on, and what it remembers of that.

Job: the values and the bookkeeping around `placing`. Place in the data flow: between `member` and whoever calls it.
Left out: files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gamefleet.weights.content import Content
from gamefleet.weights.manifests import Contribution, MergedInput, SharedFacts, Version
from gamefleet.weights.placing import MemberState, Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What a learner goes on with instead of its own weights.

    Args:
        version: The merged version.
        content: That version, with the work of this member that is not in it yet.
        kind: `merge`; `join` when the merged weights are taken as they are; `rollback` when work was dropped because
            the fleet was rolled back or the work was refused.
        inputs: What the version was made of.
        reason: Why work was dropped, for people; empty when none was.
    """

    version: int
    content: Content
    kind: str
    inputs: Sequence[MergedInput] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Totals of a run: environment steps by its own count, by samples given, and updates."""

    step: int = 0
    samples: int = 0
    updates: int = 0


def entered(
    state: MemberState, head: Version, placement: Placement, progress: Progress, *, included: int
) -> MemberState:
    """What a member remembers after it went on to another version."""
    if placement.merged is not None:
        samples, updates, since = placement.merged.samples, placement.merged.updates, head.version
    elif placement.kind == "merge":
        return replace(state, base=head.version)
    else:
        since = head.version
        samples, updates = max(progress.samples, state.samples), max(progress.updates, state.updates)
    return replace(
        state,
        base=head.version,
        since=since,
        included=included,
        samples=samples,
        updates=updates,
        published=(),
    )


def draft(state: MemberState, facts: SharedFacts, progress: Progress, *, member: str, seq: int) -> Contribution:
    """Manifest of a contribution that covers everything since the base, still without its blob."""
    return Contribution(
        member=member,
        token=state.token,
        seq=seq,
        lineage=state.lineage,
        compatibility=facts.compatibility,
        base=state.base,
        since=state.since,
        included=state.included,
        samples=max(1, progress.samples - state.samples),
        updates=progress.updates - state.updates,
        total_samples=progress.samples,
        total_updates=progress.updates,
        step=progress.step,
        published_at=0.0,
    )


def different(adoption: Adoption | None, content: Content) -> Adoption | None:
    """None instead of what the learner has already, bit for bit."""
    return None if adoption is None or adoption.content.has_same_bits(content) else adoption


def adopted(head: Version, placement: Placement, earlier: Adoption | None) -> Adoption:
    """What the caller is told; that work was dropped is not hidden by a merge right after."""
    told = earlier if earlier is not None and earlier.kind != "merge" else placement
    return Adoption(
        version=head.version, content=placement.content, kind=told.kind, inputs=head.inputs, reason=told.reason
    )  # fmt: skip
