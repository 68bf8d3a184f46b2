"""What `gamefleet skills` prints: of odd states, as commands to paste, and with which exit code it ends."""

import json
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gamefleet.cli.main import make_app
from gamefleet.cli.skills_run import assignment, say_end
from gamefleet.cluster.graph.state import GraphState, Node
from gamefleet.errors import ConfigError


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"skills": [{}], "usage": None, "frontier": None},
        {"skills": [3, {"skill_name": "A", "frames": "many", "progress": [], "dependencies": None, "seconds": "x"}]},
        {"skills": {"a": 1}, "usage": [], "settings": 3},
        {"skills": [{"skill_name": "A", "status": 7, "index": None}], "usage": {"calls": 1, "cost_usd": "x"}},
    ],
)
def test_the_status_of_an_odd_state_is_shown(content: object, tmp_path: Path) -> None:
    (tmp_path / "scheduler_state.json").write_text(json.dumps(content))

    shown = CliRunner().invoke(make_app(), ["skills", "status", "--graph-path", str(tmp_path)])

    assert (shown.exit_code, "skills: " in shown.output) == (0, True), shown


def test_commands_to_go_on_with_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "a graph ü"

    say_end(root, GraphState(id="x"))

    words = shlex.split(capsys.readouterr().out.partition("Go on with: ")[2])
    assert words == ["gamefleet", "skills", "run", "--graph-path", str(root)]


def test_a_run_without_any_completed_skill_ends_with_an_exit_code(tmp_path: Path) -> None:
    say_end(tmp_path, GraphState(id="x", outcome="done", skills=(Node(skill_name="A", index=0, status="completed"),)))
    say_end(tmp_path, GraphState(id="x", outcome="stopped as asked", is_stopping=True))

    with pytest.raises(typer.Exit) as end:
        say_end(tmp_path, GraphState(id="x", outcome="no skills; the proposer failed: it broke"))

    assert end.value.exit_code == 1


def test_a_setting_of_the_trainer_needs_a_value() -> None:
    assert assignment("rate=1e-3") == ("rate", 0.001)
    with pytest.raises(ConfigError, match="has no value"):
        assignment("rate=")
