"""Settings of training a skill with PPO.

Job: the numbers of a training that are not PPO's own, and reading both from a task. Place in the data flow:
`TrainingTask.settings` -> here -> the loop. Left out: what the numbers of PPO mean (`learners.ppo_settings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from gamefleet.errors import ConfigError, nearest
from gamefleet.learners.mixture_settings import Dependencies, Routing
from gamefleet.learners.ppo_settings import PpoSettings
from gamefleet.skills.training import TrainingTask

GPU_ENVS, CPU_ENVS = 1024, 128
"""Environments where the task leaves their number open (0): a CPU gets no faster with more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillTrainingSettings:
    """How a skill is trained, beside PPO.

    Args:
        pool_states: States from which episodes begin, at any moment.
        refreshed_states: How many of them are replaced after each call of the compiled program.
        window_episodes: Episodes over which the success rate of training is taken.
        margin: An evaluation is worth its time when that rate is this much above the threshold.
        pause_calls: Calls between two evaluations, at least.
        frontier_states: End states to collect for skills that build on this one.
        least_states: Fewer end states than this are no place to start from; the plan is played for more.
        least_share: Nor are end states of which a smaller share than this holds what the skill asks for.
        checkpoint_s: Seconds between checkpoints.
        dependencies: `frozen`: the skill's network begins fresh. `tuned`: it begins as a copy of its last dependency's
            expert, which is trained on; the original never changes.
        routing: Who decides which expert acts. `plan`: the plan. `gate`: a gate that sees the observation alone; it is
            learned once the plan does well enough, and its success rate decides. A skill that builds on nothing has
            none.
        distils: Whether the experts of the plan are also made into one network. It never decides anything.
        recorded_worlds: Worlds in which the plan is played for gates and distilled networks to learn from.
        recorded_rows: Steps of those plays to learn from, at most.
    """

    pool_states: int = 256
    refreshed_states: int = 16
    window_episodes: int = 512
    margin: float = 0.04
    pause_calls: int = 6
    frontier_states: int = 512
    least_states: int = 64
    least_share: float = 0.9
    checkpoint_s: float = 30.0
    dependencies: Dependencies = "frozen"
    routing: Routing = "plan"
    distils: bool = False
    recorded_worlds: int = 128
    recorded_rows: int = 16384


def read_settings(task: TrainingTask, is_cpu: bool) -> tuple[SkillTrainingSettings, PpoSettings]:
    """The settings of a task.

    Args:
        task: `settings` may name any field of `SkillTrainingSettings` and `PpoSettings`.
        is_cpu: Decides on the number of environments where the task leaves it open.

    Raises:
        ConfigError: A setting does not exist, or is no choice.
    """
    known = {kind: {field.name for field in fields(kind)} for kind in (SkillTrainingSettings, PpoSettings)}
    for name in task.settings:
        if not any(name in names for names in known.values()):
            choices = sorted(known[SkillTrainingSettings] | known[PpoSettings])
            raise ConfigError("No such setting of training a skill", value=name, remedy=nearest(name, choices))
    num_envs = task.num_envs or (CPU_ENVS if is_cpu else GPU_ENVS)
    own = _chosen(task.settings, known[SkillTrainingSettings])
    _check_choices(own)
    return SkillTrainingSettings(**own), PpoSettings(
        **{"num_envs": num_envs} | _chosen(task.settings, known[PpoSettings])
    )


def _check_choices(own: Mapping[str, Any]) -> None:
    routing, distils = own.get("routing", "plan"), own.get("distils", False)
    if routing not in get_args(Routing):
        remedy = nearest(str(routing), get_args(Routing))
        raise ConfigError(
            "Nobody of this name decides which expert acts", value=routing, where="routing", remedy=remedy
        )
    if not isinstance(distils, bool):
        raise ConfigError(
            "This is neither true nor false", value=distils, where="distils", remedy="Write true or false."
        )


def _chosen(settings: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name in names}
