"""Whether all that a skill builds on can still be read, before its training begins.

Job: verify experts and end states of a plan, and name the first that is damaged. Place in the data flow: a job's first
look into the folders of its plan; what it finds goes into the job's result, and the scheduler fails the damaged skill
instead of the one that needs it. Left out: reading them for training, which the trainers do.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load

from gamefleet.errors import CorruptCheckpointError
from gamefleet.files import read_json
from gamefleet.skills.training import PlanStep, TrainingTask
from gamefleet.weights.experts_checked import read_checked_policy

FRONTIER_SHA256 = "frontier_sha256"
"""Key of a result that says which bytes the end states have; missing where a skill came from elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What cannot be read.

    Args:
        skill: Whose it is.
        reason: What is wrong, and with which file.
    """

    skill: str
    reason: str


def find_damage(task: TrainingTask) -> Damage | None:
    """The first damaged dependency of a task; None when all are whole.

    Raises:
        IncompatibleError: An expert is of a format that this version does not know.
    """
    for step in task.plan:
        try:
            check_step(step)
        except CorruptCheckpointError as error:
            return Damage(skill=step.name, reason=f"{error.what} ({error.where})")
    return None


def check_step(step: PlanStep) -> None:
    """Fail unless expert and end states of a skill are whole.

    Raises:
        CorruptCheckpointError: Names the file.
    """
    read_checked_policy(step.folder, step.index)
    path = step.folder / "frontier.safetensors"
    try:
        data = path.read_bytes()
        load(data)
    except FileNotFoundError:
        data = None
    except (OSError, SafetensorError) as error:
        raise damaged_frontier(step, path, str(error)) from error
    expected = expected_sha256(step.folder / "result.json")
    if expected and data is None:
        raise damaged_frontier(step, path, "the file is gone")
    if expected and data is not None and hashlib.sha256(data).hexdigest() != expected:
        raise damaged_frontier(step, path, "they fail their checksum")


def expected_sha256(result: Path) -> str:
    """What a skill's result says about its end states; empty where it says nothing."""
    try:
        return str(read_json(result).get(FRONTIER_SHA256, ""))
    except (OSError, ValueError):
        return ""


def damaged_frontier(step: PlanStep, path: Path, why: str) -> CorruptCheckpointError:
    """The error for end states that cannot be trusted."""
    remedy = f"Train the skill again: gamefleet skills retry {step.name}"
    return CorruptCheckpointError(f"The end states of {step.name} are damaged: {why}", where=path, remedy=remedy)
