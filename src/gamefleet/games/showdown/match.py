"""Battles between two players, each pair of teams played twice with the seats exchanged.

Job: play mirrored battles on a host and say how they ended. Place in the data flow: players -> rows -> `rating`. Left
out: ratings and schedules.

A *block* is one pair of teams and one seed; it is played with the first player at side p1, and again with the second
player there: both meet the same teams, leads and chances. What a block is follows from (format, seed, block) alone, so
that results of several calls, machines or days can be put together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gamefleet.games.showdown.host.host import Answer, BattleHost, Command
from gamefleet.games.showdown.players import InsidePlayer, OutsidePlayer, Player, Seat, SeatFailedError, SeatInfo

MOST_REFUSALS = 8
"""Requests that a side may see again in one battle because of something hidden, before it is taken for stuck."""

FIRST, SECOND = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchPlan:
    """What is played.

    Args:
        format: Of the battles.
        blocks: Numbers of the blocks; each is two battles.
        seed: Of teams and chances, together with the block's number.
        num_lanes: Battles at the same time.
        max_turns: A battle that lasts longer is a tie.
    """

    format: str
    blocks: Sequence[int]
    seed: int = 0
    num_lanes: int = 16
    max_turns: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRow:
    """How one battle ended.

    Args:
        format: Of the battle.
        block: Its pair of teams and seed.
        side: Where the first player sat: 0 for p1, 1 for p2.
        first: Name of the first player.
        second: Name of the second player.
        score: Of the first player: 1 won, 0.5 a tie, 0 lost.
        turns: Its length.
        faults: Of the first and the second player: 1 where it lost by an illegal choice or by failing.
        told: What a fault was.
    """

    format: str
    block: int
    side: int
    first: str
    second: str
    score: float
    turns: int
    faults: tuple[int, int] = (0, 0)
    told: str = ""


@dataclass(slots=True, kw_only=True)
class _Lane:
    """A battle that is being played; `seats` by side, None for a policy inside."""

    number: int
    block: int
    first_side: int
    seats: list[Seat | None]
    refusals: list[int] = field(default_factory=lambda: [0, 0])
    fault: int | None = None
    told: str = ""


def play_match(host: BattleHost, first: Player, second: Player, plan: MatchPlan) -> Iterator[MatchRow]:
    """Play a plan.

    Args:
        host: Plays the battles.
        first: A player.
        second: Another one, or the same.
        plan: What to play.

    Yields:
        A row for each battle, as they end.

    Raises:
        ConfigError: There is no such format or policy.
        WorkerError: The host died.
    """
    yield from _Match(host, (first, second), plan).carry_out()


class _Match:
    """The state of `play_match`: which battles are open, and what is sent next."""

    def __init__(self, host: BattleHost, players: tuple[Player, Player], plan: MatchPlan) -> None:
        self._host = host
        self._players = players
        self._plan = plan
        self._todo = [(block, side) for block in reversed(plan.blocks) for side in (1, 0)]
        self._lanes: dict[int, _Lane] = {}
        self._opened = 0
        self._commands: list[Command] = []

    def carry_out(self) -> Iterator[MatchRow]:
        """Play until all is played."""
        try:
            while self._todo or self._lanes:
                while self._todo and len(self._lanes) < self._plan.num_lanes:
                    self._open(*self._todo.pop())
                commands, self._commands = self._commands, []
                yield from self._take(self._host.ask(commands))
        finally:
            for number in self._lanes:
                self._commands.append({"do": "close", "lane": number})
            if self._lanes:
                self._host.ask(self._commands)

    def _open(self, block: int, first_side: int) -> None:
        plan, number = self._plan, self._opened
        self._opened += 1
        seats: list[Seat | None] = []
        described = []
        for side in (0, 1):
            player = self._players[self._player_at(first_side, side)]
            name = f"Player {side + 1}"
            grade = player.grade if isinstance(player, InsidePlayer) else None
            info = SeatInfo(side=side, name=name, format=plan.format, seed=f"{plan.seed} {block}")
            seats.append(None if isinstance(player, InsidePlayer) else player.sit(info))
            described.append({"name": name, "grade": grade, "teamSeed": f"{plan.seed} {block} {side}"})
        self._lanes[number] = _Lane(number=number, block=block, first_side=first_side, seats=seats)
        command = {"do": "open", "lane": number, "format": plan.format, "seed": f"{plan.seed} {block}"}
        self._commands.append({**command, "players": described, "maxTurns": plan.max_turns})

    @staticmethod
    def _player_at(first_side: int, side: int) -> int:
        return FIRST if side == first_side else SECOND

    def _take(self, answers: Sequence[Answer]) -> Iterator[MatchRow]:
        """Hand news to seats, collect what is asked, let each player choose for all its seats at once."""
        asked: tuple[list[Any], list[Any]] = ([], [])
        for answer in answers:
            lane = self._lanes[answer["lane"]]
            if answer["kind"] == "end":
                yield self._end(lane, answer)
                continue
            side = answer["side"]
            if not self._hears(lane, side, answer):
                continue
            if answer["kind"] == "news" and answer["request"]:
                asked[self._player_at(lane.first_side, side)].append((lane, side, answer["request"]))
        for player, wanted in zip(self._players, asked, strict=True):
            wanted = [item for item in wanted if item[0].fault is None and item[0].number in self._lanes]
            if wanted:
                assert not isinstance(player, InsidePlayer)
                self._ask(player, wanted)

    def _hears(self, lane: _Lane, side: int, answer: Answer) -> bool:
        """Whether the side goes on after what it was told."""
        if lane.fault is not None:
            return False
        if answer["kind"] == "refused":
            lane.refusals[side] += 1
            is_fault = not answer["reason"].startswith("[Unavailable") or lane.refusals[side] > MOST_REFUSALS
            if is_fault:
                self._lose(lane, side, f"{answer['choice']!r}: {answer['reason']}")
            return not is_fault
        seat = lane.seats[side]
        assert seat is not None
        try:
            seat.hear(answer["lines"])
        except SeatFailedError as error:
            self._lose(lane, side, str(error))
            return False
        return True

    def _ask(self, player: OutsidePlayer, wanted: list[tuple[_Lane, int, Any]]) -> None:
        choices = player.choose([(lane.seats[side], request) for lane, side, request in wanted])
        for (lane, side, _), choice in zip(wanted, choices, strict=True):
            if choice:
                self._commands.append({"do": "choose", "lane": lane.number, "side": side, "choice": choice})
            else:
                self._lose(lane, side, "it made no choice")

    def _lose(self, lane: _Lane, side: int, told: str) -> None:
        lane.fault, lane.told = self._player_at(lane.first_side, side), told
        self._commands.append({"do": "forfeit", "lane": lane.number, "side": side})

    def _end(self, lane: _Lane, answer: Answer) -> MatchRow:
        del self._lanes[lane.number]
        self._commands.append({"do": "close", "lane": lane.number})
        winner = answer["winner"]
        return MatchRow(
            format=self._plan.format,
            block=lane.block,
            side=lane.first_side,
            first=self._players[FIRST].name,
            second=self._players[SECOND].name,
            score=0.5 if winner < 0 else float(winner == lane.first_side),
            turns=answer["turns"],
            faults=(int(lane.fault == FIRST), int(lane.fault == SECOND)),
            told=lane.told,
        )
