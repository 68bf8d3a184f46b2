"""The replay against a model that keeps every slot forever in plain lists."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamefleet.errors import ConfigError
from gamefleet.experience.replay import Replay
from gamefleet.experience.settings import ReplaySettings
from gamefleet.experience.types import SequenceBatch, Slots

LAYOUT = {"screen": ((2, 3), "uint8"), "place": ((2,), "int16"), "clock": ((), "float32")}


@dataclass(frozen=True)
class Shape:
    """Lengths of a small replay."""

    unroll: int
    burn_in: int
    num_steps: int
    num_streams: int
    state_size: int
    windows_to_spare: int
    slots_to_spare: int

    @property
    def span(self) -> int:
        return self.burn_in + self.unroll + self.num_steps

    @property
    def num_slots(self) -> int:
        return (self.span // self.unroll + 2 + self.windows_to_spare) * self.unroll

    def replay(self, **other) -> Replay:
        # What does not make a whole window in each stream is left unused.
        capacity = self.num_slots * self.num_streams + min(self.slots_to_spare, self.unroll * self.num_streams - 1)
        chosen = ReplaySettings(capacity_steps=capacity, unroll=self.unroll, burn_in=self.burn_in, **other)
        return Replay(
            LAYOUT,
            chosen,
            num_streams=self.num_streams,
            state_size=self.state_size,
            num_steps=self.num_steps,
            seed=3,
        )


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    unroll = draw(st.integers(1, 4))
    return Shape(
        unroll=unroll,
        burn_in=draw(st.integers(0, unroll)),
        num_steps=draw(st.integers(0, 5)),
        num_streams=draw(st.integers(1, 3)),
        state_size=draw(st.integers(0, 2)),
        windows_to_spare=draw(st.integers(0, 3)),
        slots_to_spare=draw(st.integers(0, 11)),
    )


def noise_slots(count: int, rng: np.random.Generator) -> Slots:
    return Slots(
        obs={
            "screen": rng.integers(256, size=(count, 2, 3), dtype=np.uint8),
            "place": rng.integers(-1000, 1000, size=(count, 2), dtype=np.int16),
            "clock": rng.random(count, np.float32),
        },
        action=rng.integers(8, size=count).astype(np.int16),
        reward=rng.normal(size=count).astype(np.float32),
        is_first=rng.random(count) < 0.2,
        is_last=rng.random(count) < 0.2,
        is_terminal=rng.random(count) < 0.1,
    )


@dataclass
class Recording:
    """A replay beside everything that was ever put into it."""

    shape: Shape
    replay: Replay
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    history: list[list[tuple[Slots, int, np.ndarray]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.history = [[] for _ in range(self.shape.num_streams)]

    def add(self, streams: list[int] | None) -> None:
        chosen = list(range(self.shape.num_streams)) if streams is None else streams
        slots, state = self.fresh(len(chosen))
        self.replay.add(slots, state, None if streams is None else np.array(streams, np.int64))
        for row, stream in enumerate(chosen):
            self.history[stream].append((slots, row, state[row]))

    def extend(self, stream: int, count: int) -> None:
        slots, state = self.fresh(count)
        self.replay.extend(stream, slots, state)
        self.history[stream] += [(slots, row, state[row]) for row in range(count)]

    def fresh(self, count: int) -> tuple[Slots, np.ndarray]:
        return noise_slots(count, self.rng), self.rng.random((count, self.shape.state_size), np.float32)

    def windows(self) -> set[tuple[int, int]]:
        """(stream, first slot) of every window that is whole and whose previous action is not overwritten."""
        shape = self.shape
        return {
            (stream, first)
            for stream, past in enumerate(self.history)
            for first in range(0, len(past) - shape.span + 1, shape.unroll)
            if first - 1 >= len(past) - shape.num_slots
        }

    def check(self, batch: SequenceBatch, row: int) -> tuple[int, int]:
        """Compare one drawn window slot by slot and return which one it claims to be."""
        stream, first = int(batch.index[row]) >> 40, (int(batch.index[row]) & (2**40 - 1)) * self.shape.unroll
        past = self.history[stream]
        window = past[first : first + self.shape.span]
        assert batch.state[row].tolist() == past[first][2].tolist()
        for name in LAYOUT:
            assert batch.obs[name][row].tolist() == [slots.obs[name][place].tolist() for slots, place, _ in window]
        for name in ("action", "reward", "is_first", "is_last", "is_terminal"):
            assert getattr(batch, name)[row].tolist() == [getattr(slots, name)[place] for slots, place, _ in window]
        for time, (slots, place, _) in enumerate(window, start=first):
            before, old_place, _ = past[time - 1]
            has_past = time > 0 and not slots.is_first[place]
            assert batch.previous_action[row, time - first] == (before.action[old_place] if has_past else -1)
            assert batch.previous_reward[row, time - first] == (before.reward[old_place] if has_past else 0)
        return stream, first

    def check_all(self) -> None:
        wanted = self.windows()
        assert self.replay.num_sampleable == len(wanted)
        assert self.replay.can_sample() == bool(wanted)
        assert self.replay.num_stored == sum(min(len(past), self.shape.num_slots) for past in self.history)
        if wanted:
            # Alike priorities and as many draws as windows: each window comes exactly once.
            batch = self.replay.sample(len(wanted))
            assert sorted(self.check(batch, row) for row in range(len(wanted))) == sorted(wanted)
            assert batch.num_windows == len(wanted)


def recorded(shape: Shape, count: int, **other) -> Recording:
    recording = Recording(shape, shape.replay(**other))
    for _ in range(count):
        recording.add(None)
    return recording


@settings(max_examples=150)
@given(shapes(), st.data())
def test_windows_are_those_of_plain_lists_after_any_sequence_of_additions(shape: Shape, data) -> None:
    recording = Recording(shape, shape.replay(is_prioritized=False))
    streams = st.integers(0, shape.num_streams - 1)
    some = st.lists(streams, unique=True, max_size=shape.num_streams)
    for _ in range(data.draw(st.integers(1, 12))):
        kind = data.draw(st.sampled_from(["all", "some", "extend"]))
        if kind == "all":
            for _ in range(data.draw(st.integers(1, 9))):
                recording.add(None)
        elif kind == "some":
            recording.add(data.draw(some))
        else:
            recording.extend(data.draw(streams), data.draw(st.integers(0, shape.num_slots)))
        recording.check_all()


@settings(max_examples=15)
@given(shapes())
def test_windows_appear_and_go_one_slot_at_a_time_while_the_ring_wraps_twice(shape: Shape) -> None:
    recording = Recording(shape, shape.replay(is_prioritized=False))
    for _ in range(2 * shape.num_slots + shape.span):
        recording.add(None)
        recording.check_all()


@given(shapes())
def test_once_there_is_a_window_there_always_is_one(shape: Shape) -> None:
    recording = recorded(shape, shape.span)
    for _ in range(2 * shape.num_slots):
        assert recording.replay.can_sample()
        recording.add(None)


SMALL = Shape(
    unroll=4, burn_in=2, num_steps=3, num_streams=2, state_size=2, windows_to_spare=8, slots_to_spare=0
)  # fmt: skip


def test_drawn_arrays_have_the_documented_shapes_and_types() -> None:
    batch = recorded(SMALL, 40).replay.sample(5)

    assert {name: (array.shape, array.dtype.name) for name, array in batch.obs.items()} == {
        "screen": ((5, 9, 2, 3), "uint8"),
        "place": ((5, 9, 2), "int16"),
        "clock": ((5, 9), "float32"),
    }
    flags = {name: getattr(batch, name).dtype.name for name in ("action", "reward", "is_first", "is_last")}
    assert flags == {"action": "int16", "reward": "float32", "is_first": "bool", "is_last": "bool"}
    assert batch.previous_action.dtype == np.int16
    assert batch.previous_reward.dtype == np.float32
    assert (batch.state.shape, batch.index.dtype.name, batch.probability.shape) == ((5, 2), "int64", (5,))


def test_drawn_arrays_are_copies_that_later_additions_do_not_touch() -> None:
    recording = recorded(SMALL, 40)
    batch = recording.replay.sample(5)
    later = recording.replay.sample(5)
    for _ in range(200):
        recording.add(None)

    for row in range(5):
        recording.check(batch, row)
        recording.check(later, row)


def test_windows_are_drawn_in_proportion_to_their_priorities_to_the_exponent() -> None:
    replay = recorded(SMALL, 40, priority_exponent=0.5).replay
    every = np.unique(replay.sample(500).index)
    priority = np.random.default_rng(0).uniform(0.1, 9.0, size=len(every))
    replay.update_priorities(every, priority)
    wanted = dict(zip(every.tolist(), priority**0.5 / (priority**0.5).sum(), strict=True))

    batches = [replay.sample(50) for _ in range(400)]

    drawn, counts = np.unique(np.concatenate([batch.index for batch in batches]), return_counts=True)
    np.testing.assert_allclose(counts / 20_000, [wanted[index] for index in drawn.tolist()], atol=0.01)
    np.testing.assert_allclose(batches[0].probability, [wanted[index] for index in batches[0].index.tolist()])


@pytest.mark.parametrize("other", [{"is_prioritized": False}, {"priority_exponent": 0.0}])
def test_without_priorities_all_windows_are_drawn_alike(other: dict) -> None:
    replay = recorded(SMALL, 40, **other).replay
    batch = replay.sample(replay.num_sampleable)
    replay.update_priorities(batch.index, np.linspace(0.1, 100, len(batch.index)))

    assert replay.sample(7).probability.tolist() == [1 / replay.num_sampleable] * 7


def test_new_windows_start_with_the_largest_priority_ever_seen() -> None:
    recording = recorded(SMALL, 9, priority_exponent=1.0)
    replay = recording.replay
    first = replay.sample(2).index
    replay.update_priorities(first, np.array([7.0, 2.0]))
    replay.update_priorities(first, np.array([1.0, 2.0]))
    for _ in range(4):
        recording.add(None)

    batch = replay.sample(400)

    share = {int(index): float(p) for index, p in zip(batch.index, batch.probability, strict=True)}
    assert sorted(share.values()) == pytest.approx([1 / 17, 2 / 17, 7 / 17, 7 / 17])
    assert [share[int(index)] for index in first] == pytest.approx([1 / 17, 2 / 17])


def test_priorities_of_windows_that_were_overwritten_meanwhile_are_left_out() -> None:
    recording = recorded(SMALL, 20)
    replay = recording.replay
    stale = replay.sample(replay.num_sampleable).index
    for _ in range(10 * SMALL.num_slots):
        recording.add(None)

    replay.update_priorities(stale, np.full(len(stale), 1000.0))

    assert replay.sample(5).probability.tolist() == pytest.approx([1 / replay.num_sampleable] * 5)


def test_a_window_without_any_error_stays_drawable() -> None:
    replay = recorded(SMALL, 40).replay
    every = np.unique(replay.sample(500).index)

    replay.update_priorities(every, np.zeros(len(every)))

    assert replay.can_sample()
    assert np.unique(replay.sample(500).index).tolist() == every.tolist()


@pytest.mark.parametrize("priority", [np.nan, np.inf, -np.inf])
def test_a_priority_that_is_no_number_is_refused_and_changes_nothing(priority: float) -> None:
    recording = recorded(SMALL, 40)
    untouched = recorded(SMALL, 40)
    index = recording.replay.sample(2).index
    untouched.replay.sample(2)

    with pytest.raises(ValueError, match="priorit"):
        recording.replay.update_priorities(index, np.array([2.0, priority]))

    for twin in (recording, untouched):
        twin.add(None)
    assert_same(recording.replay.sample(20), untouched.replay.sample(20))


def assert_same(one: SequenceBatch, other: SequenceBatch) -> None:
    for name in SequenceBatch.__dataclass_fields__:
        np.testing.assert_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_equal_seeds_and_additions_give_equal_batches() -> None:
    one, other = recorded(SMALL, 60).replay, recorded(SMALL, 60).replay
    for _ in range(20):
        first, second = one.sample(6), other.sample(6)
        assert_same(first, second)
        for replay in (one, other):
            replay.update_priorities(first.index, np.arange(1.0, 7.0))


def test_a_replay_that_was_cleared_is_like_an_empty_one_and_fills_again() -> None:
    cleared, fresh = recorded(SMALL, 60).replay, recorded(SMALL, 60).replay
    handles = cleared.sample(6).index
    fresh.sample(6)  # the random numbers go on
    cleared.clear()
    assert (cleared.num_stored, cleared.num_sampleable, cleared.can_sample()) == (0, 0, False)
    cleared.update_priorities(handles, np.ones(6))
    assert not cleared.can_sample(), "handles from before mean nothing any more"

    slots = noise_slots(SMALL.num_slots, np.random.default_rng(1))
    state = np.zeros((SMALL.num_slots, SMALL.state_size), np.float32)
    empty = SMALL.replay()
    for replay in (cleared, empty):
        replay.extend(0, slots, state)

    assert cleared.num_sampleable == empty.num_sampleable > 0
    assert set(cleared.sample(64).index) == set(empty.sample(64).index)


def test_drawing_from_a_replay_without_a_whole_window_is_refused() -> None:
    with pytest.raises(ValueError, match="no whole window"):
        recorded(SMALL, 8).replay.sample(1)


def test_more_slots_than_a_stream_holds_are_refused() -> None:
    recording = Recording(SMALL, SMALL.replay())
    with pytest.raises(ValueError, match="do not fit"):
        recording.extend(0, SMALL.num_slots + 1)


@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_slots_of_another_layout_are_refused_before_anything_is_written(change: str) -> None:
    recording = recorded(SMALL, 40)
    slots, state = recording.fresh(2)
    obs = {name: array for name, array in slots.obs.items() if change == "unknown" or name != "clock"}
    if change == "unknown":
        obs["smell"] = np.zeros(2)

    with pytest.raises(ValueError, match="slots hold the arrays"):
        recording.replay.add(
            Slots(
                obs=obs,
                action=slots.action,
                reward=slots.reward,
                is_first=slots.is_first,
                is_last=slots.is_last,
                is_terminal=slots.is_terminal,
            ),
            state,
        )

    check_all(recording)


WRONG = {
    "action": (np.zeros(2, np.int64), r"action of the slots is int64 \(2,\), the replay expects int16 \(2,\)"),
    "reward": (np.zeros(1, np.float32), r"reward of the slots is float32 \(1,\), the replay expects float32 \(2,\)"),
    "is_last": (np.zeros(2, np.uint8), "is_last of the slots is uint8"),
    "obs/screen": (np.zeros((2, 3), np.uint8), r"obs/screen .* \(2, 3\), the replay expects uint8 \(2, 2, 3\)"),
    "obs/clock": (np.zeros(2), "obs/clock of the slots is float64"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("is_in_step", [True, False], ids=["all streams", "some streams"])
def test_arrays_of_another_shape_or_type_are_refused_before_anything_is_written(name: str, is_in_step: bool) -> None:
    recording = recorded(SMALL, 40)
    slots, state = recording.fresh(2)
    array, says = WRONG[name]
    if name.startswith("obs/"):
        slots = replace(slots, obs={**slots.obs, name.removeprefix("obs/"): array})
    else:
        slots = replace(slots, **{name: array})

    with pytest.raises(ValueError, match=says):
        recording.replay.add(slots, state, None if is_in_step else np.arange(2))

    check_all(recording)


def test_states_of_another_length_are_refused_before_anything_is_written() -> None:
    recording = recorded(SMALL, 40)
    slots, state = recording.fresh(2)

    with pytest.raises(ValueError, match="the array state of the slots"):
        recording.replay.add(slots, np.repeat(state, 2, axis=1))

    check_all(recording)


def check_all(recording: Recording) -> None:
    batch = recording.replay.sample(20)
    for row in range(20):
        recording.check(batch, row)


@given(shapes(), st.integers(0, 60))
def test_a_capacity_either_serves_or_is_refused_with_one_that_serves(shape: Shape, capacity: int) -> None:
    def make(capacity_steps: int) -> Replay:
        chosen = ReplaySettings(capacity_steps=capacity_steps, unroll=shape.unroll, burn_in=shape.burn_in)
        return Replay(
            LAYOUT, chosen, num_streams=shape.num_streams, state_size=1, num_steps=shape.num_steps, seed=0
        )  # fmt: skip

    least = (shape.span // shape.unroll + 2) * shape.unroll * shape.num_streams
    assert make(least).num_slots * shape.num_streams == least
    if 0 < capacity < least:
        with pytest.raises(ConfigError, match=rf"too small for {shape.num_streams} env.*Raise it to {least} or"):
            make(capacity)
