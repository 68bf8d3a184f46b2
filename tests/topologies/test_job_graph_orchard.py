"""A graph of skills in a compiled world: one after the other or side by side, the mixture is the same."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.topologies.graph_cases import start, state_of
from tests.unit.topologies.orchard_cases import JAM, PICK, SETTINGS

from gamefleet.skills.proposer import Usage
from gamefleet.skills.replayed import Conversation, Exchange
from gamefleet.skills.skill import Skill
from gamefleet.testing.orchard import WORLD
from gamefleet.weights.experts import ExpertStore

FIND = Skill(name="Find_Bench", gain={"near_bench": 1.0}, reward="near_bench", success="near_bench", max_steps=30)
SKILLS = (PICK, FIND, replace(JAM, depends_on=(PICK.name, FIND.name)))


def command(conversation: Path, num_parallel: int) -> list[str]:
    """Options of a run that is told three skills."""
    settings = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    return [
        "--env_name", WORLD.name, "--executor", "local", "--proposer", f"replay:{conversation}", "--max_nodes", "3",
        "--max_parallel_skills", str(num_parallel), "--max_retries", "0", "--total_timesteps", "1.5e5",
        "--scheduler_poll_interval", "1", "--num_envs", "16", "--no-use_wandb", *settings,
        # As many worlds as a pool has states, so that plans are compiled for one size.
        "--episodes", str(SETTINGS["pool_states"]), "--threshold", "0.8",
    ]  # fmt: skip


def finished(root: Path, conversation: Path, num_parallel: int) -> list[dict[str, Any]]:
    """The skills of a run that came to its end."""
    run = start(root, *command(conversation, num_parallel))
    output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output
    skills: list[dict[str, Any]] = state_of(root)["skills"]
    assert [skill["status"] for skill in skills] == ["completed"] * 3, output
    return skills


@pytest.mark.long
def test_skills_that_train_side_by_side_give_the_same_mixture_as_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_module: Callable[[str, str], None]
) -> None:
    require_module("jax", "make craftax")
    # What the first job compiles the others read.
    monkeypatch.setenv("GAMEFLEET_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    conversation = tmp_path / "conversation.jsonl"
    for skill in SKILLS:
        Conversation(path=conversation).add(Exchange(text=json.dumps(skill.as_json()), usage=Usage()), {})

    alone = finished(tmp_path / "alone", conversation, 1)
    beside = finished(tmp_path / "beside", conversation, 2)

    names = [skill["skill_name"] for skill in alone]
    assert names == [skill["skill_name"] for skill in beside] == [skill.name for skill in SKILLS]
    assert alone[2]["dependencies"] == beside[2]["dependencies"] == [PICK.name, FIND.name]
    first, second = ([skill["jobs"][0] for skill in skills] for skills in (alone, beside))
    assert first[0]["ended_at"] <= first[1]["asked_at"]
    assert second[0]["ended_at"] > second[1]["asked_at"], "the first two trained at the same time"
    contents = [ExpertStore(tmp_path / name).latest().contents for name in ("alone", "beside")]
    assert contents[0] == contents[1]
