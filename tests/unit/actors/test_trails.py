"""Where players go is followed step by step, in one process and in workers, and pictures are drawn on demand only."""

from collections.abc import Iterator

import numpy as np
import pytest

from gamefleet.actors.steps import Restart, Vector
from gamefleet.actors.trails import Trails
from gamefleet.actors.vector import make_vector
from gamefleet.testing.toys.grid import PACKAGE, GridConfig

UP, DOWN, LEFT, RIGHT = range(4)


@pytest.fixture(params=[0, 2], ids=["inline", "workers"])
def vector(request: pytest.FixtureRequest) -> Iterator[Vector]:
    made = make_vector(PACKAGE, GridConfig(), num_envs=2, num_workers=request.param)
    yield made
    made.close()


def play(vector: Vector, *actions: int) -> None:
    vector.send(np.array(actions, np.int16), {})
    vector.receive()


def test_a_trail_names_each_spot_once_with_the_steps_spent_there(vector: Vector) -> None:
    trails = Trails(vector.scene)
    vector.send(np.zeros(2, np.int16), {0: Restart(seed=0), 1: Restart(seed=1)})
    vector.receive()
    trails.observe(None)  # type: ignore[arg-type] # it looks at the scene, not at the moment
    for actions in ((RIGHT, UP), (RIGHT, UP), (RIGHT, DOWN)):
        play(vector, *actions)
        trails.observe(None)  # type: ignore[arg-type]

    assert trails.take() == {"0": [0, 1, 1, 1, 0, 2, 1, 1, 0, 3, 1, 2], "1": [0, 1, 1, 3, 0, 1, 2, 1]}

    play(vector, LEFT, UP)
    trails.observe(None)  # type: ignore[arg-type]
    assert trails.take() == {"0": [0, 2, 1, 1], "1": [0, 1, 1, 1]}
    assert trails.take() == {}


def test_before_the_first_step_players_are_nowhere(vector: Vector) -> None:
    trails = Trails(vector.scene)
    assert (vector.scene.spots == -1).all()
    assert trails.take() == {}


def test_pictures_are_drawn_where_they_are_wanted_and_nowhere_else(vector: Vector) -> None:
    vector.scene.wanted[1] = True
    vector.send(np.zeros(2, np.int16), {0: Restart(seed=0), 1: Restart(seed=1)})
    vector.receive()
    game = PACKAGE.make_game(GridConfig())
    game.reset(1)

    assert vector.scene.has_pictures
    assert (vector.scene.pictures[1] == game.frame()).all()  # type: ignore[attr-defined]
    assert not vector.scene.pictures[0].any()

    vector.scene.wanted[:] = [True, False]
    play(vector, RIGHT, RIGHT)
    assert vector.scene.pictures[0].any()
    assert (vector.scene.pictures[1] == game.frame()).all(), "left as it was"  # type: ignore[attr-defined]
