"""Every vector plays the same games in the same way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gamefleet.actors.shared import SharedMemoryVector
from gamefleet.actors.steps import LEAVE_ALONE, STEP_FIELDS, Restart, Vector
from gamefleet.actors.vector import InlineVector

TOYS = Path(__file__).parents[1] / "unit" / "actors"
NUM_ENVS = 3


@pytest.fixture(params=[0, 1, 2], ids=lambda count: f"{count}-workers")
def vector(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vector]:
    made = make(request.param, monkeypatch)
    yield made
    made.close()


def make(num_workers: int, monkeypatch: pytest.MonkeyPatch) -> Vector:
    monkeypatch.syspath_prepend(str(TOYS))
    sys.modules.pop("corridor_toy", None)
    from corridor_toy import PACKAGE, Corridor, CorridorConfig

    config = CorridorConfig(length=6, max_episode_steps=8)
    if num_workers == 0:
        return InlineVector([Corridor(config) for _ in range(NUM_ENVS)])
    return SharedMemoryVector(PACKAGE, config, num_envs=NUM_ENVS, num_workers=num_workers)


def start(vector: Vector) -> None:
    vector.send(np.zeros(NUM_ENVS, np.int16), {env: Restart(seed=env) for env in range(NUM_ENVS)})
    vector.receive()


def play(vector: Vector, num_steps: int) -> list[bytes]:
    """Seeded random actions; everything that came out, as bytes."""
    rng = np.random.default_rng(0)
    start(vector)
    seen = []
    ended = np.zeros(NUM_ENVS, np.bool_)
    for number in range(num_steps):
        restarts = {int(env): Restart(seed=100 * number + int(env)) for env in np.flatnonzero(ended)}
        vector.send(rng.integers(2, size=NUM_ENVS).astype(np.int16), restarts)
        view = vector.receive()
        ended = view.ended
        arrays = [*view.obs.values(), *(getattr(view, name) for name in STEP_FIELDS)]
        seen.append(b"".join(array.tobytes() for array in arrays))
    return seen


def test_steps_are_bit_identical_whatever_the_number_of_workers(
    vector: Vector, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert play(vector, 60) == play(make(0, monkeypatch), 60)


def test_a_restart_shows_a_first_view_without_reward(vector: Vector) -> None:
    start(vector)
    vector.send(np.ones(NUM_ENVS, np.int16), {})
    vector.receive()
    vector.send(np.ones(NUM_ENVS, np.int16), {1: Restart(seed=5)})
    view = vector.receive()
    assert view.is_first.tolist() == [False, True, False]
    assert view.reward[1] == 0.0
    assert view.obs["mark"][1] == 0


def test_a_saved_state_continues_exactly_in_another_game(vector: Vector) -> None:
    start(vector)
    ones = np.ones(NUM_ENVS, np.int16)
    vector.send(ones, {})
    vector.receive()
    (state,) = vector.save_states([2])
    vector.send(ones, {0: Restart(seed=0, state=state, new_episode=False)})
    view = vector.receive()
    assert not view.is_first[0]
    alone = np.array([1, LEAVE_ALONE, LEAVE_ALONE], np.int16)
    after_two = view.obs["where"][2].copy()
    vector.send(alone, {})
    assert vector.receive().obs["where"][0].tobytes() == after_two.tobytes()


def test_a_game_that_is_left_alone_keeps_its_view(vector: Vector) -> None:
    start(vector)
    vector.send(np.ones(NUM_ENVS, np.int16), {})
    before = vector.receive().obs["where"].copy()
    vector.send(np.array([LEAVE_ALONE, 1, LEAVE_ALONE], np.int16), {})
    after = vector.receive().obs["where"]
    assert (after[[0, 2]] == before[[0, 2]]).all()
    assert (after[1] != before[1]).any()


def test_states_come_back_in_the_order_asked_for(vector: Vector) -> None:
    start(vector)
    vector.send(np.array([1, LEAVE_ALONE, 1], np.int16), {})
    vector.receive()
    assert vector.save_states([2, 0, 1]) == [vector.save_states([env])[0] for env in (2, 0, 1)]


def test_an_ended_episode_is_not_stepped(vector: Vector) -> None:
    with pytest.raises(ValueError, match="needs a Restart"):
        vector.send(np.zeros(NUM_ENVS, np.int16), {})


def test_sending_twice_and_receiving_twice_are_refused(vector: Vector) -> None:
    start(vector)
    with pytest.raises(RuntimeError, match="without send"):
        vector.receive()
    vector.send(np.zeros(NUM_ENVS, np.int16), {})
    with pytest.raises(RuntimeError, match="without receive"):
        vector.send(np.zeros(NUM_ENVS, np.int16), {})
    with pytest.raises(RuntimeError, match="between"):
        vector.save_states([0])
    vector.receive()
