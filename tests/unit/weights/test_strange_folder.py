"""Things that somebody left in a shared folder, on purpose or by accident, harm nobody."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gamefleet.errors import RunFolderError
from gamefleet.weights.content import Content
from gamefleet.weights.garbage import collect
from gamefleet.weights.quarantine import rejection
from gamefleet.weights.settings import MergeSettings


def content(value: float = 0.0) -> Content:
    return Content(arrays={"network/w": np.full(4, value, np.float32)})


STEP = {"network/w": 1.0}


def test_a_pipe_where_a_manifest_should_be_holds_nobody_up(fleet: Any) -> None:
    [honest] = fleet.joined(["a"], content())
    for place in ("weights/000001.json", "member.json", "heartbeat.json"):
        path = fleet.paths.member("evil") / place
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)

    honest.learn(STEP)
    honest.sync()

    assert fleet.store().head().included == {"a": 1}


@pytest.mark.parametrize("linked", ["member", "weights"])
def test_garbage_collection_follows_no_link(fleet: Any, tmp_path: Path, linked: str) -> None:
    victim = tmp_path / "home" / "weights"
    victim.mkdir(parents=True)
    names = ["model.safetensors", "000001-0123456789ab.safetensors", ".tmp-000002.json-0123456789ab", "000001.json"]
    for name in names:
        (victim / name).write_bytes(b"precious")
        os.utime(victim / name, (1, 1))
    [learner] = fleet.joined(["a"], content())
    if linked == "member":
        fleet.paths.member("evil").symlink_to(victim.parent)
    else:
        fleet.paths.member("evil").mkdir()
        fleet.paths.weights("evil").symlink_to(victim)

    learner.learn(STEP)
    learner.sync()
    collect(fleet.paths, "a", MergeSettings(grace_s=0.0), now=time.time() + 1e6, is_home=True)

    assert sorted(path.name for path in victim.iterdir()) == sorted(names)


def test_files_that_are_not_of_our_making_stay(fleet: Any) -> None:
    [learner] = fleet.joined(["a"], content())
    strangers = [fleet.paths.weights("a") / name for name in ("best.safetensors", "notes.txt", ".tmp-mine")]
    for path in strangers:
        path.write_bytes(b"kept")
        os.utime(path, (1, 1))

    learner.learn(STEP)
    learner.sync()
    collect(fleet.paths, "a", MergeSettings(grace_s=0.0), now=time.time() + 1e6, is_home=True)

    assert all(path.exists() for path in strangers)


@pytest.mark.parametrize("size", [-2, -1, 0, 2**45])
def test_a_manifest_that_lies_about_its_blobs_size_costs_nothing(fleet: Any, size: int) -> None:
    one, evil = fleet.joined(["a", "evil"], content())
    evil.learn(STEP)
    evil.member._publish(evil.content, progress(evil))
    path = fleet.paths.contribution("evil", 1)
    manifest = json.loads(path.read_text())
    with open(path.parent / manifest["blob"]["name"], "r+b") as stream:
        stream.truncate(2**33)  # sparse: reading it would take minutes and all memory
    manifest["blob"]["size_bytes"] = size
    path.write_text(json.dumps(manifest))

    one.learn(STEP)
    one.sync()

    assert fleet.store().head().included == {"a": 1}
    assert "bytes" in rejection(fleet.paths, "evil", 1).reason


def progress(learner: Any) -> Any:
    from gamefleet.weights.adoption import Progress

    return Progress(step=100, samples=100, updates=learner.updates)


def test_a_name_that_a_live_learner_has_is_not_taken(fleet: Any) -> None:
    [first] = fleet.joined(["a"], content())

    with pytest.raises(RunFolderError, match="is at work under this name"):
        fleet.learner("a", content()).join()

    first.learn(STEP)
    first.sync()
    assert fleet.store().head().included == {"a": 1}, "the first one goes on"


def test_the_same_run_has_its_name_at_once_and_others_after_a_while(fleet: Any) -> None:
    fleet.learner("a", content(), token="of the run").join()
    fleet.learner("a", content(), token="of the run").join()

    os.utime(fleet.paths.heartbeat("a"), (1, 1))
    fleet.learner("a", content()).join()


def test_a_learner_whose_folder_is_gone_says_so_and_makes_no_other(fleet: Any) -> None:
    [learner] = fleet.joined(["a"], content())
    shutil.rmtree(fleet.paths.root)
    fleet.paths.root.mkdir()  # a mount point without its disk

    learner.learn(STEP)
    with pytest.raises(RunFolderError, match="The shared folder is gone"):
        learner.sync()

    assert list(fleet.paths.root.iterdir()) == []


def test_another_fleets_weights_are_not_taken_over(fleet: Any) -> None:
    [learner] = fleet.joined(["a"], content())
    shutil.rmtree(fleet.paths.root)
    fleet.paths.root.mkdir()
    other = fleet.learner("z", content(50.0))
    other.join(replace(fleet.facts, fleet="blue"))
    before = learner.content

    learner.learn(STEP)
    for call in (learner.sync, lambda: learner.member.catch_up(learner.content, step=1, samples=1, updates=1)):
        with pytest.raises(RunFolderError, match="Another fleet, 'blue', has begun"):
            call()

    assert learner.content.arrays["network/w"].max() == before.arrays["network/w"].max() + 1.0


def test_an_absurd_number_does_not_end_merging(fleet: Any) -> None:
    [learner] = fleet.joined(["a"], content())
    (fleet.paths.merged / "999999999999.json").write_text("{}")
    (fleet.paths.weights("a") / "999999999998.json").write_text("{}")

    for _ in range(3):
        learner.learn(STEP)
        learner.sync()

    assert fleet.store().head().version == 3


def test_a_folder_whose_name_means_something_else_is_no_member(fleet: Any) -> None:
    [learner] = fleet.joined(["a"], content())
    weights = fleet.paths.members / "a-000002" / "weights"
    weights.mkdir(parents=True)
    for number in range(1, 5):
        (weights / f"{number:06d}.json").write_text("{}")

    for _ in range(3):
        learner.learn(STEP)
        learner.sync()

    assert fleet.store().head().included == {"a": 3}
    assert list(fleet.paths.rejected.iterdir()) == []


def test_a_flood_of_bad_manifests_costs_a_few_looks_and_sets_its_member_aside(fleet: Any) -> None:
    [learner] = fleet.joined(["a"], content())
    weights = fleet.paths.weights("evil")
    weights.mkdir(parents=True)
    for number in range(1, 1001):
        (weights / f"{number:06d}.json").write_text("x")

    learner.learn(STEP)
    learner.sync()

    assert fleet.store().head().included == {"a": 1}
    assert fleet.store().refused().members == {"evil"}
    assert len(list(fleet.paths.rejected.iterdir())) <= 5
