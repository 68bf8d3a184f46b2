"""`gamefleet export`: the weights of a checkpoint as one file for other programs.

Job: find the checkpoint and write its weights. Left out: formats, which `weights.snapshot` knows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gamefleet.weights.snapshot import Snapshot


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A run folder or one of its checkpoints.")],
    output: Annotated[
        Path | None, typer.Option(help="The file to write; beside the checkpoints when left out.")
    ] = None,
) -> None:
    """Write a checkpoint's weights as one safetensors file with their provenance in its metadata."""
    from gamefleet.runs.checkpoint_reading import read_found
    from gamefleet.weights.snapshot import write

    snapshot, run = read_found(checkpoint, snapshot_of)
    target = output or run / f"weights-{snapshot.step:09d}.safetensors"
    write(target, snapshot)
    print(f"{len(snapshot.weights.arrays)} arrays, {snapshot.weights.num_bytes / 1e6:.1f} MB: {target}")


def snapshot_of(folder: Path) -> tuple[Snapshot, Path]:
    """The weights of a checkpoint with where they come from, and the folder of their run."""
    from gamefleet.runs.checkpoint_reading import open_checkpoint
    from gamefleet.weights.snapshot import Snapshot, Weights

    opened = open_checkpoint(folder)
    snapshot = Snapshot(
        weights=Weights(version=int(opened.state().get("updates", 0)), arrays=opened.part("model")),
        run=str(opened.manifest["run"]),
        step=opened.step,
        compatibility=opened.manifest["compatibility"],
        provenance=opened.manifest["provenance"],
    )
    return snapshot, folder.parent.parent
