"""Making a member of a fleet from settings.

Job: put the parts around a `Solo` that share its weights and its play. Place in the data flow: settings -> parts ->
`SharedFolder`. Left out: what the parts do.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import xxhash

from gamefleet import __version__
from gamefleet.actors.policy import epsilon_ladder
from gamefleet.cluster.sync.members import own_tokens
from gamefleet.experience.mixed import MixedReplay
from gamefleet.experience.replay import Replay
from gamefleet.files import make_folder
from gamefleet.games.base import GamePackage
from gamefleet.identity import derive_seed
from gamefleet.runs.carried import carrying_fleet
from gamefleet.runs.paths import RunPaths
from gamefleet.topologies.build import compatibility
from gamefleet.topologies.config import RunConfig
from gamefleet.topologies.shared_folder.gate import Gate
from gamefleet.topologies.shared_folder.ingest import Ingest, make_ingest
from gamefleet.topologies.shared_folder.recording import LabelledRecorder, Recording
from gamefleet.topologies.shared_folder.settings import member_name
from gamefleet.topologies.shared_folder.weights import Parts
from gamefleet.topologies.shared_folder.wiring import SharedFolder
from gamefleet.topologies.solo import Solo
from gamefleet.transport.folder import FolderExperienceSender
from gamefleet.weights.manifests import SharedFacts
from gamefleet.weights.member import Member
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.store import SharedStore

NOT_SHARED = ("run", "trackers", "collaboration", "streaming")
"""Sections that say how one member runs; the others say what the fleet trains and how."""

FOREIGN_STREAMS = 8
"""Streams of the replay of others' play."""


@contextmanager
def share(solo: Solo, package: GamePackage, config: RunConfig, *, log_folder: Path) -> Iterator[SharedFolder]:
    """Make a `Solo` a member; what runs beside it ends with the block.

    Args:
        solo: Before its first round; whoever made it closes it.
        package: Its game.
        config: All settings.
        log_folder: Where processes beside this one log.

    Raises:
        RunFolderError: The shared folder cannot be made.
        ConfigError: The member's name is impossible.
    """
    settings = config.collaboration
    paths = SharedPaths(settings.folder.absolute())
    name = member_name(settings, config.run.name)
    make_folder(paths.member(name))
    facts = facts_of_fleet(package, config)
    store = SharedStore(paths, clock=time.time)
    member = Member(
        store,
        member=name,
        settings=settings.merge,
        may_merge=settings.may_merge,
        host=socket.gethostname(),
        software=__version__,
        token=known_token(store, name, RunPaths(Path(config.run.runs_folder) / config.run.name)),
    )
    ingest = intake(solo, package, config, me=name, hash_=facts.compatibility["hash"])
    recording = recorder(solo, config, paths, member, hash_=facts.compatibility["hash"])
    gate = Gate(paths, settings.gate, log=log_folder / "gate.log")
    parts = Parts(
        settings=settings, store=store, facts=facts, member=member, gate=gate, ingest=ingest, recording=recording
    )
    with SharedFolder(solo, parts) as shared:
        yield shared


def known_token(store: SharedStore, name: str, run: RunPaths) -> str:
    """The token by which a member is known again: this machine's, if it only played until now, or the run's own.

    Without it, a run that was killed before its first checkpoint would find its own name taken. Empty for a run that
    has no folder.
    """
    card = store.card(name)
    if card is not None and card.token in own_tokens(store.paths.root):
        return card.token
    return xxhash.xxh3_64_hexdigest(run.manifest.read_bytes()) if run.manifest.is_file() else ""


def facts_of_fleet(package: GamePackage, config: RunConfig) -> SharedFacts:
    """What a shared folder says of its fleet when this run is its first member."""
    resolved = config.resolved()
    carrier = carrying_fleet(RunPaths(Path(config.run.runs_folder) / config.run.name))
    return SharedFacts(
        fleet=config.run.name if carrier is None else carrier.parent.name,
        game_name=package.name,
        settings={name: values for name, values in resolved.items() if name not in NOT_SHARED},
        compatibility=compatibility(package, package.make_spec(config.game), config).as_json(),
        seed=config.run.seed,
    )


def intake(solo: Solo, package: GamePackage, config: RunConfig, *, me: str, hash_: str) -> Ingest | None:
    """The intake of others' play, and batches that mix it in; None when it is not wanted."""
    settings, own = config.collaboration, solo.replay
    if not settings.accept_experience:
        return None
    state_size = solo.learner.network.state_size
    foreign = Replay(
        own.layout,
        replace(config.replay, capacity_steps=settings.experience_capacity_steps),
        num_streams=FOREIGN_STREAMS,
        state_size=state_size,
        num_steps=own.num_steps,
        seed=derive_seed(config.run.seed, purpose="foreign replay"),
    )
    solo.draw_from(MixedReplay(own, foreign, settings.max_foreign_share))
    return make_ingest(
        package,
        config.game,
        settings=settings,
        spec=solo.actor.vector.spec,
        foreign=foreign,
        state_size=state_size,
        compatibility=hash_,
        me=me,
    )


def recorder(solo: Solo, config: RunConfig, paths: SharedPaths, member: Member, *, hash_: str) -> Recording | None:
    """What hands over what is played here; None when it is not wanted."""
    settings, actors = config.collaboration, config.actors
    if not settings.share_experience:
        return None
    labelled = LabelledRecorder(
        solo.actor.vector,
        chunk_steps=settings.chunk_steps,
        epsilons=epsilon_ladder(actors.num_envs, base=actors.epsilon_base, alpha=actors.epsilon_alpha).tolist(),
        version=lambda: member.version,
    )
    recording = Recording(labelled, FolderExperienceSender(paths, member.member, compatibility=hash_))
    solo.actor.attach(recording)
    return recording
