"""Sharing weights: how a learner becomes a member, contributes, and goes on from what was merged.

Job: carry weights between a learner and its `Member`. Place in the data flow: `shared_folder` calls it between rounds.
Left out: when it is time (`shared_folder`), experience (`ingest`, `recording`), merging (`weights`).
"""

from __future__ import annotations

from dataclasses import dataclass

from gamefleet.cluster.sync.members import add_own_token
from gamefleet.cluster.sync.presence import sync_state
from gamefleet.learners.sharing import adopt_content, shared_content
from gamefleet.topologies.shared_folder.gate import Gate, standing_refusal
from gamefleet.topologies.shared_folder.ingest import Ingest
from gamefleet.topologies.shared_folder.recording import Recording
from gamefleet.topologies.shared_folder.settings import CollaborationSettings
from gamefleet.topologies.solo import News, Solo
from gamefleet.weights.adoption import Adoption
from gamefleet.weights.manifests import SharedFacts
from gamefleet.weights.member import Member
from gamefleet.weights.rollback import rollback
from gamefleet.weights.store import SharedStore


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


class WeightSharing:
    """See the module's docstring.

    Args:
        solo: Learns here.
        parts: What it shares by.
    """

    def __init__(self, solo: Solo, parts: Parts) -> None:
        self._solo = solo
        self._parts = parts
        self.version = -1

    def join(self) -> list[News]:
        """Become a member; what is wrong with the folder or the settings ends the run here, before anything is lost.

        Raises:
            IncompatibleError: The fleet has another game, observation, reward or network.
            RunFolderError: The folder cannot be written.
        """
        member, content = self._parts.member, shared_content(self._solo.learner)
        root = self._parts.store.paths.root
        adoption = member.join(content, self._parts.facts, samples=self._solo.steps, updates=self._solo.updates)
        self.version = member.version
        if not self._parts.settings.may_merge and sync_state(root) is not None:  # a copy: its sync sends what is ours
            add_own_token(root, member.export_state()["token"])
        known = self._parts.store.facts()
        fleet = "" if known is None else known.fleet
        details = {"member": member.member, "version": self.version, "fleet": fleet}
        sentence = (
            f"member {member.member} of the fleet {fleet!r} at version {self.version}: {self._parts.store.paths.root}"
        )
        return [News(kind="member_joined", sentence=sentence, details=details), *self._adopt(adoption)]

    def contribute(self) -> list[News]:
        """Publish, merge when that is due, go on from what was merged, and try it out."""
        parts = self._parts
        if not parts.settings.share_weights:
            return []
        steps, content = self._solo.steps, shared_content(self._solo.learner)
        adoption = parts.member.sync(content, step=steps, samples=steps, updates=self._solo.updates)
        news = self._adopt(adoption)
        self.version = parts.member.version
        newest = parts.store.version(self.version)
        if newest is not None and newest.merged_by == parts.member.member:
            parts.gate.offer(self.version)
        return news + self._go_back()

    def catch_up(self) -> list[News]:
        """Go on from what others merged meanwhile."""
        member = self._parts.member
        if not self._parts.settings.share_weights or not member.has_newer():
            return []
        steps, content = self._solo.steps, shared_content(self._solo.learner)
        return self._adopt(member.catch_up(content, step=steps, samples=steps, updates=self._solo.updates))

    def _adopt(self, adoption: Adoption | None) -> list[News]:
        if adoption is None:
            return []
        adopt_content(self._solo.learner, adoption.content)
        self._solo.refresh_policy()
        self.version = adoption.version
        if adoption.kind != "rollback":
            return []
        details = {"version": adoption.version, "reason": adoption.reason}
        return [News(kind="work_dropped", sentence=f"unmerged work was dropped: {adoption.reason}", details=details)]

    def _go_back(self) -> list[News]:
        """Go back to a good version when a later one turned out to be bad; whoever sees it first does it for all."""
        store = self._parts.store
        head = store.head()
        refused = None if head is None or not self._parts.settings.may_merge else standing_refusal(store.paths, head)
        if refused is None or store.find_content(refused.good_version) is None:
            return []
        if not rollback(store, refused.good_version, refused.reason, member=self._parts.member.member):
            return []  # somebody merged at the same moment: the next turn looks again
        details = {"version": refused.version, "reason": refused.reason, "good_version": refused.good_version}
        sentence = f"version {refused.version} refused: {refused.reason}"
        return [News(kind="version_refused", sentence=sentence, details=details)]
