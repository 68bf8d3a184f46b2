"""The commands of the guide to skill graphs are typed in order, on the toy world; the rest is named in `NOT_TYPED`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.docs.newcomers import Newcomer, lines_of, prepare_checkout
from tests.waiting import until_said

PAGE = "docs/guides/skill-graph.md"

NOT_TYPED = {
    "pip install": "the environment is set up already",
    "sudo apt-get": "it changes the system",
    "Craftax-Classic-Symbolic-v1": "it trains for minutes; benchmarks/craftax_skills.py does it",
    "--llm_name": "it asks a hosted model",
    "--use_wandb": "it trains the whole of Craftax",
    "--executor slurm": "tests/cluster/test_skills_on_slurm.py trains skills on a real SLURM",
    "skills migrate": "tests/topologies/test_job_graph_migrate.py migrates a run",
    "runs/parallel_test": "it goes on with the migrated one",
}

pytestmark = [pytest.mark.long]


@pytest.fixture
def newcomer(
    repository: Path,
    repository_files: tuple[Path, ...],
    tmp_path: Path,
    require_program: Callable[[str, str], str],
) -> Iterator[Newcomer]:
    require_program("tmux", "apt-get install tmux")
    require_program("jq", "apt-get install jq")
    checkout = prepare_checkout(repository, repository_files, tmp_path / "checkout")
    sockets = tempfile.mkdtemp()  # their names may have no more than a hundred characters
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "TMUX", "PYTHON"))},
        "HOME": str(tmp_path),
        "TMUX_TMPDIR": sockets,
        "PATH": f"{checkout}/.venv/bin:{os.environ['PATH']}",
    }
    try:
        yield Newcomer(checkout, environment)
    finally:
        subprocess.run(["tmux", "kill-server"], env=environment, capture_output=True)
        shutil.rmtree(sockets)


def test_the_commands_of_the_guide_do_what_it_says(newcomer: Newcomer, pages: dict[str, str], tmp_path: Path) -> None:
    lines = [line for line in lines_of(pages[PAGE]) if not any(words in line for words in NOT_TYPED)]
    graph = newcomer.folder / "runs" / "toy"

    assert "skills-tmux" in newcomer.type(lines.pop(0), statuses=(0, 1))
    said = newcomer.type(lines.pop(0))
    assert "executor: tmux" in said
    assert "The run has ended" in said
    assert completed(graph) == 6
    assert "The run has ended" in newcomer.type(lines.pop(0))
    newcomer.type(lines.pop(0))
    assert completed(graph) == 8

    assert re.search(r"Collect_Wood +completed", newcomer.type(lines.pop(0)))
    assert "Collect_Wood" in interrupted(newcomer, lines.pop(0), tmp_path / "watch.log", until="completed")
    assert "succeeded" in newcomer.type(lines.pop(0)), "the log of a skill that has ended is shown, and that is all"
    newcomer.type(lines.pop(0), statuses=(1, 2, 3, 4, 5, 6))  # a skill that has ended has no session
    newcomer.type(lines.pop(0), statuses=(0, 1))
    assert newcomer.type(lines.pop(0)) == "", "nothing waits any more"
    newcomer.type(lines.pop(0))
    newcomer.type(lines.pop(0), statuses=(1, 2, 3, 4, 5, 6))  # only what failed is tried again
    assert lines == []


def test_the_resolver_of_the_guide_can_be_named(newcomer: Newcomer, pages: dict[str, str]) -> None:
    [snippet] = re.findall(r"^```python\n(.*?)^```", pages[PAGE], re.MULTILINE | re.DOTALL)
    (newcomer.folder / "mine.py").write_text(snippet)

    newcomer.run(
        "PYTHONPATH=. gamefleet skills run --resolver mine:manual --env_name gamefleet.testing.crafting:WORLD"
        " --graph-path runs/mine --max_nodes 2 --executor local"
    )

    assert completed(newcomer.folder / "runs" / "mine") == 2


def completed(graph: Path) -> int:
    state = json.loads((graph / "scheduler_state.json").read_text())
    return sum(node["status"] == "completed" for node in state["skills"])


def interrupted(newcomer: Newcomer, line: str, log: Path, until: str) -> str:
    """Type a line that goes on, and press Ctrl-C once it has said something."""
    process = newcomer.begin(line, log)
    until_said(re.escape(until), log, process)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=300)
    return log.read_text()
