"""One battle on a server, as one of its players.

Job: give a seat its lines, let it choose, and say how the battle ended. Place in the data flow: `client` hands over
what arrives in a room and sends what is answered. Left out: the connection.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from gamefleet.games.showdown.players import OutsidePlayer, Seat, SeatFailedError, SeatInfo
from gamefleet.games.showdown.tables import to_id

GIVE_UP = "/forfeit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerResult:
    """How a battle on a server ended.

    Args:
        room: Its name there.
        score: 1 won, 0.5 a tie, 0 lost.
        turns: Its length.
        fault: What this side did wrong, empty if nothing.
    """

    room: str
    score: float
    turns: int
    fault: str = ""


class BattleRoom:
    """A battle that is being played.

    Args:
        name: Of the room.
        own_name: Of this side on the server.
        player: Chooses.
        seed: For the player's own chance; empty takes the room's name, which the server numbers as battles come.
    """

    def __init__(self, name: str, own_name: str, player: OutsidePlayer, *, seed: str = "") -> None:
        self.name = name
        self._seed = seed or name
        self._own_name = own_name
        self._player = player
        self._seat: Seat | None = None
        self._early: list[str] = []
        self._turns = 0
        self._fault = ""

    def hear(self, kind: str, line: str) -> None:
        """Take in a line that is no request, no error and no end."""
        if kind == "player" and self._seat is None:
            self._take_seat(line.split("|"))
        self._turns += kind == "turn"
        if self._seat is None:
            self._early.append(line)
            return
        lines, self._early = [*self._early, line], []
        try:
            self._seat.hear(lines)
        except SeatFailedError as error:
            self._fault = self._fault or str(error)

    async def answer(self, request: dict[str, Any]) -> str:
        """What to say to a request, empty for nothing."""
        if request.get("wait") or self._seat is None:
            return ""
        if not self._fault:
            try:
                # In a thread of its own, because a network takes its time; a player in many battles at once locks what
                # they share.
                choices = await asyncio.to_thread(self._player.choose, [(self._seat, request)])
            except SeatFailedError as error:
                self._fault = str(error)
                return GIVE_UP
            if choices[0]:
                return f"/choose {choices[0]}|{request['rqid']}"
            self._fault = "it made no choice"
        return GIVE_UP

    def hear_error(self, text: str) -> str:
        """What to say when a choice was refused, empty for nothing."""
        # "Unavailable" is news that the request could not tell; the server sends another request.
        if text.startswith("[Invalid choice]") and not self._fault:
            self._fault = text
            return GIVE_UP
        return ""

    def result(self, kind: str, winner: str) -> ServerResult:
        """How it ended, by the server's last line."""
        score = 0.5 if kind == "tie" else float(to_id(winner) == to_id(self._own_name))
        return ServerResult(room=self.name, score=score, turns=self._turns, fault=self._fault)

    def _take_seat(self, parts: list[str]) -> None:
        if len(parts) > 3 and to_id(parts[3]) == to_id(self._own_name):
            side = 0 if parts[2] == "p1" else 1
            info = SeatInfo(side=side, name=parts[3], format=self.name.split("-")[1], seed=self._seed)
            self._seat = self._player.sit(info)
