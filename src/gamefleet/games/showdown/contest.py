"""Matches as the ladder orders them.

Job: contestants to players, and rows of `match` to games. Place in the data flow: `Matches.play`. Left out: battles
(`match`), ratings.
"""

from __future__ import annotations

from collections.abc import Iterator

from gamefleet.games.recorded import Contestant, MatchGame, MatchOrder
from gamefleet.games.showdown.host.host import BattleHost
from gamefleet.games.showdown.match import MatchPlan, MatchRow, play_match
from gamefleet.games.showdown.match_server import play_on_server
from gamefleet.games.showdown.players import Player, scripted_player
from gamefleet.games.showdown.players_network import NetworkPlayer, SequencePolicy


def play(first: Contestant, second: Contestant, order: MatchOrder) -> Iterator[MatchGame]:
    """Play an order on a host of its own, or on a server.

    Raises:
        ConfigError: There is no such player or format.
        MissingDependencyError: The simulator or poke-env is not installed.
    """
    players = player_of(first), player_of(second)
    if order.on_server:
        yield from play_on_server(*players, order)
        return
    plan = MatchPlan(format=order.format, blocks=order.blocks, seed=order.seed)
    with BattleHost() as host:
        for row in play_match(host, *players, plan):
            yield MatchGame(score=row.score, block=row.block, is_swapped=row.side == 1, end=ending(row))


def check_format(name: str) -> None:
    """Refuse a format that the simulator does not play.

    Raises:
        ConfigError: It knows none of this name, or it is not for singles.
        MissingDependencyError: The simulator is not installed.
    """
    with BattleHost() as host:
        host.ask([{"do": "team", "format": name, "seed": "0"}])


def player_of(contestant: Contestant) -> Player:
    """Who sits down for a contestant."""
    if contestant.network is None:
        return scripted_player(contestant.name)
    policy = SequencePolicy(contestant.network, temperature=contestant.temperature, device=contestant.device)
    return NetworkPlayer(contestant.name, policy, memory_decisions=contestant.memory_decisions)


def ending(row: MatchRow) -> str:
    """What was not ordinary about the end of a battle."""
    if not any(row.faults):
        return ""
    return f"{row.first if row.faults[0] else row.second} lost by a fault: {row.told}"
