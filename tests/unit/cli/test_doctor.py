"""`gamefleet doctor` as a user meets it: lines, remedies, exit codes, JSON, a choice of checks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from gamefleet.cli.doctor import as_object, doctor, report
from gamefleet.cli.errors import run_and_explain
from gamefleet.cluster.checks.base import Check, Result, failed, ok, skipped, warning

Answer = tuple[int, str, str]
LIGHT = ("--only", "machine", "--only", "storage", "--only", "shared-folder", "--only", "ssh", "--only", "rsync")


@pytest.fixture
def run_doctor(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Call with words of the command line: status, standard output, standard error."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command("doctor")(doctor)

    def run(*words: object) -> Answer:
        status = run_and_explain(lambda: app(args=[*map(str, words)], standalone_mode=False), debug=False)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def pair(name: str, result: Result) -> tuple[Check, Result]:
    return Check(name=name, group="g", run=lambda: result), result


def test_a_sound_machine_exits_with_zero_and_a_line_for_each_check(
    run_doctor: Callable[..., Answer], tmp_path: Path
) -> None:
    status, out, _ = run_doctor("--runs-folder", tmp_path, *LIGHT)
    assert status == 0
    for name in ("python", "memory", "folder", "disk-write", "rename", "visibility", "clock"):
        assert any(f"  {name}: " in line for line in out.splitlines()), name
    assert "0 failed" in out.splitlines()[-1]


def test_without_a_host_one_line_says_what_was_left_out_and_how_to_ask_for_it(
    run_doctor: Callable[..., Answer], tmp_path: Path
) -> None:
    _, out, _ = run_doctor("--runs-folder", tmp_path, "--only", "ssh", "--only", "rsync")
    assert out.splitlines()[0] == (
        "skip  ssh-key, ssh-connection, ssh-clock, rsync-here, rsync-there, rsync-round-trip:"
        " no host was named: --host USER@HOST"
    )


def test_a_failure_exits_with_one_and_shows_below_it_what_mends_it(
    run_doctor: Callable[..., Answer], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    status, out, _ = run_doctor("--runs-folder", tmp_path / "file", "--only", "folder")
    assert status == 1
    lines = out.splitlines()
    assert lines[0].startswith("FAIL  folder: ")
    assert lines[1].startswith("      -> ")
    assert "--runs-folder" in lines[1]


def test_a_partition_on_a_machine_without_slurm_fails(
    run_doctor: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    status, out, _ = run_doctor("--partition", "gpu", "--only", "slurm")
    assert status == 1
    assert "sbatch is not on the PATH" in out
    assert "login node" in out
    status, out, _ = run_doctor("--only", "slurm")
    assert status == 0
    assert out.startswith("skip  slurm-programs, ")


def test_json_holds_every_check_and_nothing_else_is_printed(run_doctor: Callable[..., Answer], tmp_path: Path) -> None:
    status, out, _ = run_doctor("--runs-folder", tmp_path, *LIGHT, "--json")
    told = json.loads(out)
    assert status == 0
    assert {"name", "group", "status", "found", "remedy", "seconds"} == set(told["checks"][0])
    assert {check["group"] for check in told["checks"]} == {"machine", "storage", "shared-folder", "ssh", "rsync"}
    assert sum(told["counts"].values()) == len(told["checks"])


def test_an_unknown_check_is_refused_with_the_nearest_name(run_doctor: Callable[..., Answer]) -> None:
    status, _, err = run_doctor("--only", "memry")
    assert status == 2
    assert "Did you mean 'memory'?" in err


def test_the_checks_of_skills_need_no_game_to_be_named(run_doctor: Callable[..., Answer], tmp_path: Path) -> None:
    _, out, _ = run_doctor("--runs-folder", tmp_path, "--only", "skills")
    assert [
        name for name in ("skills-jax", "skills-tmux", "skills-model", "skills-gpu-memory") if name not in out
    ] == []

    _, one, _ = run_doctor("--runs-folder", tmp_path, "--only", "skills-tmux")
    assert "skills-jax" not in one


def test_a_warning_fails_only_when_asked_to(
    run_doctor: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No game has this extra, so that the packages are never complete.
    monkeypatch.setattr("gamefleet.cli.doctor.EXTRAS", {"pokemon_red": ("torch", "absent")})
    monkeypatch.setattr(
        "gamefleet.cluster.checks.machine.requirements", lambda: {"": [], "absent": ["no-such-package"]}
    )
    words = ("--runs-folder", tmp_path, "--only", "packages")
    status, out, _ = run_doctor(*words)
    assert status == 0
    assert out.startswith("warn  packages: ")
    assert "pip install" in out
    assert run_doctor(*words, "--strict")[0] == 1


def test_a_run_that_does_not_exist_fails_with_the_names_of_those_that_do(
    run_doctor: Callable[..., Answer], tmp_path: Path
) -> None:
    (tmp_path / "red1").mkdir()
    (tmp_path / "red1" / "manifest.json").write_text("{}")
    status, out, _ = run_doctor("--runs-folder", tmp_path, "--run", "red2", "--only", "checkpoint")
    assert status == 1
    assert "no such run: 'red2'" in out
    assert "'red1'" in out


def test_lines_have_one_form_for_each_status(capsys: pytest.CaptureFixture[str]) -> None:
    results = [
        pair("a", ok("well")),
        pair("b", warning("so so", "wait")),
        pair("c", failed("bad", "mend it")),
        pair("d", skipped("no host")),
        pair("e", skipped("no host")),
        pair("f", skipped("no run")),
    ]
    assert report(results, as_json=False) == results
    assert capsys.readouterr().out == (
        "ok    a: well\n"
        "warn  b: so so\n      -> wait\n"
        "FAIL  c: bad\n      -> mend it\n"
        "skip  d, e: no host\n"
        "skip  f: no run\n"
        "\n6 checks: 1 ok, 1 with a warning, 1 failed, 3 skipped.\n"
    )


def test_the_object_counts_by_status() -> None:
    assert as_object([pair("a", ok("x")), pair("b", ok("y")), pair("c", skipped("z"))])["counts"] == {
        "ok": 2,
        "skipped": 1,
    }
