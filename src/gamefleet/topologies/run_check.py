"""Can a run go on: its newest checkpoint is opened and verified.

Job: the checks of one run folder. Place in the data flow: `gamefleet doctor --run`. Left out: mending; a resume sets
damaged checkpoints aside by itself.
"""

from __future__ import annotations

from pathlib import Path

from gamefleet.cluster.checks.base import Check, Result, described, failed, not_asked, ok, skipped, warning
from gamefleet.errors import CorruptCheckpointError, RunFolderError, nearest
from gamefleet.runs.checkpoint_reading import Checkpoint, checkpoints_in_order, open_checkpoint
from gamefleet.runs.folder import is_run
from gamefleet.runs.paths import RunPaths

CHECKPOINT_TIMEOUT_S = 900.0
"""Every byte of a checkpoint is read, and there may be gigabytes of them."""


def checks_of_run(name: str, runs_folder: Path, game: str) -> list[Check]:
    """Checks of one run.

    Args:
        name: The run; empty has the check say that none was named.
        runs_folder: The folder that holds the runs.
        game: For the commands in remedies.
    """
    if not name:
        return not_asked(["checkpoint"], "run", "no run was named: --run NAME")
    return [
        Check(
            name="checkpoint",
            group="run",
            run=lambda: check_checkpoint(runs_folder, name, game),
            timeout_s=CHECKPOINT_TIMEOUT_S,
        )
    ]


def check_checkpoint(runs_folder: Path, name: str, game: str) -> Result:
    """Open and verify the newest checkpoint of a run, or the newest that can be."""
    paths = RunPaths(runs_folder / name)
    if not is_run(paths):
        known = [manifest.parent.name for manifest in runs_folder.glob("*/manifest.json")]
        raise RunFolderError("There is no such run", value=name, where=runs_folder, remedy=nearest(name, known))
    damaged: list[str] = []
    whole: Checkpoint | None = None
    for folder in reversed(checkpoints_in_order(paths)):
        try:
            whole = open_checkpoint(folder)
            break
        except CorruptCheckpointError as error:
            damaged.append(described(error))
    resume = f"gamefleet train {game} --run {name}"
    return judge_checkpoints(None if whole is None else whole.step, damaged, resume)


def judge_checkpoints(step: int | None, damaged: list[str], resume: str) -> Result:
    """Whether a run can go on.

    Args:
        step: Of the newest whole checkpoint; None without one.
        damaged: What is wrong with newer ones, newest first.
        resume: The command that continues the run, without its last word.
    """
    if step is None and not damaged:
        return skipped("the run has no checkpoint yet")
    if step is None:
        return failed(
            f"none of {len(damaged)} checkpoints can be read: {damaged[0]}",
            f"Restore them from a copy, or start anew, which keeps the files: `{resume} --fresh`.",
        )
    if damaged:
        return warning(
            f"{len(damaged)} damaged, step {step:,} is whole: {damaged[0]}",
            f"Resume as usual: what is damaged is set aside. `{resume} --resume`. Then have the disk looked at.",
        )
    return ok(f"the newest, of step {step:,}, is whole: every file has its size and checksum")
