"""A player on a Pokémon Showdown server.

Job: log in, challenge or be challenged, and let an outside player choose. Place in the data flow: server -> seats ->
choices -> server. Left out: what is chosen, and public servers: names are taken without a password, as one's own server
allows it (`server`), and single battles (`client_room`).

Source: the protocol is described in `PROTOCOL.md` and `sim/SIM-PROTOCOL.md` of Pokémon Showdown (MIT licence).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec

from gamefleet.errors import WorkerError
from gamefleet.games.showdown.client_room import BattleRoom, ServerResult
from gamefleet.games.showdown.players import OutsidePlayer
from gamefleet.games.showdown.tables import to_id

PATIENCE_S = 60.0
"""For the server's own answers, and for a challenge to be accepted; battles may take as long as they like."""

LONGEST_NAME = 18
T = TypeVar("T")
TEAM_REFUSED = "Your team was rejected"
"""How the server begins to say so."""


class ShowdownClient:
    """A name on a server, and who plays under it. Made by `connected`.

    Args:
        connection: An open websocket.
        name: On the server; letters, digits and spaces.
        player: Chooses.
        team: Packed; None where the format makes teams.
        seed: See `connected`.
    """

    def __init__(self, connection: Any, name: str, player: OutsidePlayer, team: str | None, *, seed: str = "") -> None:
        self.name = name[:LONGEST_NAME]
        self.results: asyncio.Queue[ServerResult] = asyncio.Queue()
        self._connection = connection
        self._player = player
        self._seed = seed
        self._bringing = "" if team is None else f"/utm {team}"
        self._rooms: dict[str, BattleRoom] = {}
        self._is_in = asyncio.Event()
        self._has_begun = asyncio.Event()
        self._is_challenging = False
        self._told = ""
        self._accepted = ""
        self._listening = asyncio.create_task(self._listen())

    async def challenge(self, opponent: str, format_name: str, *, patience_s: float = PATIENCE_S) -> ServerResult:
        """Play one battle against somebody who accepts challenges.

        Args:
            opponent: Name on the server.
            format_name: Id of the format.
            patience_s: Until the battle begins.

        Raises:
            WorkerError: The challenge or the team was refused, nobody accepted in time, or as for `result`.
        """
        self._has_begun.clear()
        self._is_challenging, self._told = True, ""
        await self._say(self._bringing)
        await self._say(f"/challenge {opponent}, {format_name}")
        try:
            await self._unless_it_ends(self._has_begun.wait(), patience_s)
        except TimeoutError:
            raise WorkerError(
                f"A challenge of {opponent} led to no battle within {patience_s:g} s",
                value=self._told or None,
                where=self.name,
                remedy="The opponent must be logged in and accept this format.",
            ) from None
        finally:
            self._is_challenging = False
        return await self.result()

    async def result(self) -> ServerResult:
        """How the next battle of this name ends.

        Raises:
            WorkerError: The connection, the player or what the server said came to a bad end first.
        """
        return await self._unless_it_ends(self.results.get(), None)

    def accept(self, format_name: str) -> None:
        """From now on accept every challenge to a battle of a format; results arrive in `results`."""
        self._accepted = format_name

    async def log_in(self) -> None:
        """Wait until the server knows the name.

        Raises:
            WorkerError: It does not let it in.
        """
        try:
            await self._unless_it_ends(self._is_in.wait(), PATIENCE_S)
        except TimeoutError:
            raise WorkerError("The Showdown server did not let this name in", value=self.name) from None

    async def end(self) -> None:
        """Stop listening."""
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)

    async def _unless_it_ends(self, wanted: Coroutine[Any, Any, T], patience_s: float | None) -> T:
        """What is waited for, unless listening ends first (`WorkerError`) or patience does (`TimeoutError`)."""
        waiting = asyncio.ensure_future(wanted)
        try:
            await asyncio.wait((waiting, self._listening), timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
        finally:
            waiting.cancel()
        if not self._listening.done():
            raise TimeoutError
        raise why_it_ended(self._listening, self.name)

    async def _listen(self) -> None:
        """Take in messages until the connection ends."""
        async for message in self._connection:
            room, _, rest = message.partition("\n") if message.startswith(">") else ("", "", message)
            if room.startswith(">battle-"):
                await self._hear_battle(room[1:], rest.split("\n"))
            elif not room:
                for line in rest.split("\n"):
                    await self._hear(line.split("|"))

    async def _hear(self, parts: list[str]) -> None:
        kind = parts[1] if len(parts) > 1 else ""
        if kind == "challstr":
            await self._say(f"/trn {self.name},0,")
        elif kind == "updateuser" and len(parts) > 2 and to_id(parts[2]) == to_id(self.name):
            self._is_in.set()
        elif kind == "popup":
            self._hear_refusal(" ".join(part for part in parts[2:] if part))
        elif kind == "pm" and len(parts) > 5 and parts[4].startswith("/challenge"):
            await self._hear_challenge(to_id(parts[2]), parts[5])
        elif kind == "pm" and len(parts) > 4 and not parts[4].startswith("/challenge"):
            self._told = "|".join(parts[4:])

    def _hear_refusal(self, text: str) -> None:
        if self._is_challenging or (self._accepted and text.startswith(TEAM_REFUSED)):
            raise WorkerError("The Showdown server refused a battle", value=text, where=self.name)

    async def _hear_challenge(self, challenger: str, format_name: str) -> None:
        if not self._accepted or challenger == to_id(self.name):
            return
        if to_id(format_name) == self._accepted:
            await self._say(self._bringing)
            await self._say(f"/accept {challenger}")
        else:
            await self._say(f"/reject {challenger}")
            await self._say(f"/pm {challenger}, I play {self._accepted} only.")

    async def _hear_battle(self, name: str, lines: list[str]) -> None:
        room = self._rooms.setdefault(name, BattleRoom(name, self.name, self._player, seed=self._seed))
        for line in lines:
            kind, _, rest = line[1:].partition("|") if line.startswith("|") else ("", "", line)
            if kind == "request" and rest:
                await self._say(await room.answer(msgspec.json.decode(rest)), name)
            elif kind == "error":
                await self._say(room.hear_error(rest), name)
            elif kind in ("win", "tie"):
                await self._say("/noreply /leave", name)
                self._rooms.pop(name, None)
                await self.results.put(room.result(kind, rest))
                return
            else:
                if kind == "init":
                    self._has_begun.set()
                room.hear(kind, line)

    async def _say(self, text: str, room: str = "") -> None:
        """Send a command, unless it is empty."""
        from websockets.exceptions import ConnectionClosed

        if not text:
            return
        try:
            await self._connection.send(f"{room}|{text}")
        except ConnectionClosed as error:
            raise _closed(error, self.name) from error


def why_it_ended(listening: asyncio.Task[None], name: str) -> WorkerError:
    """The error for a task of listening that ended by itself."""
    from websockets.exceptions import ConnectionClosed

    error = None if listening.cancelled() else listening.exception()
    if isinstance(error, WorkerError):
        return error
    if error is None or isinstance(error, ConnectionClosed):
        return _closed(error, name)
    ended = WorkerError("A player on a Showdown server failed, or did not understand it", value=repr(error), where=name)
    ended.__cause__ = error
    return ended


def _closed(error: BaseException | None, name: str) -> WorkerError:
    return WorkerError("The Showdown server ended the connection", value=repr(error) if error else "closed", where=name)


@asynccontextmanager
async def connected(
    websocket: str, name: str, player: OutsidePlayer, team: str | None = None, *, accepts: str = "", seed: str = ""
) -> AsyncIterator[ShowdownClient]:
    """A client that is logged in.

    Args:
        websocket: Of the server.
        name: There.
        player: Chooses.
        team: Packed; None where the format makes teams.
        accepts: Format of which every challenge is accepted from the first moment on; none if empty.
        seed: For the player's own chance in all battles of this login; empty takes each battle's name on the server.

    Yields:
        The client.

    Raises:
        WorkerError: The server cannot be reached, or does not let the name in.
    """
    from websockets.asyncio.client import connect

    try:
        # Pings may stay unanswered: before its first battle a server loads its data, and answers nobody meanwhile.
        connection = await connect(websocket, max_size=None, max_queue=None, open_timeout=PATIENCE_S, ping_timeout=None)
    except OSError as error:
        raise WorkerError("The Showdown server cannot be reached", value=str(error), where=websocket) from error
    client = ShowdownClient(connection, name, player, team, seed=seed)
    client.accept(accepts)
    try:
        await client.log_in()
        yield client
    finally:
        await client.end()
        await connection.close()
