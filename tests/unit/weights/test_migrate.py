"""What an older program learned goes on in a graph: same indices, same answers, nothing run that it brought along."""

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamefleet.errors import CheckpointError, CorruptCheckpointError
from gamefleet.weights.experts import ExpertStore, read_policy
from gamefleet.weights.experts_file import SKILL_NAME
from gamefleet.weights.migrate import Target, migrate
from gamefleet.weights.migrate_names import KEPT_FREE, skill_name, unique_names
from gamefleet.weights.migrate_networks import MOST_INDEX, experts_in, in_our_form
from gamefleet.weights.migrate_reader import REFUSED
from gamefleet.weights.migrate_values import RefusedError

TARGET = Target(env_name="Crafting", feature_hash="cd" * 16, observation_size=12, num_actions=5)


def chain(seed: int, outputs: int, *, inputs: int = 12, hidden: tuple[int, ...] = (16, 16)) -> dict[str, Any]:
    """Dense layers as the older program names them: every second number is an activation."""
    rng = np.random.default_rng([seed, outputs])
    sizes = [inputs, *hidden, outputs]
    return {
        f"layers_{2 * depth}": {
            "kernel": rng.normal(size=(rows, columns)).astype(np.float32) / 3,
            "bias": rng.normal(size=columns).astype(np.float32) / 3,
        }
        for depth, (rows, columns) in enumerate(pairwise(sizes))
    }


def answer(layers: Mapping[str, Any], observation: np.ndarray) -> np.ndarray:
    """What the older program computes."""
    value = observation
    for name in sorted(layers, key=lambda one: int(one.split("_")[1])):
        is_last = int(name.split("_")[1]) == 2 * (len(layers) - 1)
        value = value @ layers[name]["kernel"] + layers[name]["bias"]
        value = value if is_last else np.tanh(value)
    return value


