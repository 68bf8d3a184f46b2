"""Experts join one mixture in any order, come back bit by bit, and are refused by name when they are damaged."""

import itertools
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamefleet.errors import CheckpointError, ConfigError, CorruptCheckpointError, IncompatibleError
from gamefleet.weights.experts import (
    Expert,
    ExpertFacts,
    ExpertStore,
    check_plays,
    params_path,
    read_expert,
    read_policy,
    write_expert,
)
from gamefleet.weights.experts_file import from_bytes, to_bytes
from gamefleet.weights.experts_generations import as_json

SKILLS = ("Collect_Wood", "Place_Table", "Make_Wood_Pickaxe", "Make_Wood_Sword", "Collect_Stone")


def expert(index: int = 0, *, attempt: int = 1, seed: int | None = None, skill: str | None = None) -> Expert:
    rng = np.random.default_rng([index, attempt, seed or 0])
    sizes = {"body/0/w": (6, 8), "body/0/b": (8,), "policy/w": (8, 3), "policy/b": (3,), "value/w": (8, 1)}
    return Expert(
        facts=ExpertFacts(
            skill=skill or SKILLS[index],
            index=index,
            attempt=attempt,
            env_name="Crafting",
            feature_hash="ab" * 16,
            observation_size=6,
            num_actions=3,
            frames=1000 * (index + 1),
            seed=2**62 + index,
        ),
        params={name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()},
    )


def assert_same(one: Expert, other: Expert) -> None:
    assert one.facts == other.facts
    assert sorted(one.params) == sorted(other.params)
    for name, array in one.params.items():
        assert (array.dtype, array.shape, array.tobytes()) == (
            other.params[name].dtype,
            other.params[name].shape,
            other.params[name].tobytes(),
        )


@pytest.fixture
def store(tmp_path: Path) -> ExpertStore:
    return ExpertStore(tmp_path / "graph")


def test_a_merged_expert_comes_back_bit_by_bit(store: ExpertStore) -> None:
    store.merge(expert(0))

    assert_same(store.load(0), expert(0))
    assert_same(read_policy(store.graph / "skills/0_Collect_Wood", 0), expert(0))


def test_other_programs_read_an_expert(store: ExpertStore) -> None:
    store.merge(expert(0))

    arrays = safetensors.numpy.load_file(params_path(store.graph / "skills/0_Collect_Wood", 0))

    np.testing.assert_array_equal(arrays["policy/w"], expert(0).params["policy/w"])


@given(special=st.lists(st.sampled_from([0.0, -0.0, 1e-45, 3.4e38, -1.5]), min_size=1, max_size=6))
def test_every_finite_number_survives_with_its_sign(special: list[float]) -> None:
    one = replace(expert(), params={"body/0/w": np.array(special, np.float32)})

    assert_same(from_bytes(to_bytes(one)), one)
    assert to_bytes(one) == to_bytes(from_bytes(to_bytes(one)))


def test_merging_touches_no_other_expert(store: ExpertStore) -> None:
    store.merge(expert(0))
    before = {path: path.read_bytes() for path in (store.graph / "skills").rglob("*.safetensors")}

    store.merge(expert(1))

    assert {path: path.read_bytes() for path in before} == before
    assert_same(store.load(0), expert(0))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("fast_disk")
