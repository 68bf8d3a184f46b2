"""What must be installed before a graph of skills is opened is said at its start, and not by each of its jobs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gamefleet.cli.main import make_app
from gamefleet.errors import MissingDependencyError
from gamefleet.testing.crafting import WORLD as CRAFTING
from gamefleet.testing.orchard import WORLD as ORCHARD
from gamefleet.topologies.job_graph.settings import GraphSettings
from gamefleet.topologies.job_graph.world import open_world, require_packages

CLASSIC = "Craftax-Classic-Symbolic-v1"


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize("missing", ["jax", "craftax"])
def test_a_compiled_game_without_its_packages_is_refused_with_the_command(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, missing)

    with pytest.raises(MissingDependencyError, match=rf"not installed: .*{missing}.*`make craftax`"):
        require_packages(open_world(CLASSIC), GraphSettings())


def test_a_compiled_world_of_the_user_needs_jax_and_the_toy_world_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "jax", "craftax", "wandb")

    require_packages(CRAFTING, GraphSettings())
    with pytest.raises(MissingDependencyError, match=r"jax.*pip install 'gamefleet\[jax\]'"):
        require_packages(ORCHARD, GraphSettings())


def test_a_mirror_without_its_package_is_refused_only_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "wandb")

    require_packages(CRAFTING, GraphSettings(use_wandb=False))
    with pytest.raises(MissingDependencyError, match=r"pip install 'gamefleet\[wandb\]'"):
        require_packages(CRAFTING, GraphSettings(use_wandb=True))


@pytest.mark.parametrize(("package", "option"), [("jax", f"--env_name={CLASSIC}"), ("wandb", "--use_wandb")])
def test_nothing_is_written_or_proposed_by_a_start_that_lacks_a_package(
    package: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, package)
    graph = tmp_path / "graph"
    words = ["skills", "run", "--graph-path", str(graph), "--env_name", "gamefleet.testing.crafting:WORLD"]

    done = CliRunner().invoke(make_app(), [*words, "--proposer", "catalogue", option])

    assert isinstance(done.exception, MissingDependencyError)
    assert not graph.exists()
