"""A model is told how to answer in Python where that is allowed, can, and is refused where it cannot be trained."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.skills.model_cases import CONTEXT, GOOD, make_proposer, skill_text

from gamefleet.skills.client_answer import find_object
from gamefleet.skills.prompts import FOLDER, load_prompts
from gamefleet.skills.sandbox import Sandbox, find_sandbox
from gamefleet.skills.sandbox_check import check_source
from gamefleet.skills.skill import MAX_SOURCE_CHARACTERS, Skill, skill_schema
from gamefleet.skills.verify import verify
from gamefleet.testing.crafting import WORLD
from gamefleet.testing.model_server import ModelServer, Reply

SOURCE = """
def reward(now, before):
    return now["wood"] - before["wood"]

def success(now, before):
    return now["wood"] >= 4
"""
ALLOWED = replace(CONTEXT, allows_python=True)


def python_text(**changes: Any) -> str:
    return skill_text(**{"python": SOURCE, "reward": "", "success": "", **changes})


def test_the_prompt_tells_how_to_answer_in_python_only_where_that_is_allowed() -> None:
    without = load_prompts().messages(CONTEXT)[0]["content"]
    with_python = load_prompts().messages(ALLOWED)[0]["content"]

    assert "ython" not in without
    assert with_python.startswith(without)
    assert '"python": the source of a module' in with_python
    assert f"at most {MAX_SOURCE_CHARACTERS} characters" in with_python


def test_the_schema_lets_python_through_only_where_that_is_allowed() -> None:
    schema = skill_schema(WORLD, allows_python=True)

    assert schema["properties"]["python"] == {"type": "string"}
    assert "python" in schema["required"]
    assert "python" not in skill_schema(WORLD)["properties"]


@pytest.mark.parametrize("name", ["system.md", "python.md"])
def test_the_examples_of_the_prompts_are_skills(name: str) -> None:
    example = (FOLDER / name).read_text().partition("Example, for another world:\n")[2]

    skill = Skill.from_json(find_object(example))

    assert bool(skill.python) == (name == "python.md")
    if skill.python:
        check_source(skill.python)


def test_a_model_s_answer_in_python_becomes_a_skill(tmp_path: Path) -> None:
    with ModelServer([Reply(text=python_text())]) as server:
        skill = make_proposer(server, tmp_path).propose(ALLOWED).skill

    schema = server.questions[0].body["response_format"]["json_schema"]["schema"]
    assert "python" in schema["required"]
    assert skill is not None
    assert (skill.python, skill.reward, skill.success) == (SOURCE, "python", "python")
    assert Skill.from_json(skill.as_json()) == skill


@pytest.mark.parametrize("empty", ["", " \n", None])
def test_an_empty_source_is_a_skill_with_expressions(empty: str | None) -> None:
    assert Skill.from_json({**json.loads(GOOD), "python": empty}) == Skill.from_json(json.loads(GOOD))


def test_a_proposal_says_how_many_skills_it_may_build_on(tmp_path: Path) -> None:
    with ModelServer([Reply(text=GOOD)]) as server:
        asked = [replace(CONTEXT, max_dependencies=limit) for limit in (16, 2)]
        found = [make_proposer(server, tmp_path).propose(context).max_dependencies for context in asked]

    assert found == [load_prompts().max_dependencies, 2]


def test_a_python_skill_is_refused_in_a_compiled_world_before_anything_is_started() -> None:
    world = dataclasses.replace(WORLD, make_trainer=None)
    skill = Skill.from_json(json.loads(python_text()))

    verdict = verify(skill, world, sandbox=Sandbox(program="no-such-program", description=""))

    assert verdict.statistics["failed_checks"] == ["python"]
    assert "cannot be trained in this world, which is compiled" in verdict.reasons[0]
    assert "expressions" in verdict.reasons[0]


def test_a_model_s_python_skill_is_verified_in_the_sandbox(
    tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    require_program("bwrap", "apt install bubblewrap")
    with ModelServer([Reply(text=python_text())]) as server:
        skill = make_proposer(server, tmp_path).propose(ALLOWED).skill

    assert skill is not None
    assert verify(skill, WORLD, sandbox=find_sandbox()).reasons == ()
