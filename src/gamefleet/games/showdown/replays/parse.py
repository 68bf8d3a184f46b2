"""One pass over a spectator's log: decisions, rows and choices of both sides.

Job: text in, `Trace` out. Place in the data flow: logs -> this -> packed files. Left out: what messages do to the state
(`state`), what they tell of choices (`reading`, `choices`), files.

When sides are asked. At `|turn|` both are. In between, an empty line begins each set of answers; the first after
`|turn|` holds those of the turn, and a later one whose first event is a switch (or a revival) answers a request for
replacements: after a faint, U-turn, Eject Button and the like. Such a request is a decision of its own, with the
state just before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from gamefleet.games.showdown.layout import (
    CHOICE_FLAG_FORCED,
    FIELD,
    GENERATION,
    NUM_SIDES,
    TEAM_SIZE,
    TEAM_WIDTH,
    WIDTH,
)
from gamefleet.games.showdown.replays import heading as said
from gamefleet.games.showdown.replays.choices import codes, forced_flags
from gamefleet.games.showdown.replays.ending import end_reason
from gamefleet.games.showdown.replays.heading import Heading
from gamefleet.games.showdown.replays.progress import Reading
from gamefleet.games.showdown.replays.reading import READS, on_gap
from gamefleet.games.showdown.replays.reasons import REASONS, ReplayRejected
from gamefleet.games.showdown.replays.teams import team_tables
from gamefleet.games.showdown.replays.trace import Trace
from gamefleet.games.showdown.state import MESSAGES
from gamefleet.games.showdown.state_words import StateError

__all__ = ["REASONS", "ReplayRejected", "parse_log"]

MAX_LOG_CHARS: Final = 4_000_000
HEADINGS: Final[Mapping[str, Callable[[Heading, list[str]], None]]] = {
    "player": said.on_player,
    "gametype": said.on_game_type,
    "tier": said.on_tier,
    "t:": said.on_time,
    "showteam": said.on_show_team,
    "-message": said.on_message,
    "message": said.on_message,
    "win": said.on_win,
    "tie": said.on_tie,
}

OF_BOARD, OF_READING, OF_HEADING = 0, 1, 2
HANDLERS: Final[Mapping[str, tuple[Callable[[Any, list[str]], None], int]]] = {
    **{kind: (handle, OF_HEADING) for kind, handle in HEADINGS.items()},
    **{kind: (handle, OF_BOARD) for kind, handle in MESSAGES.items()},
    **{kind: (handle, OF_READING) for kind, handle in READS.items()},
}
"""What takes each kind of line; one look-up per line, because most lines mean nothing here."""


def parse_log(
    text: str, *, rating: tuple[int | None, int | None] | None = None, day: int | None = None, salt: bytes = b""
) -> Trace:
    """Read a finished battle.

    Args:
        text: The log as a spectator (or a public replay) has it.
        rating: Both sides' ratings where the log does not say them.
        day: Days since 1970-01-01, where known better than from the log's own clock.
        salt: Mixed into the hashes of names.

    Raises:
        ReplayRejected: The log cannot be used; nothing of it is.
    """
    if len(text) > MAX_LOG_CHARS:
        raise ReplayRejected("too_long", f"{len(text)} characters")
    heading, reading = Heading(), Reading()
    try:
        _read(_lines(text), heading, reading)
        return _trace(text, heading, reading, (rating, day, salt))
    except StateError as error:
        raise ReplayRejected(error.reason, error.detail) from error
    except ReplayRejected:
        raise
    except (IndexError, KeyError, OverflowError, ValueError) as error:
        raise ReplayRejected("malformed", str(error)[:120]) from error


def _lines(text: str) -> list[str]:
    """The lines of the protocol; a room's log has others between them, which say nothing."""
    lines = text.strip("\n").split("\n")
    if text.count("\n|") < len(lines) - (text[:1] == "|"):
        return [line for line in lines if line[:1] == "|"]
    return lines


def _read(lines: list[str], heading: Heading, reading: Reading) -> None:
    """Send every line where it belongs, until the battle's end."""
    takers = (reading.board, reading, heading)
    find = HANDLERS.get
    for number, line in enumerate(lines):
        if line == "|":
            on_gap(reading, lines, number)
            continue
        parts = line.split("|")
        handler = find(parts[1])
        if handler is None:
            continue
        handle, taker = handler
        handle(takers[taker], parts)
        if taker == OF_HEADING and heading.winner is not None:
            return
    raise ReplayRejected("unfinished", "no winner and no tie")


_Given = tuple[tuple[int | None, int | None] | None, int | None, bytes]


def _trace(text: str, heading: Heading, reading: Reading, given: _Given) -> Trace:
    generation = reading.board.row[FIELD + GENERATION]
    if not generation or not heading.format_id:
        raise ReplayRejected("unknown_format", heading.format_id)
    if not reading.rows:
        raise ReplayRejected("no_decisions", "")
    how = end_reason(heading, reading.board, reading.num_turns)
    rating, day, salt = given
    rows = np.frombuffer(reading.rows, np.int16).reshape(-1, WIDTH)
    teams = team_tables(reading.board, heading.sheets)
    choices = np.frombuffer(codes(reading.trusted_choices(), reading.asked, teams), np.int16).reshape(-1, NUM_SIDES)
    flags = forced_flags(rows, choices)
    for decision, side in reading.forced:
        flags[decision, side] |= CHOICE_FLAG_FORCED
    assert heading.winner is not None
    return Trace(
        rows=rows,
        choices=choices,
        choice_flags=flags,
        teams=np.frombuffer(teams, np.int16).reshape(NUM_SIDES, TEAM_SIZE, TEAM_WIDTH),
        corrected=np.array([found[:2] for found in reading.corrected], np.int16).reshape(-1, 2),
        corrected_rows=np.frombuffer(b"".join(found[2] for found in reading.corrected), np.int16).reshape(-1, WIDTH),
        format_id=_format_id(heading.format_id, generation),
        generation=generation,
        day=heading.day if day is None else day,
        ratings=_ratings(heading, rating),
        winner=heading.winner,
        end_reason=how,
        num_turns=reading.num_turns,
        players=(_player(heading, 0, salt), _player(heading, 1, salt)),
        battle_id=said.hashed(text, salt),
        is_team_known=(bool(heading.sheets[0]), bool(heading.sheets[1])),
    )


def _format_id(tier: str, generation: int) -> str:
    return tier if tier.startswith("gen") else f"gen{generation}{tier}"


def _ratings(heading: Heading, given: tuple[int | None, int | None] | None) -> tuple[int | None, int | None]:
    first, second = heading.ratings
    if given is not None:
        first, second = (given[0] if first is None else first), (given[1] if second is None else second)
    return first, second


def _player(heading: Heading, side: int, salt: bytes) -> str:
    return said.hashed(heading.names[side][0], salt) if heading.names[side] else ""
