"""What an actor records, and that it continues exactly."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gamefleet.actors.actor import Actor, Moment
from gamefleet.actors.curricula import make_curriculum
from gamefleet.actors.policy import RandomPolicy
from gamefleet.actors.settings import CurriculumSettings
from gamefleet.actors.vector import make_vector
from gamefleet.errors import IncompatibleError

NUM_ENVS = 4


def make(*, num_workers: int = 0, kind: Any = "none", seed: int = 1, num_envs: int = NUM_ENVS, **config: Any) -> Actor:
    from corridor_toy import PACKAGE, CorridorConfig

    from gamefleet.actors.shared import SharedMemoryVector

    config = CorridorConfig(**{"length": 9, "max_episode_steps": 40, **config})
    if num_workers:
        vector: Any = SharedMemoryVector(PACKAGE, config, num_envs=num_envs, num_workers=num_workers)
    else:
        vector = make_vector(PACKAGE, config, num_envs=num_envs, num_workers=0)
    curriculum = make_curriculum(
        CurriculumSettings(kind=kind), spec=vector.spec, quests=PACKAGE.quests, num_envs=num_envs
    )
    policy = RandomPolicy(num_actions=2, num_envs=num_envs, seed=seed)
    return Actor(vector=vector, policy=policy, curriculum=curriculum, seed=seed)


def fingerprint(moments: Sequence[Moment]) -> list[Any]:
    return [
        (
            *(array.tobytes() for array in moment.slots.obs.values()),
            moment.slots.action.tobytes(),
            moment.slots.reward.tobytes(),
            moment.slots.is_first.tobytes(),
            moment.slots.is_last.tobytes(),
            moment.slots.is_terminal.tobytes(),
            moment.state.tobytes(),
            moment.episodes,
            moment.milestones,
            [saved.name for saved in moment.saved],
        )
        for moment in moments
    ]


def test_slots_follow_the_time_convention() -> None:
    actor = make()
    moments = [actor.step() for _ in range(200)]
    for env in range(NUM_ENVS):
        slots = [(moment.slots, moment.slots.obs["where"][env]) for moment in moments]
        for (slot, here), (following, there) in pairwise(slots):
            moved = there[0] - here[0]
            if slot.is_last[env]:
                assert following.is_first[env]
                assert (slot.action[env], slot.reward[env]) == (0, 0.0)
                assert slot.is_terminal[env] == (here[0] >= 1.0)
            else:
                assert not following.is_first[env]
                expected = 0.1 * round(float(moved) * 9) + (there[0] >= 1.0)
                assert slot.reward[env] == pytest.approx(expected)


def test_an_episode_of_t_actions_takes_t_plus_one_slots_and_sums_up() -> None:
    actor = make()
    rewards = np.zeros(NUM_ENVS)
    length = np.zeros(NUM_ENVS, int)
    num_episodes = 0
    for _ in range(300):
        moment = actor.step()
        for env in np.flatnonzero(moment.slots.is_last):
            rewards[env], length[env] = 0.0, 0
        rewards += np.where(moment.slots.is_last, 0.0, moment.slots.reward)
        length += ~moment.slots.is_last
        for episode in moment.episodes:
            num_episodes += 1
            assert episode.num_steps == length[episode.env]
            assert episode.total_return == pytest.approx(rewards[episode.env])
            assert episode.total_return == pytest.approx(sum(episode.terms.values()))
    assert num_episodes == actor.total_episodes > 20


def test_totals_count_actions_and_milestones_are_reported_once() -> None:
    actor = make()
    moments = [actor.step() for _ in range(300)]
    assert actor.total_steps == sum(int((~moment.slots.is_last).sum()) for moment in moments)
    events = [event for moment in moments for event in moment.milestones]
    assert [event.milestone for event in events] == ["third", "two_thirds", "end"]
    assert {event.milestone: event.total_steps for event in events} == actor.firsts.steps


def test_recorded_arrays_are_own_copies() -> None:
    actor = make()
    moment = actor.step()
    before = moment.slots.obs["where"].copy()
    actor.step()
    np.testing.assert_array_equal(moment.slots.obs["where"], before)


@pytest.mark.parametrize("kind", ["none", "swarm", "archive", "quests"])
@pytest.mark.parametrize("cut", [0, 7, 93])
def test_a_resumed_actor_is_bit_identical(kind: str, cut: int) -> None:
    whole = make(kind=kind)
    for _ in range(cut):
        whole.step()
    resumed = make(kind=kind, seed=99)
    resumed.import_state(whole.export_state())
    assert fingerprint([whole.step() for _ in range(150)]) == fingerprint([resumed.step() for _ in range(150)])
    assert resumed.total_steps == whole.total_steps
    assert resumed.firsts.steps == whole.firsts.steps


@pytest.mark.parametrize("kind", ["swarm", "archive", "quests"])
def test_any_number_of_workers_plays_and_resumes_the_same(kind: str) -> None:
    inline, one, two = make(kind=kind), make(kind=kind, num_workers=1), make(kind=kind, num_workers=2, seed=5)
    assert fingerprint([inline.step() for _ in range(120)]) == fingerprint([one.step() for _ in range(120)])
    two.import_state(one.export_state())
    assert fingerprint([inline.step() for _ in range(120)]) == fingerprint([two.step() for _ in range(120)])
    one.close()
    two.close()


def test_exporting_changes_nothing() -> None:
    watched, plain = make(kind="archive"), make(kind="archive")
    for _ in range(50):
        watched.export_state()
        assert fingerprint([watched.step()]) == fingerprint([plain.step()])


def test_a_lost_game_ends_its_episode_without_a_terminal_slot() -> None:
    actor = make(num_workers=2)
    for _ in range(3):
        actor.step()
    os.kill(actor.vector._workers[1].pid, signal.SIGKILL)  # type: ignore[attr-defined]
    steps = actor.total_steps
    moment = actor.step()
    assert moment.slots.is_last.tolist() == [False, False, True, True]
    assert not moment.slots.is_terminal.any()
    assert [(episode.env, episode.outcome) for episode in moment.episodes] == [(2, "lost"), (3, "lost")]
    assert len(moment.failures) == 1
    assert actor.total_steps == steps + 2
    assert actor.step().slots.is_first.tolist() == [False, False, True, True]
    actor.close()


def test_a_checkpoint_of_another_number_of_games_names_the_setting() -> None:
    with pytest.raises(IncompatibleError, match=r"actors\.num_envs"):
        make(num_envs=2).import_state(make().export_state())


def test_a_checkpoint_of_another_curriculum_is_refused() -> None:
    with pytest.raises(IncompatibleError, match=r"another curriculum: QuestCurriculum.*Archive \(curriculum\.kind\)"):
        make(kind="archive").import_state(make(kind="quests").export_state())


def test_a_checkpoint_cannot_be_made_in_the_middle_of_a_step() -> None:
    actor = make()
    actor.send()
    with pytest.raises(RuntimeError, match="between"):
        actor.export_state()
    actor.collect()


def test_saved_states_carry_their_provenance() -> None:
    actor = make(kind="archive", length=24)
    saved = [state for _ in range(1500) for state in actor.step().saved]
    children = [state for state in saved if state.parent != "start"]
    assert saved[0].parent == "start"
    assert saved[0].milestone == "third"
    assert saved[0].path_steps == saved[0].episode_steps
    assert children
    by_name = {state.name: state for state in saved}
    for child in children:
        assert child.path_steps == by_name[child.parent].path_steps + child.episode_steps
