"""Checkpoints are whole or not there; old ones survive whatever happens to the next."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gamefleet.errors import (
    CheckpointError,
    CorruptCheckpointError,
    IncompatibleError,
    RunFolderError,
    StorageFullError,
)
from gamefleet.files import read_json
from gamefleet.runs.checkpoint import Checkpoint, CheckpointStore, find_checkpoint, open_checkpoint
from gamefleet.runs.manifest import Compatibility
from gamefleet.runs.paths import RunPaths

Folders = Callable[[], list[str]]


def parts(value: float = 1.0) -> dict[str, Any]:
    return {
        "model": {"core.weight": np.full((4, 4), value, np.float32)},
        "optimizer": {"step": 3, "moments": [np.zeros(4), np.ones(4)]},
        "actor": {"rng": np.random.default_rng(1).bit_generator.state, "games": [b"\x00\x01", b""]},
    }


@pytest.fixture
def names(paths: RunPaths) -> Folders:
    return lambda: sorted(path.name for path in paths.checkpoints.iterdir())


def loaded(store: CheckpointStore) -> Checkpoint:
    checkpoint = store.load_newest().checkpoint
    assert checkpoint is not None
    return checkpoint


def test_a_saved_checkpoint_is_found_and_equal(store: CheckpointStore) -> None:
    store.save(1000, parts(), state={"episodes": 4})
    checkpoint = loaded(store)

    assert checkpoint.step == 1000
    assert checkpoint.parts == ("actor", "model", "optimizer")
    np.testing.assert_array_equal(checkpoint.part("model")["core.weight"], np.ones((4, 4), np.float32))
    assert checkpoint.part("actor")["rng"] == np.random.default_rng(1).bit_generator.state
    assert checkpoint.part("actor")["games"] == [b"\x00\x01", b""]
    assert checkpoint.state() == {"episodes": 4, "step": 1000}
    assert checkpoint.replay is None


def test_a_part_that_is_not_there_is_named_with_those_that_are(store: CheckpointStore) -> None:
    with pytest.raises(CheckpointError, match=r"'replays'.*actor, model, optimizer"):
        store.save(1, parts()).part("replays")


def test_a_run_that_never_saved_has_no_checkpoint(store: CheckpointStore) -> None:
    assert store.load_newest().checkpoint is None


def test_the_newest_is_loaded_also_when_steps_have_more_digits(store: CheckpointStore) -> None:
    for step in (999_999_999, 1_000_000_000):
        store.save(step, parts())

    assert loaded(store).step == 1_000_000_000


def test_all_but_the_newest_are_pruned_except_at_milestones(store: CheckpointStore, names: Folders) -> None:
    for step in range(1, 7):
        store.save(step, parts(), milestone="first badge" if step == 2 else "")

    assert names() == [f"step-{step:09d}" for step in (2, 4, 5, 6)]


def test_saving_the_same_step_again_keeps_what_is_there(store: CheckpointStore) -> None:
    first = store.save(5, parts(1.0))
    again = store.save(5, parts(2.0))

    assert again.folder == first.folder
    np.testing.assert_array_equal(again.part("model")["core.weight"], 1.0)


def test_saving_the_same_step_again_replaces_a_damaged_one(store: CheckpointStore) -> None:
    (store.save(5, parts(1.0)).folder / "model.safetensors").unlink()

    np.testing.assert_array_equal(store.save(5, parts(2.0)).part("model")["core.weight"], 2.0)


def flip_a_bit(path: Path, place: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[place.randrange(len(data))] ^= 1 << place.randrange(8)
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["MANIFEST.json", "model.safetensors", "actor.safetensors", "state.json", "replay/x"])
def test_one_flipped_bit_anywhere_is_noticed(store: CheckpointStore, name: str) -> None:
    folder = store.save(7, parts(), replay=lambda folder, _: write_block(folder, b"block" * 99)).folder
    whole = (folder / name).read_bytes()
    place = random.Random(4)
    for _ in range(40):
        flip_a_bit(folder / name, place)
        with pytest.raises(CorruptCheckpointError, match=name):
            open_checkpoint(folder)
        (folder / name).write_bytes(whole)
    open_checkpoint(folder)


def write_block(folder: Path, data: bytes) -> None:
    (folder / "x").write_bytes(data)


@pytest.mark.parametrize("damage", ["truncate", "delete", "no manifest"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(
    store: CheckpointStore, names: Folders, damage: str
) -> None:
    store.save(1, parts())
    newest = store.save(2, parts()).folder
    file = newest / ("MANIFEST.json" if damage == "no manifest" else "model.safetensors")
    if damage == "truncate":
        os.truncate(file, 10)
    else:
        file.unlink()

    result = store.load_newest()

    assert result.checkpoint is not None
    assert result.checkpoint.step == 1
    ((moved, reason),) = result.rejected
    assert file.name in reason
    assert names() == sorted(["step-000000001", moved.name])
    assert (moved / "optimizer.safetensors").exists(), "nothing of it is deleted"


def test_when_none_is_whole_a_fresh_start_must_be_asked_for(store: CheckpointStore) -> None:
    for step in (1, 2):
        (store.save(step, parts()).folder / "model.safetensors").unlink()

    with pytest.raises(CorruptCheckpointError, match=r"None of the 2 checkpoints.*--fresh"):
        store.load_newest()


def test_another_architecture_is_refused_with_both_values(
    store: CheckpointStore, paths: RunPaths, compatibility: Compatibility
) -> None:
    store.save(1, parts())
    other = dataclasses.replace(compatibility, architecture={"core": "lstm", "size": 8})

    with pytest.raises(IncompatibleError, match=r"architecture\.core: 'lstm' here, 'gru' there"):
        CheckpointStore(paths, compatibility=other, fence=lambda: None).load_newest()


def test_the_replay_may_link_to_the_previous_checkpoint_and_links_are_not_read_again(store: CheckpointStore) -> None:
    previous_folders: list[Path | None] = []

    def save_replay(folder: Path, previous: Path | None) -> None:
        previous_folders.append(previous)
        if previous is None:
            (folder / "old").write_bytes(b"old")
        else:
            os.link(previous / "old", folder / "old")
        (folder / "fresh").write_bytes(os.urandom(9))

    first = store.save(1, parts(), replay=save_replay)
    second = store.save(2, parts(), replay=save_replay)

    assert previous_folders == [None, first.replay]
    assert second.replay is not None
    assert second.manifest["files"]["replay/old"] == first.manifest["files"]["replay/old"]
    open_checkpoint(second.folder)


@pytest.mark.parametrize("limit", [100, 400, 1000, 3000])
def test_a_full_disk_leaves_the_older_checkpoint_and_no_remains(
    store: CheckpointStore, names: Folders, limit: int
) -> None:
    store.save(1, parts())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(StorageFullError, match="resume"):
            store.save(2, {**parts(), "zeros": {"x": np.zeros(1000)}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert names() == ["step-000000001"]
    assert loaded(store).step == 1


def test_a_disk_that_fills_while_the_replay_is_written_is_explained(store: CheckpointStore, names: Folders) -> None:
    def fill(folder: Path, previous: Path | None) -> None:
        (folder / "x").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    store.save(1, parts())
    with pytest.raises(StorageFullError):
        store.save(2, parts(), replay=fill)

    assert names() == ["step-000000001"]


def test_a_process_that_lost_its_claim_replaces_nothing(
    paths: RunPaths, compatibility: Compatibility, names: Folders
) -> None:
    mark = paths.root / "taken over"
    store = CheckpointStore(paths, compatibility=compatibility, fence=fence_of(mark))
    store.save(1, parts())

    with pytest.raises(RunFolderError, match="taken over"):
        store.save(2, parts(), replay=lambda folder, _: mark.touch())  # in the middle of the save

    assert names() == ["step-000000001"]


def test_a_process_that_lost_its_claim_leaves_what_its_successor_is_writing(
    paths: RunPaths, compatibility: Compatibility, names: Folders
) -> None:
    mark = paths.root / "taken over"
    store = CheckpointStore(paths, compatibility=compatibility, fence=fence_of(mark), keep=1)
    store.save(1, parts())
    (paths.checkpoints / ".tmp-step-000000002-abc").mkdir()
    mark.touch()

    with pytest.raises(RunFolderError, match="taken over"):
        store.prune()

    assert (paths.checkpoints / ".tmp-step-000000002-abc").is_dir()


def test_a_process_whose_successor_swept_its_files_away_says_that_it_was_taken_over(
    paths: RunPaths, compatibility: Compatibility
) -> None:
    mark = paths.root / "taken over"
    store = CheckpointStore(paths, compatibility=compatibility, fence=fence_of(mark))

    def lose(folder: Path, _: Path | None) -> None:
        shutil.rmtree(folder.parent)
        mark.touch()
        write_block(folder, b"late")

    with pytest.raises(RunFolderError, match="taken over"):
        store.save(2, parts(), replay=lose)


def fence_of(mark: Path) -> Callable[[], None]:
    """A fence that holds until a file is there."""

    def fence() -> None:
        if mark.exists():
            raise RunFolderError("taken over")

    return fence


def test_what_a_superseded_attempt_added_late_is_no_part_of_the_run(
    paths: RunPaths, compatibility: Compatibility, names: Folders
) -> None:
    zombie, successor = (
        CheckpointStore(paths, compatibility=compatibility, fence=lambda: None, attempt=attempt) for attempt in (1, 2)
    )
    zombie.save(10, parts(1.0))
    successor.load_newest()
    successor.save(20, parts(2.0))
    zombie.save(30, parts(1.5))  # it passed the fence before the successor began, and was slow

    newest = CheckpointStore(paths, compatibility=compatibility, fence=lambda: None, attempt=3).load_newest().checkpoint
    assert newest is not None
    assert newest.step == 20
    assert find_checkpoint(paths.root).name == "step-000000020"

    np.testing.assert_array_equal(successor.save(30, parts(3.0)).part("model")["core.weight"], 3.0)
    assert find_checkpoint(paths.root).name == "step-000000030"
    successor.save(40, parts(4.0))
    assert names() == ["step-000000020", "step-000000030", "step-000000040"]


SAVER = """
    import sys
    from pathlib import Path
    import numpy as np
    from gamefleet.runs.checkpoint import CheckpointStore
    from gamefleet.runs.manifest import Compatibility
    from gamefleet.runs.paths import RunPaths

    compatibility = Compatibility(game="toy 1", observation={}, reward={}, architecture={})
    store = CheckpointStore(RunPaths(Path(sys.argv[1])), compatibility=compatibility, fence=lambda: None, keep=2)
    print("ready", flush=True)
    for step in range(1, 10**6):
        store.save(step, {"model": {"x": np.full(20_000, step)}, "optimizer": {"step": step}})
        print(step, flush=True)
