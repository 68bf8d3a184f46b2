"""Cutting a run into chunks: nothing is lost, doubled or changed, and every chunk can be played again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamefleet.actors.actor import Actor, Moment
from gamefleet.actors.chunks import ChunkRecorder, RecordedChunk
from gamefleet.actors.curricula import make_curriculum
from gamefleet.actors.policy import Decision, RandomPolicy
from gamefleet.actors.resimulate import check
from gamefleet.actors.settings import CurriculumSettings
from gamefleet.actors.shared import SharedMemoryVector
from gamefleet.actors.steps import VectorStep
from gamefleet.actors.vector import make_vector
from gamefleet.errors import ConfigError
from gamefleet.experience.bounded import compress
from gamefleet.experience.chunk_check import check_fits
from gamefleet.experience.chunk_file import ChunkContent
from gamefleet.experience.replay import Replay
from gamefleet.experience.settings import ReplaySettings
from gamefleet.experience.types import Slots
from gamefleet.games.base import Game

NUM_ENVS = 3
CONFIG = {"length": 9, "max_episode_steps": 23}
Key = tuple[bytes, bytes, int, float]
"""A transition: observation, recurrent state, action, reward."""


class CountingPolicy:
    """Random actions, and a recurrent state that says when it was."""

    def __init__(self, num_envs: int, seed: int) -> None:
        self._random = RandomPolicy(num_actions=2, num_envs=num_envs, seed=seed)
        self._time = 0

    def act(self, view: VectorStep) -> Decision:
        self._time += 1
        state = self._time * 100.0 + np.arange(len(view.cell))
        return replace(self._random.act(view), state=state.astype(np.float32)[:, None])

    def export_state(self) -> dict[str, Any]:
        return {**self._random.export_state(), "time": self._time}

    def import_state(self, state: Any) -> None:
        self._random.import_state(state)
        self._time = state["time"]


def make(kind: Any = "archive", *, num_workers: int = 0, seed: int = 1, **config: Any) -> Actor:
    from corridor_toy import PACKAGE, CorridorConfig

    config = CorridorConfig(**{**CONFIG, **config})
    if num_workers:
        vector: Any = SharedMemoryVector(PACKAGE, config, num_envs=NUM_ENVS, num_workers=num_workers)
    else:
        vector = make_vector(PACKAGE, config, num_envs=NUM_ENVS, num_workers=0)
    curriculum = make_curriculum(
        CurriculumSettings(kind=kind), spec=vector.spec, quests=PACKAGE.quests, num_envs=NUM_ENVS
    )
    return Actor(vector=vector, policy=CountingPolicy(NUM_ENVS, seed), curriculum=curriculum, seed=seed)


def corridor(**config: Any) -> Callable[[], Game]:
    from corridor_toy import PACKAGE, CorridorConfig

    return lambda: PACKAGE.make_game(CorridorConfig(**{**CONFIG, **config}))


def record(actor: Actor, *, chunk_steps: int, num_steps: int) -> tuple[list[Moment], list[RecordedChunk]]:
    actor.export_state()  # begins the games
    recorder = ChunkRecorder(actor.vector, chunk_steps=chunk_steps)
    recorder.begin()
    moments, chunks = [], []
    for _ in range(num_steps):
        moments.append(actor.step())
        chunks += recorder.observe(moments[-1])
    return moments, chunks + recorder.cut()


def transitions(slots: Slots, state: np.ndarray) -> list[Key]:
    return [
        (slots.obs["where"][row].tobytes(), state[row].tobytes(), int(slots.action[row]), float(slots.reward[row]))
        for row in np.flatnonzero(~slots.is_last)
    ]


def spec_layout(game: Game) -> dict[str, tuple[tuple[int, ...], str]]:
    return {array.name: (array.shape, array.dtype) for array in game.spec.observations}


@given(chunk_steps=st.integers(1, 40), seed=st.integers(0, 50), kind=st.sampled_from(["none", "archive", "quests"]))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_transition_is_in_exactly_one_chunk_and_every_chunk_can_be_played_again(
    chunk_steps: int, seed: int, kind: str
) -> None:
    actor = make(kind, seed=seed)
    moments, chunks = record(actor, chunk_steps=chunk_steps, num_steps=120)
    game = corridor()()
    for env in range(NUM_ENVS):
        recorded = [key for moment in moments for key in transitions(*column(moment, env))]
        in_chunks = [key for chunk in chunks if chunk.env == env for key in transitions(*whole(chunk.content))]
        # Where the recording ends, the observation after the last action is not known.
        is_open = not moments[-1].slots.is_last[env]
        assert in_chunks == recorded[: len(recorded) - is_open]
    for chunk in chunks:
        content = chunk.content
        assert 2 <= content.num_slots <= chunk_steps + 1
        check_fits(content, spec_layout(game), num_actions=len(game.spec.actions), state_size=1)
        assert check(corridor(), content, game.spec) == ""


def column(moment: Moment, env: int) -> tuple[Slots, np.ndarray]:
    slots = moment.slots
    own = {name: getattr(slots, name)[env : env + 1] for name in Slots.__slots__ if name != "obs"}
    obs = {name: array[env : env + 1] for name, array in slots.obs.items()}
    return Slots(obs=obs, **own), moment.state[env : env + 1]


def whole(content: ChunkContent) -> tuple[Slots, np.ndarray]:
    return content.slots, content.state


def test_terminal_slots_are_those_of_the_run() -> None:
    moments, chunks = record(make(), chunk_steps=7, num_steps=300)
    for env in range(NUM_ENVS):
        ends = [moment.slots.obs["where"][env].tobytes() for moment in moments if moment.slots.is_terminal[env]]
        last = [chunk.content.slots for chunk in chunks if chunk.env == env]
        found = [slots.obs["where"][-1].tobytes() for slots in last if slots.is_terminal[-1]]
        assert found == ends != []


def test_a_replay_that_is_fed_with_chunks_draws_the_recorded_transitions() -> None:
    moments, chunks = record(make(), chunk_steps=16, num_steps=200)
    replay = Replay(
        spec_layout(corridor()()),
        ReplaySettings(capacity_steps=3000, unroll=1, burn_in=0),
        num_streams=NUM_ENVS,
        state_size=1,
        num_steps=1,
        seed=0,
    )
    for number, chunk in enumerate(chunks):  # any stream will do: to a replay each chunk is an episode
        replay.extend(number % NUM_ENVS, chunk.content.slots, chunk.content.state)
    recorded = {key for moment in moments for key in transitions(moment.slots, moment.state)}
    batch = replay.sample(3000)
    drawn = {
        (batch.obs["where"][row, 0].tobytes(), batch.state[row].tobytes(), int(action), float(reward))
        for row, (action, reward) in enumerate(zip(batch.action[:, 0], batch.reward[:, 0], strict=True))
        if not batch.is_last[row, 0]
    }
    assert drawn <= recorded
    assert len(recorded - drawn) < 0.2 * len(recorded)  # draws are with replacement


def fingerprint(moment: Moment) -> list[Any]:
    slots = moment.slots
    arrays = [*slots.obs.values(), *(getattr(slots, name) for name in Slots.__slots__ if name != "obs"), moment.state]
    return [*(array.tobytes() for array in arrays), moment.episodes, moment.milestones]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_recording_changes_nothing_and_workers_record_the_same(num_workers: int) -> None:
    with closing(make("quests", num_workers=num_workers)) as watched, closing(make("quests")) as plain:
        recorder = ChunkRecorder(watched.vector, chunk_steps=5)
        chunks = []
        for _ in range(150):
            moment = watched.step()
            chunks += recorder.observe(moment)
            assert fingerprint(moment) == fingerprint(plain.step())
    assert len(chunks) > 60
    assert {check(corridor(), chunk.content, plain.vector.spec) for chunk in chunks} == {""}


def test_without_begin_recording_starts_after_the_first_moment() -> None:
    actor = make()
    recorder = ChunkRecorder(actor.vector, chunk_steps=10)
    moments, chunks = [], []
    for _ in range(11):
        moments.append(actor.step())
        chunks += recorder.observe(moments[-1])
    assert chunks == []
    chunks += recorder.observe(actor.step())
    assert [chunk.content.num_slots for chunk in chunks] == [11] * NUM_ENVS
    assert chunks[0].content.slots.obs["where"][0].tobytes() == moments[1].slots.obs["where"][0].tobytes()


def test_a_resumed_actor_is_recorded_from_its_first_slot() -> None:
    first = make()
    record(first, chunk_steps=10, num_steps=17)
    resumed = make(seed=9)
    resumed.import_state(first.export_state())
    recorder = ChunkRecorder(resumed.vector, chunk_steps=4)
    recorder.begin()
    moments = [resumed.step()]
    chunks = recorder.observe(moments[0])
    for _ in range(4):
        chunks += recorder.observe(resumed.step())
    of_first = [chunk.content for chunk in chunks if chunk.env == 0]
    assert of_first[0].slots.obs["where"][0].tobytes() == moments[0].slots.obs["where"][0].tobytes()
    assert check(corridor(), of_first[0], resumed.vector.spec) == ""


def test_a_lost_worker_ends_its_chunks_and_the_others_go_on() -> None:
    with closing(make("none", num_workers=3)) as actor:
        recorder = ChunkRecorder(actor.vector, chunk_steps=6)
        chunks = []
        for number in range(40):
            if number in (9, 20):
                os.kill(actor.vector._workers[1].pid, signal.SIGKILL)  # type: ignore[attr-defined]
            chunks += recorder.observe(actor.step())
        spec = actor.vector.spec
    assert {chunk.env for chunk in chunks} == set(range(NUM_ENVS))
    assert {check(corridor(), chunk.content, spec) for chunk in chunks} == {""}


def test_a_worker_that_dies_while_it_saves_costs_its_chunk_only() -> None:
    with closing(make("none", num_workers=3)) as actor:
        recorder = ChunkRecorder(actor.vector, chunk_steps=4)
        chunks = []
        for number in range(30):
            moment = actor.step()
            if number == 4:  # the next chunk's state is due
                os.kill(actor.vector._workers[2].pid, signal.SIGKILL)  # type: ignore[attr-defined]
            chunks += recorder.observe(moment)
        spec = actor.vector.spec
    assert sum(chunk.env == 2 for chunk in chunks) > 3
    assert {check(corridor(), chunk.content, spec) for chunk in chunks} == {""}


def test_a_chunk_needs_a_step() -> None:
    with pytest.raises(ConfigError, match="step"):
        ChunkRecorder(make().vector, chunk_steps=0)


def honest() -> ChunkContent:
    """A chunk in the middle of an episode."""
    _, chunks = record(make("none"), chunk_steps=8, num_steps=60)
    return chunks[4].content


def lies(content: ChunkContent) -> dict[str, ChunkContent]:
    slots = content.slots

    def changed(name: str, time: int, value: Any) -> ChunkContent:
        array = getattr(slots, name).copy()
        array[time] = value
        return replace(content, slots=replace(slots, **{name: array}))

    where = slots.obs["where"].copy()
    where[3, 0] = np.nextafter(where[3, 0], np.float32(2))
    first = slots.obs["mark"].copy()
    first[0] += 1
    return {
        "Step 2: reward": changed("reward", 2, np.nextafter(slots.reward[2], np.float32(9))),
        "Slot 3: the game shows another 'where'": replace(
            content, slots=replace(slots, obs={**slots.obs, "where": where})
        ),
        "Slot 0: the game shows another 'mark'": replace(
            content, slots=replace(slots, obs={**slots.obs, "mark": first})
        ),
        "is_terminal is True": changed("is_terminal", -1, True),
        "has action 77": changed("action", 1, 77),
        "holds no observation": replace(content, slots=replace(slots, obs={"mark": slots.obs["mark"]})),
        "states no size": replace(content, start=compress(bytes(20 * 2**20), level=1)),
    }


def test_every_lie_is_found_and_named() -> None:
    content, spec = honest(), corridor()().spec
    assert check(corridor(), content, spec) == ""
    for name, lie in lies(content).items():
        assert name in check(corridor(), lie, spec)


def test_any_changed_action_and_another_start_are_found() -> None:
    content, spec = honest(), corridor()().spec
    for time in range(content.num_slots - 1):
        action = content.slots.action.copy()
        action[time] = 1 - action[time]
        assert check(corridor(), replace(content, slots=replace(content.slots, action=action)), spec) != ""
    _, chunks = record(make("none"), chunk_steps=8, num_steps=60)
    others = {chunk.content.start for chunk in chunks} - {content.start}
    assert all(check(corridor(), replace(content, start=start), spec) != "" for start in others)
