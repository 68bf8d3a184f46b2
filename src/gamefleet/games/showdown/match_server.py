"""Matches on a real Pokémon Showdown server of one's own.

Job: the same matches as `match`, through everything that lies between a player and the simulator on a server: logins,
challenges, websockets, clocks. Place in the data flow: contestants -> clients of a local server -> games. Left out: the
players inside the simulator's process, who cannot log in.

Teams are exchanged within a block as everywhere; chance is the server's own, and in formats that make teams these are
as well, so blocks say less here than on a host. The players' own chance follows from seed and block, as it does there,
however many battles are played at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gamefleet.errors import ConfigError
from gamefleet.games.recorded import MatchGame, MatchOrder
from gamefleet.games.showdown.client import connected
from gamefleet.games.showdown.host.host import BattleHost
from gamefleet.games.showdown.players import POKE_ENV, InsidePlayer, OutsidePlayer, Player
from gamefleet.games.showdown.server import local_server

AT_A_TIME = 8
"""Battles at the same moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Battle:
    """One battle to be played.

    Args:
        number: Unique; part of the names on the server.
        block: Of the order.
        is_swapped: Whether the first player accepts instead of challenging, with the other team.
        seed: Of the players' own chance.
        teams: Packed, of the first and the second player; None where the format makes them.
    """

    number: int
    block: int
    is_swapped: bool
    seed: str
    teams: tuple[str | None, str | None]


def play_on_server(first: Player, second: Player, order: MatchOrder) -> Iterator[MatchGame]:
    """Play an order on a server that is started for it.

    Raises:
        ConfigError: A player lives inside the simulator's process.
        MissingDependencyError: The simulator is not installed.
        WorkerError: The server did not start, or a battle could not be begun.
    """
    players = _outside(first), _outside(second)
    battles = list(_battles(order))
    with local_server() as server:
        for start in range(0, len(battles), AT_A_TIME):
            chunk = battles[start : start + AT_A_TIME]
            yield from asyncio.run(_play_all(server.websocket, players, chunk, order.format))


def _outside(player: Player) -> OutsidePlayer:
    if isinstance(player, InsidePlayer):
        raise ConfigError(
            "This player lives in the simulator's process and cannot log in to a server",
            value=player.name,
            remedy=f"Choose a run, a checkpoint or one of {', '.join(POKE_ENV)}.",
        )
    return player


def _battles(order: MatchOrder) -> Iterator[_Battle]:
    makes_teams = "random" in order.format
    pairs = [(None, None)] * len(order.blocks) if makes_teams else teams_of(order)
    for index, (block, (one, other)) in enumerate(zip(order.blocks, pairs, strict=True)):
        seed = f"{order.seed} {block}"
        yield _Battle(number=2 * index, block=block, is_swapped=False, seed=seed, teams=(one, other))
        yield _Battle(number=2 * index + 1, block=block, is_swapped=True, seed=seed, teams=(other, one))


def teams_of(order: MatchOrder) -> list[tuple[str, str]]:
    """Two packed teams for each block, those that the host would bring."""
    with BattleHost() as host:
        commands = [
            {"do": "team", "format": order.format, "seed": f"{order.seed} {block} {side}"}
            for block in order.blocks
            for side in (0, 1)
        ]
        packed = [str(answer["team"]) for answer in host.ask(commands)]
    return list(zip(packed[::2], packed[1::2], strict=True))


async def _play_all(
    websocket: str, players: tuple[OutsidePlayer, OutsidePlayer], battles: Sequence[_Battle], format_name: str
) -> list[MatchGame]:
    return await asyncio.gather(*(_play(websocket, players, battle, format_name) for battle in battles))


async def _play(
    websocket: str, players: tuple[OutsidePlayer, OutsidePlayer], battle: _Battle, format_name: str
) -> MatchGame:
    """One battle between two fresh logins."""
    names = f"First {battle.number}", f"Second {battle.number}"
    async with (
        connected(websocket, names[0], players[0], battle.teams[0], seed=battle.seed) as one,
        connected(websocket, names[1], players[1], battle.teams[1], seed=battle.seed) as other,
    ):
        host, guest = (other, one) if battle.is_swapped else (one, other)
        guest.accept(format_name)
        of_host, of_guest = await asyncio.gather(host.challenge(guest.name, format_name), guest.result())
    mine, theirs = (of_guest, of_host) if battle.is_swapped else (of_host, of_guest)
    faults = zip(players, (mine.fault, theirs.fault), strict=True)
    end = "; ".join(f"{player.name} lost by a fault: {told}" for player, told in faults if told)
    return MatchGame(score=mine.score, block=battle.block, is_swapped=battle.is_swapped, end=end)
