"""The quest curriculum against made-up success probabilities."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from gamefleet.actors.beliefs import Belief, Beliefs, learnability
from gamefleet.actors.curriculum import Sight
from gamefleet.actors.quests import QuestCurriculum, Story
from gamefleet.actors.saved import SavedState, pack
from gamefleet.actors.settings import CurriculumSettings
from gamefleet.actors.steps import START, VectorStep
from gamefleet.errors import ConfigError
from gamefleet.games.base import GameSpec, Quest

MILESTONES = ("key", "door", "sword", "dragon")
QUESTS = (
    Quest(name="find the key", goal="key"),
    Quest(name="open the door", goal="door", requires=("find the key",)),
    Quest(name="take the sword", goal="sword", requires=("find the key",)),
    Quest(name="slay the dragon", goal="dragon", requires=("open the door", "take the sword")),
)
SPEC = GameSpec(
    name="saga",
    version="1",
    observations=(),
    actions=("x",),
    reward_terms=("r",),
    milestones=MILESTONES,
    max_episode_steps=9,
)


def reached(*names: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array([name in names for name in MILESTONES])


def make(**settings: float) -> QuestCurriculum:
    chosen = CurriculumSettings(kind="quests", **{"start_fraction": 0.0, **settings})  # type: ignore[arg-type]
    return QuestCurriculum(chosen, spec=SPEC, quests=QUESTS, num_envs=1)


def state(name: str, *milestones: str, path_steps: int = 10) -> SavedState:
    return SavedState(
        name=name,
        milestone=name.split("#")[0],
        env=0,
        parent=START,
        total_steps=0,
        episode_steps=path_steps,
        path_steps=path_steps,
        cell=0,
        progress=0.0,
        milestones=reached(*milestones),
        packed=pack(b""),
    )


def show(
    curriculum: QuestCurriculum,
    milestones: np.ndarray[tuple[int], np.dtype[np.bool_]],
    *,
    origin: str = START,
    is_first: bool = False,
    ended: bool = False,
    fresh: tuple[str, ...] = (),
    path_steps: int = 10,
) -> tuple[int, ...]:
    view = VectorStep(
        obs={},
        reward=np.zeros(1, np.float32),
        terms=np.zeros((1, 1), np.float32),
        terminated=np.array([ended]),
        truncated=np.array([False]),
        is_first=np.array([is_first]),
        lost=np.array([False]),
        milestones=milestones[None],
        cell=np.zeros(1, np.uint64),
        progress=np.zeros(1, np.float32),
    )
    path = np.array([path_steps], np.int64)
    return curriculum.observe(Sight(view=view, fresh=reached(*fresh)[None], origins=[origin], path_steps=path)).save


def attempt(curriculum: QuestCurriculum, origin: str, at_start: tuple[str, ...], gained: tuple[str, ...]) -> None:
    show(curriculum, reached(*at_start), origin=origin, is_first=True)
    show(curriculum, reached(*at_start, *gained), origin=origin, ended=True)


def test_a_quest_is_open_when_its_prerequisites_are_met_and_its_goal_is_not() -> None:
    story = Story(QUESTS, MILESTONES)

    def open_quests(*names: str) -> list[str]:
        return [story.names[index] for index in np.flatnonzero(story.open_at(reached(*names)))]

    assert open_quests() == ["find the key"]
    assert open_quests("key") == ["open the door", "take the sword"]
    assert open_quests("key", "door") == ["take the sword"]
    assert open_quests("key", "door", "sword") == ["slay the dragon"]
    assert open_quests(*MILESTONES) == []


def test_a_table_of_quests_with_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'key'"):
        Story([Quest(name="q", goal="keys")], MILESTONES)
    with pytest.raises(ConfigError, match="what is not there"):
        Story([Quest(name="q", goal="key", requires=("p",))], MILESTONES)


def test_beliefs_are_discounted_counts() -> None:
    belief = Belief()
    for is_win in (True, True, False):
        belief.add(is_win, 0.5)
    assert (belief.wins, belief.losses) == (0.75, 1.0)
    assert belief.mean() == pytest.approx(1.75 / 3.75)


def test_what_sometimes_succeeds_is_worth_most() -> None:
    assert learnability(0.5) == 0.25
    assert learnability(0.0) == learnability(1.0) == 0.0


def test_thompson_sampling_concentrates_on_the_learnable() -> None:
    beliefs, rng = Beliefs(memory_attempts=30.0), np.random.default_rng(0)
    true = {"mastered": 1.0, "learnable": 0.4, "hopeless": 0.0}
    names = list(true)
    picks: Counter[str] = Counter()
    for number in range(2000):
        name = names[beliefs.pick(names, rng)]
        beliefs.add(name, bool(rng.random() < true[name]))
        if number >= 200:
            picks[name] += 1
    assert picks["learnable"] > 0.8 * picks.total()
    assert min(picks["mastered"], picks["hopeless"]) > 0


def test_a_mastered_quest_gives_way_and_comes_back_when_it_is_forgotten() -> None:
    beliefs, rng = Beliefs(memory_attempts=30.0), np.random.default_rng(0)

    def share_of_first(success: dict[str, float]) -> float:
        picks = Counter[str]()
        for _ in range(1500):
            name = ("first", "second")[beliefs.pick(["first", "second"], rng)]
            beliefs.add(name, bool(rng.random() < success[name]))
            picks[name] += 1
        return picks["first"] / picks.total()

    assert share_of_first({"first": 1.0, "second": 0.3}) < 0.2
    assert share_of_first({"first": 0.5, "second": 1.0}) > 0.6


def test_the_curriculum_moves_on_along_the_story() -> None:
    curriculum, rng = make(), np.random.default_rng(0)
    assert curriculum.choose(0, rng).origin == START
    curriculum.keep(state("key#1", "key"))
    curriculum.keep(state("sword#2", "key", "door", "sword"))
    for _ in range(60):
        attempt(curriculum, START, (), ("key",))
        attempt(curriculum, "key#1", ("key",), ())
    for number in range(60):
        attempt(curriculum, "sword#2", ("key", "door", "sword"), ("dragon",) if number % 2 else ())
    origins = Counter(curriculum.choose(0, rng).origin for _ in range(400))
    assert origins["sword#2"] > 340
    assert curriculum.success("slay the dragon") == pytest.approx(0.5, abs=0.1)


def test_among_the_starts_of_a_quest_the_learnable_one_is_taken() -> None:
    curriculum, rng = make(), np.random.default_rng(0)
    curriculum.keep(state("key#1", "key"))
    curriculum.keep(state("key#2", "key"))
    for number in range(60):
        attempt(curriculum, START, (), ("key",))
        attempt(curriculum, "key#1", ("key",), ())
        attempt(curriculum, "key#2", ("key",), ("door", "sword") if number % 2 else ())
    origins = Counter(curriculum.choose(0, rng).origin for _ in range(400))
    assert origins["key#2"] > 300


def test_an_episode_is_an_attempt_at_every_quest_that_is_open_at_its_start() -> None:
    curriculum = make()
    attempt(curriculum, START, ("key",), ("door",))
    assert curriculum.success("open the door") == pytest.approx(2 / 3)
    assert curriculum.success("take the sword") == pytest.approx(1 / 3)
    assert curriculum.success("find the key") == 0.5
    assert curriculum.success("slay the dragon") == 0.5


def test_an_episode_that_was_cut_does_not_count() -> None:
    curriculum = make()
    show(curriculum, reached(), is_first=True)
    show(curriculum, reached(), is_first=True)
    assert curriculum.success("find the key") == 0.5


def test_states_are_saved_at_gates_only_and_only_a_few_per_goal() -> None:
    curriculum = make(states_per_quest=1)
    assert show(curriculum, reached("dragon"), fresh=("dragon",)) == ()
    assert show(curriculum, reached("key"), fresh=("key",)) == (0,)
    curriculum.keep(state("key#1", "key", path_steps=100))
    assert show(curriculum, reached("key"), fresh=("key",), path_steps=90) == ()
    assert show(curriculum, reached("key"), fresh=("key",), path_steps=80) == (0,)
    curriculum.keep(state("key#2", "key", path_steps=80))
    assert curriculum.starts()["open the door"] == ["key#2"]


def test_it_continues_exactly_from_its_exported_state() -> None:
    one, other = make(), make()
    one.keep(state("key#1", "key"))
    attempt(one, START, (), ("key",))
    attempt(one, "key#1", ("key",), ("door",))
    other.import_state(one.export_state())
    first, second = np.random.default_rng(5), np.random.default_rng(5)
    assert [one.choose(0, first) for _ in range(50)] == [other.choose(0, second) for _ in range(50)]
