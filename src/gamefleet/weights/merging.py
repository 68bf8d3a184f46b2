"""A merge: look who waits, let the guard judge, make the next version.

Job: what any home process does when a merge is due; several may do so at once, and one of them makes the version.
Place in the data flow: contributions in the shared folder -> merged version. Left out: arithmetic (`merge`), judgement
(`guard`), and what members do with the result (`placing`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace

from gamefleet.errors import CorruptCheckpointError
from gamefleet.weights.blobs import NotHereError, read_blob
from gamefleet.weights.content import Content
from gamefleet.weights.contributions import Pending
from gamefleet.weights.deltas import measure
from gamefleet.weights.guard import OK, Verdict, judge_content, judge_manifest, judge_together
from gamefleet.weights.manifests import Contribution, MergedInput, Norm, Rejection, SharedFacts, Totals, Version
from gamefleet.weights.merge import Input, merge, shortened
from gamefleet.weights.settings import MergeSettings
from gamefleet.weights.store import SharedStore

KEPT_NORMS = 20
BLOB_SLACK_BYTES = 1 << 20
"""How much larger than twice the merged blob a contribution may be before it is not even read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A contribution that may be merged, with everything that was read for it.

    Args:
        manifest: What it says.
        content: What it holds.
        base: The version from which it grew.
        norm: Of its change of the network, per root of updates.
        part: Of the published change; below 1 when that went further than is usual.
    """

    manifest: Contribution
    content: Content
    base: Content
    norm: float = 0.0
    part: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Merger:
    """A process that may merge.

    Args:
        store: The shared folder.
        member: In whose name.
        settings: Of merging.
    """

    store: SharedStore
    member: str
    settings: MergeSettings

    def merge_if_due(self) -> bool:
        """Make the next version when it is time; whether this call made it."""
        # The number before the head: if somebody makes a version in between, ours finds its number taken, and no work
        # is left behind on another line.
        number = self.store.next_number()
        head, facts = self.store.head(), self.store.facts()
        now = self.store.server_now(self.member)
        if head is None or facts is None or not self._may_follow(number, head, now):
            return False
        waiting = self.store.candidates(head)
        ages = {member: now - published for member, published in waiting_since(waiting, head).items()}
        live = self.store.live_learners(now, self.settings.live_s) - self.store.refused().members
        if not is_due(ages, live, self.settings.wait_s):
            return False
        try:
            content = self.store.content(head.version)
        except CorruptCheckpointError:
            return False  # the store passes over it from now on
        candidates = self._judged(waiting, facts, head, content)
        return bool(candidates) and self._make(number, head, content, candidates)

    def _may_follow(self, number: int, head: Version, now: float) -> bool:
        """Whether a version may be made from this head: a newer one that cannot be read (yet) is given some time."""
        if number == head.version + 1:
            return True
        try:
            made_at = self.store.paths.version(number - 1).stat().st_mtime
        except OSError:
            return False
        return now - made_at > self.settings.live_s

    def _judged(
        self, waiting: Mapping[str, list[Pending]], facts: SharedFacts, head: Version, content: Content
    ) -> list[Candidate]:
        """At most one contribution of each member, in the order of their names; what is bad is put into quarantine."""
        found = [self._first_good(pending, facts, head, content) for _, pending in sorted(waiting.items())]
        candidates = [candidate for candidate in found if candidate is not None]
        measured = measure([one.content for one in candidates], [one.base for one in candidates])
        updates = [one.manifest.updates for one in candidates]
        # A fleet of one has nobody to compare with, and nobody to protect.
        has_others = len({*head.included, *(one.manifest.member for one in candidates)}) > 1
        verdicts = [OK] * len(candidates)
        if has_others:
            verdicts = judge_together(measured, updates, head.norms, self.settings)
        kept = []
        for number, (candidate, verdict) in enumerate(zip(candidates, verdicts, strict=True)):
            if verdict.is_ok:
                norm = verdict.part * measured.norm(number) / math.sqrt(updates[number])
                content = shortened(candidate.content, candidate.base, verdict.part)
                kept.append(replace(candidate, content=content, norm=norm, part=verdict.part))
            else:
                self._refuse(candidate.manifest.member, candidate.manifest.seq, verdict, head)
        return kept

    def _first_good(
        self, pending: list[Pending], facts: SharedFacts, head: Version, content: Content
    ) -> Candidate | None:
        for one in pending:
            found = self._opened(one, facts, head, content)
            if isinstance(found, Candidate):
                return found
            if found is not None and found.is_quarantined:
                self._refuse(one.member, one.seq, found, head)
                if one.member in self.store.refused().members:
                    break  # set aside as a whole just now: the rest is not worth reading
        return None

    def _opened(self, one: Pending, facts: SharedFacts, head: Version, content: Content) -> Candidate | Verdict | None:
        """Read a contribution: what it is, what is wrong with it, or None when it is not here (yet)."""
        if one.manifest is None:
            return Verdict(kind="damaged", reason=one.problem) if one.problem else None
        verdict = judge_manifest(one.manifest, facts, head, self.settings)
        if not verdict.is_ok:
            return verdict
        base = self.store.find_content(one.manifest.base)
        if base is None:
            reason = f"grew from version {one.manifest.base}, which is no longer here"
            return Verdict(kind="base", reason=reason, counts=False)
        cap_bytes = 2 * head.blob.size_bytes + BLOB_SLACK_BYTES
        try:
            found, _ = read_blob(self.store.paths.weights(one.member), one.manifest.blob, cap_bytes=cap_bytes)
        except NotHereError:
            return None
        except CorruptCheckpointError as error:
            return Verdict(kind="damaged", reason=f"is damaged: {error.what}")
        verdict = judge_content(found, content)
        return Candidate(manifest=one.manifest, content=found, base=base) if verdict.is_ok else verdict

    def _refuse(self, member: str, seq: int, verdict: Verdict, head: Version) -> None:
        record = Rejection(
            member=member, seq=seq, reason=verdict.reason, counts=verdict.counts, rejected_by=self.member
        )  # fmt: skip
        included = head.included.get(member, 0)
        self.store.reject(record, included=included, max_rejections=self.settings.max_rejections)

    def _make(self, number: int, head: Version, content: Content, candidates: list[Candidate]) -> bool:
        inputs = [
            Input(
                content=one.content,
                base=None if one.manifest.base == head.version else one.base,
                samples=one.manifest.samples,
                age=head.version - one.manifest.since,
            )
            for one in candidates
        ]
        merged = merge(content, self.store.momentum(head.version), inputs, self.settings)
        records = [
            _record(one, given.age, weight)
            for one, given, weight in zip(candidates, inputs, merged.weights, strict=True)
        ]
        draft = _draft(head, records, self.settings, number, _totals(head, records, self.store))
        return self.store.write_version(replace(draft, merged_by=self.member), merged.content, merged.momentum)


def waiting_since(waiting: Mapping[str, list[Pending]], head: Version) -> dict[str, float]:
    """When the oldest contribution of each member that can still be merged, or must be judged, was published."""
    found = {}
    for member, pending in waiting.items():
        times = [
            one.published
            for one in pending
            if one.manifest is None or one.manifest.included == head.included.get(member, 0)
        ]
        if times:
            found[member] = min(times)
    return found


def is_due(ages: Mapping[str, float], live: Collection[str], wait_s: float) -> bool:
    """Whether it is time to merge.

    Args:
        ages: Seconds that the oldest contribution of each member has waited.
        live: Learners that are at work.
        wait_s: The longest that one waits for others.
    """
    return bool(ages) and (set(live) <= set(ages) or max(ages.values()) > wait_s)


def _record(one: Candidate, age: int, weight: float) -> MergedInput:
    manifest = one.manifest
    return MergedInput(
        member=manifest.member,
        seq=manifest.seq,
        base=manifest.base,
        samples=manifest.samples,
        updates=manifest.updates,
        age=age,
        weight=weight,
        norm=one.norm,
        part=one.part,
        xxh3=manifest.blob.xxh3,
    )


def _draft(
    head: Version, records: list[MergedInput], settings: MergeSettings, number: int, totals: dict[str, Totals]
) -> Version:
    """The next version's manifest, without its blob."""
    oldest = number - settings.max_age_versions
    norms = [*head.norms, *(Norm(norm=one.norm, updates=one.updates) for one in records)]
    return Version(
        version=number,
        lineage=head.lineage,
        parent=head.version,
        kind="merge",
        rule=asdict(settings),
        inputs=records,
        included={**head.included, **{one.member: one.seq for one in records}},
        checksums={**head.checksums, **{one.member: one.xxh3 for one in records}},
        totals=totals,
        norms=norms[-KEPT_NORMS:],
        rolled_back=[version for version in head.rolled_back if version >= oldest - 1],
    )


def _totals(head: Version, records: list[MergedInput], store: SharedStore) -> dict[str, Totals]:
    refused = store.refused().seqs
    totals = dict(head.totals)
    for one in records:
        before = totals.get(one.member, Totals())
        totals[one.member] = replace(
            before,
            samples=before.samples + one.samples,
            updates=before.updates + one.updates,
            merges=before.merges + 1,
        )
    for member in {*totals, *refused}:
        totals[member] = replace(totals.get(member, Totals()), rejected=len(refused.get(member, ())))
    return totals