@given(
    order=st.permutations([(0, 1), (1, 1), (1, 2), (2, 1), (2, 3), (3, 1)]),
    repeated=st.lists(st.integers(0, 5), max_size=4),
)
def test_the_order_of_merges_and_their_repetition_do_not_matter(
    order: list[tuple[int, int]], repeated: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = ExpertStore(Path(folder))
        for index, attempt in [*order, *(order[place] for place in repeated)]:
            store.merge(expert(index, attempt=attempt))

        found = store.latest()
        assert found.contents == expected_contents()
        for index, attempt in [(0, 1), (1, 2), (2, 3), (3, 1)]:
            assert_same(store.load(index), expert(index, attempt=attempt))
            assert_same(read_policy(store.graph / f"skills/{index}_{SKILLS[index]}", index), store.load(index))


def expected_contents() -> str:
    with tempfile.TemporaryDirectory() as folder:
        store = ExpertStore(Path(folder))
        for index, attempt in [(0, 1), (1, 2), (2, 3), (3, 1)]:
            store.merge(expert(index, attempt=attempt))
        return store.latest().contents


def test_the_same_experts_in_another_order_give_the_same_files_but_for_the_way_there(tmp_path: Path) -> None:
    finals = []
    for number, order in enumerate(itertools.permutations(range(3))):
        store = ExpertStore(tmp_path / str(number))
        for index in order:
            store.merge(expert(index))
        finals.append((store.graph / "checkpoints/global-000000003.json").read_bytes())

    assert len(set(finals)) == 1


def test_merging_twice_makes_no_second_generation(store: ExpertStore) -> None:
    first = store.merge(expert(0))

    assert store.merge(expert(0)) == first
    assert [path.name for path in sorted((store.graph / "checkpoints").iterdir())] == [
        "global-000000001.json",
        "global_latest.json",
    ]


def test_a_retry_keeps_its_index_and_replaces_only_its_own_expert(store: ExpertStore) -> None:
    for index in (0, 1):
        store.merge(expert(index))

    found = store.merge(expert(0, attempt=2))

    assert sorted(found.experts) == [0, 1]
    assert store.load(0).facts.attempt == 2
    assert_same(store.load(1), expert(1))


def test_an_earlier_generation_can_still_be_loaded_after_a_retry(store: ExpertStore) -> None:
    before = store.merge(expert(0))
    store.merge(expert(0, attempt=2))

    assert_same(store.load(0, generation=before), expert(0))


def test_the_newest_generation_is_shown_under_a_fixed_name(store: ExpertStore) -> None:
    store.merge(expert(0))
    found = store.merge(expert(1))

    shown = json.loads((store.graph / "checkpoints/global_latest.json").read_text())

    assert shown == as_json(found)
    assert [one["facts"]["skill"] for one in shown["experts"]] == ["Collect_Wood", "Place_Table"]


def test_the_same_attempt_with_another_network_is_refused(store: ExpertStore) -> None:
    before = store.merge(expert(0))

    with pytest.raises(CheckpointError, match="made another expert"):
        store.merge(expert(0, seed=5))
    assert store.latest() == before


@pytest.mark.parametrize(("index", "skill"), [(0, "Place_Table"), (3, "Collect_Wood")])
def test_a_skill_keeps_its_index_for_ever(store: ExpertStore, index: int, skill: str) -> None:
    store.merge(expert(0))

    with pytest.raises(CheckpointError, match=r"Expert \d is of skill"):
        store.merge(expert(index, skill=skill))


def test_an_unknown_index_is_refused_with_those_that_exist(store: ExpertStore) -> None:
    store.merge(expert(1))

    with pytest.raises(CheckpointError, match=r"no expert with this index: 7.*1 \(Place_Table\)"):
        store.load(7)


@pytest.mark.parametrize("name", ["../x", "", "0wood", "a b", "x" * 49, "wood\n"])
def test_a_name_that_is_no_folder_is_never_written(store: ExpertStore, name: str) -> None:
    one = expert(0)

    with pytest.raises(ConfigError, match="name of a skill"):
        store.merge(replace(one, facts=replace(one.facts, skill=name)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_expert_that_diverged_is_not_merged(store: ExpertStore, value: float) -> None:
    one = replace(expert(0), params={**expert(0).params, "policy/b": np.array([0, value, 0], np.float32)})

    with pytest.raises(CheckpointError, match="'policy/b' of an expert is not finite"):
        store.merge(one)


def attempt_file(store: ExpertStore, index: int) -> Path:
    return store.graph / store.latest().experts[index].file


def test_every_flipped_bit_of_an_expert_is_found(store: ExpertStore) -> None:
    store.merge(expert(0))
    path = attempt_file(store, 0)
    data = path.read_bytes()

    for place in [*range(0, len(data), 37), len(data) - 1]:
        path.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        with pytest.raises(CorruptCheckpointError, match="expert 0 of skill 'Collect_Wood' is damaged"):
            store.load(0)


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_truncated_expert_is_refused_and_named(store: ExpertStore, keep: int) -> None:
    store.merge(expert(0))
    path = attempt_file(store, 0)
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(CorruptCheckpointError, match=r"expert 0 of skill .* is damaged: it holds \d+ bytes"):
        store.load(0)


def test_a_swapped_expert_is_refused_and_both_are_named(store: ExpertStore) -> None:
    for index in (0, 1):
        store.merge(expert(index))
    attempt_file(store, 0).write_bytes(attempt_file(store, 1).read_bytes())

    message = "expert 0 of skill 'Collect_Wood' is damaged: the file holds expert 1 of skill 'Place_Table'"
    with pytest.raises(CorruptCheckpointError, match=message):
        store.load(0)
    assert_same(store.load(1), expert(1))


def test_a_swapped_expert_is_refused_by_a_training_job_too(store: ExpertStore) -> None:
    for index in (0, 1):
        store.merge(expert(index))
    folders = [store.graph / f"skills/{index}_{SKILLS[index]}" for index in (0, 1)]
    params_path(folders[0], 0).write_bytes(params_path(folders[1], 1).read_bytes())

    with pytest.raises(CorruptCheckpointError, match="holds expert 1 of skill 'Place_Table'"):
        read_policy(folders[0], 0)


def test_a_missing_expert_is_named(store: ExpertStore) -> None:
    store.merge(expert(0))
    attempt_file(store, 0).unlink()

    with pytest.raises(CorruptCheckpointError, match="expert 0 of skill 'Collect_Wood' is gone"):
        store.load(0)


@pytest.mark.parametrize("kind", ["link", "folder", "other weights"])
def test_what_is_no_expert_is_refused(store: ExpertStore, tmp_path: Path, kind: str) -> None:
    store.merge(expert(0))
    path = attempt_file(store, 0)
    path.unlink()
    if kind == "link":
        write_expert(tmp_path / "other", expert(0))
        path.symlink_to(tmp_path / "other")
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(safetensors.numpy.save(dict(expert(0).params)))

    with pytest.raises(CorruptCheckpointError):
        store.load(0)


def test_the_damage_of_a_graph_is_listed_by_name(store: ExpertStore) -> None:
    for index in range(3):
        store.merge(expert(index))
    assert store.damage() == ()
    attempt_file(store, 1).write_bytes(b"x")

    assert [str(error).split(" is ")[0] for error in store.damage()] == ["The expert 1 of skill 'Place_Table'"]


def test_merging_again_repairs_a_damaged_expert(store: ExpertStore) -> None:
    store.merge(expert(0))
    attempt_file(store, 0).write_bytes(b"x")
    params_path(store.graph / "skills/0_Collect_Wood", 0).write_bytes(b"x")

    store.merge(expert(0))

    assert_same(store.load(0), expert(0))
    assert_same(read_policy(store.graph / "skills/0_Collect_Wood", 0), expert(0))


@pytest.mark.parametrize("damage", ["", "{", "{}", "[]", '{"format": "gamefleet experts 1"}', "\xff"])
def test_a_damaged_generation_gives_way_to_the_one_before(store: ExpertStore, damage: str) -> None:
    for index in range(2):
        store.merge(expert(index))
    newest = store.graph / "checkpoints/global-000000002.json"
    newest.write_text(damage, encoding="latin-1")

    assert sorted(store.latest().experts) == [0]
    assert [error.where for error in store.damage()] == [newest]
    with pytest.raises(CheckpointError, match=r"no expert with this index: 1.*global-000000002"):
        store.load(1)


def test_an_edited_generation_is_not_believed(store: ExpertStore) -> None:
    store.merge(expert(0))
    path = store.graph / "checkpoints/global-000000001.json"
    path.write_text(path.read_text().replace('"frames": 1000', '"frames": 9999'))

    assert store.latest().experts == {}


def test_a_generation_cannot_make_us_read_elsewhere(store: ExpertStore, tmp_path: Path) -> None:
    found = store.merge(expert(0))
    outside = tmp_path / "outside"
    write_expert(outside, expert(0))
    entry = replace(found.experts[0], file=f"../{outside.name}")
    (store.graph / "checkpoints/global-000000002.json").write_text(
        json.dumps(as_json(replace(found, generation=2, experts={0: entry})))
    )

    assert store.latest() == found


def test_what_a_damaged_generation_listed_comes_back_from_the_files(store: ExpertStore) -> None:
    for index in range(3):
        store.merge(expert(index))
    before = store.latest().contents
    for number in (2, 3):
        (store.graph / f"checkpoints/global-{number:09d}.json").write_text("")

    assert store.repair().joined == (1, 2)
    assert store.latest().contents == before
    assert store.latest().generation == 5
    assert store.repair().joined == ()


def test_two_files_for_one_attempt_are_named_instead_of_guessed(store: ExpertStore, tmp_path: Path) -> None:
    other = ExpertStore(tmp_path / "other")
    for one, seed in ((store, 0), (other, 1)):
        one.merge(expert(0, seed=seed))
    stray = attempt_file(other, 0)
    attempt_file(store, 0).with_name(stray.name).write_bytes(stray.read_bytes())
    (store.graph / "checkpoints/global-000000001.json").write_text("")

    done = store.repair()

    assert done.joined == ()
    assert [error.what for error in done.problems] == ["Two files claim to be attempt 1 at expert 0"]


def test_a_fenced_writer_changes_no_generation(store: ExpertStore) -> None:
    before = store.merge(expert(0))

    def fence() -> None:
        raise ConfigError("another scheduler has taken over")

    with pytest.raises(ConfigError, match="taken over"):
        store.merge(expert(1), fence=fence)
    assert store.latest() == before


def test_an_extracted_expert_is_the_same_file(store: ExpertStore, tmp_path: Path) -> None:
    store.merge(expert(0))

    store.extract(0, tmp_path / "wood.safetensors")

    assert (tmp_path / "wood.safetensors").read_bytes() == attempt_file(store, 0).read_bytes()
    assert_same(read_expert(tmp_path / "wood.safetensors"), expert(0))


def test_an_expert_of_another_world_is_refused_with_the_difference() -> None:
    facts = expert().facts
    ours = {"env_name": "Crafting", "feature_hash": facts.feature_hash, "observation_size": 6}

    check_plays(facts, **ours)
    with pytest.raises(IncompatibleError, match="observation_size: 7 here, 6 there"):
        check_plays(facts, **{**ours, "observation_size": 7})


def test_what_killed_writers_left_is_swept_when_it_is_old(store: ExpertStore) -> None:
    store.merge(expert(0))
    left = store.graph / "checkpoints/.tmp-global_latest.json-0123"
    left.write_text("half")
    changed = left.stat().st_mtime

    assert store.sweep(now=changed + 10) == 0
    assert store.sweep(now=changed + 4000) == 1
    assert not left.exists()
    assert_same(store.load(0), expert(0))
