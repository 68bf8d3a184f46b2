"""What one pass over a log has gathered so far.

Job: rows, questions and choices while the lines go by. Place in the data flow: written by `reading` and `illusion`,
read by `parse` at the end. Left out: which line means what.
"""

from __future__ import annotations

from array import array
from typing import Final

from gamefleet.games.showdown.layout import (
    ACTIVE,
    CHOICE_MOVE,
    CHOICE_NOT_ASKED,
    CHOICE_NOT_SHOWN,
    FIELD,
    FLAG_TRANSFORMED,
    FLAGS,
    MOVE_SOURCE,
    MUST_SWITCH,
    PHASE,
    PHASE_SWITCH,
    SIDE_AT,
    TEAM_SIZE,
    WIDTH,
)
from gamefleet.games.showdown.replays.choices import Choice
from gamefleet.games.showdown.replays.reasons import ReplayRejected
from gamefleet.games.showdown.state_board import Board

BOTH: Final = (CHOICE_NOT_SHOWN, CHOICE_NOT_SHOWN)
ASKED: Final = {
    (True, False): (CHOICE_NOT_SHOWN, CHOICE_NOT_ASKED),
    (False, True): (CHOICE_NOT_ASKED, CHOICE_NOT_SHOWN),
    (True, True): BOTH,
}
"""What each side's choice is before the log shows it, by who must replace; at a turn's beginning both are asked."""
MAX_DECISIONS: Final = 4000


class Reading:
    """What one pass has gathered.

    Attributes:
        board: The state so far.
        rows: int16, one row per decision, one after the other.
        num_decisions: How many these are.
        asked: Flat, per decision and side `CHOICE_NOT_SHOWN` (it chooses here) or `CHOICE_NOT_ASKED`.
        choices: What the log shows of them.
        forced: (decision, side) at which no other move could be chosen, as later lines proved.
        distrusted: Pokémon (side * 6 + slot) whose look an Illusion has used without being seen through.
        corrected: (decision, side, row) as the side with an Illusion up knew it.
        num_turns: Turns that have begun.
        has_moved: Whether each side has used a move of its own this turn.
        has_ended_turn: Whether the turn's end has come, after which nobody moves.
    """

    __slots__ = (
        "acted",
        "arrivals",
        "asked",
        "board",
        "choices",
        "corrected",
        "distrusted",
        "forced",
        "gimmick",
        "has_answered",
        "has_ended_turn",
        "has_moved",
        "is_masked",
        "num_decisions",
        "num_turns",
        "pending",
        "rows",
        "turn_decision",
    )

    def __init__(self) -> None:
        self.board = Board()
        self.rows = array("h")
        self.num_decisions = 0
        self.asked: list[int] = []
        self.choices: list[Choice] = []
        self.forced: set[tuple[int, int]] = set()
        self.corrected: list[tuple[int, int, array[int]]] = []
        self.distrusted: set[int] = set()
        self.num_turns = 0
        self.turn_decision = -1
        self.has_answered = False
        self.pending = [-1, -1]
        self.acted = [True, True]
        self.has_moved = [False, False]
        self.has_ended_turn = False
        self.is_masked = [False, False]
        self.gimmick = [CHOICE_MOVE, CHOICE_MOVE]
        self.arrivals = [(0, 0), (0, 0)]

    def decide(self, must: tuple[int, int]) -> int:
        """Take a row for a decision; `must` says for each side what `layout.MUST_SWITCH` holds. Returns its number."""
        number, rows = self.num_decisions, self.rows
        if number >= MAX_DECISIONS:
            raise ReplayRejected("too_long", f"{MAX_DECISIONS} decisions")
        self.num_decisions = number + 1
        rows.extend(self.board.row)
        if must == (0, 0):
            self.asked += BOTH
            return number
        at = number * WIDTH
        rows[at + FIELD + PHASE] = PHASE_SWITCH
        rows[at + SIDE_AT[0] + MUST_SWITCH], rows[at + SIDE_AT[1] + MUST_SWITCH] = must
        self.asked += ASKED[bool(must[0]), bool(must[1])]
        return number

    def row_at(self, decision: int) -> array[int]:
        """A copy of the row of a decision; the last one for -1."""
        start = (decision if decision >= 0 else self.num_decisions - 1) * WIDTH
        return self.rows[start : start + WIDTH]

    def trusted_choices(self) -> list[Choice]:
        """The choices without those made under a look that cannot be trusted."""
        if not self.distrusted:
            return self.choices
        return [choice for choice in self.choices if choice[2] not in self.distrusted]

    def active_mon(self, side: int) -> int:
        """Number (side * 6 + slot) of the Pokémon whose moves are in use on `side`."""
        row, own = self.board.row, SIDE_AT[side]
        if row[own + MOVE_SOURCE] and row[self.board.active_at[side] + FLAGS] & FLAG_TRANSFORMED:
            return row[own + MOVE_SOURCE] - 1
        return side * TEAM_SIZE + row[own + ACTIVE]
