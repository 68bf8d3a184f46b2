"""Taking in what other members played.

Job: between two rounds, move a bounded number of chunks from the shared folder into the replay for others' play, after
a share of them was played again. Place in the data flow: folder receiver -> here -> foreign replay. Left out: how
chunks travel (`transport.folder`), how batches are mixed (`experience.mixed`), playing again (`ingest_checker`).

Nothing here waits. A chunk that is to be checked is put aside and counts some rounds later, or never. A member is on
probation until its first chunks have been found right: until then no more is taken from it than is being checked. One
difference ends it: the member's experience is refused from then on, by every learner, until somebody removes the file
that says so; the learner that found it does so for as long as its process lives. If it had brought
in anything before, the whole replay of others' play is emptied: nobody marks whose slot is whose.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gamefleet.errors import GamefleetError
from gamefleet.experience.bounded import ChunkError
from gamefleet.experience.chunk_check import check_fits
from gamefleet.experience.chunk_file import StoredChunk
from gamefleet.experience.replay import Replay
from gamefleet.files import create_once, make_folder
from gamefleet.games.base import GamePackage, GameSpec
from gamefleet.topologies.shared_folder.ingest_checker import Checked, Checker
from gamefleet.topologies.shared_folder.ingest_standing import MOST_LOST, Standing
from gamefleet.topologies.shared_folder.settings import CollaborationSettings
from gamefleet.topologies.solo import News
from gamefleet.transport.folder import FolderExperienceReceiver
from gamefleet.transport.folder_unread import Refusal
from gamefleet.weights.shared_paths import SharedPaths

log = logging.getLogger(__name__)

LOOK_INTERVAL_S = 1.0
"""Listing folders on a file server takes milliseconds; rounds are a fraction of a second."""

MAX_SLOTS = 8192
"""Of a chunk; the setting is 400 steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestRules:
    """What is checked, and who is told.

    Args:
        num_actions: Of the game.
        state_size: Numbers in a recurrent state of the network.
        verify_first: The first so many chunks of a member are played again before they count.
        verify_share: Share of the later ones, 0 to 1.
        may_write: Whether this process may put members into quarantine for all; otherwise it does so for itself.
        me: This member, for the record.
    """

    num_actions: int
    state_size: int
    verify_first: int
    verify_share: float
    may_write: bool
    me: str


