"""The loop of a member that only plays, one turn at a time.

Job: look at the folder when it is time, hand over what is whole, and play one round unless something holds it back.
Place in the data flow: between `Player` and the shared folder. Left out: joining and leaving (`actors_only`), and what
each situation means (`mood`).

Nothing that happens to the folder ends the loop: not a file server that is away, not a full disk, not a night asleep.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from gamefleet.errors import CorruptCheckpointError, GamefleetError, RunFolderError, StorageFullError
from gamefleet.topologies.actors_only.member import Membership
from gamefleet.topologies.actors_only.mood import Mood, Situation, Teller, judge
from gamefleet.topologies.actors_only.plan import ActorsPlan
from gamefleet.topologies.actors_only.player import Player
from gamefleet.transport.folder import FolderExperienceSender, PlayedChunk
from gamefleet.transport.folder_weights import SharedWeights

LOOK_INTERVAL_S = 2.0
BEAT_INTERVAL_S = 10.0
REPORT_INTERVAL_S = 60.0
IDLE_S = 0.5
"""Between two looks while nothing is played; a signal is heard this soon."""

SLEPT_S = 60.0
"""A turn takes a fraction of a second; if the wall clock went on by more, the machine slept or was stopped."""

GOODBYE_S = 5.0
"""So long the last chunks may take to be written at the end."""


class ActorsOnly:
    """The loop's state; see the module's docstring.

    Args:
        player: Plays.
        sender: Takes chunks.
        weights: Gives weights.
        membership: Holds the name.
        plan: How long it waits before it says so.
        monotonic: Clock for intervals, in seconds.
        wall: Clock that goes on while the machine sleeps.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        player: Player,
        sender: FolderExperienceSender,
        weights: SharedWeights,
        membership: Membership,
        plan: ActorsPlan,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.player = player
        self.has_weights = False
        self._sender = sender
        self._weights = weights
        self._membership = membership
        self._plan = plan
        self._monotonic = monotonic
        self._wall = wall
        self._sleep = sleep
        self._whole: deque[PlayedChunk] = deque()
        self._teller = Teller(plan.patience_s)
        self._trouble: GamefleetError | OSError | None = None
        now = monotonic()
        self._looked_at = self._beat_at = -float("inf")
        self._news_at = self._reported_at = now
        self._reported_steps = 0
        self._unread_bytes = 0
        self._refusal = self._told_refusal = ""
        self._turned_at = wall()

    def turn(self) -> list[str]:
        """Look, hand over, play one round or wait a little.

        Returns:
            What is worth telling.

        Raises:
            ConfigError: Another machine has the name.
            WorkerError: Games crash again and again.
        """
        lines = self._wake_up()
        self._exchange()
        now = self._situation()
        mood = judge(now)
        lines += [self._teller.hear(mood, now, self._monotonic())]
        lines += [self._complaint()]
        rest_s = self.player.rest_s if mood is Mood.PLAYING else IDLE_S
        if rest_s <= 0:
            self._whole += self.player.play().chunks
        else:
            self._sleep(min(IDLE_S, rest_s))
        return [line for line in [*lines, self._report()] if line]

    @property
    def num_sent(self) -> int:
        """Chunks handed over."""
        return self._sender.num_sent

    def say_goodbye(self) -> None:
        """Hand over what is there, as far as that goes quickly; tell the others how far this member came."""
        self._whole += self.player.cut()
        with suppress(GamefleetError, OSError):
            self._sender.send_waiting(self._whole, GOODBYE_S)
            self._beat()
        self._sender.finish()

    def _wake_up(self) -> list[str]:
        """Notice that the machine slept; nobody's silence meanwhile was theirs."""
        before, self._turned_at = self._turned_at, self._wall()
        slept_s = self._turned_at - before
        if slept_s < SLEPT_S:
            return []
        self._looked_at = self._beat_at = -float("inf")
        self._news_at = self._reported_at = self._monotonic()
        self._reported_steps = self.player.actor.total_steps
        return [f"slept for {slept_s / 60:.0f} minutes; going on"]

    def _exchange(self) -> None:
        """Everything that touches the folder; what goes wrong there is remembered, and tried again at the next turn."""
        is_due = self._monotonic() - self._looked_at >= LOOK_INTERVAL_S
        if self._trouble is not None and not is_due:
            return
        try:
            if is_due:
                self._looked_at = self._monotonic()
                self._look()
            self._sender.send_waiting(self._whole)
            self._trouble = None
        except (RunFolderError, CorruptCheckpointError, OSError) as error:
            self._trouble = error

    def _look(self) -> None:
        self._membership.look()
        self._refusal = self._membership.refusal()
        if self._monotonic() - self._beat_at >= BEAT_INTERVAL_S:
            self._beat()
        newest = self._weights.newest(after=self.player.version if self.has_weights else -1)
        if newest is not None:
            self.player.refresh(newest)
            self.has_weights = True
            self._news_at = self._monotonic()
        self._sender.look()
        if self._sender.unread_bytes < self._unread_bytes:
            self._news_at = self._monotonic()
        self._unread_bytes = self._sender.unread_bytes

    def _beat(self) -> None:
        elapsed = max(1e-9, self._monotonic() - self._reported_at)
        rate = (self.player.actor.total_steps - self._reported_steps) / elapsed
        self._membership.beat(step=self.player.actor.total_steps, version=self.player.version, steps_per_s=rate)
        self._beat_at = self._monotonic()

    def _situation(self) -> Situation:
        return Situation(
            has_weights=self.has_weights,
            trouble=str(self._trouble) if self._trouble is not None else "",
            is_full=isinstance(self._trouble, StorageFullError),
            is_held_back=bool(self._whole),
            unread_bytes=self._unread_bytes,
            num_readers=self._sender.num_readers,
            version=self.player.version,
            quiet_s=self._monotonic() - self._news_at,
            pause_after_s=self._plan.pause_after_s,
        )

    def _complaint(self) -> str:
        """The learners' word that they take nothing more from this member, once."""
        if self._refusal == self._told_refusal:
            return ""
        self._told_refusal = self._refusal
        if not self._refusal:
            return "the learners take what this machine plays again"
        return f"the learners refuse what this machine plays: {self._refusal}"

    def _report(self) -> str:
        """A line a minute about what was done, unless nothing was."""
        steps, now = self.player.actor.total_steps, self._monotonic()
        elapsed = now - self._reported_at
        if elapsed < REPORT_INTERVAL_S or steps == self._reported_steps:
            return ""
        rate = (steps - self._reported_steps) / elapsed
        self._reported_at, self._reported_steps = now, steps
        unread = f"{self._unread_bytes / 1e6:.1f} MB unread by {self._sender.num_readers} learners"
        reached = f"{len(self.player.actor.firsts.steps)} milestones"
        return (
            f"{steps:,} steps  {rate:.0f} steps/s  version {self.player.version}  {self.num_sent} chunks handed over, "
            f"{unread}  {reached}"
        )
