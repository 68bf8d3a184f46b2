"""Two players who cannot see their own cards learn to tell each other what to play."""

from pathlib import Path
from statistics import mean

import pytest

from gamefleet.games import open_game
from gamefleet.topologies.build import build_solo
from gamefleet.topologies.config import ask, make_config
from gamefleet.topologies.evaluation import Player, evaluation_seeds, play_seeds

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "hanabi_mini.toml"
UPDATES = 800
SHORTER = (f"learner.learning_rate_decay_updates={UPDATES}",)


@pytest.mark.long
def test_a_short_training_plays_more_than_half_of_the_cards_of_most_games() -> None:
    package = open_game("hanabi")
    config = make_config(package, ask(file=CONFIG, assignments=SHORTER, flags={"run.seed": 3}))
    with build_solo(package, config) as solo:
        while solo.updates < UPDATES:
            solo.run_round()
    player = Player(name="trained", checkpoint=None, package=package, config=config, network=solo.learner.network)
    results = play_seeds(player, seeds=evaluation_seeds(500), max_steps=config.game.max_episode_steps)
    score = mean(result.summary.total_return for result in results)
    assert score >= 3.5
