"""Whatever a server says, or stops saying, a player's wait for its battle ends."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from tests.waiting import PATIENCE_S
from websockets.asyncio.server import ServerConnection, serve

from gamefleet.errors import WorkerError
from gamefleet.games.showdown.client import ShowdownClient, connected
from gamefleet.games.showdown.client_room import ServerResult
from gamefleet.games.showdown.players import SeatFailedError, SeatInfo

ROOM = ">battle-gen1ou-1\n|init|battle\n|player|p1|Bob|1|\n"
REQUEST = ROOM + '|request|{"rqid": 1}'


class Chooser:
    """Chooses the first move, or fails."""

    def __init__(self, error: Exception | None) -> None:
        self.name = "chooser"
        self._error = error

    def sit(self, info: SeatInfo) -> "Chooser":
        return self

    def hear(self, lines: Sequence[str]) -> None:
        pass

    def choose(self, asked: Sequence[tuple[Any, Any]]) -> list[str]:
        if self._error is not None:
            raise self._error
        return ["move 1"]


class Server:
    """Lets everybody in, and answers challenges in one way.

    Args:
        answers: To a challenge; "close" and "abort" end the connection.
    """

    def __init__(self, *answers: str) -> None:
        self.answers = answers
        self.heard: list[str] = []

    async def serve(self, connection: ServerConnection) -> None:
        await connection.send("|challstr|4|x")
        async for message in connection:
            text = str(message)
            self.heard.append(text)
            if "/trn" in text:
                await connection.send(f"|updateuser\n|updateuser| {text.split('/trn ')[1].split(',')[0]}|1|x")
            elif "/challenge" in text:
                await self._answer(connection, self.answers)
            elif "/choose" in text or "/forfeit" in text:
                await connection.send(f"{ROOM.splitlines()[0]}\n|turn|1\n|win|Bob")

    async def _answer(self, connection: ServerConnection, answers: Sequence[str]) -> None:
        for answer in answers:
            if answer == "close":
                await connection.close()
            elif answer == "abort":
                connection.transport.abort()
            else:
                await connection.send(answer)


async def challenged(server: Server, error: Exception | None = None) -> ServerResult:
    async with serve(server.serve, "127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        async with connected(f"ws://127.0.0.1:{port}/", "Bob", Chooser(error)) as client:
            return await asyncio.wait_for(client.challenge("Eve", "gen1ou", patience_s=1.0), PATIENCE_S)


def test_a_battle_that_goes_well_has_a_result() -> None:
    result = asyncio.run(challenged(Server(REQUEST)))

    assert (result.score, result.turns, result.fault) == (1.0, 1, "")


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (["close"], "ended the connection"),
        (["abort"], "ended the connection"),
        ([ROOM, "close"], "ended the connection"),
        ([ROOM + "|request|{bad"], "did not understand"),
        ([ROOM + "|request|[]"], "did not understand"),
        ([ROOM + "|request|{}"], "rqid"),
        (["|popup|The user 'Eve' was not found."], "The user 'Eve' was not found"),
        (["|popup|Your team was rejected for the following reasons:||- No Pokémon"], "- No Pokémon"),
        (["|updateuser", "|pm| Eve| Bob|I play gen9ou only.", "|pm| Bob| Eve|/challenge"], "I play gen9ou only"),
        ([], "no battle within 1 s"),
    ],
)
def test_whatever_ends_the_wait_for_a_battle_is_an_error_that_tells_it(answers: list[str], told: str) -> None:
    with pytest.raises(WorkerError, match=told):
        asyncio.run(challenged(Server(*answers)))


def test_a_player_that_fails_ends_the_wait_for_its_battle() -> None:
    with pytest.raises(WorkerError, match="NaN in the network") as raised:
        asyncio.run(challenged(Server(REQUEST), ValueError("NaN in the network")))

    assert isinstance(raised.value.__cause__, ValueError)


def test_a_player_that_cannot_follow_gives_the_battle_up() -> None:
    server = Server(REQUEST)

    assert asyncio.run(challenged(server, SeatFailedError("lost the thread"))).fault == "lost the thread"
    assert server.heard[-2:] == ["battle-gen1ou-1|/forfeit", "battle-gen1ou-1|/noreply /leave"]


def test_who_accepts_with_a_team_that_is_refused_is_told_and_other_news_disturbs_nobody() -> None:
    async def accepting() -> ServerResult:
        server = Server("|popup|Welcome", "|pm| Eve| Bob|/challenge gen1ou|x", "|popup|Your team was rejected: none")
        async with serve(server.serve, "127.0.0.1", 0) as listening:
            port = next(iter(listening.sockets)).getsockname()[1]
            async with connected(f"ws://127.0.0.1:{port}/", "Bob", Chooser(None), "team", accepts="gen1ou") as client:
                await prompt(client)
                return await asyncio.wait_for(client.result(), PATIENCE_S)

    with pytest.raises(WorkerError, match="Your team was rejected: none"):
        asyncio.run(accepting())


async def prompt(client: ShowdownClient) -> None:
    """Let the server send its answers."""
    await client._say("/challenge nobody")
