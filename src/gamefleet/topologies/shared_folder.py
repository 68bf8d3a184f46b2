"""shared_folder: members that come and go train one agent through a folder.

Job: let a learner that plays and learns by itself (`solo`) contribute its weights, go on from merged ones, and learn
from what others played. Place in the data flow: around a `Solo`, between its rounds; the shared folder on the other
side. Left out: how weights are merged (`weights`), how files travel between machines (`cluster.sync`).

Nobody waits for anybody. Every so many updates a member publishes what it learned; whoever publishes last merges. What
fails on the way to the folder (a file server that is down) is told once and tried again at the next turn, while the
learner goes on. With one member each merge gives back exactly what was published, and nothing is done: the run is
bit-identical to the same run without a folder.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from gamefleet.actors.actor import Actor
from gamefleet.cluster.sync_members import add_own_token, own_tokens
from gamefleet.cluster.sync_presence import sync_state
from gamefleet.experience.replay import Replay
from gamefleet.learners.sharing import adopt_content, shared_content
from gamefleet.topologies.collaboration import PART, CollaborationSettings
from gamefleet.topologies.gate import Gate, GateVerdict
from gamefleet.topologies.ingest import Ingest
from gamefleet.topologies.recording import Recording
from gamefleet.topologies.solo import News, Round, Solo
from gamefleet.topologies.trouble import Trouble
from gamefleet.weights.manifests import SharedFacts
from gamefleet.weights.member import Adoption, Member
from gamefleet.weights.rollback import rollback
from gamefleet.weights.store import SharedStore

HEARTBEAT_S = 15.0
"""Others take a member for gone after several times this long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a member shares by.

    Args:
        settings: Of the collaboration.
        store: The shared folder.
        facts: What the folder says, or shall say when this is its first member.
        member: Contributes and merges.
        gate: Tries merged versions out.
        ingest: Takes in what others played; None when that is not wanted.
        recording: Hands over what is played here; None when that is not wanted.
    """

    settings: CollaborationSettings
    store: SharedStore
    facts: SharedFacts
    member: Member
    gate: Gate
    ingest: Ingest | None = None
    recording: Recording | None = None


class SharedFolder:
    """A `Solo` among other members; see the module's docstring.

    Args:
        solo: Plays and learns here; whoever made it closes it.
        parts: What it shares by; closed with this.
    """

    def __init__(self, solo: Solo, parts: Parts) -> None:
        self.solo = solo
        self._parts = parts
        self._has_joined = False
        self._synced_updates = 0
        self._trouble = Trouble()
        self._beat_at, self._beat_steps = -HEARTBEAT_S, -1
        self._version = -1
        self._sync_s = 0.0
        self._exit = ExitStack()
        for part in (parts.gate, parts.ingest, parts.recording):
            if part is not None:
                self._exit.callback(part.close)

    def __enter__(self) -> SharedFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what runs beside the learner."""
        self._exit.close()

    @property
    def actor(self) -> Actor:
        """Plays here."""
        return self.solo.actor

    @property
    def replay(self) -> Replay:
        """Holds what was recorded here."""
        return self.solo.replay

    @property
    def steps(self) -> int:
        """Steps recorded here so far."""
        return self.solo.steps

    @property
    def updates(self) -> int:
        """Updates made here so far."""
        return self.solo.updates

    def run_round(self) -> Round:
        """Play and learn a little, then exchange with the others when it is time."""
        news = [] if self._has_joined else self._join()
        played = self.solo.run_round()
        if self.updates // self._interval > self._synced_updates // self._interval:
            news += self._sync()
        news += self._trouble.told(self._exchange_experience)
        return replace(played, news=tuple(news), sharing=self._row())

    @property
    def _interval(self) -> int:
        return self._parts.settings.sync_interval_updates

    def _join(self) -> list[News]:
        """Become a member; what is wrong with the folder or the settings ends the run here, before anything is lost.

        Raises:
            IncompatibleError: The fleet has another game, observation, reward or network.
            RunFolderError: The folder cannot be written.
        """
        member, content = self._parts.member, shared_content(self.solo.learner)
        root = self._parts.store.paths.root
        card = self._parts.store.card(member.member)
        if card is not None and card.token in own_tokens(root):  # this machine only played under this name until now
            member.keep_token(card.token)
        adoption = member.join(content, self._parts.facts, samples=self.steps, updates=self.updates)
        self._has_joined, self._synced_updates = True, self.updates
        self._version = member.version
        if not self._parts.settings.may_merge and sync_state(root) is not None:  # a copy: its sync sends what is ours
            add_own_token(root, member.export_state()["token"])
        self._beat()
        known = self._parts.store.facts()
        fleet = "" if known is None else known.fleet
        details = {"member": member.member, "version": self._version, "fleet": fleet}
        sentence = (
            f"member {member.member} of the fleet {fleet!r} at version {self._version}: {self._parts.store.paths.root}"
        )
        return [News(kind="member_joined", sentence=sentence, details=details), *self._adopt(adoption)]

    def _sync(self) -> list[News]:
        started = time.monotonic()
        self._synced_updates = self.updates
        news = self._trouble.told(self._contribute)
        self._sync_s = time.monotonic() - started
        return news

    def _contribute(self) -> list[News]:
        """Publish, merge when that is due, go on from what was merged, and try it out."""
        parts = self._parts
        if not parts.settings.share_weights:
            return []
        adoption = parts.member.sync(
            shared_content(self.solo.learner), step=self.steps, samples=self.steps, updates=self.updates
        )
        news = self._adopt(adoption)
        self._version = parts.member.version
        newest = parts.store.version(self._version)
        if newest is not None and newest.merged_by == parts.member.member:
            parts.gate.offer(self._version)
        return news + self._judge(parts.gate.verdict())

    def _adopt(self, adoption: Adoption | None) -> list[News]:
        if adoption is None:
            return []
        adopt_content(self.solo.learner, adoption.content)
        self.solo.refresh_policy()
        self._version = adoption.version
        if adoption.kind != "rollback":
            return []
        details = {"version": adoption.version, "reason": adoption.reason}
        return [News(kind="work_dropped", sentence=f"unmerged work was dropped: {adoption.reason}", details=details)]

    def _judge(self, verdict: GateVerdict | None) -> list[News]:
        """Go back to a good version when a later one turned out to be bad."""
        if verdict is None or not verdict.reason:
            return []
        rollback(self._parts.store, verdict.good_version, verdict.reason, member=self._parts.member.member)
        details = {"version": verdict.version, "reason": verdict.reason, "good_version": verdict.good_version}
        return [
            News(
                kind="version_refused", sentence=f"version {verdict.version} refused: {verdict.reason}", details=details
            )
        ]

    def _exchange_experience(self) -> list[News]:
        parts = self._parts
        if parts.recording is not None:
            parts.recording.send()
        news = [] if parts.ingest is None else parts.ingest.step()
        if time.monotonic() - self._beat_at >= HEARTBEAT_S:
            self._beat()
        return news

    def _beat(self) -> None:
        now, steps = time.monotonic(), self.steps
        speed = (steps - self._beat_steps) / max(now - self._beat_at, 1e-9) if self._beat_steps >= 0 else 0.0
        self._beat_at, self._beat_steps = now, steps
        self._parts.member.heartbeat(step=self.steps, samples=self.steps, steps_per_s=speed)

    def _row(self) -> Mapping[str, float]:
        row = {"shared/version": float(self._version), "shared/sync_s": self._sync_s}
        if self._parts.ingest is not None:
            row |= self._parts.ingest.row()
        if self._parts.recording is not None:
            row |= self._parts.recording.row()
        return row

    def export_state(self) -> dict[str, Any]:
        """As `Solo`'s, and the place among the members."""
        return {**self.solo.export_state(), PART: self._parts.member.export_state()}

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `export_state`, or from a run that was alone until now."""
        self.solo.import_state(state)
        if PART in state:
            self._parts.member.import_state(state[PART])
        self._synced_updates = self.updates

    def save_replay(self, folder: Path, previous: Path | None) -> None:
        """Write what was recorded here; others' play is taken in again from the shared folder."""
        self.solo.save_replay(folder, previous)
