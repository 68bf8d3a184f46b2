"""Checkpoints of training a skill.

Job: write and read all arrays of a training together with its counts, so that it goes on exactly. Place in the data
flow: the loop saves every now and then and when it is stopped. Left out: what the arrays mean.

A checkpoint is `<index>_policies/checkpoint-<frames>.safetensors` and, written after it, `.json` with its checksum and
the counts. One that cannot be read is set aside under `damaged-`, and the one before it is used.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray
from safetensors.numpy import load, save

from gamefleet.errors import CorruptCheckpointError
from gamefleet.files import make_folder, read_json, write_bytes, write_json
from gamefleet.skills.training import TrainingTask
from gamefleet.topologies.skill_trainer.settings import KEPT, default_envs, what_stays

log = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[Any]]

_KEPT = 2
"""Checkpoints that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A checkpoint.

    Args:
        arrays: By name.
        counts: Plain JSON values.
    """

    arrays: dict[str, NDArray[Any]]
    counts: dict[str, Any]


def checkpoint_folder(folder: Path, index: int) -> Path:
    """Where the checkpoints of a skill lie below its training folder."""
    return folder / f"{index}_policies"


def save_checkpoint(folder: Path, frames: int, saved: Saved) -> None:
    """Write a checkpoint and remove the oldest.

    Args:
        folder: See `checkpoint_folder`.
        frames: Steps trained, for the name.
        saved: What to write.
    """
    make_folder(folder)
    data = save({name: np.asarray(array, order="C") for name, array in saved.arrays.items()})
    path = folder / f"checkpoint-{frames:012d}.safetensors"
    write_bytes(path, data)
    write_json(path.with_suffix(".json"), {"xxh3": xxhash.xxh3_128(data).hexdigest(), "counts": saved.counts})
    for old in _manifests(folder)[:-_KEPT]:
        old.unlink()  # first, so that a file without it is never taken for a checkpoint
        with suppress(FileNotFoundError):
            old.with_suffix(".safetensors").unlink()


def load_checkpoint(folder: Path) -> Saved | None:
    """The newest checkpoint that is whole, or None.

    Args:
        folder: See `checkpoint_folder`.
    """
    for manifest in reversed(_manifests(folder)):
        try:
            return _read(manifest)
        except CorruptCheckpointError:
            for path in (manifest, manifest.with_suffix(".safetensors")):
                with suppress(FileNotFoundError):
                    os.replace(path, path.with_name(f"damaged-{path.name}"))
    return None


def as_begun(task: TrainingTask, *, is_cpu: bool) -> TrainingTask:
    """The task with the settings that its attempt began with, which its checkpoint knows; says so where they differ.

    Args:
        task: What is asked for now.
        is_cpu: Decides on the number of environments where nobody does; an attempt may have moved from a GPU.
    """
    asked = replace(task, num_envs=task.num_envs or default_envs(is_cpu))
    facts = _facts_of_newest(checkpoint_folder(task.folder, task.index))
    begun = replace(asked, **{name: facts[name] for name in KEPT if name in facts})
    differing = what_stays(*({name: getattr(one, name) for name in KEPT} for one in (begun, asked)))
    if differing:
        log.info("the checkpoint was trained with %s; what is asked for holds from the next attempt on", differing)
    return begun


def _facts_of_newest(folder: Path) -> Mapping[str, Any]:
    """What the newest manifest that can be read says about its task; empty where there is none."""
    for manifest in reversed(_manifests(folder)):
        with suppress(OSError, ValueError, KeyError, TypeError):
            return dict(read_json(manifest)["counts"]["task"])
    return {}


def _manifests(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*.json"))


def _read(manifest: Path) -> Saved:
    try:
        facts = read_json(manifest)
        data = manifest.with_suffix(".safetensors").read_bytes()
        if xxhash.xxh3_128(data).hexdigest() != facts["xxh3"]:
            raise ValueError("its checksum is another")
        return Saved(arrays=load(data), counts=dict(facts["counts"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptCheckpointError(f"A checkpoint of a skill is damaged ({error})", where=manifest) from error
