"""The game: rewards, and saved battles; the promises of every game are tested with those of the others."""

from pathlib import Path

import numpy as np
import pytest

from gamefleet.errors import IncompatibleError
from gamefleet.games.base import Step
from gamefleet.games.batch import empty_rows
from gamefleet.games.showdown.config import ShowdownConfig
from gamefleet.games.showdown.game import ShowdownBatch, make_game, make_scripted, make_spec
from gamefleet.games.showdown.panel import describe

pytestmark = pytest.mark.usefixtures("simulator")


def played(config: ShowdownConfig, seed: int) -> list[Step]:
    """The steps of a battle of the strongest policy, kept."""
    game = make_game(config)
    player = make_scripted(game)
    steps = [game.reset(seed)]
    terms = [steps[0].terms.copy()]
    while not steps[-1].terminated:
        steps.append(game.step(player.act()))
        terms.append(steps[-1].terms.copy())
    total = np.sum(terms, axis=0)
    assert game.frame().std() > 0
    assert total[0] in (-1, 0, 1)
    assert total[1] == pytest.approx(total[2], abs=6)
    return steps


def test_a_battle_pays_for_winning_and_for_what_falls(simulator: Path) -> None:
    steps = played(ShowdownConfig(faint_reward=1, hp_reward=1), 4)

    assert steps[-1].progress == steps[-1].milestones.sum()
    assert not np.unpackbits(steps[-1].obs["legal"]).any()


def test_what_is_not_legal_is_refused(simulator: Path) -> None:
    game = make_game(ShowdownConfig())
    legal = np.unpackbits(game.reset(0).obs["legal"], count=game.spec.num_actions)

    with pytest.raises(ValueError, match="not legal now"):
        game.step(int(np.flatnonzero(legal == 0)[0]))


def test_a_battle_of_another_format_is_not_restored(simulator: Path) -> None:
    first, other = make_game(ShowdownConfig()), make_game(ShowdownConfig(battle_format="gen2randombattle"))
    first.reset(0)

    with pytest.raises(IncompatibleError, match="another format"):
        other.restore_state(first.save_state(), new_episode=False)


def test_battles_of_a_batch_are_those_that_are_played_alone(simulator: Path) -> None:
    config = ShowdownConfig()
    spec = make_spec(config)
    rows = empty_rows(spec, 3)
    batch = ShowdownBatch(config, rows)
    batch.reset(np.arange(3), [5, 6, 7])
    alone = make_game(config)
    alone.reset(6)
    for _ in range(5):
        legal = np.unpackbits(rows.obs["legal"], axis=1, count=spec.num_actions)
        batch.step(np.arange(3), legal.argmax(axis=1).astype(np.int16))
        step = alone.step(int(legal[1].argmax()))
    for name, array in rows.obs.items():
        assert np.array_equal(array[1], step.obs[name]), name


def test_the_dashboard_shows_a_battle_as_the_learner_sees_it(simulator: Path) -> None:
    game = make_game(ShowdownConfig())
    obs = {name: array.copy() for name, array in game.reset(1).obs.items()}
    told = describe(ShowdownConfig(), [obs])

    (frame,) = told["frames"]
    assert all(mon is not None for mon in frame["sides"][0]["mons"])
    assert sum(mon is not None for mon in frame["sides"][1]["mons"]) == 1
    assert frame["turn"] == 1
