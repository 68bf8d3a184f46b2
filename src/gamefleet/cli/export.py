"""`gamefleet export`: the weights of a checkpoint as one file for other programs.

Job: find the checkpoint and write its weights. Left out: formats, which `weights.snapshot` knows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A run folder or one of its checkpoints.")],
    output: Annotated[
        Path | None, typer.Option(help="The file to write; beside the checkpoints when left out.")
    ] = None,
) -> None:
    """Write a checkpoint's weights as one safetensors file with their provenance in its metadata."""
    from gamefleet.runs.checkpoint import find_checkpoint, open_checkpoint
    from gamefleet.weights.snapshot import Snapshot, Weights, write

    folder = find_checkpoint(checkpoint)
    opened = open_checkpoint(folder)
    snapshot = Snapshot(
        weights=Weights(version=int(opened.state().get("updates", 0)), arrays=opened.part("model")),
        run=str(opened.manifest["run"]),
        step=opened.step,
        compatibility=opened.manifest["compatibility"],
        provenance=opened.manifest["provenance"],
    )
    target = output or folder.parent.parent / f"weights-{opened.step:09d}.safetensors"
    write(target, snapshot)
    print(f"{len(snapshot.weights.arrays)} arrays, {snapshot.weights.num_bytes / 1e6:.1f} MB: {target}")
