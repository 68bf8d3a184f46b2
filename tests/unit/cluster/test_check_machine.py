"""Python, packages and memory of a machine, judged."""

from __future__ import annotations

import pytest

from gamefleet.cluster.checks.base import run_checks
from gamefleet.cluster.checks.machine import (
    installed,
    judge_memory,
    judge_packages,
    judge_python,
    machine_checks,
    requirements,
)

NEEDS = {"": ["numpy", "typing_extensions"], "torch": ["torch"], "red": ["pyboy", "av"], "dev": ["nothing"]}
CORE = {"gamefleet": "1.2", "numpy": "2.0", "typing-extensions": "4"}


def test_an_old_python_fails_with_the_command_that_makes_a_new_one() -> None:
    result = judge_python((3, 9, 18), "/usr")
    assert result.status == "failed"
    assert "3.9.18" in result.found
    assert "conda create" in result.remedy


def test_missing_packages_of_the_core_fail_by_name() -> None:
    result = judge_packages(NEEDS, {"gamefleet": "1.2", "numpy": "2.0"}, [])
    assert result.status == "failed"
    assert "typing_extensions" in result.found


def test_missing_packages_of_the_game_are_a_warning_with_the_extras_to_install() -> None:
    result = judge_packages(NEEDS, {**CORE, "av": "12"}, ["torch", "red"])
    assert result.status == "warning"
    assert "torch, pyboy" in result.found
    assert result.remedy == "pip install 'gamefleet[torch,red]'"


def test_extras_that_nobody_needs_are_only_told() -> None:
    result = judge_packages(NEEDS, {**CORE, "torch": "2"}, ["torch"])
    assert result.status == "ok"
    assert "with torch" in result.found
    assert "not installed: red" in result.found


def test_the_metadata_of_the_installed_package_is_read() -> None:
    assert {"numpy", "typer"} <= set(requirements()[""])
    assert "torch" in requirements()["torch"]
    assert "numpy" in installed()


@pytest.mark.parametrize(("free", "status"), [(1 << 30, "warning"), (8 << 30, "ok")])
def test_little_free_memory_is_a_warning_with_smaller_settings(free: int, status: str) -> None:
    result = judge_memory(free, 16 << 30, 4)
    assert result.status == status
    assert "4 processors" in result.found
    assert ("--num-envs 2" in result.remedy) == (status == "warning")


def test_this_machine_passes() -> None:
    assert {result.status for _, result in run_checks(machine_checks(needed_extras=[]))} <= {"ok", "warning"}
