"""Matches go through a real server as well."""

from pathlib import Path

import pytest

from gamefleet.errors import ConfigError
from gamefleet.games.recorded import Contestant, MatchOrder
from gamefleet.games.showdown import RECORDED
from gamefleet.games.showdown.contest import play


@pytest.mark.long
def test_a_better_player_wins_on_a_server_and_a_network_plays_there(simulator: Path) -> None:
    shape = {"size": "tiny", "layers": 1, "width": 32, "heads": 2, "feedforward": 32, "embedding_size": 8}
    network = Contestant(name="untrained", network=RECORDED.make_network(shape), memory_decisions=4)
    heuristics = Contestant(name="poke-env-heuristics")

    games = list(play(heuristics, network, MatchOrder(format="gen9ou", blocks=range(2), on_server=True)))

    assert [(game.block, game.is_swapped) for game in games] == [(0, False), (0, True), (1, False), (1, True)]
    assert [game.end for game in games] == [""] * 4
    assert sum(game.score for game in games) >= 3


def test_a_policy_of_the_simulator_cannot_log_in(simulator: Path) -> None:
    players = Contestant(name="max-damage"), Contestant(name="poke-env-random")

    with pytest.raises(ConfigError, match="poke-env-random"):
        list(play(*players, MatchOrder(format="gen1randombattle", blocks=range(1), on_server=True)))
