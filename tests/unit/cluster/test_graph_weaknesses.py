"""Ways in which schedulers of skills are known to fail; each has a test that shows that this one does not."""

import ast
import dataclasses
import inspect
import re
from pathlib import Path

import msgspec
import pytest

from gamefleet.cluster.graph import events, state

TESTS = Path(__file__).parents[2]
SOURCE = TESTS.parent / "src/gamefleet"

WEAKNESSES = {
    "a checkpoint counts as success": (
        "unit/cluster/test_graph_failures.py::test_a_checkpoint_and_an_exit_code_of_zero_are_no_success"
    ),
    "what waits for a failed skill waits for ever": (
        "unit/cluster/test_graph_failures.py"
        "::test_a_failed_dependency_blocks_all_above_it_and_the_run_asks_for_another_way_and_ends"
    ),
    "a kill while the state is saved leaves half of it": (
        "topologies/test_job_graph_crashes.py::test_a_scheduler_that_dies_at_every_single_step_gets_to_the_same_end"
    ),
    "two threads change one state": (
        "unit/cluster/test_graph_weaknesses.py::test_nothing_of_the_state_can_be_changed_in_place"
    ),
    "the exit code of a job is lost": "unit/cluster/test_graph_failures.py::test_every_death_has_its_kind",
    "polling leaves slots idle": (
        "unit/topologies/test_job_graph_parts.py::test_the_end_of_any_process_wakes_and_so_does_another_thread"
    ),
    "all failures are one kind, with one budget": (
        "unit/cluster/test_graph_failures.py::test_each_kind_of_failure_has_its_own_budget"
    ),
    "two retries are one": "unit/cluster/test_graph_failures.py::test_two_retries_are_two_further_attempts",
    "any completion opens the frontier": (
        "unit/cluster/test_graph.py"
        "::test_the_guides_frontier_stays_open_for_skills_without_dependencies_and_blocks_on_one_that_waits"
    ),
    "a job waits for somebody at a terminal": (
        "architecture/test_forbidden_code.py::test_only_commands_for_people_ask_anything"
    ),
    "the last of two merges throws the other away": (
        "unit/weights/test_experts_crash.py::test_a_merge_that_another_one_overtakes_at_any_step_loses_neither"
    ),
    "what a model wrote is run": (
        "unit/skills/test_expression_gate.py::test_every_hostile_text_is_refused_as_an_expression"
    ),
    "one state decides whether a reward works": (
        "unit/skills/test_skill_verification.py::test_a_constant_reward_is_refused_and_a_rare_one_is_not"
    ),
    "experts are pickles": "architecture/test_forbidden_code.py::test_nothing_is_pickled",
    "a crash between copying and removing loses or doubles an expert": (
        "unit/weights/test_experts_crash.py::test_a_merge_that_was_killed_at_any_step_is_finished_by_the_next_one"
    ),
    "paths and environments of one machine are in the code": (
        "unit/cluster/test_graph_weaknesses.py::test_no_home_and_no_environment_of_one_machine_is_in_the_code"
    ),
}


@pytest.mark.parametrize("weakness", WEAKNESSES)
def test_each_known_weakness_has_a_test(weakness: str) -> None:
    path, name = WEAKNESSES[weakness].split("::")
    tree = ast.parse((TESTS / path).read_text())

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_nothing_of_the_state_can_be_changed_in_place() -> None:
    kinds = [
        kind
        for module in (state, events)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__
    ]
    structs = [kind for kind in kinds if issubclass(kind, msgspec.Struct)]
    records = [kind for kind in kinds if dataclasses.is_dataclass(kind)]

    assert len(structs) >= 4
    assert len(records) >= 20
    assert [kind for kind in structs if not kind.__struct_config__.frozen] == []
    assert [kind for kind in records if not kind.__dataclass_params__.frozen] == []  # type: ignore[attr-defined]
    mutable = [
        f"{kind.__name__}.{name}: {annotation}"
        for kind in (*structs, *records)
        for name, annotation in kind.__annotations__.items()
        if re.search(r"\b(list|dict|set|bytearray)\b", str(annotation))
    ]
    assert mutable == []


def test_no_home_and_no_environment_of_one_machine_is_in_the_code() -> None:
    homes = "|".join(("home", "Users", "scratch", "data", "mnt"))
    fixed = re.compile(rf"""["']/({homes})/(?!USER)|conda (activate|run) (?!gamefleet|slim)""")
    found = [
        f"{path.relative_to(SOURCE)}: {match[0]}"
        for path in sorted(SOURCE.rglob("*.py"))
        if (match := fixed.search(path.read_text()))
    ]

    assert found == []
