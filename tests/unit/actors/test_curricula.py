"""Where episodes start: beginning, swarm, archive."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from gamefleet.actors.archive import Archive, Swarm
from gamefleet.actors.curricula import make_curriculum
from gamefleet.actors.curriculum import Beginning, Sight
from gamefleet.actors.saved import SavedState, pack, unpack
from gamefleet.actors.settings import ActorSettings, CurriculumSettings
from gamefleet.actors.steps import START, VectorStep
from gamefleet.errors import ConfigError
from gamefleet.games.base import GameSpec

MILESTONES = ("a", "b", "c")
SPEC = GameSpec(
    name="story",
    version="1",
    observations=(),
    actions=("x",),
    reward_terms=("r",),
    milestones=MILESTONES,
    max_episode_steps=9,
)


def saved(name: str, *, reached: int = 1, cell: int = 1, progress: float = 1.0, path_steps: int = 10) -> SavedState:
    return SavedState(
        name=name,
        milestone=name.split("#")[0],
        env=0,
        parent=START,
        total_steps=0,
        episode_steps=path_steps,
        path_steps=path_steps,
        cell=cell,
        progress=progress,
        milestones=np.arange(3) < reached,
        packed=pack(name.encode()),
    )


def sight(
    *, reached: list[int], fresh: list[bool], cells: list[int] | None = None, path_steps: int = 10, ended: bool = False
) -> Sight:
    num_envs = len(reached)
    milestones = np.arange(3) < np.array(reached)[:, None]
    zeros = np.zeros(num_envs, np.bool_)
    view = VectorStep(
        obs={},
        reward=np.zeros(num_envs, np.float32),
        terms=np.zeros((num_envs, 1), np.float32),
        terminated=zeros | ended,
        truncated=zeros,
        is_first=zeros,
        lost=zeros,
        milestones=milestones,
        cell=np.array(cells or [0] * num_envs, np.uint64),
        progress=np.array(reached, np.float32),
    )
    newest = np.arange(3) == np.array(reached)[:, None] - 1
    path = np.full(num_envs, path_steps, np.int64)
    return Sight(view=view, fresh=newest & np.array(fresh)[:, None], origins=[START] * num_envs, path_steps=path)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_state_survives_packing() -> None:
    assert unpack(pack(bytes(1000) + b"x")) == bytes(1000) + b"x"


def test_the_settings_choose_the_curriculum() -> None:
    made = make_curriculum(CurriculumSettings(kind="none"), spec=SPEC, quests=(), num_envs=2)
    assert isinstance(made, Beginning)
    assert made.choose(0, rng()).origin == START
    with pytest.raises(ConfigError, match="no quests"):
        make_curriculum(CurriculumSettings(kind="quests"), spec=SPEC, quests=(), num_envs=2)


def test_unknown_kinds_and_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'swarm'"):
        CurriculumSettings(kind="swarms")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="between 0 and 1"):
        CurriculumSettings(start_fraction=1.5)
    with pytest.raises(ConfigError, match="at least 1"):
        ActorSettings(num_envs=0)


def test_the_swarm_saves_the_furthest_game_and_calls_the_others() -> None:
    swarm = Swarm(CurriculumSettings(kind="swarm", start_fraction=0.0))
    wishes = swarm.observe(sight(reached=[1, 2, 2, 0], fresh=[True, True, True, False]))
    assert wishes.save == (1,)
    assert wishes.interrupt == (0, 2, 3)
    swarm.keep(saved("b#1", reached=2, progress=2.0))
    assert swarm.choose(3, rng()).origin == "b#1"
    assert swarm.observe(sight(reached=[2, 0, 0, 0], fresh=[True] * 4)).save == ()
    assert swarm.observe(sight(reached=[3, 0, 0, 0], fresh=[True] * 4)).save == (0,)


@pytest.mark.parametrize("kind", ["swarm", "archive"])
def test_the_start_fraction_always_starts_at_the_beginning(kind: str) -> None:
    settings = CurriculumSettings(kind=kind, start_fraction=0.3)  # type: ignore[arg-type]
    curriculum = make_curriculum(settings, spec=SPEC, quests=(), num_envs=1)
    curriculum.keep(saved("a#1"))
    stream = rng()
    origins = Counter(curriculum.choose(0, stream).origin for _ in range(1000))
    assert origins[START] == pytest.approx(300, abs=60)


def test_the_archive_wants_one_state_per_new_cell_and_none_of_ended_episodes() -> None:
    archive = Archive(CurriculumSettings(kind="archive"), num_envs=3)
    assert archive.observe(sight(reached=[1, 1, 1], fresh=[True] * 3, cells=[7, 7, 8])).save == (0, 2)
    assert archive.observe(sight(reached=[1, 1, 1], fresh=[True] * 3, ended=True)).save == ()
    assert archive.observe(sight(reached=[1, 1, 1], fresh=[False] * 3, cells=[9, 9, 9])).save == ()


def test_the_archive_replaces_a_state_only_by_a_further_one_or_a_clearly_shorter_way() -> None:
    archive = Archive(CurriculumSettings(kind="archive"), num_envs=1)
    archive.keep(saved("a#1", cell=7, progress=1.0, path_steps=100))
    wants = [
        bool(archive.observe(sight(reached=[reached], fresh=[True], cells=[7], path_steps=steps)).save)
        for reached, steps in ((1, 100), (1, 81), (1, 80), (2, 500))
    ]
    assert wants == [False, False, True, True]


def test_rarely_visited_states_are_chosen_as_go_explore_says() -> None:
    archive = Archive(CurriculumSettings(kind="archive", start_fraction=0.0), num_envs=1)
    archive.keep(saved("a#1", cell=1))
    archive.keep(saved("b#2", cell=2))
    for cell in (1, 3, 1, 3, 1):
        archive.observe(sight(reached=[0], fresh=[False], cells=[cell]))
    np.testing.assert_allclose(archive.weights(), np.array([0.5, 1.0]) / 1.5)


def test_a_full_archive_drops_its_most_visited_state() -> None:
    archive = Archive(CurriculumSettings(kind="archive", start_fraction=0.0, max_states=2), num_envs=1)
    archive.keep(saved("a#1", cell=1))
    archive.keep(saved("b#2", cell=2))
    archive.observe(sight(reached=[0], fresh=[False], cells=[1]))
    archive.keep(saved("c#3", cell=3))
    stream = rng()
    assert {archive.choose(0, stream).origin for _ in range(50)} == {"b#2", "c#3"}


def test_the_chosen_restart_holds_the_state_and_its_path() -> None:
    archive = Archive(CurriculumSettings(kind="archive", start_fraction=0.0), num_envs=1)
    archive.keep(saved("a#1", path_steps=33))
    restart = archive.choose(0, rng())
    assert (restart.state, restart.origin, restart.path_steps, restart.new_episode) == (b"a#1", "a#1", 33, True)
