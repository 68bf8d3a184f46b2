"""Checkpoints, seen by those who read them.

Job: verify a checkpoint, give out its parts, and find the one that a user means. Place in the data flow: under
`checkpoint`, which writes; evaluation and export read here. Left out: who may write.

The newest checkpoint is the last one of the *latest attempt* that has any. A process that was taken over between its
look at the fence and its rename may still add a checkpoint; it is whole, but no part of what happened afterwards, and
may have the highest step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from gamefleet.errors import CheckpointError, CorruptCheckpointError
from gamefleet.files import read_json
from gamefleet.runs.checkpoint_files import attempt_of, read_manifest_file, replay_of, verify
from gamefleet.runs.manifest import Compatibility, check_compatible, check_format
from gamefleet.runs.paths import CHECKPOINT_MANIFEST, CHECKPOINT_STATE, PART_SUFFIX, RunPaths
from gamefleet.runs.trees import unpack

MOST_TRIES: Final = 5
"""A run that so many times deletes a checkpoint before it is read saves too often to be read."""

Found = TypeVar("Found")


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


def checkpoints_in_order(paths: RunPaths) -> list[Path]:
    """Checkpoint folders that have their final name, oldest first: by attempt, within one by step."""
    ranked, attempt = [], 0
    for step, folder in paths.found_checkpoints():
        known = attempt_of(folder)
        attempt = attempt if known is None else known  # a damaged one stays beside its neighbour, to be found out
        ranked.append((attempt, step, folder))
    return [folder for _, _, folder in sorted(ranked)]


def step_of(folder: Path) -> int:
    """The step in the name of a checkpoint's folder."""
    return int(folder.name.rpartition("-")[2])


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
    damaged = []
    for folder in reversed(checkpoints_in_order(_run_of(path))):
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


def read_found(path: Path, read: Callable[[Path], Found]) -> Found:
    """What `read` makes of the checkpoint that a user means, whatever a run that trains meanwhile deletes.

    A run keeps its newest checkpoints only, and one of them may go while it is read; then the newest is read instead.

    Args:
        path: As for `find_checkpoint`.
        read: Takes a checkpoint's folder.

    Raises:
        CheckpointError: As `find_checkpoint` and `read` do, when the run's checkpoints are still those of before.
    """
    for _ in range(MOST_TRIES - 1):
        before = checkpoints_in_order(_run_of(path))
        try:
            return read(find_checkpoint(path))
        except (CheckpointError, FileNotFoundError):
            if checkpoints_in_order(_run_of(path)) == before:
                raise
    return read(find_checkpoint(path))


def _run_of(path: Path) -> RunPaths:
    """The run that a run folder or its `checkpoints` folder stands for."""
    return RunPaths(path.parent if path.name == RunPaths(path.parent).checkpoints.name else path)
