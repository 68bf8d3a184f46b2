"""Who is in a fleet, and what everybody gave.

Job: one row per member from what the shared folder holds. Place in the data flow: shared folder -> `gamefleet members`
and dashboards. Left out: printing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gamefleet.errors import CorruptCheckpointError
from gamefleet.weights.manifests import Card, Heartbeat, Rejection, Totals, Version, read
from gamefleet.weights.quarantine import Refused, rejection
from gamefleet.weights.store import SharedStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the folder shows of one member.

    Args:
        member: Its id.
        card: Who it is; None when it does not say.
        heartbeat: How far it is; None when it does not say.
        heartbeat_age_s: How long ago it said so, by the file server's clock; None when it never did.
        last_rejection: The newest of its contributions in quarantine.
    """

    member: str
    card: Card | None = None
    heartbeat: Heartbeat | None = None
    heartbeat_age_s: float | None = None
    last_rejection: Rejection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """One member of a fleet.

    Args:
        member: Its id.
        kind: `learner`, `actors`, or `unknown`.
        host: Label of its machine.
        heartbeat_age_s: Seconds since its last heartbeat; None when there was none.
        version: Merged version it goes on from; -1 when unknown.
        steps_per_s: Environment steps per second by its last heartbeat.
        samples: Environment steps of its merged work.
        updates: Updates of its merged work.
        merges: Merged contributions.
        rejected: Contributions in quarantine.
        is_quarantined: Whether nothing of it is merged.
        last_reason: Why its last contribution in quarantine is there; empty when there is none.
    """

    member: str
    kind: str
    host: str
    heartbeat_age_s: float | None
    version: int
    steps_per_s: float
    samples: int
    updates: int
    merges: int
    rejected: int
    is_quarantined: bool
    last_reason: str


def overview(seen: Sequence[Seen], head: Version | None, refused: Refused) -> list[MemberRow]:
    """One row per member, by id; members without a folder that were merged once are there, too."""
    totals: Mapping[str, Totals] = head.totals if head else {}
    found = {one.member: one for one in seen}
    ids = sorted({*found, *totals, *refused.seqs, *refused.members})
    return [_row(found.get(member, Seen(member=member)), totals.get(member, Totals()), refused) for member in ids]


def _row(one: Seen, totals: Totals, refused: Refused) -> MemberRow:
    return MemberRow(
        member=one.member,
        kind=one.card.kind if one.card else "unknown",
        host=one.card.host if one.card else "",
        heartbeat_age_s=one.heartbeat_age_s,
        version=one.heartbeat.version if one.heartbeat else -1,
        steps_per_s=one.heartbeat.steps_per_s if one.heartbeat else 0.0,
        samples=totals.samples,
        updates=totals.updates,
        merges=totals.merges,
        rejected=len(refused.seqs.get(one.member, ())),
        is_quarantined=one.member in refused.members,
        last_reason=one.last_rejection.reason if one.last_rejection else "",
    )


def look(store: SharedStore, *, now: float) -> list[MemberRow]:
    """Read the shared folder.

    Args:
        store: The shared folder; nothing is written.
        now: The time by which heartbeats are judged.
    """
    refused = store.refused()
    seen = [_seen(store, member, now, refused) for member in store.paths.member_ids()]
    return overview(seen, store.head(), refused)


def _seen(store: SharedStore, member: str, now: float, refused: Refused) -> Seen:
    path = store.paths.heartbeat(member)
    age, heartbeat = None, None
    with suppress(OSError, CorruptCheckpointError):
        age = max(0.0, now - path.stat().st_mtime)
        heartbeat = read(path, Heartbeat)
    seqs = refused.seqs.get(member)
    return Seen(
        member=member,
        card=store.card(member),
        heartbeat=heartbeat,
        heartbeat_age_s=age,
        last_rejection=rejection(store.paths, member, max(seqs)) if seqs else None,
    )
