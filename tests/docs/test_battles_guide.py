"""The commands of the guide to recorded battles are typed in order, with small numbers; the rest is in `NOT_TYPED`."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from tests.docs.newcomers import USER, Newcomer, lines_of, prepare_checkout

PAGE = "docs/guides/showdown-ddp.md"

NOT_TYPED = {
    "pip install": "the environment is set up already",
    "make showdown": "the simulator is installed already",
    "replays download": "tests/unit/games/showdown/test_replays_download.py has a hub of its own",
    "/scratch/pokechamp": "nothing was downloaded",
    "--comprehensive": "tests/unit/cli/test_check_command.py tries all of it",
    "squeue": "there is no SLURM; tests/cluster/test_launch_on_slurm.py has one",
    "slurm-JOBID.out": "likewise",
    "checkpoints_8gpu": "likewise",
    "gamefleet fleet": "likewise",
    "gamefleet dashboard": "it goes on; tests/watch look at its pages",
    "--executor local": "tests/cluster/test_launch_on_slurm.py carries a launch to its end",
    "--server": "tests/unit/games/showdown has matches on a server",
    "--browser": "it opens a browser",
    "showdown-20260101": "no run has this name",
    "--max-games 4000": "another format of what is typed above",
    "generated-gen1ou/raw": "likewise",
    "--blocks 100": "likewise",
    "--gpus-per-node 2": "tests/topologies/test_ddp_torchrun.py trains with two ranks",
}

SMALLER = {
    "--max-games 20000": "--max-games 12",
    "--blocks 250": "--blocks 2",
    "--data-dir generated-gen1ou": "--data-dir generated/processed",
    "--run learner": "--run learner --max-steps 4",
    "--best heuristic": "--best heuristic --blocks 3",
    "runs/NAME": "runs/learner",
}

LAUNCHED = "gamefleet launch"

pytestmark = [pytest.mark.long]


@pytest.fixture
def newcomer(repository: Path, repository_files: tuple[Path, ...], tmp_path: Path, simulator: Path) -> Newcomer:
    checkout = prepare_checkout(repository, repository_files, tmp_path / "checkout")
    hidden = ("SLURM", "PYTHON", "OPENAI_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    environment["PATH"] = f"{checkout}/.venv/bin:{environment['PATH']}"
    return Newcomer(checkout, environment, {**USER, **SMALLER})


def test_the_commands_of_the_guide_do_what_it_says(newcomer: Newcomer, pages: dict[str, str]) -> None:
    lines = [line for line in lines_of(pages[PAGE]) if not any(words in line for words in NOT_TYPED)]
    launches = [line for line in lines if line.startswith(LAUNCHED) and "--resume" not in line]
    others = [line for line in lines if not line.startswith(LAUNCHED)]

    assert "0 failed" in newcomer.type(others.pop(0), statuses=(0, 1))
    assert "battles" in newcomer.type(others.pop(0)), "parse --test-mode"
    assert "12" in newcomer.type(others.pop(0)), "generate"
    assert "12" in newcomer.type(others.pop(0)), "parse"
    assert len(launches) == 10
    for line in launches:
        assert "srun" in newcomer.run(f"{line} --dry-run".replace("--dry-run --dry-run", "--dry-run"))

    ladder, shown, promoted, played, trained = others
    newcomer.type(trained)
    assert "learner" in newcomer.type(ladder)
    assert re.search(r"heuristic +\|? *\S", newcomer.type(shown))
    assert "learner@4" in newcomer.type(promoted, statuses=(0, 3)), "so few games decide nothing"
    newcomer.type(played)
