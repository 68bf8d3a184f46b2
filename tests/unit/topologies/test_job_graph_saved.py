"""What a start of a skill graph refuses: lost and odd files, values that cannot work, a resolver that is none."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.topologies.graph_cases import WORLD_NAME

from gamefleet.cluster.graph.events import ProposalFailed
from gamefleet.cluster.graph.state import GraphState, Node, SkillJob
from gamefleet.cluster.local.spool import JobFolder
from gamefleet.errors import ConfigError, GamefleetError, RunFolderError
from gamefleet.files import write_json
from gamefleet.runs.paths import RunPaths
from gamefleet.skills.catalogue import CatalogueProposer
from gamefleet.skills.skill import Skill
from gamefleet.skills.world import SkillWorld
from gamefleet.testing.crafting import WORLD
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.proposals import Proposals
from gamefleet.topologies.job_graph.settings import GraphSettings, checked, settings_for
from gamefleet.topologies.job_graph.start import GraphRun, restore, run_graph, take
from gamefleet.topologies.job_graph.view import Account, whole


def saved(root: Path, **settings: Any) -> tuple[GraphPaths, dict[str, Any]]:
    """A graph of two skills as a scheduler leaves it, without the file of its settings."""
    account = Account(settings=GraphSettings(**settings), proposer="test", executor="local", host="here")
    nodes = (
        Node(skill_name="Collect_Wood", index=0, status="completed"),
        Node(skill_name="Place_Table", index=1, dependencies=("Collect_Wood",)),
    )
    content = json.loads(json.dumps(whole(GraphState(id="abc", skills=nodes), account, 1.0)))
    paths = GraphPaths(root)
    write_json(paths.state, content)
    return paths, content


def test_lost_settings_are_taken_from_the_state(tmp_path: Path) -> None:
    paths, _ = saved(tmp_path, env_name=WORLD_NAME, total_timesteps=5000)

    settings = settings_for(paths, {"max_nodes": 6})

    assert (settings.env_name, settings.total_timesteps, settings.max_nodes) == (WORLD_NAME, 5000, 6)
    with pytest.raises(ConfigError, match="another env_name"):
        settings_for(paths, {"env_name": "Y"})


def test_settings_that_are_nowhere_are_not_made_up(tmp_path: Path) -> None:
    paths, content = saved(tmp_path)
    write_json(paths.state, {**content, "settings": None})

    with pytest.raises(ConfigError, match="settings are lost"):
        settings_for(paths, {})


def test_a_graph_path_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(RunFolderError, match="folder is a file"):
        settings_for(GraphPaths(tmp_path / "file"), {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retry_pause_s", float("inf")),
        ("skill_time_limit_s", float("nan")),
        ("max_cost", float("inf")),
        ("scheduler_poll_interval", float("inf")),
        ("trainer", {"learning_rate": float("inf")}),
        ("tmux_socket", "../x y"),
        ("num_envs", 100_000_000),
        ("wandb_project", ""),
    ],
)
def test_values_that_cannot_work_are_refused(name: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is wrong"):
        settings_for(GraphPaths(tmp_path), {name: value})


def test_a_model_for_a_proposer_that_asks_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="asks no model"):
        settings_for(GraphPaths(tmp_path), {"llm_name": "some-model", "proposer": "catalogue"})


def test_episodes_that_can_never_show_the_threshold_are_refused_with_the_least_that_can(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="At least 25 are needed"):
        checked({"episodes": 2}, tmp_path)

    assert checked({"episodes": 25}, tmp_path).episodes == 25
    with pytest.raises(ConfigError, match="1 episodes cannot"):
        checked({"episodes": 1, "threshold": 0.5}, tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content["skills"][0].pop("skill_name"),
        lambda content: content["skills"].pop(0),
        lambda content: content["skills"].reverse(),
        lambda content: content["skills"].append(7),
        lambda content: content["skills"][1].update(dependencies=["Nobody"]),
        lambda content: content["skills"][1].update(index="one"),
        lambda content: content.update(skills={}),
    ],
)
def test_an_odd_state_is_refused_by_name(damage: Any, tmp_path: Path) -> None:
    paths, content = saved(tmp_path)
    damage(content)
    write_json(paths.state, content)

    with pytest.raises(RunFolderError, match="state is damaged") as refusal:
        restore(paths, GraphSettings(), "test")
    assert refusal.value.where == paths.state


def test_what_stands_beside_the_state_may_be_odd(tmp_path: Path) -> None:
    paths, content = saved(tmp_path)
    content["skills"][0] |= {"proposal": 3, "verdict": None}
    write_json(paths.state, {**content, "usage": None, "frontier": []})

    state, account = restore(paths, GraphSettings(), "test")

    assert (len(state.skills), account.usage["calls"], account.proposals["Collect_Wood"]) == (2, 0, {})


def run_with(root: Path, resolver: str) -> GamefleetError:
    asked = {"env_name": WORLD_NAME, "proposer": "catalogue", "executor": "local", "resolver": resolver}
    with pytest.raises(ConfigError) as refusal:
        run_graph(GraphRun(root=root, asked=asked, environment={}, say=lambda line: None))
    return refusal.value


@pytest.mark.parametrize("resolver", ["no_such_module:f", "os:system", "os:sep"])
def test_a_resolver_that_is_none_is_refused_before_anything_is_written(resolver: str, tmp_path: Path) -> None:
    refusal = run_with(tmp_path / "graph", resolver)

    assert resolver in str(refusal)
    assert not (tmp_path / "graph").exists()


def breaking(skill: Skill, known: Mapping[str, Skill], world: SkillWorld) -> tuple[str, ...]:
    raise KeyError(skill.name)


def test_a_resolver_that_breaks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    done = threading.Event()
    proposals = Proposals(
        world=WORLD, proposer=CatalogueProposer(), wake=done.set, resolver=breaking, resolver_name="mine:breaking"
    )
    proposals.ask(GraphState(id="x"), 1)
    assert done.wait(300)

    answer = proposals.answer()

    assert answer is not None
    assert isinstance(answer.event, ProposalFailed)
    assert "the resolver mine:breaking broke" in answer.event.reason


def test_the_one_that_comes_too_late_is_told_of_options_that_there_are(tmp_path: Path) -> None:
    paths = GraphPaths(tmp_path)
    held = take(paths)
    try:
        with pytest.raises(RunFolderError, match="in use by process") as refusal:
            take(paths)
    finally:
        held.release()

    assert "--graph-path" in refusal.value.remedy
    assert "--run" not in refusal.value.remedy
    assert RunPaths(tmp_path).found_attempts()


def test_the_state_names_the_session_that_a_job_was_really_started_in(tmp_path: Path) -> None:
    account = Account(settings=GraphSettings(), proposer="test", executor="tmux", host="here", spool=tmp_path)
    job = SkillJob(attempt=1, leg=1, asked_at=1.0, id="3")
    state = GraphState(id="abc", skills=(Node(skill_name="A", index=0, status="running", attempts=1, jobs=(job,)),))

    assert whole(state, account, 2.0)["skills"][0]["session"] == "gamefleet_e0_A"
    folder = JobFolder(tmp_path / "00000003")
    folder.root.mkdir()
    write_json(folder.job, {})
    write_json(folder.session, {"name": "gamefleet_e0_A-3"})
    assert whole(state, account, 2.0)["skills"][0]["session"] == "gamefleet_e0_A-3", "another graph had the name"
    folder.session.write_text("{")
    assert whole(state, account, 2.0)["skills"][0]["session"] == "gamefleet_e0_A"
