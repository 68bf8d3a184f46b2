"""Checkpoints: whole or not there, verified before they are used, old ones untouched whatever happens.

Job: save named state trees and the replay as one immutable folder, find the newest one that is whole, prune. Place in
the data flow: the training loop saves between rounds and loads on a resume; `evaluate` and `export` open single ones.
Left out: what the parts mean, and when to save (`schedule`).

    checkpoints/step-000123456/
    ├─ model.safetensors  optimizer.safetensors  <part>.safetensors
    ├─ replay/            written by the replay; unchanged files are hard links into the previous checkpoint
    ├─ state.json         small and readable
    └─ MANIFEST.json      written last: size and xxh3-128 of every file, and a checksum of itself

A save builds the folder under a temporary name, syncs every file, asks the fence and renames. A kill in between leaves
a folder whose name starts with `.tmp-`, which the next save removes.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamefleet.errors import CheckpointError, CorruptCheckpointError
from gamefleet.files import (
    TEMPORARY_PREFIX,
    Fence,
    explained,
    read_json,
    remove_folder,
    sync_folder,
    write_bytes,
    write_json,
)
from gamefleet.runs.checkpoint_files import (
    describe_files,
    is_milestone,
    read_manifest_file,
    replay_of,
    verify,
    write_manifest_file,
)
from gamefleet.runs.manifest import FORMAT_VERSION, Compatibility, check_compatible, check_format, provenance
from gamefleet.runs.paths import (
    CHECKPOINT_MANIFEST,
    CHECKPOINT_STATE,
    PART_SUFFIX,
    REPLAY_FOLDER,
    SET_ASIDE_PREFIX,
    RunPaths,
)
from gamefleet.runs.trees import Tree, pack, unpack

SaveReplay = Callable[[Path, Path | None], None]
"""`(folder, previous)`: write the replay into the empty `folder`; `previous` holds the last saved one, or is None."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint.

    Args:
        folder: Where it lies.
        manifest: The content of its `MANIFEST.json`.
    """

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def step(self) -> int:
        """Steps of the run when it was saved."""
        return int(self.manifest["step"])

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the state trees."""
        return tuple(sorted(Path(name).stem for name in self.manifest["files"] if name.endswith(PART_SUFFIX)))

    @property
    def replay(self) -> Path | None:
        """Folder of the saved replay, None when there is none."""
        return replay_of(self.folder)

    def part(self, name: str) -> dict[str, Any]:
        """Read one state tree.

        Raises:
            CheckpointError: The checkpoint has no such part.
        """
        if name not in self.parts:
            remedy = f"It has {', '.join(self.parts)}."
            raise CheckpointError("A checkpoint has no such part", value=name, where=self.folder, remedy=remedy)
        return unpack((self.folder / f"{name}{PART_SUFFIX}").read_bytes())

    def state(self) -> dict[str, Any]:
        """Read `state.json`."""
        return read_json(self.folder / CHECKPOINT_STATE)


