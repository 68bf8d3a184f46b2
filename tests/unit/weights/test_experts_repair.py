"""Experts that a damaged generation listed come back from their files; what cannot come back is named."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from gamefleet.weights.experts import Expert, ExpertFacts, ExpertStore, params_path

SKILLS = ("Collect_Wood", "Place_Table", "Make_Wood_Pickaxe", "Make_Wood_Sword")


def expert(index: int, attempt: int = 1) -> Expert:
    facts = ExpertFacts(
        skill=SKILLS[index],
        index=index,
        attempt=attempt,
        env_name="Crafting",
        feature_hash="ab" * 16,
        observation_size=6,
        num_actions=3,
        frames=1000,
        seed=7,
    )
    weights = np.random.default_rng([index, attempt]).normal(size=(6, 3)).astype(np.float32)
    return Expert(facts=facts, params={"policy/w": weights})


@pytest.fixture
def store(tmp_path: Path) -> ExpertStore:
    found = ExpertStore(tmp_path)
    for index in range(3):
        found.merge(expert(index))
    return found


def generation(store: ExpertStore, number: int) -> Path:
    return store.graph / f"checkpoints/global-{number:09d}.json"


def own_file(store: ExpertStore, index: int) -> Path:
    return next((store.graph / f"skills/{index}_{SKILLS[index]}/expert_{index}_policy").glob("attempt_*"))


def copy_of(store: ExpertStore, index: int) -> Path:
    return params_path(store.graph / f"skills/{index}_{SKILLS[index]}", index)


@pytest.mark.parametrize("damaged", [(3,), (2, 3), (1, 2, 3)])
def test_a_merge_above_damaged_generations_loses_nobody(store: ExpertStore, damaged: tuple[int, ...]) -> None:
    for number in damaged:
        generation(store, number).write_text("{}")

    found = store.merge(expert(3))

    assert sorted(found.experts) == [0, 1, 2, 3]
    assert store.damage() == ()
    assert generation(store, 3).read_text() == "{}", "what is damaged stays for whoever wants to look at it"


def test_an_expert_whose_own_file_is_gone_comes_back_from_its_copy(store: ExpertStore) -> None:
    before = own_file(store, 1).read_bytes()
    path = own_file(store, 1)
    path.unlink()

    assert store.repair().restored == (1,)
    assert path.read_bytes() == before
    assert store.damage() == ()


def test_the_copy_serves_where_no_generation_and_no_own_file_is_whole(store: ExpertStore) -> None:
    contents = store.latest().contents
    own_file(store, 2).write_bytes(b"damaged")
    shutil.rmtree(store.graph / "checkpoints")

    assert store.repair().joined == (0, 1, 2)
    assert store.latest().contents == contents


def test_a_damaged_copy_is_written_anew(store: ExpertStore) -> None:
    copy_of(store, 1).write_bytes(copy_of(store, 1).read_bytes()[:300])

    done = store.repair()

    assert (done.joined, done.restored, done.problems) == ((), (), ())
    assert copy_of(store, 1).read_bytes() == own_file(store, 1).read_bytes()


def test_an_expert_with_no_whole_file_is_named_and_stops_nobody_else(store: ExpertStore) -> None:
    for path in (own_file(store, 1), copy_of(store, 1)):
        path.write_bytes(path.read_bytes()[:300])
    generation(store, 3).write_text("{}")

    assert store.repair().joined == (2,)
    assert [str(error.where) for error in store.damage()] == [str(own_file(store, 1))]


def test_a_file_that_contradicts_the_others_stops_nobody_else(store: ExpertStore) -> None:
    generation(store, 3).write_text("{}")
    stray = store.graph / "skills/0_Collect_Wood/expert_0_policy" / "attempt_2-000000000000.safetensors"
    other = ExpertStore(store.graph / "other")
    other.merge(expert(0, attempt=2))
    for name in ("attempt_2-000000000000.safetensors", "attempt_2-111111111111.safetensors"):
        shutil.copy(next(other.graph.glob("skills/0_*/expert_0_policy/attempt_2-*")), stray.with_name(name))

    done = store.repair()

    assert done.joined == (2,)
    assert [error.what for error in done.problems] == ["Two files claim to be attempt 2 at expert 0"]
