"""What one job of a skill graph has to do, as a file.

Job: write and read a job's task: all that a trainer needs, so that a job depends on nothing that changes later. Place
in the data flow: the scheduler writes one for each leg before it hands the job over; `training` reads it.
Left out: training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamefleet.cluster.graph.order import plan
from gamefleet.cluster.graph.state import GraphState, Node
from gamefleet.errors import RunFolderError
from gamefleet.files import make_folder, read_json, write_bytes, write_json
from gamefleet.identity import derive_seed
from gamefleet.skills.module_text import write_module
from gamefleet.skills.skill import Skill
from gamefleet.skills.training import PlanStep, TrainingTask
from gamefleet.topologies.job_graph.paths import GraphPaths, TrainingPaths
from gamefleet.topologies.job_graph.settings import GraphSettings
from gamefleet.topologies.skill_trainer.settings import KEPT, what_stays


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTask:
    """One leg's work.

    Args:
        task: For the trainer.
        leg: From 1 within the skill.
        env_name: The world.
        time_limit_s: Training time of the attempt; 0 for none.
        wandb_project: Where metrics are mirrored to; empty for nowhere.
        stays: What of the attempt stays as it began although the settings have changed; empty for nothing.
    """

    task: TrainingTask
    leg: int
    env_name: str
    time_limit_s: float
    wandb_project: str = ""
    stays: str = ""


def write_task(
    paths: GraphPaths, settings: GraphSettings, state: GraphState, node: Node, names: tuple[str, ...]
) -> None:
    """Write what a skill's newest job has to do, and the skill's module for people.

    Args:
        paths: Of the graph.
        settings: Of the graph.
        state: Holds the skill's plan.
        node: The skill.
        names: The world's features.
    """
    training = paths.training(node.index, node.skill_name)
    job = node.jobs[-1]
    steps = plan(state, node.skill_name)
    for folder in (training.root, training.task(job.leg).parent, training.legs, training.output):
        make_folder(folder)
    write_bytes(training.module, module_of(node, steps, names).encode())
    content = {
        "skill": dict(node.skill),
        "index": node.index,
        "attempt": job.attempt,
        "leg": job.leg,
        "seed": derive_seed(settings.seed, purpose=f"skill {node.skill_name} attempt {job.attempt}"),
        "plan": [step_json(paths, step) for step in steps],
        "total_timesteps": settings.total_timesteps,
        "num_envs": settings.num_envs,
        "halvings": node.spent.get("out_of_memory", 0),
        "threshold": settings.threshold,
        "episodes": settings.episodes,
        "settings": settings.trainer,
        "env_name": settings.env_name,
        "time_limit_s": settings.skill_time_limit_s,
        "wandb_project": settings.wandb_project if settings.use_wandb else "",
    }
    begun = {**content, **as_begun(training, node)}
    write_json(training.task(job.leg), {**begun, "stays": what_stays(begun, content)})


def as_begun(training: TrainingPaths, node: Node) -> dict[str, Any]:
    """What stays of the first task of a skill's attempt, whose checkpoint the newest job goes on from."""
    newest = node.jobs[-1]
    first = next(job for job in node.jobs if job.attempt == newest.attempt)
    if first.leg == newest.leg:
        return {}
    try:
        found = read_json(training.task(first.leg))
    except (FileNotFoundError, ValueError):
        return {}
    return {"halvings": 0, **{name: found[name] for name in KEPT if name in found}}


def module_of(node: Node, steps: tuple[Node, ...], names: tuple[str, ...]) -> str:
    """The text of `N.py`."""
    return write_module(Skill.from_json(node.skill), [*(step.index for step in steps), node.index], names)


def step_json(paths: GraphPaths, node: Node) -> dict[str, Any]:
    """A skill of the plan; the folder is relative, so that a graph may be moved."""
    folder = paths.skill(node.index, node.skill_name).relative_to(paths.root)
    return {"name": node.skill_name, "index": node.index, "skill": dict(node.skill), "folder": str(folder)}


def read_task(paths: GraphPaths, training: TrainingPaths, leg: int) -> JobTask:
    """What a job has to do.

    Raises:
        RunFolderError: There is no such task.
    """
    path = training.task(leg)
    try:
        content = read_json(path)
    except (FileNotFoundError, ValueError) as error:
        remedy = "Jobs are started by `gamefleet skills run`, which writes it."
        raise RunFolderError("There is no task for this job", where=path, remedy=remedy) from error
    return JobTask(
        task=training_task(paths.root, training, content),
        leg=leg,
        env_name=content["env_name"],
        time_limit_s=float(content["time_limit_s"]),
        wandb_project=content.get("wandb_project", ""),
        stays=content.get("stays", ""),
    )


def training_task(root: Path, training: TrainingPaths, content: Mapping[str, Any]) -> TrainingTask:
    """The trainer's part of a task."""
    steps = [
        PlanStep(
            name=step["name"], index=step["index"], skill=Skill.from_json(step["skill"]), folder=root / step["folder"]
        )
        for step in content["plan"]
    ]
    plain = {name: content[name] for name in ("index", "attempt", "seed", "total_timesteps", "threshold", "episodes")}
    return TrainingTask(
        skill=Skill.from_json(content["skill"]),
        plan=tuple(steps),
        num_envs=content["num_envs"],
        folder=training.root,
        settings=content["settings"],
        halvings=content.get("halvings", 0),
        **plain,
    )
