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
    import json

    import numpy as np
    import safetensors.numpy

    from gamefleet.files import write_bytes
    from gamefleet.runs.checkpoint import find_checkpoint, open_checkpoint

    folder = find_checkpoint(checkpoint)
    opened = open_checkpoint(folder)
    weights = {name: np.ascontiguousarray(array) for name, array in opened.part("model").items()}
    metadata = {
        "format": "gamefleet weights 1",
        "step": str(opened.step),
        "run": str(opened.manifest["run"]),
        "compatibility": str(opened.manifest["compatibility"]["hash"]),
        "provenance": json.dumps(opened.manifest["provenance"], sort_keys=True),
    }
    target = output or folder.parent.parent / f"weights-{opened.step:09d}.safetensors"
    write_bytes(target, safetensors.numpy.save(weights, metadata=metadata))
    print(f"{len(weights)} arrays, {sum(array.nbytes for array in weights.values()) / 1e6:.1f} MB: {target}")