class Ingest:
    """See the module's docstring.

    Args:
        receiver: Gives chunks.
        foreign: Takes them; streams are filled in turn.
        checker: Plays chunks again; closed with this.
        rules: What is checked.
        paths: Of the shared folder.
        rng: Chooses what is checked; nobody else may know its state.
        monotonic: Clock in seconds.
    """

    def __init__(
        self,
        *,
        receiver: FolderExperienceReceiver,
        foreign: Replay,
        checker: Checker,
        rules: IngestRules,
        paths: SharedPaths,
        rng: random.Random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._receiver = receiver
        self._foreign = foreign
        self._checker = checker
        self._rules = rules
        self._paths = paths
        self._rng = rng
        self._monotonic = monotonic
        self._looked_at = -LOOK_INTERVAL_S
        self._next_stream = 0
        self._standing = Standing(rules.verify_first)
        self._has_complained = self._is_known = False
        self.counts: Counter[str] = Counter()
        self.steps_by_member: Counter[str] = Counter()

    def step(self) -> list[News]:
        """Take in what is there; see the module's docstring.

        Raises:
            GamefleetError: The shared folder cannot be used just now.
        """
        news = [item for checked in self._checker.answers() for item in self._judge(checked)]
        news += self._complaint()
        if self._monotonic() - self._looked_at < LOOK_INTERVAL_S or not self._checker.has_room():
            return news
        self._looked_at = self._monotonic()
        chunks = self._receiver.take(self._standing.left_alone)
        for chunk in chunks:
            self._sort(chunk)
        refusals = self._receiver.refusals()
        if chunks or refusals or not self._is_known:
            self._receiver.acknowledge()  # the first one makes this learner a reader that senders reckon with
            self._is_known = True
        self._note(refusals)
        return news

    def row(self) -> Mapping[str, float]:
        """Numbers for the metrics."""
        return {
            "shared/foreign_steps": float(sum(self.steps_by_member.values())),
            "shared/foreign_slots": float(self._foreign.num_stored),
            "shared/foreign_members": float(len(self.steps_by_member)),
            "shared/chunks_checked": float(self.counts["checked"]),
            "shared/chunks_refused": float(self.counts["refused"]),
            "shared/members_dropped": float(len(self._standing.dropped)),
        }

    def close(self) -> None:
        """End the process that plays chunks again."""
        self._receiver.close()
        self._checker.close()

    def _sort(self, chunk: StoredChunk) -> None:
        """Refuse a chunk, put it aside to be checked, or let it in."""
        member = chunk.facts.member
        try:
            self._check_fits(chunk)
        except ChunkError as error:
            self.counts["refused"] += 1
            log.warning("a chunk was refused: %s", error)
            return
        if self._standing.is_on_probation(member) or self._rng.random() < self._rules.verify_share:
            self._checker.submit(chunk)
            self._standing.note_asked(member)
        else:
            self._let_in(chunk)

    def _check_fits(self, chunk: StoredChunk) -> None:
        """Raise `ChunkError` unless the replay can take a chunk."""
        content, where = chunk.content, name_of(chunk)
        most = min(self._foreign.num_slots, MAX_SLOTS)
        if content.num_slots > most:
            raise ChunkError(
                f"A chunk is too long: at most {most} slots are taken", value=content.num_slots, where=where
            )
        rules = self._rules
        check_fits(
            content, self._foreign.layout, num_actions=rules.num_actions, state_size=rules.state_size, where=where
        )

    def _let_in(self, chunk: StoredChunk) -> None:
        self._foreign.extend(self._next_stream, chunk.content.slots, chunk.content.state)
        self._next_stream = (self._next_stream + 1) % self._foreign.num_streams
        self.counts["accepted"] += 1
        self.steps_by_member[chunk.facts.member] += chunk.content.num_slots - 1

    def _judge(self, checked: Checked) -> list[News]:
        """Let a chunk in that was found right, or drop its member."""
        chunk, member = checked.chunk, checked.chunk.facts.member
        self.counts["checked"] += 1
        self._standing.note_answered(member)
        if member in self._standing.dropped:
            return []
        if checked.is_lost:
            return self._pass_over(member)
        if checked.difference:
            return [self._drop(chunk, checked.difference)]
        self._standing.note_passed(member)
        self._let_in(chunk)
        return []

    def _pass_over(self, member: str) -> list[News]:
        """Leave out a chunk that cannot be played again; after several, the member, while this process lives."""
        self.counts["refused"] += 1
        if not self._standing.note_lost(member):
            return []
        reason = f"{MOST_LOST} pieces of what {member} played ended or outlasted the process that played them again"
        sentence = f"experience of member {member} is left alone from now on: {reason}"
        return [News(kind="experience_unchecked", sentence=sentence, details={"reason": reason})]

    def _drop(self, chunk: StoredChunk, difference: str) -> News:
        """Take nothing more from a member, forget what may be its own, and say so to all learners."""
        member = chunk.facts.member
        self._standing.dropped.add(member)
        if self.steps_by_member.pop(member, 0):
            self._foreign.clear()  # nobody marks whose slot is whose; the others' play comes again by itself
        self.counts["refused"] += 1
        facts = {"member": member, "chunk": name_of(chunk), "reason": difference}
        if self._rules.may_write:
            self._write_down(member, facts)
        log.warning("experience of member %s is refused from now on: chunk %s: %s", member, name_of(chunk), difference)
        sentence = f"experience of member {member} is refused from now on: played again, {name_of(chunk)} differs: "
        return News(kind="experience_quarantined", sentence=sentence + difference, details=facts)

    def _write_down(self, member: str, facts: Mapping[str, Any]) -> None:
        """Tell the other learners; where the folder cannot be written just now, each of them finds out by itself."""
        place = self._paths.experience_quarantine(member)
        try:
            make_folder(place.parent)
            create_once(place, {**facts, "found_by": self._rules.me})
        except GamefleetError as error:
            log.warning("the quarantine of %s could not be written down: %s", member, error)

    def _note(self, refusals: list[Refusal]) -> None:
        """Count what the receiver passed over; what is gone or never came harms nobody and is only counted."""
        for refusal in refusals:
            is_bad = refusal.kind in ("damaged", "refused")
            self.counts["refused" if is_bad else "missing"] += 1
            where = f"{refusal.member}/{refusal.environment}/{refusal.seq}"
            log.log(
                logging.WARNING if is_bad else logging.INFO, "chunk %s: %s: %s", where, refusal.kind, refusal.reason
            )

    def _complaint(self) -> list[News]:
        if not self._checker.trouble or self._has_complained:
            return []
        self._has_complained = True
        reason = self._checker.trouble
        sentence = f"nothing that others played is taken in: {reason}"
        return [News(kind="experience_unchecked", sentence=sentence, details={"reason": reason})]


def name_of(chunk: StoredChunk) -> str:
    """Member, environment and number of a chunk, as its place in the shared folder."""
    return f"{chunk.facts.member}/{chunk.facts.environment}/{chunk.facts.seq:06d}"


def make_ingest(
    package: GamePackage,
    game_config: Any,
    *,
    settings: CollaborationSettings,
    spec: GameSpec,
    foreign: Replay,
    state_size: int,
    compatibility: str,
    me: str,
) -> Ingest:
    """Make the intake of one learner.

    Args:
        package: The game.
        game_config: Its settings.
        settings: Of the collaboration.
        spec: Of the game.
        foreign: The replay for others' play.
        state_size: Numbers in a recurrent state of the network.
        compatibility: Hash of what is played here.
        me: This member.
    """
    paths = SharedPaths(settings.folder)
    rules = IngestRules(
        num_actions=spec.num_actions,
        state_size=state_size,
        verify_first=settings.verify_first,
        verify_share=settings.verify_share,
        may_write=settings.may_merge,
        me=me,
    )
    return Ingest(
        receiver=FolderExperienceReceiver(paths, me, compatibility=compatibility),
        foreign=foreign,
        checker=Checker(package, game_config),
        rules=rules,
        paths=paths,
        rng=random.SystemRandom(),  # a member that knew the draws would cheat elsewhere
    )
