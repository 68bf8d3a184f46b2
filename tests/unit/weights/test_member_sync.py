"""Learners that share a folder: one alone trains as if alone, and work of many is merged at most once, none twice."""

import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gamefleet.errors import ConfigError, IncompatibleError, RunFolderError
from gamefleet.weights.content import Content
from gamefleet.weights.contributions import Pending
from gamefleet.weights.manifests import SharedFacts, Version
from gamefleet.weights.merge import Input, merge
from gamefleet.weights.moments import Moments
from gamefleet.weights.rollback import rollback
from gamefleet.weights.settings import MergeSettings
from gamefleet.weights.shared_paths import numbered
from gamefleet.weights.store import SharedStore

PIECES = 400
Make = Callable[..., Content]


def blank() -> Content:
    """Work that can be counted: piece k of it is a one at place k."""
    return Content(arrays={"network/work": np.zeros(PIECES, np.float32)})


def piece(number: int) -> dict[str, Any]:
    return {"network/work": np.eye(1, PIECES, number, dtype=np.float32)[0]}


def versions(store: SharedStore) -> list[Version]:
    found = [store.version(number) for number in numbered(store.paths.merged)]
    return [version for version in found if version is not None]


def weights_by_piece(store: SharedStore, owner: dict[int, str]) -> dict[int, list[float]]:
    """For each piece of work, the weights with which it was merged, found in the contributions' own files."""
    merged: dict[int, list[float]] = {number: [] for number in owner}
    for version in versions(store):
        for one in version.inputs:
            path = store.paths.contribution(one.member, one.seq)
            content, base = contribution_of(store, path), store.content(one.base)
            change = content.arrays["network/work"] - base.arrays["network/work"]
            for number, member in owner.items():
                if member == one.member and change[number] > 0.5:
                    merged[number].append(one.weight)
    return merged


def contribution_of(store: SharedStore, path: Path) -> Content:
    from gamefleet.weights.blobs import read_blob
    from gamefleet.weights.manifests import Contribution, read

    return read_blob(path.parent, read(path, Contribution).blob)[0]


