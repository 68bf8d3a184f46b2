"""actors_only: a member of a fleet that plays with the newest merged weights and hands over what it played.

Job: the wiring of a laptop. Place in the data flow: shared folder -> policy -> games -> chunks -> shared folder. Left
out: learning (a learner takes the chunks in by `ingest`), and synchronising the folder with the cluster's
(`cluster.sync`).

What ends it is a deadline, a signal, or that somebody else has its name; what happens to the folder does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from gamefleet.cluster.sync.members import add_own_token
from gamefleet.cluster.sync.presence import sync_state
from gamefleet.games.base import GamePackage
from gamefleet.runs.deadline import Deadline
from gamefleet.runs.progress import Progress
from gamefleet.topologies.actors_only.loop import ActorsOnly
from gamefleet.topologies.actors_only.member import Membership
from gamefleet.topologies.actors_only.plan import ActorsPlan, find_fleet, own_settings
from gamefleet.topologies.actors_only.player import Player, settings_of
from gamefleet.transport.folder import FolderExperienceSender
from gamefleet.transport.folder_weights import SharedWeights


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
        if plan.streaming.enabled is True:
            from gamefleet.topologies.streaming.wiring import streamed_member

            stack.enter_context(
                streamed_member(player.actor, plan.streaming, folder=fleet.store.paths.root, member=plan.member)
            )
        sender = FolderExperienceSender(
            fleet.store.paths,
            plan.member,
            compatibility=fleet.facts.compatibility["hash"],
            bounds=plan.bounds,
            live_s=plan.live_s,
        )
        yield ActorsOnly(player, sender, SharedWeights(fleet.store), membership, plan)
