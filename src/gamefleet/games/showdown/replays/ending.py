"""How a battle ended, and whether its log shows that it could end so.

Job: the end's reason, or the refusal of a log from which a part is missing. Place in the data flow: `parse` asks once
the winner is known. Left out: who won (`heading`).

A battle is over when all of a side's Pokémon have fainted, when somebody gives up or lets the clock run out (a line
says so), or by a rule (a line says so, too). A log that names a winner after none of these is a part of a battle: its
decisions do not lead to that winner.
"""

from __future__ import annotations

from typing import Final

from gamefleet.games.showdown.layout import FLAG_SEEN, FLAGS, NUM_FAINTED, TEAM_COUNT, TEAM_SIZE, mon_at, side_at
from gamefleet.games.showdown.replays.heading import Heading
from gamefleet.games.showdown.replays.reasons import ReplayRejected
from gamefleet.games.showdown.replays.trace import NORMAL, TIE, TIED
from gamefleet.games.showdown.state_board import Board

FIRST_OFFER_OF_A_TIE: Final = 100
"""Turns after which players may agree on a tie; the line that says so is no line of the protocol."""


def end_reason(heading: Heading, board: Board, num_turns: int) -> str:
    """One of `trace.END_REASONS`.

    Args:
        heading: With a winner.
        board: At the end.
        num_turns: That began.

    Raises:
        ReplayRejected: A side lost although its Pokémon stand and nobody gave up.
    """
    is_tie = heading.winner == TIE
    losers = (0, 1) if is_tie else (1 - int(heading.winner or 0),)
    standing = [side for side in losers if not has_lost_all(board, side)]
    is_said = heading.end_reason != NORMAL or (is_tie and num_turns >= FIRST_OFFER_OF_A_TIE)
    if standing and not is_said:
        fainted = board.row[side_at(standing[0]) + NUM_FAINTED]
        raise ReplayRejected(
            "ends_early", f"p{standing[0] + 1} lost with {fainted} Pokémon fainted, and did not give up"
        )
    return TIED if is_tie else heading.end_reason


def has_lost_all(board: Board, side: int) -> bool:
    """Whether as many Pokémon of a side have fainted as it brought; where no line says how many, as have been seen."""
    row, own = board.row, side_at(side)
    seen = sum(bool(row[mon_at(side, slot) + FLAGS] & FLAG_SEEN) for slot in range(TEAM_SIZE))
    return row[own + NUM_FAINTED] >= (row[own + TEAM_COUNT] or seen)
