"""Between battles and records: what the packed files keep, and what the trainer reads from them.

Job: a raw battle to a `Record`, and a record to the arrays of one view. Place in the data flow: named by import path in
`RecordedGame`, because worker processes call them. Left out: reading logs (`parse`), how they are stored (`trace`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import IncompatibleError
from gamefleet.games.recorded import ACTION, OUTCOME, OUTCOME_WEIGHT, Record, RecordRejected
from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown.observe import NO_ACTION, Mask, observe, view_actions
from gamefleet.games.showdown.observe_legal import likely_legal, packed_legal, repeated_moves
from gamefleet.games.showdown.replays.parse import parse_log
from gamefleet.games.showdown.replays.pipeline import FAULTS
from gamefleet.games.showdown.replays.sources import read_unit, units_of
from gamefleet.games.showdown.replays.trace import FORFEIT, TIMER, Trace, pack, unpack

SECONDS_PER_DAY: Final = 86_400
LATEST_S: Final = 4_102_444_800
"""The year 2100; a time beyond it is a mistake of its source."""

UNKNOWN: Final = -1
NEAR_END: Final = 8
"""Decisions."""

log = logging.getLogger(__name__)


def parse_raw(raw: Mapping[str, Any]) -> Record:
    """Make a record of one raw battle.

    Args:
        raw: `log`, the spectator's text; if known `uploadtime`, seconds since 1970, or `month_year` such as
            `March2025`; other keys are not read, because the log itself says more exactly.

    Raises:
        RecordRejected: The battle cannot be learned from.
    """
    text = raw.get("log")
    if not isinstance(text, str):
        raise RecordRejected("no_log", f"{type(text).__name__} instead of text")
    return record_of(parse_log(text, day=day_of(raw)))


def records_in(folder: Path) -> Iterator[Record]:
    """Records of all raw battles in a folder, in the order of its files; what is rejected is left out."""
    for unit in units_of(folder):
        for raw in read_unit(folder, unit):
            try:
                record = parse_raw(raw or {})
            except RecordRejected:
                continue
            except FAULTS as error:
                log.warning("the parser failed at a battle of %s: %r", unit.name, error)
                continue
            yield record


def record_of(trace: Trace) -> Record:
    """The record that keeps a trace."""
    asked = trace.choices != at.CHOICE_NOT_ASKED
    return Record(
        data=pack(trace),
        lengths=tuple(int(count) for count in asked.sum(axis=0)),
        ratings=tuple(UNKNOWN if rating is None else int(rating) for rating in trace.ratings),
        day=UNKNOWN if trace.day is None else trace.day,
        group=trace.format_id,
    )


def day_of(raw: Mapping[str, Any]) -> int | None:
    """Days since 1970 at which the battle took place, None when the source does not say."""
    uploaded = raw.get("uploadtime")
    if isinstance(uploaded, int | float) and 0 <= uploaded < LATEST_S:
        return int(uploaded) // SECONDS_PER_DAY
    try:
        month = datetime.strptime(str(raw.get("month_year")), "%B%Y").replace(tzinfo=UTC)
    except ValueError:
        return None
    seconds = int(month.timestamp())
    return seconds // SECONDS_PER_DAY if 0 <= seconds < LATEST_S else None


def read_view(data: bytes, view: int) -> dict[str, NDArray[Any]]:
    """One side's trajectory.

    Args:
        data: `Record.data`.
        view: 0 or 1.

    Returns:
        The arrays of `observe.ARRAYS` with a leading axis `[decisions]`, `action`, `outcome` and `outcome_weight`.

    Raises:
        IncompatibleError: The bytes are no record of this version.
    """
    if view not in (0, 1):
        raise IncompatibleError("A battle has two views", value=view, remedy="Ask for view 0 or 1.")
    return trajectory(unpack(data), view)


def trajectory(trace: Trace, view: int) -> dict[str, NDArray[Any]]:
    """The decisions of one side of a trace, as `read_view` gives them."""
    arrays, actions = seen_from(trace, view)
    is_asked = trace.choices[:, view] != at.CHOICE_NOT_ASKED
    is_free = can_be_other(arrays, actions, trace.choice_flags[is_asked, view])
    return {
        **arrays,
        # A move that could not be another one teaches nothing.
        ACTION: np.where(is_free, actions, NO_ACTION).astype(np.int16),
        OUTCOME: np.full(len(actions), outcome_of(trace.winner, view), np.float32),
        OUTCOME_WEIGHT: outcome_weights(trace.end_reason, len(actions)),
    }


def can_be_other(arrays: Mapping[str, NDArray[Any]], actions: NDArray[np.int16], flags: NDArray[np.uint8]) -> Mask:
    """Whether the side could have done something else, bool `[d]`.

    Who must repeat a move (an Encore, a Choice item) can still send in another Pokémon. Were only those decisions
    learned from at which it did, a network would learn never to stay; `legal` says that no other move was to be had.
    """
    sides = arrays["sides"][:, 0]
    is_move = (actions >= 0) & (actions < at.CHOICE_SWITCH)
    must_repeat = is_move & repeated_moves(arrays)[np.arange(len(actions)), actions % at.NUM_MOVES]
    num_legal = np.unpackbits(arrays["legal"], axis=1, count=at.NUM_CHOICES).sum(axis=1)
    is_encored = must_repeat & (sides[:, at.ENCORED_MOVE] > 0) & (sides[:, at.LOCKED_MOVE] == 0)
    is_forced = (flags & at.CHOICE_FLAG_FORCED) > 0
    can_be: Mask = (~is_forced | is_encored) & ~(must_repeat & (num_legal == 1))
    return can_be


def outcome_weights(end_reason: str, decisions: int) -> NDArray[np.float32]:
    """What the outcome is worth as a target of each decision of a view, float32 `[d]`.

    Who gives up or runs out of time ends a battle that was not yet lost: the last situations say little of who would
    have won. Over the last `NEAR_END` decisions the weight falls to next to nothing.
    """
    left = np.arange(decisions, 0, -1, dtype=np.float32)
    weights: NDArray[np.float32] = np.minimum(left / (NEAR_END + 1), 1)
    return weights if end_reason in (FORFEIT, TIMER) else np.ones_like(left)


def seen_from(trace: Trace, view: int) -> tuple[dict[str, NDArray[Any]], NDArray[np.int16]]:
    """What one side saw at each of its decisions, and the actions that are shown, forced ones among them.

    A player knows its own team from the start. Without a team sheet `Trace.teams` holds what the whole battle showed of
    it, and that much this side knows at every decision; what was never shown stays unknown, and no legal action. Of the
    other side only what had been shown by then is seen.
    """
    is_asked = trace.choices[:, view] != at.CHOICE_NOT_ASKED
    rows, choices = trace.view_rows(view)[is_asked], trace.choices[is_asked, view]
    arrays = observe(rows, trace.teams, view)
    actions = view_actions(choices, rows, trace.teams, view)
    legal = likely_legal(arrays, actions)
    return {**arrays, "legal": packed_legal(legal)}, actions


def outcome_of(winner: int, view: int) -> float:
    """1 for the winner's view, 0 for the loser's, 0.5 after a tie (`winner` -1)."""
    return 0.5 if winner < 0 else float(winner == view)
