"""Where a member's work belongs when the merged weights have moved on.

Job: put what was learned since the last sync onto a newer version, so that every piece of work is in it exactly once.
Place in the data flow: newer version and own content -> what the member goes on with. Left out: publishing and files.

The merged version says which of this member's contributions it includes last. If it is none since the base, all work
moves over; if it is one that we know, only what came after it does; if it is one that we do not know (this process was
restored from an older state), the merged weights already hold that future, and are taken as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gamefleet.weights.content import Content, rebased
from gamefleet.weights.manifests import Blob, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A contribution of ours that may or may not be merged one day.

    Args:
        seq: Its number.
        base: Version from which it grew.
        blob: Where its content is.
        samples: Environment steps of the run when it was published.
        updates: Likewise.
    """

    seq: int
    base: int
    blob: Blob
    samples: int
    updates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberState:
    """What a member remembers from one sync to the next; belongs into the run's checkpoint.

    Args:
        token: Random mark of the process that owns the name.
        lineage: Of the fleet; empty before joining.
        base: Version from which the work of this member grows.
        since: Version at which the oldest part of that work began.
        included: Our seq that the base includes.
        seq: Our last seq.
        samples: Environment steps of the run that are in the base.
        updates: Likewise.
        published: Ours that grew since, oldest first.
    """

    token: str
    lineage: str = ""
    base: int = -1
    since: int = -1
    included: int = 0
    seq: int = 0
    samples: int = 0
    updates: int = 0
    published: tuple[Published, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where contents come from; each gives None for what cannot be had any more.

    Args:
        version: Content of a merged version.
        own: Content of a contribution of ours.
    """

    version: Callable[[int], Content | None]
    own: Callable[[Published], Content | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What to go on with.

    Args:
        content: The merged weights, with the work that is not in them yet.
        kind: `merge` when work was kept, `join` when the merged weights were taken as they are, `rollback` when work
            was refused.
        reason: Why work was dropped, for people.
        merged: The contribution of ours that the version includes, if that is how the work was placed.
    """

    content: Content
    kind: str
    reason: str = ""
    merged: Published | None = None


def place(
    state: MemberState, head: Version, goal: Content, content: Content, sources: Sources, *, member: str, max_age: int
) -> Placement:
    """Put a member's work onto a newer version.

    Args:
        state: What the member remembers.
        head: The newer version.
        goal: Its content.
        content: The member's.
        sources: Of other contents.
        member: Its id.
        max_age: Versions after which work is too old to be kept.
    """
    if any(version >= state.base for version in head.rolled_back):
        reason = f"the fleet was rolled back: {head.reason}" if head.reason else "the fleet was rolled back"
        return Placement(content=goal, kind="rollback", reason=reason)
    included = head.included.get(member, 0)
    if included == state.included:
        reason = _too_old(state, head, max_age)
        base = None if reason else sources.version(state.base)
        if base is None:
            reason = reason or f"version {state.base}, from which the work grew, is no longer there"
            return Placement(content=goal, kind="join", reason=reason)
        return Placement(content=rebased(content, base, goal), kind="merge")
    for published in state.published:
        if (published.seq, published.blob.xxh3) == (included, head.checksums.get(member)):
            origin = _origin(published, state, sources)
            if origin is None:
                return Placement(content=goal, kind="join", reason="the work's own files are no longer there")
            return Placement(content=rebased(content, origin, goal), kind="merge", merged=published)
    reason = "the merged weights include work of this member that it does not remember"
    return Placement(content=goal, kind="join", reason=reason)


def _too_old(state: MemberState, head: Version, max_age: int) -> str:
    age = head.version - state.since
    return (
        ""
        if age <= max_age
        else f"the work began at version {state.since}, {age} versions ago; at most {max_age} are let in"
    )


def _origin(published: Published, state: MemberState, sources: Sources) -> Content | None:
    """A contribution of ours as if it had grown from our present base."""
    own = sources.own(published)
    if own is None or published.base == state.base:
        return own
    then, now = sources.version(published.base), sources.version(state.base)
    return None if then is None or now is None else rebased(own, then, now)
