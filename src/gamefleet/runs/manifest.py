"""What a run folder is: format version, provenance and compatibility.

Job: write `manifest.json` when a run is created and judge it when the run is opened again, by this or another version.
Place in the data flow: `folder` and `checkpoint` ask here. Left out: who holds the folder (`claim`).
"""

from __future__ import annotations

import importlib.metadata
import platform
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import gamefleet
from gamefleet.errors import IncompatibleError, RunFolderError
from gamefleet.files import explained, read_json
from gamefleet.identity import compatibility_hash, first_difference
from gamefleet.runs.paths import RunPaths

FORMAT_VERSION = 1
"""Of the whole run folder, checkpoints included; raised when an older gamefleet could not read a newer folder."""

OLDEST_READABLE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Compatibility:
    """Everything that must be equal for weights and experience to be exchanged.

    Args:
        game: Version of the game's code and data, from its spec.
        observation: The observation spec as plain JSON values.
        reward: The reward settings as plain JSON values.
        architecture: The network settings as plain JSON values.
    """

    game: str
    observation: Mapping[str, Any]
    reward: Mapping[str, Any]
    architecture: Mapping[str, Any]

    @property
    def hash(self) -> str:
        """32 hex digits over all of it."""
        return compatibility_hash(
            game_version=self.game,
            observation=self.observation,
            reward=self.reward,
            architecture=self.architecture,
        )

    def as_json(self) -> dict[str, Any]:
        """The hash together with what it was made of, so that a difference can be named."""
        return {"hash": self.hash, "parts": asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What the creator of a run knows about it.

    Args:
        game: The game's key.
        seed: The run's seed.
        asked: Content of `run.toml`.
        resolved: Content of `resolved.json`.
        compatibility: See there.
        parents: Where initial weights came from, for example `runs/a/checkpoints/step-000100000`.
    """

    game: str
    seed: int
    asked: str
    resolved: Mapping[str, Any]
    compatibility: Compatibility
    parents: tuple[str, ...] = field(default=())


def describe_run(name: str, facts: RunFacts) -> dict[str, Any]:
    """The content of `manifest.json`."""
    return {
        "format_version": FORMAT_VERSION,
        "name": name,
        "game": facts.game,
        "seed": facts.seed,
        "parents": list(facts.parents),
        "created_at": time.time(),
        "compatibility": facts.compatibility.as_json(),
        **provenance(),
    }


@cache
def provenance() -> Mapping[str, Any]:
    """Which code runs where: versions, commit and host; asked once, because a process runs one code."""
    return {
        "gamefleet_version": gamefleet.__version__,
        "git_commit": git_commit(Path(__file__).parent),
        "host": socket.gethostname(),
        "system": platform.platform(),
        "python_version": platform.python_version(),
        "torch_version": _version_of("torch"),
        "numpy_version": _version_of("numpy"),
    }


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)  # does not import it
    except importlib.metadata.PackageNotFoundError:
        return None


def git_commit(folder: Path) -> str | None:
    """The commit of the checkout that holds `folder`, `-dirty` appended when files differ; None outside of one."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--match="]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def read_manifest(paths: RunPaths) -> dict[str, Any]:
    """Read `manifest.json` and check that this version can use the folder.

    Raises:
        RunFolderError: It is missing, damaged, or of a format that this version cannot read.
    """
    try:
        with explained(paths.manifest):
            manifest = read_json(paths.manifest)
    except ValueError as error:
        raise RunFolderError(
            "The run's manifest is damaged", where=paths.manifest, remedy="Restore it, or start anew with --fresh."
        ) from error
    check_format(manifest, where=paths.root)
    return manifest


def check_format(manifest: Mapping[str, Any], *, where: Path) -> None:
    """Fail unless this version can read what the manifest describes.

    Raises:
        RunFolderError: Names the version that can.
    """
    version = manifest.get("format_version", 0)
    writer = manifest.get("gamefleet_version", "of unknown version")
    if version > FORMAT_VERSION:
        raise RunFolderError(
            f"A newer gamefleet ({writer}) wrote this in format {version}; this one reads up to {FORMAT_VERSION}",
            where=where,
            remedy=f"Upgrade: pip install 'gamefleet>={writer}'.",
        )
    if version < OLDEST_READABLE:
        raise RunFolderError(
            f"An older gamefleet ({writer}) wrote this in format {version}; this one reads from {OLDEST_READABLE}",
            where=where,
            remedy=f"Open it with that version (pip install 'gamefleet=={writer}'), or start anew with --fresh.",
        )


def check_compatible(ours: Compatibility, theirs: Mapping[str, Any], *, where: Path) -> None:
    """Fail unless what a run or checkpoint says of itself equals ours.

    Args:
        ours: Of the settings in force.
        theirs: `Compatibility.as_json` as it was written.
        where: Run folder or checkpoint.

    Raises:
        IncompatibleError: Names the first difference with both values.
    """
    if theirs["hash"] == ours.hash:
        return
    difference = first_difference(asdict(ours), theirs["parts"]) or "the hash differs"
    raise IncompatibleError(
        f"This does not fit the present settings: {difference}",
        where=where,
        remedy="Take back that setting (`gamefleet config show`), use another run name, or start anew with --fresh.",
    )
