"""Players of poke-env in battles of the host, without a server.

Job: feed poke-env's own battle object with what a side sees, and ask its genuine players. Place in the data flow: a
player for `match`. Left out: the websocket (`server`), where the same players play by themselves.

Source: poke-env (MIT), https://poke-env.readthedocs.io.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gamefleet.errors import MissingDependencyError
from gamefleet.games.showdown.players import Request, SeatFailedError, SeatInfo

if TYPE_CHECKING:
    from poke_env.battle import Battle
    from poke_env.player import Player

IGNORED = frozenset(("t:", "expire", "uhtmlchange", "showteam", "win", "tie", "request"))
"""Messages that poke-env handles outside of its battle, or not at all."""

_RANDOM = threading.Lock()
"""Held while the chance of the whole process is that of one choice: poke-env draws from the global generator."""

FAILURES = (ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError)
"""What poke-env raises where it cannot follow a battle."""


def open_player(kind: str, battle_format: str, **options: Any) -> Player:
    """A player of poke-env by the name of its class.

    Raises:
        MissingDependencyError: poke-env is not installed.
    """
    try:
        from poke_env import player as players
    except ImportError as error:
        raise MissingDependencyError(
            "poke-env is not installed", remedy="Run `pip install 'gamefleet[showdown]'`."
        ) from error
    made: Player = getattr(players, kind)(battle_format=battle_format, log_level=logging.ERROR, **options)
    return made


class PokeEnvSeat:
    """One side of one battle as poke-env sees it."""

    def __init__(self, info: SeatInfo) -> None:
        from poke_env.battle import Battle

        self.info = info
        self.num_choices = 0
        generation = int(info.format[3]) if info.format[3:4].isdigit() else 9
        logger = logging.getLogger("gamefleet.poke_env")
        logger.setLevel(logging.CRITICAL)
        self.battle: Battle = Battle(f"battle-{info.format}-1", info.name, logger, generation)
        self.battle.player_role = f"p{info.side + 1}"

    def hear(self, lines: Sequence[str]) -> None:
        """See `Seat`."""
        try:
            for line in lines:
                parts = line.split("|")
                if len(parts) > 1 and parts[1] not in IGNORED:
                    self.battle.parse_message(parts)
        except FAILURES as error:
            raise SeatFailedError(f"{type(error).__name__}: {error}") from error


class PokeEnvPlayer:
    """A player of poke-env in many battles.

    Args:
        name: For tables.
        kind: Name of its class in poke-env.
    """

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self._kind = kind
        self._players: dict[str, Player] = {}
        open_player(kind, "gen9ou", start_listening=False)  # says at once whether poke-env is there

    def sit(self, info: SeatInfo) -> PokeEnvSeat:
        """See `OutsidePlayer`."""
        return PokeEnvSeat(info)

    def choose(self, asked: Sequence[tuple[PokeEnvSeat, Request]]) -> list[str]:
        """See `OutsidePlayer`."""
        return [self._choose(seat, request) for seat, request in asked]

    def _choose(self, seat: PokeEnvSeat, request: Request) -> str:
        """One choice; chance follows from the battle alone, whatever else is played meanwhile, in whatever thread."""
        with _RANDOM:
            return self._choose_alone(seat, request)

    def _choose_alone(self, seat: PokeEnvSeat, request: Request) -> str:
        format_name = seat.info.format
        if format_name not in self._players:
            self._players[format_name] = open_player(self._kind, format_name, start_listening=False)
        player = self._players[format_name]
        before = random.getstate()
        random.seed(f"{self.name} {seat.info.seed} {seat.info.side} {seat.num_choices}")
        seat.num_choices += 1
        try:
            seat.battle.parse_request(dict(request))
            if request.get("teamPreview"):
                message = player.teampreview(seat.battle)
            else:
                message = player.choose_move(seat.battle).message  # type: ignore[union-attr]
        except FAILURES:
            return ""
        finally:
            random.setstate(before)
        return str(message).removeprefix("/choose ").removeprefix("/")
