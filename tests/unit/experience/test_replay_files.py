"""Saved replays: equal bit for bit when loaded, cheap when little changed, and never silently damaged."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamefleet.errors import ConfigError, CorruptCheckpointError, IncompatibleError
from gamefleet.experience import replay_files
from gamefleet.experience.layout import num_bytes
from gamefleet.experience.replay import Replay
from gamefleet.experience.settings import ReplaySettings
from gamefleet.experience.types import SequenceBatch, Slots
from gamefleet.games.pokemon_red.config import PokemonRedConfig
from gamefleet.games.pokemon_red.game import make_spec

NUM_STREAMS, STATE_SIZE, NUM_STEPS = 2, 3, 2
LAYOUT = {"screen": ((4, 5), "uint8"), "place": ((2,), "int16")}
SETTINGS = ReplaySettings(capacity_steps=2 * 2200, unroll=8, burn_in=4, priority_exponent=0.7)
BLOCK = replay_files.BLOCK_SLOTS
NUM_RING_BLOCKS = 5


def make(chosen: ReplaySettings = SETTINGS, *, state_size: int = STATE_SIZE, seed: int = 0) -> Replay:
    return Replay(
        LAYOUT, chosen, num_streams=NUM_STREAMS, state_size=state_size, num_steps=NUM_STEPS, seed=seed
    )  # fmt: skip


def play(replay: Replay, count: int, seed: int = 0, state_size: int = STATE_SIZE) -> None:
    """Extend every stream alike."""
    rng = np.random.default_rng(seed)
    for stream in range(NUM_STREAMS):
        slots = Slots(
            obs={
                "screen": rng.integers(256, size=(count, 4, 5), dtype=np.uint8),
                "place": rng.integers(-9, 9, size=(count, 2), dtype=np.int16),
            },
            action=rng.integers(8, size=count).astype(np.int16),
            reward=rng.normal(size=count).astype(np.float32),
            is_first=rng.random(count) < 0.1,
            is_last=rng.random(count) < 0.1,
            is_terminal=rng.random(count) < 0.1,
        )
        replay.extend(stream, slots, rng.random((count, state_size), np.float32))


def step(replay: Replay) -> None:
    """Append one slot to all streams."""
    slots = Slots(
        obs={"screen": np.full((NUM_STREAMS, 4, 5), 7, np.uint8), "place": np.full((NUM_STREAMS, 2), 7, np.int16)},
        action=np.full(NUM_STREAMS, 7, np.int16),
        reward=np.full(NUM_STREAMS, 7, np.float32),
        is_first=np.zeros(NUM_STREAMS, np.bool_),
        is_last=np.zeros(NUM_STREAMS, np.bool_),
        is_terminal=np.zeros(NUM_STREAMS, np.bool_),
    )
    replay.add(slots, np.full((NUM_STREAMS, STATE_SIZE), 7, np.float32))


def learn(replay: Replay, count: int) -> list[SequenceBatch]:
    """Draw batches and give each window a priority that depends on what was drawn."""
    batches = []
    for _ in range(count):
        batch = replay.sample(6)
        replay.update_priorities(batch.index, np.abs(batch.reward).sum(axis=1).astype(np.float64))
        batches.append(batch)
    return batches


def save(replay: Replay, folder: Path, previous: Path | None = None) -> Path:
    folder.mkdir()
    replay.save(folder, previous)
    return folder


def assert_alike(one: list[SequenceBatch], other: list[SequenceBatch]) -> None:
    for first, second in zip(one, other, strict=True):
        for name in SequenceBatch.__dataclass_fields__:
            np.testing.assert_equal(getattr(first, name), getattr(second, name), err_msg=name)


def is_linked(one: Path, other: Path) -> bool:
    return one.stat().st_ino == other.stat().st_ino


def blocks(folder: Path) -> list[Path]:
    return sorted(folder.glob("block-*"))


@pytest.mark.parametrize("count", [0, 9, 700, 2200, 3 * 2200 // 2], ids=lambda count: f"{count} slots")
def test_what_was_loaded_goes_on_like_what_was_saved(tmp_path: Path, count: int) -> None:
    saved, loaded = make(), make(seed=99)
    play(saved, count // 2, seed=1)
    play(saved, count - count // 2, seed=2)
    if saved.can_sample():
        learn(saved, 10)
    loaded.load(save(saved, tmp_path / "a"))
    assert loaded.num_stored == saved.num_stored
    assert loaded.num_sampleable == saved.num_sampleable

    for seed in range(4):
        for replay in (saved, loaded):
            play(replay, 333, seed=seed)
        assert_alike(learn(saved, 50), learn(loaded, 50))


def test_a_load_replaces_whatever_the_replay_held(tmp_path: Path) -> None:
    saved, loaded = make(), make()
    play(saved, 500)
    play(loaded, 2100, seed=5)
    learn(loaded, 5)
    loaded.load(save(saved, tmp_path / "a"))

    for replay in (saved, loaded):
        play(replay, 100, seed=8)
    assert_alike(learn(saved, 50), learn(loaded, 50))


def test_streams_of_different_lengths_are_saved_and_loaded(tmp_path: Path) -> None:
    saved, loaded = make(), make()
    play(saved, 600)
    slots = Slots(
        obs={"screen": np.ones((700, 4, 5), np.uint8), "place": np.ones((700, 2), np.int16)},
        action=np.ones(700, np.int16),
        reward=np.ones(700, np.float32),
        is_first=np.zeros(700, np.bool_),
        is_last=np.zeros(700, np.bool_),
        is_terminal=np.zeros(700, np.bool_),
    )
    saved.extend(1, slots, np.ones((700, STATE_SIZE), np.float32))
    loaded.load(save(saved, tmp_path / "a"))

    assert loaded.num_stored == 600 + 1300
    for replay in (saved, loaded):
        play(replay, 900, seed=8)
    assert_alike(learn(saved, 50), learn(loaded, 50))


def test_a_replay_without_recurrent_states_is_saved_and_loaded(tmp_path: Path) -> None:
    saved, loaded = make(state_size=0), make(state_size=0)
    play(saved, 300, state_size=0)
    loaded.load(save(saved, tmp_path / "a"))

    assert_alike(learn(saved, 9), learn(loaded, 9))
    assert saved.sample(3).state.shape == (3, 0)


def test_unchanged_blocks_are_shared_by_three_saves(tmp_path: Path) -> None:
    replay = make()
    play(replay, 2 * BLOCK + 10)
    first = save(replay, tmp_path / "a")
    play(replay, 5, seed=1)
    second = save(replay, tmp_path / "b", first)
    play(replay, BLOCK, seed=2)
    third = save(replay, tmp_path / "c", second)

    assert [len(blocks(folder)) for folder in (first, second, third)] == [3, 3, 4]
    pairs = ((first, second), (second, third))
    shared = [[is_linked(path, newer / path.name) for path in blocks(older)] for older, newer in pairs]
    assert shared == [[True, True, False], [True, True, False]]
    shutil.rmtree(first)
    shutil.rmtree(second)
    loaded = make()
    loaded.load(third)
    assert_alike(learn(replay, 50), learn(loaded, 50))


def test_one_step_of_all_streams_changes_one_block(tmp_path: Path) -> None:
    replay, loaded = make(), make()
    play(replay, BLOCK)
    first = save(replay, tmp_path / "a")
    for folder, previous in (("b", first), ("c", tmp_path / "b")):
        step(replay)
        save(replay, tmp_path / folder, previous)

    third = tmp_path / "c"
    assert is_linked(first / blocks(third)[0].name, blocks(third)[0])
    assert not is_linked(tmp_path / "b" / blocks(third)[1].name, blocks(third)[1])
    loaded.load(third)
    assert_alike(learn(replay, 50), learn(loaded, 50))


def test_a_save_right_after_another_writes_no_block_again(tmp_path: Path) -> None:
    replay = make()
    play(replay, 2200)
    first = save(replay, tmp_path / "a")
    second = save(replay, tmp_path / "b", first)

    assert len(blocks(first)) == NUM_RING_BLOCKS
    assert all(is_linked(path, second / path.name) for path in blocks(first))


def test_a_loaded_replay_shares_blocks_with_what_it_was_loaded_from(tmp_path: Path) -> None:
    replay, loaded = make(), make()
    play(replay, 2 * BLOCK)
    first = save(replay, tmp_path / "a")
    loaded.load(first)
    play(loaded, 3)
    second = save(loaded, tmp_path / "b", first)

    assert [is_linked(path, second / path.name) for path in blocks(first)] == [True, True]
    again = make()
    again.load(second)
    assert_alike(learn(loaded, 50), learn(again, 50))


def test_slots_that_wrap_around_change_the_block_that_they_fall_into(tmp_path: Path) -> None:
    replay, loaded = make(), make()
    play(replay, 2200)
    first = save(replay, tmp_path / "a")
    play(replay, BLOCK + 1, seed=1)
    second = save(replay, tmp_path / "b", first)

    assert [is_linked(path, second / path.name) for path in blocks(first)] == [False, False, True, True, True]
    loaded.load(second)
    assert_alike(learn(replay, 50), learn(loaded, 50))


@pytest.mark.parametrize("stranger", ["another replay", "an older save", "a newer branch", "no save at all"])
def test_blocks_are_never_shared_with_a_save_that_the_marks_do_not_refer_to(tmp_path: Path, stranger: str) -> None:
    replay, loaded = make(), make()
    play(replay, 2 * BLOCK)
    first = save(replay, tmp_path / "a")
    previous = tmp_path / "stranger"
    if stranger == "another replay":
        other = make()
        play(other, 2 * BLOCK, seed=77)
        save(other, previous)
    elif stranger == "an older save":
        previous = first
        play(replay, 2200, seed=3)
        save(replay, tmp_path / "b", first)
    elif stranger == "a newer branch":
        branch = make()
        branch.load(first)
        play(branch, 2200, seed=4)
        save(branch, previous, first)
    last = save(replay, tmp_path / "last", previous)

    taken = {path.stat().st_ino for path in previous.glob("*")}
    assert not taken & {path.stat().st_ino for path in last.iterdir()}
    loaded.load(last)
    assert_alike(learn(replay, 50), learn(loaded, 50))


@pytest.mark.parametrize("fault", ["truncated", "missing"])
def test_an_unchanged_block_that_is_visibly_damaged_is_written_anew(tmp_path: Path, fault: str) -> None:
    replay, loaded = make(), make()
    play(replay, 2 * BLOCK)
    first = save(replay, tmp_path / "a")
    victim = blocks(first)[0]
    if fault == "truncated":
        os.truncate(victim, 100)
    else:
        victim.unlink()
    loaded.load(save(replay, tmp_path / "b", first))

    assert_alike(learn(replay, 50), learn(loaded, 50))


def test_a_save_that_failed_halfway_costs_nothing_later(tmp_path: Path) -> None:
    replay, loaded = make(), make()
    play(replay, 2 * BLOCK)
    first = save(replay, tmp_path / "a")
    play(replay, 3, seed=1)
    (tmp_path / "b" / replay_files.TABLES).mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        replay.save(tmp_path / "b", first)
    third = save(replay, tmp_path / "c", first)

    assert is_linked(blocks(first)[0], blocks(third)[0])
    loaded.load(third)
    assert_alike(learn(replay, 50), learn(loaded, 50))


@pytest.fixture(scope="module")
def saved_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    replay = make()
    play(replay, 2 * BLOCK)
    learn(replay, 5)
    return save(replay, tmp_path_factory.mktemp("saved") / "replay")


FILES = ["block-00000.zst", "block-00001.zst", "tables.zst", "index.json"]


def test_the_files_are_those_that_are_documented(saved_folder: Path) -> None:
    assert sorted(path.name for path in saved_folder.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("fault", ["missing", "empty", "short", "long"])
def test_a_damaged_file_is_named(tmp_path: Path, saved_folder: Path, name: str, fault: str) -> None:
    folder = shutil.copytree(saved_folder, tmp_path / "copy")
    path = folder / name
    data = path.read_bytes()
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "short": data[:-3], "long": data + b"x"}[fault])

    with pytest.raises(CorruptCheckpointError, match=name) as caught:
        make().load(folder)
    assert "--fresh" in caught.value.remedy


@settings(max_examples=60)
@given(name=st.sampled_from(FILES), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_single_flipped_bit_is_found(saved_folder: Path, name: str, place: float, bit: int) -> None:
    path = saved_folder / name
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[int(place * len(whole))] ^= 1 << bit
    try:
        path.write_bytes(bytes(damaged))
        with pytest.raises(CorruptCheckpointError, match=name):
            make().load(saved_folder)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"unroll": 4}, "unroll: 4 here, 8 there"),
        ({"burn_in": 3}, "burn_in: 3 here, 4 there"),
        ({"capacity_steps": 2 * 4400}, "num_slots: 4400 here, 2200 there"),
        ({"is_prioritized": False}, "priority_exponent: 0.0 here, 0.7 there"),
    ],
)
def test_a_replay_of_other_settings_names_the_first_difference(
    tmp_path: Path, saved_folder: Path, other: dict, difference: str
) -> None:
    replay = make(replace(SETTINGS, **other))

    with pytest.raises(IncompatibleError, match=difference):
        replay.load(saved_folder)
    assert replay.num_stored == 0


def test_another_observation_layout_is_named(saved_folder: Path) -> None:
    layout = {**LAYOUT, "place": ((3,), "int16")}
    replay = Replay(
        layout, SETTINGS, num_streams=NUM_STREAMS, state_size=STATE_SIZE, num_steps=NUM_STEPS, seed=0
    )  # fmt: skip

    with pytest.raises(IncompatibleError, match=r"layout\.place: \[\[3\], 'int16'\] here, \[\[2\], 'int16'\] there"):
        replay.load(saved_folder)


def test_a_million_steps_of_pokemon_red_fit_the_default_limit() -> None:
    layout = {array.name: (array.shape, array.dtype) for array in make_spec(PokemonRedConfig()).observations}
    process = psutil.Process()
    before = process.memory_info().rss
    replay = Replay(layout, ReplaySettings(), num_streams=8, state_size=256, num_steps=5, seed=0)

    assert replay.settings.capacity_steps == 1_000_000
    assert num_bytes(layout, replay.settings, state_size=256) <= 2_200_000_000
    assert process.memory_info().rss - before < 50_000_000, "an empty replay must not touch its memory"


def test_the_computed_size_is_that_of_the_arrays() -> None:
    replay = make()
    held = [*replay._rings.values(), replay._state, replay._windows._window, replay._windows._tree._nodes]
    array_bytes = sum(array.nbytes for array in held)

    assert array_bytes <= num_bytes(LAYOUT, SETTINGS, state_size=STATE_SIZE) <= 1.1 * array_bytes


def test_a_replay_larger_than_its_limit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"would take 0\.00 GB.*replay\.max_bytes"):
        make(replace(SETTINGS, max_bytes=1000))
