"""A fleet of a toy game in a shared folder, and a member that only plays as a process of its own."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from gamefleet.games.base import GamePackage
from gamefleet.runs.deadline import Deadline
from gamefleet.runs.progress import PlainProgress
from gamefleet.topologies.actors_only.plan import ActorsPlan
from gamefleet.topologies.actors_only.wiring import play
from gamefleet.topologies.build import compatibility, make_network
from gamefleet.topologies.config import RunConfig, make_config
from gamefleet.transport.folder_sent import SentBounds
from gamefleet.weights.content import NETWORK, Content
from gamefleet.weights.manifests import SharedFacts
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.store import SharedStore

SETTINGS: dict[str, Any] = {
    "network": {"hidden_size": 8, "head_size": 8, "encoder": {}},
    "curiosity": {"enabled": False},
    "replay": {"capacity_steps": 2_000, "unroll": 8, "burn_in": 4},
    "learner": {"num_steps": 2, "batch_size": 4},
    "actors": {"num_envs": 2, "num_workers": 0, "refresh_every_steps": 4, "device": "cpu"},
    "curriculum": {"kind": "none"},
}
SHARED_SECTIONS = ("game", "network", "learner", "curiosity", "replay", "actors", "curriculum")


def package_of(toy: str) -> GamePackage:
    package: GamePackage = importlib.import_module(f"gamefleet.testing.toys.{toy}").PACKAGE
    return package


def found_fleet(
    folder: Path, *, toy: str = "chain", game: dict[str, Any] | None = None
) -> tuple[SharedStore, RunConfig]:
    """Begin a fleet with version 0, as a first learner does."""
    package = package_of(toy)
    config = make_config(package, {**SETTINGS, "game": game or {}})
    spec = package.make_spec(config.game)
    facts = SharedFacts(
        fleet="toys",
        game_name=package.name,
        settings={name: config.resolved()[name] for name in SHARED_SECTIONS},
        compatibility=compatibility(package, spec, config).as_json(),
        seed=3,
    )
    network = make_network(package, spec, config)
    arrays = {f"{NETWORK}{name}": tensor.numpy() for name, tensor in network.state_dict().items()}
    store = SharedStore(SharedPaths(folder), clock=time.time)
    store.begin(facts, Content(arrays=arrays))
    return store, config


def main(plan: dict[str, Any]) -> None:
    """Play as one member until told to stop; what is told goes to standard error."""
    account = play(
        package_of(plan["toy"]),
        ActorsPlan(
            shared_dir=Path(plan["shared_dir"]),
            member=plan["member"],
            state_folder=Path(plan["state_folder"]),
            own=plan["own"],
            chunk_steps=plan["chunk_steps"],
            bounds=SentBounds(capacity_bytes=plan["capacity_bytes"]),
            patience_s=0.5,
        ),
        deadline=Deadline(max_runtime_s=plan["max_runtime_s"]),
        progress=PlainProgress(sys.stderr),
    )
    json.dump({"reason": account.reason, "steps": account.steps, "chunks": account.chunks}, sys.stdout)


def start_member(shared_dir: Path, log: Path, **changes: Any) -> subprocess.Popen[str]:
    """Start a member in a process of its own; what it tells is in `log`."""
    plan = {
        "toy": "chain",
        "shared_dir": str(shared_dir),
        "member": "laptop",
        "state_folder": str(log.parent / "state"),
        "own": {},
        "chunk_steps": 20,
        "capacity_bytes": 60_000,
        "max_runtime_s": None,
        **changes,
    }
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with open(log, "a") as stream:
        return subprocess.Popen(
            [sys.executable, __file__, json.dumps(plan)],
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env=environment,
        )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
