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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamefleet.errors import CorruptCheckpointError, RunFolderError
from gamefleet.files import (
    TEMPORARY_PREFIX,
    Fence,
    explained,
    remove_folder,
    sync_folder,
    write_bytes,
    write_json,
)
from gamefleet.runs.checkpoint_files import (
    describe_files,
    is_milestone,
    replay_of,
    verify_size,
    write_manifest_file,
)
from gamefleet.runs.checkpoint_reading import (
    Checkpoint,
    checkpoints_in_order,
    find_checkpoint,
    open_checkpoint,
    step_of,
)
from gamefleet.runs.manifest import FORMAT_VERSION, Compatibility, provenance
from gamefleet.runs.paths import CHECKPOINT_STATE, PART_SUFFIX, REPLAY_FOLDER, SET_ASIDE_PREFIX, RunPaths
from gamefleet.runs.trees import Tree, pack

__all__ = ["Checkpoint", "CheckpointStore", "Loaded", "SaveReplay", "find_checkpoint", "open_checkpoint"]

SaveReplay = Callable[[Path, Path | None], None]
"""`(folder, previous)`: write the replay into the empty `folder`; `previous` holds the last saved one, or is None."""


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
        attempt: `OpenRun.attempt`; checkpoints of a later attempt count as newer, whatever their step.

    Attributes:
        protected: Steps that are never pruned.
    """

    def __init__(
        self, paths: RunPaths, *, compatibility: Compatibility, fence: Fence, keep: int = 3, attempt: int = 0
    ) -> None:
        self._paths = paths
        self._compatibility = compatibility
        self._fence = fence
        self._keep = keep
        self._attempt = attempt
        self.protected: frozenset[int] = frozenset()
        self._last: Checkpoint | None = None

    def drop(self, steps: Iterable[int]) -> None:
        """Delete some checkpoints; the newest one is not to be among them."""
        for step in steps:
            self._fence()
            remove_folder(self._paths.checkpoint(step))

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
        self._fence()
        folder = self._paths.checkpoint(step)
        if (existing := self._existing(folder)) is not None:
            self._last = existing
            return existing
        with self._temporary_folder(folder) as temporary:
            for name, tree in parts.items():
                write_bytes(temporary / f"{name}{PART_SUFFIX}", pack(tree))
            write_json(temporary / CHECKPOINT_STATE, {**(state or {}), "step": step})
            manifest = self._finish(temporary, folder, replay, {"step": step, "milestone": milestone})
        self._last = Checkpoint(folder, manifest)
        self.prune()
        return self._last

    def _finish(
        self, temporary: Path, folder: Path, replay: SaveReplay | None, facts: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Add the replay and the manifest, and give the folder its final name."""
        previous = None if self._last is None else self._last.folder
        if replay is not None:
            (temporary / REPLAY_FOLDER).mkdir()
            replay(temporary / REPLAY_FOLDER, replay_of(previous))
        manifest = {
            "format_version": FORMAT_VERSION,
            "gamefleet_version": provenance()["gamefleet_version"],
            "run": self._paths.name,
            "attempt": self._attempt,
            "saved_at": time.time(),
            "compatibility": self._compatibility.as_json(),
            "provenance": provenance(),
            "files": describe_files(temporary, previous),
            **facts,
        }
        write_manifest_file(temporary, manifest)
        self._fence()
        os.rename(temporary, folder)
        sync_folder(folder.parent)
        return manifest

    def load_newest(self, *, among: Collection[int] | None = None) -> Loaded:
        """Find the newest whole checkpoint; newer damaged ones get a name that starts with `unreadable-`.

        Args:
            among: Steps that are meant; the others are let be. All when None.

        Raises:
            CorruptCheckpointError: There are checkpoints and none is whole.
            IncompatibleError: The newest whole one belongs to other settings.
        """
        rejected: list[tuple[Path, str]] = []
        for folder in reversed(checkpoints_in_order(self._paths)):
            if among is not None and step_of(folder) not in among:
                continue
            try:
                self._last = open_checkpoint(folder, compatibility=self._compatibility)
            except CorruptCheckpointError as error:
                rejected.append((self._set_aside(folder), str(error)))
            else:
                return Loaded(checkpoint=self._last, rejected=tuple(rejected))
        if rejected:
            raise CorruptCheckpointError(
                f"None of the {len(rejected)} checkpoints of this run can be read",
                where=self._paths.checkpoints,
                remedy=f"The newest says: {rejected[0][1]} Start anew with --fresh, which keeps the old files.",
            )
        return Loaded(checkpoint=None, rejected=())

    def steps(self) -> list[int]:
        """Steps of all checkpoints that have their final name, the newest last; whether they are whole is not known."""
        return [step_of(folder) for folder in checkpoints_in_order(self._paths)]

    def prune(self) -> None:
        """Delete all but the newest `keep` checkpoints and those at milestones, and remains of interrupted saves."""
        self._fence()  # what looks like remains to a process that was taken over is its successor's work
        for remains in self._paths.checkpoints.glob(f"{TEMPORARY_PREFIX}*"):
            shutil.rmtree(remains, ignore_errors=True)
        for folder in checkpoints_in_order(self._paths)[: -self._keep]:
            if not is_milestone(folder) and step_of(folder) not in self.protected:
                self._fence()
                remove_folder(folder)

    def _existing(self, folder: Path) -> Checkpoint | None:
        """The checkpoint that is there already, unless it is damaged or no part of this attempt's past."""
        if not folder.exists():
            return None
        try:
            if self._last is not None and self._last.folder == folder:
                # Read or written by this process: reading gigabytes again would eat the time before a job's end.
                for name, expected in self._last.manifest["files"].items():
                    verify_size(folder / name, expected)
                return self._last
            found = open_checkpoint(folder, compatibility=self._compatibility)
        except CorruptCheckpointError:
            self._set_aside(folder)
            return None
        if found.manifest.get("attempt", 0) == self._attempt:
            return found
        remove_folder(folder)  # added by an attempt that had been taken over; see `checkpoint_reading`
        return None

    def _set_aside(self, folder: Path) -> Path:
        self._fence()
        target = folder.with_name(f"{SET_ASIDE_PREFIX}{folder.name}-{secrets.token_hex(3)}")
        os.rename(folder, target)
        return target

    @contextmanager
    def _temporary_folder(self, final: Path) -> Iterator[Path]:
        temporary = final.with_name(f"{TEMPORARY_PREFIX}{final.name}-{secrets.token_hex(6)}")
        try:
            with explained(final):
                temporary.parent.mkdir(exist_ok=True)
                temporary.mkdir()
                yield temporary
        except (RunFolderError, OSError):
            # A successor sweeps away what this process writes, or took the name: that is the error, not what follows.
            self._fence()
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)  # gone already when it was renamed
