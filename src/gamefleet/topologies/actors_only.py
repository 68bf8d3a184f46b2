"""actors_only: a member of a fleet that plays with the newest merged weights and hands over what it played.

Job: the wiring of a laptop. Place in the data flow: shared folder -> policy -> games -> chunks -> shared folder. Left
out: learning (a learner takes the chunks in by `ingest`), and synchronising the folder with the cluster's
(`cluster.sync`).

A turn of the loop looks at the folder when it is time, hands over what is whole, and plays one round unless something
holds it back. Nothing that happens to the folder ends it: not a file server that is away, not a full disk, not a night
asleep. What ends it is a deadline, a signal, or that somebody else has its name.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gamefleet.cluster.sync_members import add_own_token
from gamefleet.cluster.sync_presence import sync_state
from gamefleet.errors import CorruptCheckpointError, GamefleetError, RunFolderError, StorageFullError
from gamefleet.games.base import GamePackage
from gamefleet.identity import derive_seed
from gamefleet.runs.deadline import Deadline
from gamefleet.runs.progress import Progress
from gamefleet.topologies.actors_only_member import Membership
from gamefleet.topologies.actors_only_mood import PATIENCE_S, Mood, Situation, Teller, judge
from gamefleet.topologies.actors_only_player import Player, settings_of
from gamefleet.topologies.layers import merge, nested
from gamefleet.transport.folder import FolderExperienceSender, PlayedChunk
from gamefleet.transport.folder_sent import SentBounds
from gamefleet.transport.folder_weights import SharedWeights
from gamefleet.weights.manifests import SharedFacts
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.store import SharedStore

LOOK_INTERVAL_S = 2.0
BEAT_INTERVAL_S = 10.0
REPORT_INTERVAL_S = 60.0
IDLE_S = 0.5
"""Between two looks while nothing is played; a signal is heard this soon."""

SLEPT_S = 60.0
"""A turn takes a fraction of a second; if the wall clock went on by more, the machine slept or was stopped."""

GOODBYE_S = 5.0
"""So long the last chunks may take to be written at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorsPlan:
    """How a member plays.

    Args:
        shared_dir: The shared folder, or this machine's copy.
        member: Name among the members.
        state_folder: Where this machine keeps its memberships.
        own: Settings of this machine on top of the fleet's, by sections.
        chunk_steps: Steps of a chunk at most.
        bounds: How much may lie unread.
        pause_after_s: After so long without news, waiting is called a pause.
        patience_s: See `actors_only_mood.PATIENCE_S`.
        live_s: See `transport.folder.LIVE_S`.
    """

    shared_dir: Path
    member: str
    state_folder: Path
    own: Mapping[str, Any] = field(default_factory=dict)
    chunk_steps: int = 400
    bounds: SentBounds = field(default_factory=SentBounds)
    pause_after_s: float = 1800.0
    patience_s: float = PATIENCE_S
    live_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a member did.

    Args:
        reason: Why it ended.
        steps: Played, over all games.
        chunks: Handed over.
        version: Of the weights that played last; -1 when none ever came.
    """

    reason: str
    steps: int
    chunks: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A fleet as seen from a machine that only plays.

    Args:
        store: The shared folder.
        facts: What the fleet trains.
    """

    store: SharedStore
    facts: SharedFacts


def find_fleet(shared_dir: Path) -> Fleet:
    """Open a shared folder that others have begun.

    Raises:
        RunFolderError: There is no fleet in it.
        CorruptCheckpointError: It says something that cannot be understood.
    """
    store = SharedStore(SharedPaths(shared_dir.expanduser().absolute()), clock=time.time)
    facts = store.facts()
    if facts is None:
        raise RunFolderError(
            "There is no fleet in this folder yet",
            where=store.paths.root,
            remedy="Fetch the cluster's (`gamefleet sync pull`, or --sync USER@login.cluster.example.edu:DIR here), or "
            "name another folder (--shared-dir).",
        )
    return Fleet(store=store, facts=facts)


def play(package: GamePackage, plan: ActorsPlan, *, deadline: Deadline, progress: Progress) -> Account:
    """Play until the deadline comes.

    Args:
        package: The fleet's game.
        plan: How.
        deadline: When to stop; listens for signals meanwhile.
        progress: Whoever watches.

    Raises:
        RunFolderError: There is no fleet in the folder, or another process of this machine has the name.
        IncompatibleError: The fleet has another game, observation, reward or network than this installation.
        ConfigError: Another machine has the name, or a setting does not fit.
    """
    with deadline.listening(), opened(package, plan) as member:
        progress.say(f"member {plan.member} of {plan.shared_dir}: {member.player.actor.vector.num_envs} environments")
        while not (reason := deadline.reason()):
            for line in member.turn():
                progress.say(line)
        member.say_goodbye()
        return Account(
            reason=reason,
            steps=member.player.actor.total_steps,
            chunks=member.num_sent,
            version=member.player.version if member.has_weights else -1,
        )


@contextmanager
def opened(package: GamePackage, plan: ActorsPlan) -> Iterator[ActorsOnly]:
    """Join a fleet; the games end and the name is free again with the block."""
    fleet = find_fleet(plan.shared_dir)
    settings_of(package, fleet.facts, plan.own)  # what does not fit shall be said before a name is taken
    with ExitStack() as stack:
        membership = Membership(fleet.store, fleet.facts, plan.member, folder=plan.state_folder)
        stack.callback(membership.leave)
        if sync_state(fleet.store.paths.root) is not None:  # a copy: its sync sends what belongs to this machine
            add_own_token(fleet.store.paths.root, membership.token)
        config = settings_of(package, fleet.facts, own_settings(plan, fleet.facts, membership.starts))
        player = Player(package, config, chunk_steps=plan.chunk_steps)
        stack.callback(player.close)
        sender = FolderExperienceSender(
            fleet.store.paths,
            plan.member,
            compatibility=fleet.facts.compatibility["hash"],
            bounds=plan.bounds,
            live_s=plan.live_s,
        )
        yield ActorsOnly(player, sender, SharedWeights(fleet.store), membership, plan)


def own_settings(plan: ActorsPlan, facts: SharedFacts, starts: int) -> dict[str, Any]:
    """This machine's settings, with random streams that no other member and no earlier start of this one has."""
    seed = derive_seed(facts.seed, purpose=f"actors only, start {starts}", member=plan.member)
    settings: dict[str, Any] = {}
    merge(settings, plan.own)
    merge(settings, nested("run.seed", seed))
    return settings


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
        self.num_sent = 0
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
        if mood is Mood.PLAYING:
            self._whole += self.player.play().chunks
        else:
            self._sleep(IDLE_S)
        return [line for line in [*lines, self._report()] if line]

    def say_goodbye(self) -> None:
        """Hand over what is there, as far as that goes quickly; tell the others how far this member came."""
        self._whole += self.player.cut()
        with suppress(GamefleetError, OSError):
            gives_up_at = self._monotonic() + GOODBYE_S
            while self._whole and self._sender.send(self._whole[0], max(0.0, gives_up_at - self._monotonic())):
                self._whole.popleft()
                self.num_sent += 1
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
            while self._whole and self._sender.send(self._whole[0], timeout_s=0.0):
                self._whole.popleft()
                self.num_sent += 1
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
