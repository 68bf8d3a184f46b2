"""Checkpoints: whole or not there, verified before they are used, old ones untouched whatever happens.

Job: save named state trees and the replay as one immutable folder, find the newest one that is whole, prune. Place in
the data flow: the training loop saves between rounds and loads on a resume; `evaluate` and `export` open single ones.
Left out: what the parts mean, and when to save (`schedule`).

    checkpoints/step-000123456/
    ├─ model.safetensors  optimizer.safetensors  <part>.safetensors
    ├─ replay/            written by the replay; unchanged files are hard links into the previous checkpoint
    ├─ state.json         small and readable
    └─ MANIFEST.json      written last: size and xxh3-128 of every file, and a checksum of itself

A save builds the folder under a temporary name, syncs every file, asks the fence and renames. Whoever is killed in
between leaves a folder that starts with `.tmp-`, which the next save removes.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from gamefleet.errors import CheckpointError, CorruptCheckpointError, GamefleetError
from gamefleet.files import (
    TEMPORARY_PREFIX,
    Fence,
    digest,
    explained,
    read_json,
    remove_folder,
    sync_folder,
    write_bytes,
    write_json,
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
        names = (name for name in self.manifest["files"] if "/" not in name and name.endswith(PART_SUFFIX))
        return tuple(sorted(name.removesuffix(PART_SUFFIX) for name in names))

    @property
    def replay(self) -> Path | None:
        """Folder of the saved replay, None when there is none."""
        folder = self.folder / REPLAY_FOLDER
        return folder if folder.is_dir() else None

    def part(self, name: str) -> dict[str, Any]:
        """Read one state tree.

        Raises:
            CheckpointError: The checkpoint has no such part.
        """
        if name not in self.parts:
            raise CheckpointError(
                "The checkpoint has no such part", value=name, where=self.folder, remedy=f"It has {self.parts}."
            )
        return unpack((self.folder / f"{name}{PART_SUFFIX}").read_bytes())

    def state(self) -> dict[str, Any]:
        """Read the small readable part."""
        return read_json(self.folder / CHECKPOINT_STATE)


def open_checkpoint(folder: Path, *, compatibility: Compatibility | None = None) -> Checkpoint:
    """Verify one checkpoint.

    Args:
        folder: The checkpoint's folder.
        compatibility: Of the present settings; None skips the comparison.

    Raises:
        CorruptCheckpointError: A file is missing, has another size or fails its checksum.
        RunFolderError: Another version of the format.
        IncompatibleError: It belongs to other settings; the first difference is named.
    """
    manifest = _read_manifest(folder)
    check_format(manifest, where=folder)
    if compatibility is not None:
        check_compatible(compatibility, manifest["compatibility"], where=folder)
    for name, expected in manifest["files"].items():
        _verify(folder / name, expected)
    return Checkpoint(folder, manifest)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / CHECKPOINT_MANIFEST
    try:
        manifest = read_json(path)
        checksum = manifest.pop("checksum", None)
    except FileNotFoundError as error:
        raise _corrupt("The checkpoint has no manifest", path) from error
    except ValueError as error:
        raise _corrupt("The checkpoint's manifest is not readable", path) from error
    if checksum != _checksum(manifest):
        raise _corrupt("The checkpoint's manifest fails its checksum", path)
    return manifest


def _verify(path: Path, expected: Mapping[str, Any]) -> None:
    if not path.is_file():
        raise _corrupt("A file of the checkpoint is missing", path)
    size = path.stat().st_size
    if size != expected["bytes"]:
        raise _corrupt(f"A file of the checkpoint has {size} instead of {expected['bytes']} bytes", path)
    if digest(path) != expected["xxh3"]:
        raise _corrupt("A file of the checkpoint fails its checksum", path)


def _corrupt(what: str, path: Path) -> CorruptCheckpointError:
    return CorruptCheckpointError(what, where=path, remedy="Use another checkpoint, or start anew with --fresh.")


def _checksum(manifest: Mapping[str, Any]) -> str:
    return xxhash.xxh3_128_hexdigest(json.dumps(manifest, sort_keys=True).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was found on a resume.

    Args:
        checkpoint: The newest whole one, None when the run never saved.
        rejected: Damaged ones that were newer, as (where it lies now, why).
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
            parts: State trees by name; `model` and `optimizer` are expected by other tools.
            state: What a person wants to read about it, JSON values.
            replay: Writes the replay; None when there is none.
            milestone: When not empty, the checkpoint is kept for good and this is why.

        Returns:
            The checkpoint; one that exists for this step already is kept as it is.

        Raises:
            StorageFullError: The disk or quota is full; all older checkpoints are untouched.
            RunFolderError: The folder is not writable, or another process took it over.
        """
        folder = self._paths.checkpoint(step)
        if folder.exists():
            return open_checkpoint(folder, compatibility=self._compatibility)
        previous = self._newest_folder()
        started = time.monotonic()
        with explained(folder), self._temporary_folder(folder) as temporary:
            for name, tree in parts.items():
                write_bytes(temporary / f"{name}{PART_SUFFIX}", pack(tree))
            write_json(temporary / CHECKPOINT_STATE, {**(state or {}), "step": step})
            if replay is not None:
                (temporary / REPLAY_FOLDER).mkdir()
                replay(temporary / REPLAY_FOLDER, _replay_of(previous))
            files = _describe_files(temporary, previous)
            facts = {"step": step, "milestone": milestone, "files": files, "seconds": time.monotonic() - started}
            manifest = self._write_manifest(temporary, facts)
            self._fence()
            os.rename(temporary, folder)
            sync_folder(folder.parent)
        self.prune()
        return Checkpoint(folder, manifest)

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
            if not _is_milestone(folder):
                self._fence()
                remove_folder(folder)

    def _newest_folder(self) -> Path | None:
        found = self._paths.found_checkpoints()
        return found[-1][1] if found else None

    def _set_aside(self, folder: Path) -> Path:
        self._fence()
        target = folder.with_name(f"{SET_ASIDE_PREFIX}{folder.name}-{secrets.token_hex(3)}")
        os.rename(folder, target)
        return target

    def _write_manifest(self, folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
        manifest = {
            "format_version": FORMAT_VERSION,
            "run": self._paths.name,
            "saved_at": time.time(),
            "compatibility": self._compatibility.as_json(),
            "provenance": provenance(),
            **facts,
        }
        write_json(folder / CHECKPOINT_MANIFEST, {**manifest, "checksum": _checksum(manifest)})
        return manifest

    @contextmanager
    def _temporary_folder(self, final: Path) -> Iterator[Path]:
        temporary = final.with_name(f"{TEMPORARY_PREFIX}{final.name}-{secrets.token_hex(6)}")
        temporary.parent.mkdir(exist_ok=True)
        temporary.mkdir()
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)  # gone already when it was renamed


