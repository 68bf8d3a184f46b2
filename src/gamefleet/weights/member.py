"""A learner's side of the shared folder: what it does between rounds.

Job: publish what was learned, merge when it is time, and say what to go on with. Place in the data flow: between a
learner and `store`; the only class of this package that wirings call. Left out: when to sync, and what to do with the
weights (`topologies`).

Nobody waits here: whatever others do or fail to do, `sync` returns after a few files were read and written.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from gamefleet.errors import RunFolderError
from gamefleet.weights.adoption import Adoption, Progress, adopted, different, draft, entered
from gamefleet.weights.content import Content
from gamefleet.weights.manifests import Card, Heartbeat, SharedFacts, Version
from gamefleet.weights.merging import Merger
from gamefleet.weights.own import check_free, check_place, next_seq, own_content, refusal_of
from gamefleet.weights.placing import MemberState, Placement, Published, Sources, place
from gamefleet.weights.settings import MergeSettings
from gamefleet.weights.shared_paths import check_member
from gamefleet.weights.store import SharedStore

__all__ = ["Adoption", "Member"]

KEPT_PUBLISHED = 64
"""Contributions of its own that a member remembers while none of them is merged."""
COLLECTED_PER_GRACE = 10
"""How often a member tidies up within a grace period."""


class Member:
    """A learner that shares its weights.

    Args:
        store: The shared folder.
        member: Its name in the fleet.
        settings: Of merging.
        may_merge: Whether this process reaches the shared folder itself; on a copy it only publishes.
        host: Label of the machine, for people.
        software: Version of gamefleet, for people.
        token: By which the same run or machine is known again; random when empty.

    Raises:
        ConfigError: The name cannot be a folder's.
    """

    def __init__(
        self,
        store: SharedStore,
        *,
        member: str,
        settings: MergeSettings,
        may_merge: bool = True,
        host: str = "",
        software: str = "",
        token: str = "",
    ) -> None:
        self.member = check_member(member)
        self.store = store
        self.settings = settings
        self.may_merge = may_merge
        self._card = Card(kind="learner", token="", host=host, version=software)
        self._state = MemberState(token=token or secrets.token_hex(8))
        self._facts: SharedFacts | None = None
        self._base: tuple[int, Content] | None = None
        self._tidied_at = store.clock()
        self._steps_per_s = 0.0
        self._merger = Merger(store=store, member=member, settings=settings)

    @property
    def version(self) -> int:
        """Merged version from which this member goes on; -1 before it joined."""
        return self._state.base

    def export_state(self) -> dict[str, Any]:
        """What to keep in a checkpoint: JSON values."""
        return dict(msgspec.to_builtins(self._state))

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Go on where `export_state` was called; before `join`."""
        self._state = msgspec.convert(state, MemberState)

    def join(self, first: Content, facts: SharedFacts, *, samples: int = 0, updates: int = 0) -> Adoption | None:
        """Enter the fleet; the first call of a process.

        Args:
            first: What this learner would begin or go on with; version 0 when there is no fleet yet.
            facts: What it trains.
            samples: Environment steps of the run so far.
            updates: Updates of the run so far.

        Returns:
            What to go on with; None to go on as it is.

        Raises:
            IncompatibleError: The fleet trains something else; names the first difference.
            RunFolderError: There is no fleet yet and this member may not create one, the folder is not writable, or a
                live learner has the name.
        """
        self._facts = self.store.begin(facts, first if self.may_merge else None)
        check_free(self.store, self.member, self._state.token, self.settings.live_s)
        card = replace(self._card, token=self._state.token, joined_at=self.store.clock())
        self.store.introduce(self.member, card)
        progress = Progress(samples=samples, updates=updates)
        found = self.store.newest()
        if self._state.lineage == self._facts.lineage:
            adoption = self._adopt(first, progress)
        elif found is None:
            raise RunFolderError(
                "The fleet has no weights here yet",
                where=self.store.paths.merged,
                remedy="They may be on their way: pull again (gamefleet sync pull) and start again.",
            )
        else:
            self._state = MemberState(token=self._state.token, lineage=self._facts.lineage)
            placement = Placement(content=found[1], kind="join")
            self._enter(found[0], placement, progress)
            adoption = adopted(found[0], placement, None)
        self.heartbeat(step=0, samples=samples)
        return different(adoption, first)

    def sync(self, content: Content, *, step: int, samples: int, updates: int) -> Adoption | None:
        """Publish what was learned since the last merged version, merge when it is time, and take over what is newer.

        Args:
            content: What the learner has now; nobody may change its arrays any more.
            step: Of the run.
            samples: Environment steps that this run has learned from so far.
            updates: Updates of this run so far.

        Returns:
            What to go on with; None when that is what it has already, bit for bit.

        Raises:
            RunFolderError: Another process took this member's name, or the folder is not writable.
            StorageFullError: The disk or quota is full; nothing was published.
        """
        self.check_place()
        progress = Progress(step=step, samples=samples, updates=updates)
        adoption = self._adopt(content, progress)
        current = adoption.content if adoption else content
        published = self._publish(current, progress)
        if self.may_merge:
            self._merger.merge_if_due()
            adoption = self._adopt(current, progress, fresh=published, earlier=adoption)
        self.heartbeat(step=step, samples=samples)
        self._tidy_up()
        return different(adoption, content)

    def check_place(self) -> None:
        """Fail unless this process may still write under its name; see `own.check_place`."""
        check_place(self.store, self.member, self._state)

    def has_newer(self) -> bool:
        """Whether somebody has merged since; one listing of a folder, so it may be asked often."""
        return (head := self.store.head()) is not None and head.version > self._state.base

    def catch_up(self, content: Content, *, step: int, samples: int, updates: int) -> Adoption | None:
        """Take over what is newer, without publishing; as `sync` otherwise.

        The sooner merged weights are taken over, the less is learned from weights that nobody has any more.
        """
        self.check_place()
        progress = Progress(step=step, samples=samples, updates=updates)
        return different(self._adopt(content, progress), content)

    def heartbeat(self, *, step: int, samples: int = 0, steps_per_s: float | None = None) -> None:
        """Say that this member is alive and how far it is; often enough that it stays below `live_s`.

        Args:
            step: Of the run.
            samples: Environment steps of the run.
            steps_per_s: Environment steps per second; None for what was said last.
        """
        self._steps_per_s = self._steps_per_s if steps_per_s is None else steps_per_s
        beat = Heartbeat(
            at=self.store.clock(), step=step, version=self._state.base, steps_per_s=self._steps_per_s, samples=samples
        )  # fmt: skip
        self.store.heartbeat(self.member, beat)

    def _tidy_up(self) -> None:
        now = self.store.clock()
        if abs(now - self._tidied_at) * COLLECTED_PER_GRACE >= self.settings.grace_s:
            self._tidied_at = now
            self.store.collect_garbage(self.member, self.settings, is_home=self.may_merge)

    def _adopt(
        self, content: Content, progress: Progress, fresh: Published | None = None, earlier: Adoption | None = None
    ) -> Adoption | None:
        """Take over a newer version, or drop work that was refused; what was taken over earlier if there is none."""
        head = self.store.head()
        refusal = refusal_of(self.store, self.member, self._state, head)
        if head is None or (head.version <= self._state.base and not refusal):
            return earlier
        found = self.store.newest()
        if found is None or found[0].version < self._state.base + (not refusal):
            return earlier
        head, goal = found
        if refusal:
            placement = Placement(content=goal, kind="rollback", reason=refusal)
        else:
            placement = self._place(head, goal, content, fresh)
        self._enter(head, placement, progress)
        return adopted(head, placement, earlier)

    @property
    def is_quarantined(self) -> bool:
        """Whether nothing of this member is merged until somebody releases it."""
        return self.member in self.store.refused().members

    def _place(self, head: Version, goal: Content, content: Content, fresh: Published | None) -> Placement:
        def own(published: Published) -> Content | None:
            # What was published a moment ago is still in memory.
            return content if published is fresh else own_content(self.store, self.member, published)

        sources = Sources(version=self._version_content, own=own)
        max_age = self.settings.max_age_versions
        return place(self._state, head, goal, content, sources, member=self.member, max_age=max_age)

    def _version_content(self, number: int) -> Content | None:
        if self._base is not None and self._base[0] == number:
            return self._base[1]
        return self.store.find_content(number)

    def _enter(self, head: Version, placement: Placement, progress: Progress) -> None:
        """Remember where the work of this member grows from now on."""
        base = self._version_content(head.version)
        self._base = (head.version, base) if base is not None else None
        self._state = entered(self._state, head, placement, progress, included=head.included.get(self.member, 0))

    def _publish(self, content: Content, progress: Progress) -> Published | None:
        """Publish everything since the base, if there is something new."""
        state = self._state
        before = state.published[-1].updates if state.published else state.updates
        if progress.updates <= before or self._facts is None or self.is_quarantined:
            return None
        number = next_seq(self.store, self.member, state.seq)
        written = draft(state, self._facts, progress, member=self.member, seq=number)
        made = self.store.publish(replace(written, published_at=self.store.clock()), content)
        published = Published(
            seq=made.seq, base=state.base, blob=made.blob, samples=progress.samples, updates=progress.updates
        )  # fmt: skip
        kept = (*state.published, published)[-KEPT_PUBLISHED:]
        self._state = replace(state, seq=made.seq, published=kept)
        return published
