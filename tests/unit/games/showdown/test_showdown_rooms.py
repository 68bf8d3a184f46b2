"""One player in many battles of a server at once chooses as it would in one after the other."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from gamefleet.games.recorded import MatchOrder
from gamefleet.games.showdown import match_server, players_poke_env
from gamefleet.games.showdown.client_room import BattleRoom, ServerResult
from gamefleet.games.showdown.players import OutsidePlayer, SeatInfo
from gamefleet.games.showdown.players_network import Memory, NetworkPlayer
from gamefleet.games.showdown.players_poke_env import PokeEnvPlayer

BATTLES, CHOICES = 8, 5


class Drawing:
    """A player of poke-env that draws from the global generator, and is slow enough for others to come in between."""

    def choose_move(self, battle: Any) -> Any:
        draws = []
        for _ in range(3):
            draws.append(random.randrange(1000))
            time.sleep(0.0005)
        return SimpleNamespace(message=f"/choose {draws}")


class Seat:
    """Follows nothing."""

    def __init__(self, info: SeatInfo) -> None:
        self.info = info
        self.num_choices = 0
        self.battle = SimpleNamespace(parse_request=lambda request: None)

    def hear(self, lines: Sequence[str]) -> None:
        pass


async def battle(player: OutsidePlayer, number: int) -> list[str]:
    room = BattleRoom(f"battle-gen1ou-{number}", "Bob", player)
    room.hear("player", "|player|p1|Bob|1|")
    return [await room.answer({"rqid": 1}) for _ in range(CHOICES)]


async def battles(players: Sequence[OutsidePlayer], at_once: int) -> list[list[str]]:
    made: list[list[str]] = []
    for start in range(0, BATTLES, at_once):
        some = [battle(players[number % len(players)], number) for number in range(start, start + at_once)]
        made += await asyncio.gather(*some)
    return made


def test_players_of_poke_env_choose_the_same_however_many_battles_there_are_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(players_poke_env, "open_player", lambda *words, **options: Drawing())
    monkeypatch.setattr(players_poke_env, "PokeEnvSeat", Seat)
    # Two players, because what they share is the process's generator.
    players: list[Any] = [PokeEnvPlayer("one", "Drawing"), PokeEnvPlayer("two", "Drawing")]
    before = random.getstate()

    alone = asyncio.run(battles(players, 1))
    together = asyncio.run(battles(players, BATTLES))

    assert together == alone
    assert len({choice for made in alone for choice in made}) == BATTLES * CHOICES
    assert random.getstate() == before


def test_a_network_is_asked_by_one_battle_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[int] = []
    most: list[int] = []

    def decide(memories: Sequence[Memory]) -> list[int]:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.001)
        inside.pop()
        return [0] * len(memories)

    player: Any = NetworkPlayer("network", decide)
    decision = SimpleNamespace(words={0: "move 1"})
    monkeypatch.setattr("gamefleet.games.showdown.players_network.NetworkSeat.decide", lambda *words: decision)

    assert asyncio.run(battles([player], BATTLES)) == [["/choose move 1|1"] * CHOICES] * BATTLES
    assert max(most) == 1


def test_the_chance_of_players_on_a_server_is_that_of_the_block_and_not_of_the_rooms_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeds: list[tuple[str, str]] = []

    class Client:
        name = "Client"

        def accept(self, format_name: str) -> None:
            pass

        async def challenge(self, opponent: str, format_name: str) -> ServerResult:
            return ServerResult(room="room", score=1.0, turns=1)

        async def result(self) -> ServerResult:
            return ServerResult(room="room", score=0.0, turns=1)

    @asynccontextmanager
    async def connected(
        websocket: str, name: str, player: Any, team: str | None = None, *, accepts: str = "", seed: str = ""
    ) -> AsyncIterator[Client]:
        seeds.append((name, seed))
        yield Client()

    monkeypatch.setattr(match_server, "connected", connected)
    order = MatchOrder(format="gen1randombattle", blocks=[4, 7], seed=3, on_server=True)
    pair: Any = (SimpleNamespace(name="one"), SimpleNamespace(name="two"))
    asyncio.run(match_server._play_all("", pair, list(match_server._battles(order)), order.format))

    assert {name: seed for name, seed in seeds if name.startswith("First")} == {
        "First 0": "3 4",
        "First 1": "3 4",
        "First 2": "3 7",
        "First 3": "3 7",
    }
    heard: list[SeatInfo] = []
    player: Any = SimpleNamespace(sit=lambda info: heard.append(info) or Seat(info))
    BattleRoom("battle-gen1ou-12", "Bob", player, seed="3 4").hear("player", "|player|p2|Bob|1|")
    assert heard == [SeatInfo(side=1, name="Bob", format="gen1ou", seed="3 4")]
