"""Which fleet a machine plays for, and how.

Job: find the fleet of a shared folder and say how this machine plays. Place in the data flow: the command line makes a
plan, `actors_only` carries it out. Left out: playing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gamefleet.errors import RunFolderError
from gamefleet.identity import derive_seed
from gamefleet.topologies.actors_only.mood import PATIENCE_S
from gamefleet.topologies.layers import merge, nested
from gamefleet.topologies.streaming.settings import StreamingSettings
from gamefleet.transport.folder_sent import SentBounds
from gamefleet.weights.manifests import SharedFacts
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.store import SharedStore


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
        patience_s: See `mood.PATIENCE_S`.
        live_s: See `transport.folder.LIVE_S`.
        streaming: Whether and where the games are shown; this machine's matter, whatever the fleet's settings say.
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
    streaming: StreamingSettings = field(default_factory=StreamingSettings)


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


def own_settings(plan: ActorsPlan, facts: SharedFacts, starts: int) -> dict[str, Any]:
    """This machine's settings, with random streams that no other member and no earlier start of this one has."""
    seed = derive_seed(facts.seed, purpose=f"actors only, start {starts}", member=plan.member)
    settings: dict[str, Any] = {}
    merge(settings, plan.own)
    merge(settings, nested("run.seed", seed))
    return settings
