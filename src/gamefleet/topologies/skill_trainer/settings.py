"""Settings of training a skill with PPO.

Job: the numbers of a training that are not PPO's own, and reading both from a task. Place in the data flow:
`TrainingTask.settings` -> here -> the loop. Left out: what the numbers of PPO mean (`learners.ppo_settings`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from gamefleet.errors import ConfigError, nearest
from gamefleet.learners.mixture_settings import Dependencies, Routing
from gamefleet.learners.ppo_settings import PpoSettings
from gamefleet.skills.training import TrainingTask

GPU_ENVS, CPU_ENVS = 1024, 128
"""Environments where the task leaves their number open (0): a CPU gets no faster with more."""


KEPT = ("num_envs", "halvings", "settings")
"""What of a `TrainingTask` stays from an attempt's first job to its last: a checkpoint does not fit anything else."""

POSITIVE = (
    "pool_states",
    "refreshed_states",
    "window_episodes",
    "frontier_states",
    "least_states",
    "checkpoint_s",
    "recorded_worlds",
    "recorded_rows",
)
"""Of these settings nobody can want none."""

Kind = TypeVar("Kind", "SkillTrainingSettings", PpoSettings)


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

    def __post_init__(self) -> None:
        """Refuse what there is nothing to be done with.

        Raises:
            ConfigError: A count or a time is not positive, or more states are to be replaced than there are.
        """
        for name in POSITIVE:
            if getattr(self, name) <= 0:
                raise ConfigError("This setting must be positive", value=getattr(self, name), where=f"--set {name}")
        if self.pool_states < self.refreshed_states:
            raise ConfigError(
                f"Of {self.pool_states} states {self.refreshed_states} cannot be replaced after each call",
                value=self.pool_states,
                where="--set pool_states",
                remedy=f"Choose pool_states={self.refreshed_states} or more, or refreshed_states={self.pool_states}.",
            )


def read_settings(task: TrainingTask, is_cpu: bool) -> tuple[SkillTrainingSettings, PpoSettings]:
    """The settings of a task.

    Args:
        task: `settings` may name any field of `SkillTrainingSettings` and `PpoSettings`.
        is_cpu: Decides on the number of environments where the task leaves it open.

    Raises:
        ConfigError: As `parse_settings` does.
    """
    own, ppo = parse_settings(task.settings, task.num_envs or default_envs(is_cpu))
    return own, with_less_memory(ppo, task.halvings)


def default_envs(is_cpu: bool) -> int:
    """Environments where nobody says how many."""
    return CPU_ENVS if is_cpu else GPU_ENVS


def with_less_memory(settings: PpoSettings, halvings: int) -> PpoSettings:
    """Half as many environments, that often, while they still divide into the minibatches."""
    unit = settings.minibatches // math.gcd(settings.minibatches, settings.rollout_steps)
    fewer = (settings.num_envs >> halvings) // unit * unit
    return replace(settings, num_envs=max(fewer, unit)) if halvings else settings


def what_stays(begun: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """What of an attempt stays as it began although something else is asked for now, in words; empty for nothing.

    Args:
        begun: Values of `KEPT`.
        asked: Likewise.
    """
    before, now = ({**{name: facts[name] for name in KEPT}, **facts["settings"]} for facts in (begun, asked))
    names = sorted(name for name in {*before, *now} - {"settings"} if before.get(name) != now.get(name))
    words = (f"{name} {before.get(name, 'unset')} instead of {now.get(name, 'unset')}" for name in names)
    return ", ".join(words)


def parse_settings(settings: Mapping[str, Any], num_envs: int) -> tuple[SkillTrainingSettings, PpoSettings]:
    """Sort settings by what they are of, and check them; needs no JAX.

    Args:
        settings: Values by name.
        num_envs: Environments that are moved together, unless `settings` says otherwise.

    Raises:
        ConfigError: A setting does not exist, is of another type, or is no choice.
    """
    known = {kind: {field.name for field in fields(kind)} for kind in (SkillTrainingSettings, PpoSettings)}
    for name in settings:
        if not any(name in names for names in known.values()):
            choices = sorted(known[SkillTrainingSettings] | known[PpoSettings])
            raise ConfigError("No such setting of training a skill", value=name, remedy=nearest(name, choices))
    own = {name: value for name, value in settings.items() if name in known[SkillTrainingSettings]}
    ppo = {name: value for name, value in settings.items() if name in known[PpoSettings]}
    return _typed(SkillTrainingSettings, own), _typed(PpoSettings, {"num_envs": num_envs} | ppo)


def _typed(kind: type[Kind], values: Mapping[str, Any]) -> Kind:
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        words, _, path = str(error).partition(" - at `$.")
        name = path.rstrip("`")
        choices = get_args(get_type_hints(kind)[name])
        remedy = nearest(str(values[name]), choices) if choices else f"{words}."
        raise ConfigError(
            "A setting of training a skill has a value that it cannot have",
            value=values[name],
            where=f"--set {name}",
            remedy=remedy,
        ) from error