"""


@pytest.mark.parametrize("seed", range(8))
def test_a_kill_at_any_moment_leaves_the_last_announced_checkpoint(
    paths: RunPaths, start_program: Callable[..., subprocess.Popen[str]], seed: int
) -> None:
    process = start_program(SAVER, paths.root)
    assert process.stdout is not None
    saves = random.Random(seed).randrange(1, 6)
    for _ in range(saves + 1):
        process.stdout.readline()
    # A different moment of the next save for each seed; what matters is that every one of them is survived.
    spin = random.Random(seed).randrange(40_000)
    while spin:
        spin -= 1
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    announced = max([saves, *(int(line) for line in rest.split())])

    compatibility = Compatibility(game="toy 1", observation={}, reward={}, architecture={})
    store = CheckpointStore(paths, compatibility=compatibility, fence=lambda: None, keep=2)
    result = store.load_newest()

    assert result.rejected == ()
    assert result.checkpoint is not None
    assert result.checkpoint.step >= announced
    assert result.checkpoint.part("optimizer") == {"step": result.checkpoint.step}
    store.prune()
    assert list(paths.checkpoints.glob(".tmp-*")) == []


def test_a_checkpoint_is_found_by_its_folder_its_run_and_the_folder_between(
    store: CheckpointStore, paths: RunPaths
) -> None:
    store.save(1, parts())
    newest = store.save(2, parts()).folder

    for path in (newest, paths.checkpoints, paths.root):
        assert find_checkpoint(path) == newest
    assert find_checkpoint(paths.checkpoint(1)) == paths.checkpoint(1)


def test_a_damaged_newest_checkpoint_is_passed_over_without_being_touched(
    store: CheckpointStore, paths: RunPaths, names: Folders
) -> None:
    store.save(1, parts())
    (store.save(2, parts()).folder / "state.json").unlink()

    assert find_checkpoint(paths.root) == paths.checkpoint(1)
    assert names() == ["step-000000001", "step-000000002"]


def test_a_folder_without_checkpoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="gamefleet runs list"):
        find_checkpoint(tmp_path)


def test_a_checkpoint_of_a_newer_format_names_the_version_to_install(store: CheckpointStore) -> None:
    import xxhash

    folder = store.save(1, parts()).folder
    manifest = read_json(folder / "MANIFEST.json") | {"format_version": 99, "gamefleet_version": "9.1.0"}
    assert "gamefleet_version" in read_json(folder / "MANIFEST.json")
    del manifest["checksum"]
    manifest["checksum"] = xxhash.xxh3_128_hexdigest(json.dumps(manifest, sort_keys=True).encode())
    (folder / "MANIFEST.json").write_text(json.dumps(manifest))

    with pytest.raises(RunFolderError, match=r"newer gamefleet \(9\.1\.0\).*gamefleet>=9\.1\.0"):
        open_checkpoint(folder)