def _replay_of(checkpoint: Path | None) -> Path | None:
    if checkpoint is None or not (checkpoint / REPLAY_FOLDER).is_dir():
        return None
    return checkpoint / REPLAY_FOLDER


def _describe_files(folder: Path, previous: Path | None) -> dict[str, dict[str, Any]]:
    """Size and checksum of every file, synced to the disk; hard links into `previous` keep what is known of them."""
    known = _known_files(previous)
    described = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        stat = path.stat()
        described[name] = known.get((stat.st_dev, stat.st_ino)) or {"bytes": stat.st_size, "xxh3": _sync(path)}
    for inner in {path.parent for path in folder.rglob("*")} | {folder}:
        sync_folder(inner)
    return described


def _known_files(checkpoint: Path | None) -> dict[tuple[int, int], dict[str, Any]]:
    """(device, inode) -> description of the files of an older checkpoint; empty when its manifest is not readable."""
    if checkpoint is None:
        return {}
    try:
        files = _read_manifest(checkpoint)["files"]
        stats = {name: (checkpoint / name).stat() for name in files}
    except (GamefleetError, OSError):
        return {}
    return {(stats[name].st_dev, stats[name].st_ino): files[name] for name in files}


def _sync(path: Path) -> str:
    """Sync a file and return its checksum."""
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())
    return digest(path)


def _is_milestone(folder: Path) -> bool:
    try:
        return bool(_read_manifest(folder).get("milestone"))
    except CorruptCheckpointError:
        return True  # not ours to delete: `load_newest` sets it aside and says so


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
    damaged = ""
    for _, folder in reversed(RunPaths(root).found_checkpoints()):
        try:
            return open_checkpoint(folder).folder
        except CorruptCheckpointError as error:
            damaged = damaged or str(error)
    if damaged:
        raise CorruptCheckpointError("No checkpoint can be read", where=path, remedy=f"The newest says: {damaged}")
    raise CheckpointError(
        "There is no checkpoint here",
        where=path,
        remedy="Name a run folder or one of its checkpoints (`gamefleet runs list` shows runs).",
    )