def open_checkpoint(folder: Path, *, compatibility: Compatibility | None = None) -> Checkpoint:
    """Verify the checkpoint in a folder.

    Args:
        folder: A checkpoint's folder.
        compatibility: Of the present settings; None skips the comparison.

    Raises:
        CorruptCheckpointError: A file is missing, has another size or fails its checksum.
        RunFolderError: Another version of the format.
        IncompatibleError: It belongs to other settings; the first difference is named.
    """
    manifest = read_manifest_file(folder)
    check_format(manifest, where=folder)
    if compatibility is not None:
        check_compatible(compatibility, manifest["compatibility"], where=folder)
    for name, expected in manifest["files"].items():
        verify(folder / name, expected)
    return Checkpoint(folder, manifest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a resume found.

    Args:
        checkpoint: The newest whole one, None when the run never saved.
        rejected: Newer but damaged ones, as (where it lies now, why).
    """

    checkpoint: Checkpoint | None
    rejected: tuple[tuple[Path, str], ...]


class CheckpointStore:
    """The checkpoints of one run, for the process that holds its folder.

    Args:
        paths: The run folder.
        compatibility: Of the present settings.
        fence: `OpenRun.fence`; asked before anything gets its final name.
        keep: Newest checkpoints that `prune` leaves, besides those at milestones.
    """

    def __init__(self, paths: RunPaths, *, compatibility: Compatibility, fence: Fence, keep: int = 3) -> None:
        self._paths = paths
        self._compatibility = compatibility
        self._fence = fence
        self._keep = keep
        self._provenance = provenance()

    def save(
        self,
        step: int,
        parts: Mapping[str, Tree],
        *,
        state: Mapping[str, Any] | None = None,
        replay: SaveReplay | None = None,
        milestone: str = "",
    ) -> Checkpoint:
        """Write a checkpoint, then prune.

        Args:
            step: Steps of the run so far.
            parts: State trees by name; other tools expect `model`.
            state: What a person wants to read about it, JSON values.
            replay: Writes the replay, if there is one.
            milestone: Why the checkpoint is kept for good; empty when it is not.

        Returns:
            The checkpoint; one that exists for this step already is kept as it is.

        Raises:
            StorageFullError: The disk or quota is full; all older checkpoints are untouched.
            RunFolderError: The folder is not writable, or another process took it over.
        """
        folder = self._paths.checkpoint(step)
        if (existing := self._existing(folder)) is not None:
            return existing
        with explained(folder), self._temporary_folder(folder) as temporary:
            for name, tree in parts.items():
                write_bytes(temporary / f"{name}{PART_SUFFIX}", pack(tree))
            write_json(temporary / CHECKPOINT_STATE, {**(state or {}), "step": step})
            manifest = self._finish(temporary, folder, replay, {"step": step, "milestone": milestone})
        self.prune()
        return Checkpoint(folder, manifest)

    def _finish(
        self, temporary: Path, folder: Path, replay: SaveReplay | None, facts: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Add the replay and the manifest, and give the folder its final name."""
        previous = next((folder for _, folder in reversed(self._paths.found_checkpoints())), None)
        if replay is not None:
            (temporary / REPLAY_FOLDER).mkdir()
            replay(temporary / REPLAY_FOLDER, replay_of(previous))
        manifest = {
            "format_version": FORMAT_VERSION,
            "gamefleet_version": self._provenance["gamefleet_version"],
            "run": self._paths.name,
            "saved_at": time.time(),
            "compatibility": self._compatibility.as_json(),
            "provenance": self._provenance,
            "files": describe_files(temporary, previous),
            **facts,
        }
        write_manifest_file(temporary, manifest)
        self._fence()
        os.rename(temporary, folder)
        sync_folder(folder.parent)
        return manifest

    def load_newest(self) -> Loaded:
        """Find the newest whole checkpoint; newer damaged ones get a name that starts with `unreadable-`.

        Raises:
            CorruptCheckpointError: There are checkpoints and none is whole.
            IncompatibleError: The newest whole one belongs to other settings.
        """
        rejected: list[tuple[Path, str]] = []
        for _, folder in reversed(self._paths.found_checkpoints()):
            try:
                checkpoint = open_checkpoint(folder, compatibility=self._compatibility)
            except CorruptCheckpointError as error:
                rejected.append((self._set_aside(folder), str(error)))
            else:
                return Loaded(checkpoint=checkpoint, rejected=tuple(rejected))
        if rejected:
            raise CorruptCheckpointError(
                f"None of the {len(rejected)} checkpoints of this run can be read",
                where=self._paths.checkpoints,
                remedy=f"The newest says: {rejected[0][1]} Start anew with --fresh, which keeps the old files.",
            )
        return Loaded(checkpoint=None, rejected=())

    def prune(self) -> None:
        """Delete all but the newest `keep` checkpoints and those at milestones, and remains of interrupted saves."""
        for remains in self._paths.checkpoints.glob(f"{TEMPORARY_PREFIX}*"):
            shutil.rmtree(remains, ignore_errors=True)
        for _, folder in self._paths.found_checkpoints()[: -self._keep]:
            if not is_milestone(folder):
                self._fence()
                remove_folder(folder)

    def _existing(self, folder: Path) -> Checkpoint | None:
        try:
            return open_checkpoint(folder, compatibility=self._compatibility) if folder.exists() else None
        except CorruptCheckpointError:
            self._set_aside(folder)
            return None

    def _set_aside(self, folder: Path) -> Path:
        self._fence()
        target = folder.with_name(f"{SET_ASIDE_PREFIX}{folder.name}-{secrets.token_hex(3)}")
        os.rename(folder, target)
        return target

    @contextmanager
    def _temporary_folder(self, final: Path) -> Iterator[Path]:
        temporary = final.with_name(f"{TEMPORARY_PREFIX}{final.name}-{secrets.token_hex(6)}")
        temporary.parent.mkdir(exist_ok=True)
        temporary.mkdir()
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)  # gone already when it was renamed


def find_checkpoint(path: Path) -> Path:
    """The checkpoint folder that a user means.

    Args:
        path: A checkpoint folder, a `checkpoints` folder or a run folder (its newest whole checkpoint).

    Raises:
        CheckpointError: There is none.
        CorruptCheckpointError: There are some and none is whole.
    """
    if (path / CHECKPOINT_MANIFEST).is_file():
        return path
    root = path.parent if path.name == RunPaths(path.parent).checkpoints.name else path
    damaged = []
    for _, folder in reversed(RunPaths(root).found_checkpoints()):
        try:
            return open_checkpoint(folder).folder
        except CorruptCheckpointError as error:
            damaged.append(str(error))
    if damaged:
        raise CorruptCheckpointError("No checkpoint can be read", where=path, remedy=f"The newest says: {damaged[0]}")
    raise CheckpointError(
        "There is no checkpoint here",
        where=path,
        remedy="Name a run folder or one of its checkpoints (`gamefleet runs list` shows runs).",
    )