class LosingStore(SharedStore):
    """A store whose process is overtaken: somebody else merges between its look and its write."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.overtake: Callable[[], object] | None = None
        self.is_early = False

    def be_overtaken(self) -> None:
        overtake, self.overtake = self.overtake, None
        if overtake is not None:
            overtake()

    def candidates(self, head: Version) -> dict[str, list[Pending]]:
        if self.is_early:
            self.be_overtaken()
        return super().candidates(head)

    def write_version(self, *arguments: Any) -> bool:
        self.be_overtaken()
        return super().write_version(*arguments)


@pytest.mark.parametrize("rule", ["average"])
def test_one_member_goes_on_bit_for_bit_as_if_it_were_alone(
    fleet, network: Make, fast_disk: None, rule: str, rng: np.random.Generator
) -> None:
    settings = MergeSettings(rule=rule)
    first = replace(network(), moments={"obs": Moments(count=1.0, mean=np.zeros(3, "f"), deviation=np.ones(3, "f"))})
    learner = fleet.learner("alone", first, settings)
    assert learner.join() is None
    for number in range(60):
        learner.learn({"network/w": rng.normal(size=(64, 4)), "network/count": 1, "curiosity/w": rng.normal(size=64)})
        moments = replace(learner.content.moments["obs"], count=2.0 + number, mean=rng.normal(size=3).astype("f"))
        learner.content = replace(learner.content, moments={"obs": moments})
        before = learner.content.copy()

        assert learner.sync() is None
        assert learner.content.has_same_bits(before)
        assert fleet.store().content(number + 1).has_same_bits(before)
    assert learner.member.version == 60


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_a_sync_without_new_updates_writes_no_weights(fleet, network: Make) -> None:
    learner = fleet.joined(["a"], network())[0]
    learner.learn({"network/w": 1})
    learner.sync()
    before = {name for name in fleet.files() if "safetensors" in name}

    assert learner.sync() is None
    assert {name for name in fleet.files() if "safetensors" in name} == before


@pytest.mark.parametrize("seed", range(24))
def test_every_piece_of_work_is_merged_at_most_once_and_exactly_once_when_nobody_is_lost(
    fleet, fast_disk: None, seed: int
) -> None:
    chance = random.Random(seed)
    names = ["a", "b", "c"][: 2 + seed % 2]
    may_be_restored = seed % 3 == 2
    settings = replace(fleet.at_once, max_norm_ratio=1e9, max_age_versions=10_000, keep_versions=10_000)
    settings = replace(settings, wait_s=chance.choice([-1.0, 1e9]), age_decay=chance.choice([1.0, 0.5]))
    stores = {name: LosingStore(fleet.paths, clock=lambda: 0.0) for name in names}
    learners = {name: fleet.learner(name, blank(), settings, stores[name]) for name in names}
    for learner in learners.values():
        learner.join()
    owner: dict[int, str] = {}
    saved: dict[str, tuple[Any, Content, int]] = {}
    away = dict.fromkeys(names, 0)
    for _ in range(70):
        name = chance.choice(names)
        learner = learners[name]
        if away[name] > 0:
            away[name] -= 1
            continue
        action = chance.random()
        if action < 0.45:
            owner[len(owner)] = name
            learner.learn(piece(len(owner) - 1))
        elif action < 0.8:
            learner.sync()
        elif action < 0.9:
            rival = learners[chance.choice([other for other in names if other != name])]
            stores[name].overtake, stores[name].is_early = rival.sync, chance.random() < 0.5
            learner.sync()
            stores[name].overtake = None
        elif action < 0.94:
            away[name] = 8
        elif may_be_restored and name in saved and chance.random() < 0.5:
            state, content, updates = saved[name]
            learners[name] = fleet.learner(name, content, settings, stores[name])
            learners[name].updates = updates
            learners[name].member.import_state(state)
            learners[name].join()
        else:
            saved[name] = (learner.member.export_state(), learner.content, learner.updates)
    for _ in range(4):
        for learner in learners.values():
            learner.updates += 1  # so that everybody publishes what is left
            learner.sync()

    merged = weights_by_piece(fleet.store(), owner)
    head = fleet.store().head()
    result = fleet.store().content(head.version).arrays["network/work"]
    assert len(owner) > 8
    for number, weights in merged.items():
        assert len(weights) <= 1, f"piece {number} of {owner[number]} was merged {len(weights)} times"
        if not may_be_restored:
            assert len(weights) == 1, f"piece {number} of {owner[number]} was lost"
        assert result[number] == pytest.approx(sum(weights), abs=1e-4)
    assert sum(not weights for weights in merged.values()) <= len(owner) // 2, "most work counts in any case"


def test_any_version_can_be_made_again_from_its_manifest_and_the_blobs(fleet, network: Make, fast_disk: None) -> None:
    for rule in ("average", "polyak", "outer"):
        settings = replace(fleet.at_once, rule=rule, wait_s=1e9)
        fleet.make_old(1e6, "members/*/heartbeat.json")  # the learners of the rule before have ended
        learners = fleet.joined(["a", "b"], network(), settings)
        for number in range(4):
            for learner in learners[: 1 + number % 2 + 1]:
                learner.learn({"network/w": 0.01 * (number + 1), "network/count": 1})
                learner.sync()
        store = fleet.store()
        for version in versions(store):
            if version.kind != "merge":
                continue
            inputs = [
                Input(
                    content=contribution_of(store, store.paths.contribution(one.member, one.seq)),
                    base=None if one.base == version.parent else store.content(one.base),
                    samples=one.samples,
                    age=one.age,
                )
                for one in version.inputs
            ]
            again = merge(
                store.content(version.parent), store.momentum(version.parent), inputs, MergeSettings(**version.rule)
            )
            assert again.content.has_same_bits(store.content(version.version))
            assert again.weights == tuple(one.weight for one in version.inputs)


def test_two_members_end_with_the_same_weights_and_each_with_its_own_newer_work(fleet) -> None:
    settings = replace(fleet.at_once, wait_s=1e9)
    one, other = fleet.joined(["a", "b"], blank(), settings)
    one.learn(piece(0))
    assert one.sync() is None, "the other live learner has not published"
    one.learn(piece(1))
    other.learn(piece(2))

    adoption = other.sync()

    assert (adoption.kind, adoption.version, len(adoption.inputs)) == ("merge", 1, 2)
    assert other.content.arrays["network/work"][:4].tolist() == [0.5, 0, 0.5, 0]
    taken = one.sync()
    assert taken.kind == "merge"
    assert one.content.arrays["network/work"][:4].tolist() == [0.5, 1, 0.5, 0], "what came after stays on top"


def test_a_learner_whose_heartbeat_is_old_is_not_waited_for(fleet) -> None:
    settings = replace(fleet.at_once, wait_s=1e9, live_s=120.0)
    one, _ = fleet.joined(["a", "b"], blank(), settings)
    one.learn(piece(0))
    one.sync()
    assert one.member.version == 0
    fleet.make_old(121, "members/b/heartbeat.json")
    one.learn(piece(1))

    assert one.sync() is None
    assert one.member.version == 1


def test_a_pending_contribution_waits_no_longer_than_it_must_even_when_newer_ones_replace_it(fleet) -> None:
    settings = replace(fleet.at_once, wait_s=30.0)
    one, _ = fleet.joined(["a", "b"], blank(), settings)
    one.learn(piece(0))
    one.sync()
    fleet.make_old(31, "members/a/weights/*")
    one.learn(piece(1))
    one.sync()

    assert one.member.version == 1
    assert fleet.store().head().inputs[0].seq == 2


def test_who_may_not_merge_only_publishes_and_takes_over(fleet) -> None:
    home, laptop = fleet.learner("home", blank()), fleet.learner("laptop", blank(), may_merge=False)
    with pytest.raises(RunFolderError, match=r"no fleet in this shared folder yet.*sync pull"):
        laptop.join()
    home.join()
    laptop.join()
    laptop.learn(piece(3))

    assert laptop.sync() is None
    assert laptop.member.version == 0
    home.sync()
    assert laptop.sync() is None, "its own work came back to it, bit for bit"
    assert laptop.member.version == 1


def test_a_member_that_begins_from_other_weights_takes_over_those_of_the_fleet(fleet, network: Make) -> None:
    fleet.joined(["a"], network(1))
    late = fleet.learner("b", network(2))

    adoption = late.join()

    assert (adoption.kind, adoption.version) == ("join", 0)
    assert late.content.has_same_bits(network(1))
    assert fleet.learner("c", network(1)).join() is None


def test_joining_with_other_settings_names_the_first_difference(fleet, network: Make) -> None:
    fleet.joined(["a"], network())
    parts = {**fleet.facts.compatibility["parts"], "architecture": {"hidden_size": 16}}
    other = replace(fleet.facts, compatibility={"hash": "cd" * 16, "parts": parts})

    with pytest.raises(IncompatibleError, match=r"'red'.*architecture\.hidden_size: 16 here, 8 there.*--shared-dir"):
        fleet.learner("b", network()).join(other)
    with pytest.raises(IncompatibleError, match=r"game: 'chess' here, 'toy' there"):
        fleet.learner("b", network()).join(replace(fleet.facts, game_name="chess"))


def test_a_member_that_was_away_for_too_long_takes_over_the_fleets_weights(fleet, fast_disk: None) -> None:
    settings = replace(fleet.at_once, max_age_versions=3)
    one, away = fleet.joined(["a", "b"], blank(), settings)
    away.learn(piece(100))
    for number in range(5):
        one.learn(piece(number))
        one.sync()

    adoption = away.sync()

    assert adoption.kind == "join"
    assert "began at version 0, 5 versions ago; at most 3" in adoption.reason
    assert away.content.has_same_bits(one.content)
    away.learn(piece(101))
    assert away.sync() is None
    assert one.sync().content.arrays["network/work"][100:102].tolist() == [0, 1]


def test_a_member_restored_from_an_older_state_does_not_give_the_same_work_twice(fleet) -> None:
    learner = fleet.joined(["a"], blank())[0]
    learner.learn(piece(0))
    learner.sync()
    state, content, updates = learner.member.export_state(), learner.content, learner.updates
    learner.learn(piece(1))
    learner.sync()
    restored = fleet.learner("a", content)
    restored.updates = updates
    restored.member.import_state(state)

    adoption = restored.join()

    assert adoption.kind == "join"
    assert "does not remember" in adoption.reason
    restored.learn(piece(2))
    restored.sync()
    assert restored.content.arrays["network/work"][:3].tolist() == [1, 1, 1]


def test_a_member_that_resumes_where_it_stopped_goes_on_as_it_is(fleet) -> None:
    import json

    learner = fleet.joined(["a"], blank())[0]
    learner.learn(piece(0))
    learner.sync()
    learner.learn(piece(1))
    resumed = fleet.learner("a", learner.content)
    resumed.updates = learner.updates
    resumed.member.import_state(json.loads(json.dumps(learner.member.export_state())))

    assert resumed.join() is None
    assert resumed.sync() is None
    assert fleet.store().head().inputs[0].updates == 1


def test_the_newest_holder_of_a_name_keeps_it(fleet) -> None:
    one = fleet.joined(["a"], blank())[0]
    one.learn(piece(0))
    os.utime(fleet.paths.heartbeat("a"), (1, 1))  # it was silent for long
    other = fleet.joined(["a"], blank())[0]

    with pytest.raises(RunFolderError, match=r"Another process took over.*'a'.*own name"):
        one.sync()
    other.learn(piece(1))
    other.sync()


def test_a_member_must_join_before_it_can_sync(fleet) -> None:
    with pytest.raises(RunFolderError, match="has not joined yet"):
        fleet.learner("a", blank()).sync()


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", ".x", "a-000001", "a.experience", "x" * 64])
def test_a_name_that_cannot_be_a_folders_is_refused(fleet, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a member"):
        fleet.learner(name, blank())


def test_after_a_rollback_everybody_goes_on_from_the_older_weights_and_what_grew_since_is_refused(fleet) -> None:
    one, other = fleet.joined(["a", "b"], blank())
    for number in range(3):
        one.learn(piece(number))
        one.sync()
    other.sync()
    one.learn(piece(7))
    other.learn(piece(8))
    store = fleet.store()

    assert rollback(store, 1, "fewer milestones than version 1", member="a")

    head = store.head()
    assert (head.version, head.kind, head.parent, head.rolled_back) == (4, "rollback", 1, [2, 3])
    # `b` publishes before it can see the rollback.
    late = replace(draft_of(other, base=3), included=0)
    store.publish(late, other.content)
    adoption = one.sync()
    assert adoption.kind == "rollback"
    assert "fewer milestones than version 1" in adoption.reason
    assert one.content.arrays["network/work"][:9].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]
    one.learn(piece(9))
    one.sync()
    assert "rolled back" in (fleet.paths.rejection("b", 1)).read_text()
    assert other.sync().kind == "rollback"
    other.learn(piece(10))
    other.sync()
    assert [one.member for one in store.head().inputs] == ["b"], "and then it takes part as before"
    assert store.content(store.head().version).arrays["network/work"][7:11].tolist() == [0, 0, 1, 1]


def draft_of(learner: Any, base: int) -> Any:
    from gamefleet.weights.adoption import Progress, draft

    state = replace(learner.member._state, base=base, since=base)
    facts: SharedFacts = learner.member._facts
    return draft(state, facts, Progress(updates=9, samples=9), member=learner.member.member, seq=1)


def test_a_rollback_to_what_is_not_there_lists_what_is(fleet) -> None:
    learner = fleet.joined(["a"], blank())[0]
    learner.learn(piece(0))
    learner.sync()

    with pytest.raises(ConfigError, match=r"cannot go back to this version: 1 .*there: 0"):
        rollback(fleet.store(), 1, "x")


def test_a_run_that_joins_late_contributes_only_what_it_learns_from_then_on(fleet) -> None:
    fleet.joined(["a"], blank())
    late = fleet.learner("b", blank())
    late.updates = 50
    late.join()
    late.learn(piece(0))
    late.sync()

    assert (fleet.store().head().inputs[0].samples, fleet.store().head().inputs[0].updates) == (100, 1)


def test_a_merge_by_a_process_that_was_overtaken_leaves_one_version_and_one_blob(fleet) -> None:
    store = LosingStore(fleet.paths, clock=lambda: 0.0)
    one = fleet.learner("a", blank(), store=store)
    one.join()
    other = fleet.joined(["b"], blank())[0]
    one.learn(piece(0))
    other.learn(piece(1))
    store.overtake = other.sync

    one.sync()

    names = [name for name in fleet.files() if name.startswith("merged/000001")]
    assert len(names) == 2, "a manifest and its blob"
    assert fleet.store().head().merged_by == "b"
    assert one.content.arrays["network/work"][:2].tolist() == [0.5, 0.5]
