"""Who plays: policies inside the simulator's process, and seats that are told what their side sees.

Job: the types through which matches see players. Place in the data flow: `match` hands a seat its lines and requests
and gets choices back. Left out: particular players (`players_poke_env`, `players_network`).

A choice is the simulator's own text: `move 2`, `move 1 terastallize`, `switch 4`, `team 3`, `default`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gamefleet.errors import ConfigError, nearest
from gamefleet.games.showdown.host.grades import RATINGS, check_policy

Request = Mapping[str, Any]
"""The simulator's request to one side, as in `|request|`."""

POKE_ENV = {
    "poke-env-random": "RandomPlayer",
    "poke-env-max-power": "MaxBasePowerPlayer",
    "poke-env-heuristics": "SimpleHeuristicsPlayer",
}
"""Players of poke-env by the names that they have here."""


class SeatFailedError(Exception):
    """A player outside could not follow its battle; it loses that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatInfo:
    """Which battle a seat is for.

    Args:
        side: 0 for p1, 1 for p2.
        name: Of the player at this side.
        format: Of the battle.
        seed: Of the battle; a player's own chance should follow from it.
    """

    side: int
    name: str
    format: str
    seed: str


class Seat(Protocol):
    """One side of one battle."""

    def hear(self, lines: Sequence[str]) -> None:
        """Take in lines of this side's channel.

        Raises:
            SeatFailedError: It cannot follow.
        """
        ...


class OutsidePlayer(Protocol):
    """A player outside the simulator's process, who may sit in many battles at the same time."""

    name: str

    def sit(self, info: SeatInfo) -> Seat:
        """Take a seat in a battle that begins."""
        ...

    def choose(self, asked: Sequence[tuple[Any, Request]]) -> list[str]:
        """Choices for seats of this player, all of them asked now.

        Called from several threads at once where battles are played on a server, never for one seat at once: what a
        player shares between its seats it has to lock.

        Raises:
            SeatFailedError: Only where a single seat was asked; several that fail answer with an empty choice.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InsidePlayer:
    """A policy of the simulator's process.

    Args:
        name: For tables.
        grade: As the host knows it.
    """

    name: str
    grade: str


Player = InsidePlayer | OutsidePlayer


def scripted_player(name: str) -> Player:
    """A player that needs no training.

    Args:
        name: A policy of the host, also with a chance of random choices (`heuristic@0.25`), or a key of `POKE_ENV`.

    Raises:
        ConfigError: There is no such player.
        MissingDependencyError: poke-env is not installed.
    """
    if name in POKE_ENV:
        from gamefleet.games.showdown.players_poke_env import PokeEnvPlayer

        return PokeEnvPlayer(name, POKE_ENV[name])
    policy = name.partition("@")[0]
    if policy not in RATINGS:
        raise ConfigError("There is no such player", value=name, remedy=nearest(policy, (*RATINGS, *POKE_ENV)))
    check_policy(policy)
    return InsidePlayer(name=name, grade=name)