def ours(params: Mapping[str, Any], observation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a network of our form computes."""
    value, depth = observation, 0
    while f"body/{depth}/w" in params:
        value = np.tanh(value @ params[f"body/{depth}/w"] + params[f"body/{depth}/b"])
        depth += 1
    return value @ params["policy/w"] + params["policy/b"], value @ params["value/w"] + params["value/b"]


def sequential(folder: Path, **more: Any) -> Path:
    """An older run of three skills, with one checkpoint that holds everything."""
    networks = {f"actor_networks_{index}": chain(index, 5) for index in range(3)}
    networks |= {f"critic_networks_{index}": chain(index, 1) for index in range(3)}
    plan = [{"skill_name": name} for name in ("Collect Wood", "Place Table", "Make Pickaxe")]
    skills = {
        "Collect Wood": {"expert_idx": 0, "total_frames": 5000, "code": "import os", "execution_plan": plan[:1]},
        "Place Table": {"expert_idx": 1, "total_frames": 7000, "dependencies": ["Collect Wood"]},
        "Make Pickaxe": {"expert_idx": 2, "execution_plan": plan, "skill_with_consumption": {"gain": {"pickaxe": 1}}},
    }
    folder.mkdir()
    value = {"skills": skills, "db": {"prompts": ["text"]}, "params": {"params": networks}, **more}
    (folder / "checkpoint.pkl").write_bytes(pickle.dumps(value))
    return folder


@pytest.mark.parametrize("named", ["folder", "file"])
def test_a_sequential_run_goes_on_with_its_indices_and_dependencies(tmp_path: Path, named: str) -> None:
    source = sequential(tmp_path / "old")

    found = migrate(source if named == "folder" else source / "checkpoint.pkl", tmp_path / "graph", TARGET)

    assert [(one.index, one.name, one.title, one.frames) for one in found.skills] == [
        (0, "Collect_Wood", "Collect Wood", 5000),
        (1, "Place_Table", "Place Table", 7000),
        (2, "Make_Pickaxe", "Make Pickaxe", 0),
    ]
    assert [one.dependencies for one in found.skills] == [(), ("Collect_Wood",), ("Collect_Wood", "Place_Table")]
    assert found.skills[2].about["skill_with_consumption"] == {"gain": {"pickaxe": 1}}
    assert "code" not in found.skills[0].about
    assert found.warnings == ()
    assert ExpertStore(tmp_path / "graph").damage() == ()
    facts = read_policy(tmp_path / "graph/skills/1_Place_Table", 1).facts
    assert (facts.env_name, facts.feature_hash, facts.frames) == ("Crafting", "cd" * 16, 7000)


@pytest.mark.parametrize("hidden", [(16, 16), (8, 16, 24), (4,)])
def test_a_migrated_network_computes_what_the_old_two_did(tmp_path: Path, hidden: tuple[int, ...]) -> None:
    actor, critic = chain(0, 5, hidden=hidden), chain(1, 1, hidden=hidden)
    params = {"actor_networks_0": actor, "critic_networks_0": critic}
    (tmp_path / "checkpoint.pkl").write_bytes(pickle.dumps({"skills": {"Collect Wood": {}}, "params": params}))

    migrate(tmp_path, tmp_path / "graph", TARGET)

    expert = ExpertStore(tmp_path / "graph").load(0)
    observations = np.random.default_rng(5).normal(size=(20, 12)).astype(np.float32)
    logits, values = ours(expert.params, observations)
    np.testing.assert_allclose(logits, answer(actor, observations), atol=1e-5)
    np.testing.assert_allclose(values, answer(critic, observations), atol=1e-5)


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    source = sequential(tmp_path / "old")
    before = source.joinpath("checkpoint.pkl").read_bytes()

    first = migrate(source, tmp_path / "graph", TARGET)
    contents = ExpertStore(tmp_path / "graph").latest()

    assert migrate(source, tmp_path / "graph", TARGET) == first
    assert ExpertStore(tmp_path / "graph").latest() == contents
    assert source.joinpath("checkpoint.pkl").read_bytes() == before


def test_an_older_parallel_run_brings_experts_in_files_of_their_own(tmp_path: Path) -> None:
    source = tmp_path / "old"
    (source / "checkpoints").mkdir(parents=True)
    skills = {"Collect Wood": {"expert_idx": 0, "total_frames": 10}, "Eat (Food)": {"expert_idx": 4}}
    (source / "checkpoints/global_latest.pkl").write_bytes(pickle.dumps({"skills": skills, "db": {}}))
    for index, name in ((0, "Collect_Wood"), (4, "Eat_Food")):
        folder = source / f"skills/{index}_{name}/expert_{index}_policy"
        folder.mkdir(parents=True)
        network = {"actor_network": chain(index, 5), "critic_network": chain(index, 1)}
        (folder / "params.pkl").write_bytes(pickle.dumps(network))

    found = migrate(source, tmp_path / "graph", TARGET)

    assert [(one.index, one.name, one.is_playable) for one in found.skills] == [
        (0, "Collect_Wood", True),
        (4, "Eat_Food", True),
    ]
    np.testing.assert_allclose(
        ours(ExpertStore(tmp_path / "graph").load(4).params, np.ones(12, np.float32))[0],
        answer(chain(4, 5), np.ones(12, np.float32)),
        atol=1e-5,
    )


def test_a_run_can_be_migrated_where_it_lies(tmp_path: Path) -> None:
    graph = sequential(tmp_path / "graph")
    (graph / "checkpoints").mkdir()
    (graph / "checkpoint.pkl").rename(graph / "checkpoints/global_latest.pkl")

    migrate(graph, graph, TARGET)

    assert sorted(ExpertStore(graph).latest().experts) == [0, 1, 2]
    assert (graph / "checkpoints/global_latest.pkl").is_file()


def test_the_newest_of_numbered_checkpoints_is_taken(tmp_path: Path) -> None:
    source = tmp_path / "old"
    (source / "checkpoints").mkdir(parents=True)
    for number in (2, 10):
        networks = {"actor_networks_0": chain(number, 5), "critic_networks_0": chain(number, 1)}
        value = {"skills": {f"Skill {number}": {"iteration": 0}}, "params": networks}
        (source / f"checkpoints/successful_skill_{number}_x.pkl").write_bytes(pickle.dumps(value))

    assert [one.name for one in migrate(source, tmp_path / "graph", TARGET).skills] == ["Skill_10"]


def test_a_skill_without_a_network_is_named(tmp_path: Path) -> None:
    networks = {"actor_networks_0": chain(0, 5), "critic_networks_0": chain(0, 1)}
    skills = {"Collect Wood": {"expert_idx": 0, "dependencies": ["Sleep"]}, "Fly": {"expert_idx": 7}}
    (tmp_path / "checkpoint.pkl").write_bytes(pickle.dumps({"skills": skills, "params": networks}))

    found = migrate(tmp_path, tmp_path / "graph", TARGET)

    assert [one.name for one in found.skills] == ["Collect_Wood"]
    assert found.warnings == (
        "Skill 'Collect Wood' depends on 'Sleep', which is not in this run.",
        "Skill 'Fly' has no network in this run: it has to be trained again.",
    )


def test_a_network_of_another_make_is_kept_but_does_not_play(tmp_path: Path) -> None:
    other = {"Conv_0": {"kernel": np.ones((2, 2, 3, 4), np.float32)}, "scale": np.ones(3, np.float32)}
    networks = {
        "actor_networks_0": chain(0, 5, inputs=99),
        "critic_networks_0": chain(0, 1, inputs=99),
        "actor_networks_1": other,
    }
    (tmp_path / "checkpoint.pkl").write_bytes(pickle.dumps({"params": networks}))

    found = migrate(tmp_path, tmp_path / "graph", TARGET)

    assert [(one.title, one.is_playable) for one in found.skills] == [("Expert 0", False), ("Expert 1", False)]
    assert "99 numbers and 5 actions" in found.warnings[0]
    assert "layers of another make" in found.warnings[1]
    kept = ExpertStore(tmp_path / "graph").load(1)
    np.testing.assert_array_equal(kept.params["actor/Conv_0/kernel"], other["Conv_0"]["kernel"])


class Bad:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("canary",)


@pytest.mark.parametrize("place", ["checkpoint", "expert"])
def test_a_hostile_file_anywhere_stops_the_migration_before_it_writes(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = sequential(tmp_path / "old", **({"extra": Bad()} if place == "checkpoint" else {}))
    if place == "expert":
        (source / "skills/9_X/expert_9_policy").mkdir(parents=True)
        (source / "skills/9_X/expert_9_policy/params.pkl").write_bytes(pickle.dumps(Bad()))

    with pytest.raises(CorruptCheckpointError, match=r"refused: posix\.mkdir"):
        migrate(source, tmp_path / "graph", TARGET)

    assert not (tmp_path / "graph").exists()
    assert not (tmp_path / "canary").exists()


def test_an_expert_that_diverged_stops_the_migration_before_it_writes(tmp_path: Path) -> None:
    bad = chain(1, 5)
    bad["layers_0"]["bias"][3] = np.nan
    networks = {"actor_networks_0": chain(0, 5), "critic_networks_0": chain(0, 1)}
    networks |= {"actor_networks_1": bad, "critic_networks_1": chain(1, 1)}
    (tmp_path / "checkpoint.pkl").write_bytes(pickle.dumps({"params": networks}))

    with pytest.raises(CheckpointError, match="not finite"):
        migrate(tmp_path, tmp_path / "graph", TARGET)
    assert not (tmp_path / "graph").exists()


@pytest.mark.parametrize("number", [MOST_INDEX, 999_999_999, 10**20])
@pytest.mark.parametrize("place", ["network", "lone network", "file", "record"])
def test_a_number_that_no_graph_has_room_for_is_refused_before_anything_is_made(
    tmp_path: Path, place: str, number: int
) -> None:
    source = sequential(tmp_path / "old")
    network = {f"actor_networks_{number}": chain(0, 5), f"critic_networks_{number}": chain(0, 1)}
    if place in ("lone network", "file"):
        folder = source / f"skills/7_X/expert_{number if place == 'file' else 7}_policy"
        folder.mkdir(parents=True)
        (folder / "params.pkl").write_bytes(pickle.dumps({"actor_network": {}} if place == "file" else network))
    else:
        value = {"params": network, "skills": {}}
        if place == "record":
            value = {"params": {"actor_networks_0": chain(0, 5)}, "skills": {"Wood": {"expert_idx": number}}}
        (source / "checkpoint.pkl").write_bytes(pickle.dumps(value))

    with pytest.raises(CheckpointError, match=rf"number.*{str(number)[:9]}") as refused:
        migrate(source, tmp_path / "graph", TARGET)

    assert str(MOST_INDEX - 1) in str(refused.value)
    assert not (tmp_path / "graph").exists()


def test_the_largest_number_is_taken(tmp_path: Path) -> None:
    last = MOST_INDEX - 1
    networks = {f"actor_networks_{last}": chain(0, 5), f"critic_networks_{last}": chain(0, 1)}
    (tmp_path / "checkpoint.pkl").write_bytes(pickle.dumps({"params": networks}))

    assert [one.index for one in migrate(tmp_path, tmp_path / "graph", TARGET).skills] == [last]


def test_the_locked_up_process_refuses_an_impossible_number_itself(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pkl"
    path.write_bytes(pickle.dumps({"params": {"actor_networks_999999999": {}}}))

    found = subprocess.run([sys.executable, "-m", "gamefleet.weights.migrate_reader", str(path)], capture_output=True)

    assert (found.returncode, found.stdout) == (REFUSED, b"")
    assert b"999999999" in found.stderr
    with pytest.raises(RefusedError, match="999999999"):
        experts_in({"actor_networks_999999999": {}})


def dense(*sizes: int) -> dict[str, Any]:
    """Dense layers of zeros between these sizes."""
    return {
        f"layers_{depth}": {"kernel": np.zeros((rows, columns), np.float32), "bias": np.zeros(columns, np.float32)}
        for depth, (rows, columns) in enumerate(pairwise(sizes))
    }


@pytest.mark.parametrize(
    ("actor", "critic"),
    [(dense(1, 10**6, 1, 1), dense(1, 1, 10**6, 1)), (dense(1, 1, 10**6), dense(1, 10**6, 1))],
)
def test_long_and_wide_layers_of_few_numbers_make_no_immense_one(actor: Any, critic: Any) -> None:
    assert in_our_form({"actor": actor, "critic": critic}) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"skills": {}}, "No network was found"),
        ([1, 2], "No network was found"),
        ({"skills": {"a": {"expert_idx": 1}, "b": {"expert_idx": 1}}}, r"same number: \[1\]"),
    ],
)
def test_what_cannot_be_migrated_is_said(tmp_path: Path, value: Any, message: str) -> None:
    (tmp_path / "checkpoint.pkl").write_bytes(pickle.dumps(value))

    with pytest.raises(CheckpointError, match=message):
        migrate(tmp_path, tmp_path / "graph", TARGET)
    with pytest.raises(CheckpointError, match="no older run"):
        migrate(tmp_path / "nowhere", tmp_path / "graph", TARGET)


def test_a_graph_that_has_other_skills_is_not_overwritten(tmp_path: Path) -> None:
    source = sequential(tmp_path / "old")
    migrate(source, tmp_path / "graph", TARGET)
    networks = {"actor_networks_1": chain(7, 5), "critic_networks_1": chain(7, 1)}
    (source / "checkpoint.pkl").write_bytes(pickle.dumps({"skills": {"Other": {"expert_idx": 1}}, "params": networks}))
    before = ExpertStore(tmp_path / "graph").latest()

    with pytest.raises(CheckpointError, match="'Other'"):
        migrate(source, tmp_path / "graph", TARGET)
    assert ExpertStore(tmp_path / "graph").latest() == before


LONG = "Collect wood and stone and then go back to the table"


def test_titles_with_one_beginning_become_skills_of_their_own(tmp_path: Path) -> None:
    titles = [f"{LONG} in the north", f"{LONG} in the south", "Eat!", "eat"]
    networks = {f"actor_networks_{index}": chain(index, 5) for index in range(4)}
    networks |= {f"critic_networks_{index}": chain(index, 1) for index in range(4)}
    skills: dict[str, Any] = {title: {"expert_idx": index} for index, title in enumerate(titles)}
    skills["eat"]["dependencies"] = titles[:3]
    (tmp_path / "checkpoint.pkl").write_bytes(pickle.dumps({"skills": skills, "params": networks}))

    found = migrate(tmp_path, tmp_path / "graph", TARGET)

    names = [one.name for one in found.skills]
    assert names == [
        "Collect_wood_and_stone_and_then_go_back_to_the_t",
        "Collect_wood_and_stone_and_then_go_back_to_the_1",
        "Eat",
        "eat_3",
    ]
    assert found.skills[3].dependencies == tuple(names[:3])
    assert sorted(ExpertStore(tmp_path / "graph").latest().experts) == [0, 1, 2, 3]
    assert migrate(tmp_path, tmp_path / "graph", TARGET) == found


def test_a_strange_title_is_shown_in_a_line(tmp_path: Path) -> None:
    title = "\u200b\n\x1b[2J" + "x" * 1000
    networks = {"actor_networks_0": chain(0, 5), "critic_networks_0": chain(0, 1)}
    skills = {title: {"expert_idx": 0, "dependencies": ["y\n" * 900]}}
    (tmp_path / "checkpoint.pkl").write_bytes(pickle.dumps({"skills": skills, "params": networks}))

    found = migrate(tmp_path, tmp_path / "graph", TARGET)

    assert found.skills[0].title == f"???[2J{'x' * 141}..."
    assert all(len(warning) < 400 for warning in found.warnings)


@given(st.lists(st.sampled_from(["Eat", "eat", "Eat_1", "eat 2", "Eat_2_2", "Unused_1", "", "x" * 60]) | st.text()))
def test_names_are_unique_and_can_be_folders_whatever_the_titles(titles: list[str]) -> None:
    names = unique_names(dict(enumerate(titles)))

    assert sorted(names) == list(range(len(titles)))
    assert len({name.lower() for name in names.values()}) == len(titles)
    assert all(SKILL_NAME.fullmatch(name) for name in names.values())
    assert not any(KEPT_FREE.fullmatch(name) for name in names.values())


def test_a_migration_of_which_one_expert_cannot_join_merges_none(tmp_path: Path) -> None:
    source = sequential(tmp_path / "old")
    networks = {"actor_networks_2": chain(7, 5), "critic_networks_2": chain(7, 1)}
    first = {"skills": {"Other": {"expert_idx": 2}}, "params": networks}
    (tmp_path / "other.pkl").write_bytes(pickle.dumps(first))
    migrate(tmp_path / "other.pkl", tmp_path / "graph", TARGET)
    before = {path: path.read_bytes() for path in (tmp_path / "graph").rglob("*") if path.is_file()}

    with pytest.raises(CheckpointError, match="'Other'"):
        migrate(source, tmp_path / "graph", TARGET)
    assert {path: path.read_bytes() for path in (tmp_path / "graph").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Collect Wood", "Collect_Wood"),
        ("a/../b", "ab"),
        ("3 Wood", "Skill_3_Wood"),
        ("", "Skill_"),
        ("x" * 99, "x" * 48),
    ],
)
def test_titles_become_names_that_are_folders(title: str, name: str) -> None:
    assert skill_name(title) == name


def test_the_target_is_part_of_what_is_stored(tmp_path: Path) -> None:
    source = sequential(tmp_path / "old")
    found = migrate(source, tmp_path / "graph", replace(TARGET, num_actions=6))

    assert all(not one.is_playable for one in found.skills)
    assert ExpertStore(tmp_path / "graph").load(0).facts.num_actions == 5
