import importlib
from typing import Any

import numpy as np
import pytest

from gamefleet.errors import IncompatibleError
from gamefleet.games.base import Game, GamePackage, Step
from gamefleet.testing.toys import chain, corridor, grid

PACKAGES = [chain.PACKAGE, corridor.PACKAGE, grid.PACKAGE]
each_toy = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)


def make(package: GamePackage) -> Any:
    return package.make_game(package.config_type())


def assert_equal(one: Step, other: Step) -> None:
    for name, array in one.obs.items():
        np.testing.assert_array_equal(array, other.obs[name])
    np.testing.assert_array_equal(one.terms, other.terms)
    np.testing.assert_array_equal(one.milestones, other.milestones)
    assert (one.terminated, one.truncated, one.cell, one.progress) == (
        other.terminated,
        other.truncated,
        other.cell,
        other.progress,
    )


def play(game: Game, player: Any, seed: int) -> tuple[float, Step]:
    step, total = game.reset(seed), 0.0
    while not (step.terminated or step.truncated):
        step = game.step(player())
        total += step.reward
    return total, step


@each_toy
def test_the_package_is_found_under_its_module(package: GamePackage) -> None:
    assert importlib.import_module(package.module).PACKAGE is package


@each_toy
def test_steps_are_what_the_spec_says(package: GamePackage) -> None:
    game = make(package)
    rng = np.random.default_rng(0)
    step = game.reset(1)
    assert not step.terms.any()
    while not (step.terminated or step.truncated):
        for array in game.spec.observations:
            assert step.obs[array.name].shape == array.shape
            assert step.obs[array.name].dtype == array.dtype
        assert step.terms.shape == (len(game.spec.reward_terms),)
        assert step.milestones.shape == (len(game.spec.milestones),)
        step = game.step(int(rng.integers(game.spec.num_actions)))


@each_toy
def test_the_same_seed_and_actions_give_the_same_steps(package: GamePackage) -> None:
    first, second = make(package), make(package)
    actions = np.random.default_rng(3).integers(first.spec.num_actions, size=10)
    assert_equal(first.reset(5), second.reset(5))
    for action in actions:
        assert_equal(first.step(int(action)), second.step(int(action)))


@each_toy
def test_a_restored_state_goes_on_exactly(package: GamePackage) -> None:
    game, other = make(package), make(package)
    rng = np.random.default_rng(4)
    step = game.reset(6)
    for _ in range(5):
        step = game.step(int(rng.integers(game.spec.num_actions)))
    assert_equal(step, other.restore_state(game.save_state(), new_episode=False))
    for _ in range(5):
        if step.terminated or step.truncated:
            break
        action = int(rng.integers(game.spec.num_actions))
        step = game.step(action)
        assert_equal(step, other.step(action))


@each_toy
def test_a_new_episode_from_a_state_starts_its_clock_again_and_pays_nothing(package: GamePackage) -> None:
    game = make(package)
    game.reset(6)
    player = package.make_scripted(game)
    for _ in range(3):
        game.step(player.act())
    saved = game.save_state()
    step = game.restore_state(saved, new_episode=True)
    assert not step.terms.any()
    num_steps = 0
    while not step.truncated and num_steps < 1000:
        step = game.step(1 if package.name != "grid" else 0)
        num_steps += 1
        if step.terminated:
            return
    assert num_steps == game.spec.max_episode_steps


@each_toy
def test_a_state_of_another_game_is_refused(package: GamePackage) -> None:
    others = [other for other in PACKAGES if other is not package]
    for foreign in [*(make(other).save_state() for other in others), b"", b"[]", b"\xff", b'{"game": "x"}']:
        with pytest.raises(IncompatibleError):
            make(package).restore_state(foreign, new_episode=True)


@each_toy
def test_the_scripted_player_reaches_every_milestone(package: GamePackage) -> None:
    game = make(package)
    total, step = play(game, package.make_scripted(game).act, seed=8)
    assert step.terminated
    assert step.milestones.all()
    assert total == pytest.approx(grid.optimal_return(game.config) if package is grid.PACKAGE else 1.0)


def test_the_corridor_shows_both_cues_and_hides_them_later() -> None:
    game = corridor.Corridor(corridor.CorridorConfig())
    first = {tuple(game.reset(seed).obs["view"]) for seed in range(20)}
    later = set()
    for seed in range(20):
        game.reset(seed)
        later.add(tuple(game.step(corridor.AHEAD).obs["view"]))
    assert len(first) == 2
    assert len(later) == 1


def test_a_wrong_turn_pays_nothing_and_ends_the_episode() -> None:
    game = corridor.Corridor(corridor.CorridorConfig(length=1))
    game.reset(0)
    for _ in range(2):
        game.step(corridor.AHEAD)
    step = game.step(1 - game.cue)
    assert step.terminated
    assert step.reward == 0.0


def test_the_grid_is_solved_by_value_iteration_with_the_stated_return() -> None:
    config = grid.GridConfig()
    values: dict[tuple[int, int, bool], float] = {}
    for _ in range(60):
        for row, line in enumerate(grid.WORLD):
            for column, tile in enumerate(line):
                for has_key in (False, True):
                    if tile in "#GP":
                        continue
                    here = grid.Situation(row=row, column=column, has_key=has_key)
                    after = [grid.moved(here, action, config) for action in range(4)]
                    values[row, column, has_key] = max(
                        sum(s.terms) + values.get((s.row, s.column, s.has_key), 0.0) for s in after
                    )
    assert values[1, 1, False] == pytest.approx(grid.optimal_return(config))


def test_the_grid_shows_a_picture() -> None:
    game = grid.Grid(grid.GridConfig())
    game.reset(0)
    before = game.frame()
    game.step(1)
    assert before.shape == (48, 56, 3)
    assert (before != game.frame()).any()
