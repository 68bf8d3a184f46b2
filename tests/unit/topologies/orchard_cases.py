"""Skills of the compiled toy world, tasks to train them, and publishing what came out, for tests of training skills."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from gamefleet.skills.skill import Skill
from gamefleet.skills.training import PlanStep, Progress, TrainingOutcome, TrainingTask
from gamefleet.testing.orchard import WORLD
from gamefleet.weights.experts import Expert, ExpertFacts, ExpertStore

SETTINGS = {
    "rollout_steps": 8,
    "updates_per_call": 4,
    "width": 16,
    "minibatches": 2,
    "learning_rate": 5e-3,
    "pool_states": 64,
    "window_episodes": 64,
    "frontier_states": 64,
    "least_states": 8,
    "pause_calls": 2,
    "recorded_worlds": 64,
}

PICK = Skill(
    name="Pick_Fruit",
    gain={"fruit": 2.0},
    reward="min(fruit, 2) - min(before(fruit), 2)",
    success="fruit >= 2",
    max_steps=30,
)
JAM = Skill(
    name="Make_Jam",
    requires={"fruit": 1.0},
    consumes={"fruit": 1.0},
    gain={"jam": 1.0},
    reward="gained(jam)",
    success="jam >= 1",
    max_steps=30,
)


def task_of(skill: Skill, folder: Path, plan: tuple[PlanStep, ...] = (), **settings: Any) -> TrainingTask:
    """A task with the index after its plan's, few environments and quick settings."""
    return TrainingTask(
        skill=skill,
        index=len(plan),
        attempt=1,
        seed=3,
        plan=plan,
        total_timesteps=150_000,
        num_envs=16,
        folder=folder / "training_runs" / f"skill_{len(plan)}_{skill.name}",
        episodes=128,
        settings={**SETTINGS, **settings},
    )


def compile_quickly() -> None:
    """Half the time to compile; nothing in these tests runs for long."""
    import jax

    jax.config.update("jax_disable_most_optimizations", True)


def ignore(progress: Progress) -> None:
    """Report to nobody."""


def never() -> bool:
    """Whether to stop."""
    return False


def stop_after(calls: int) -> Callable[[], bool]:
    """Whether to stop: at that call."""
    counter: Iterator[int] = iter(range(10**6))
    return lambda: next(counter) >= calls - 1


def facts_of(task: TrainingTask, frames: int) -> ExpertFacts:
    """What an expert of the toy world says of itself."""
    return ExpertFacts(
        skill=task.skill.name,
        index=task.index,
        attempt=task.attempt,
        env_name=WORLD.name,
        feature_hash=WORLD.feature_hash(),
        observation_size=23,
        num_actions=5,
        frames=frames,
        seed=task.seed,
    )


def publish(graph: Path, task: TrainingTask, outcome: TrainingOutcome) -> PlanStep:
    """What the scheduler does with an outcome."""
    ExpertStore(graph).merge(Expert(facts=facts_of(task, outcome.frames), params=dict(outcome.expert)))
    folder = graph / "skills" / f"{task.index}_{task.skill.name}"
    save_file(dict(outcome.frontier), folder / "frontier.safetensors")
    return PlanStep(name=task.skill.name, index=task.index, skill=task.skill, folder=folder)
