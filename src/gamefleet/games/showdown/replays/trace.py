"""A finished battle as arrays, and those arrays as bytes.

Job: what a record holds. Place in the data flow: `parse` makes a trace, the packed files keep `pack(trace)`, both
points of view are read from `unpack`. Left out: compression (the packed files do it) and what a view may see
(`observe`).

Axes: `decision` moments at which at least one side chooses, in order; `side` 0 and 1; `slot` 6 team slots.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import IncompatibleError
from gamefleet.games.showdown.layout import (
    CHOICE_NOT_ASKED,
    NUM_CHOICES,
    NUM_SIDES,
    TEAM_SIZE,
    TEAM_WIDTH,
    WIDTH,
)
from gamefleet.games.showdown.replays.changes import Changes, are_changes, changes_of, rows_of
from gamefleet.games.showdown.replays.ranges import are_rows, are_teams

MAGIC: Final = b"GFSDTRC\x00"
VERSION: Final = 3
NORMAL, FORFEIT, TIMER, RULE, TIED = END_REASONS = ("normal", "forfeit", "timer", "rule", "tie")
"""All Pokémon fainted; somebody gave up; somebody let the clock run out; a clause or the turn limit; nobody won."""
TIE: Final = -1

_HEAD: Final = struct.Struct("<8sHHIIII")  # magic, version, row width, decisions, changes, corrected rows, JSON bytes
_MAX_DECISIONS: Final = 1 << 16
_MAX_JSON_BYTES: Final = 1 << 16
_SIGNED: Final = np.dtype("<i2")
_UNSIGNED: Final = np.dtype("<u2")
_CODE: Final = np.dtype(np.int8)
_FLAGS: Final = np.dtype(np.uint8)
_Forms = tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]
_TEAMS_SHAPE: Final = (NUM_SIDES, TEAM_SIZE, TEAM_WIDTH)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """One battle, once, from which both points of view are read.

    Args:
        rows: int16 [decision, WIDTH]: what a spectator knew at each decision.
        choices: int16 [decision, side]: a code of `layout`, `CHOICE_NOT_ASKED` or `CHOICE_NOT_SHOWN`. Move codes
            count the places of the team table's moves of the Pokémon whose moves are in use; switch codes, team slots.
        choice_flags: uint8 [decision, side]: bits `CHOICE_FLAG_*`.
        teams: int16 [side, slot, TEAM_WIDTH]: all that is known of each Pokémon at the end, or from its team sheet.
        corrected: int16 [correction, 2]: decision and side of each of `corrected_rows`.
        corrected_rows: int16 [correction, WIDTH]: the row as the side that had an Illusion up knew it to be.
        format_id: The format ("gen9ou").
        generation: 1 to 9.
        day: Days since 1970-01-01, None when not known.
        ratings: Each side's rating before the battle, None when not known.
        winner: 0, 1, or -1 for a tie.
        end_reason: One of `END_REASONS`.
        num_turns: Turns that began.
        players: Salted hash of each side's name.
        battle_id: Salted hash of the text.
        is_team_known: Whether each side's team comes from a team sheet.
    """

    rows: NDArray[np.int16]
    choices: NDArray[np.int16]
    choice_flags: NDArray[np.uint8]
    teams: NDArray[np.int16]
    corrected: NDArray[np.int16]
    corrected_rows: NDArray[np.int16]
    format_id: str
    generation: int
    day: int | None
    ratings: tuple[int | None, int | None]
    winner: int
    end_reason: str
    num_turns: int
    players: tuple[str, str]
    battle_id: str
    is_team_known: tuple[bool, bool]

    def view_rows(self, side: int) -> NDArray[np.int16]:
        """int16 [decision, WIDTH]: `rows` as `side` knew them, its own disguised Pokémon under their own names."""
        of_side = self.corrected[:, 1] == side
        if not of_side.any():
            return self.rows
        rows = self.rows.copy()
        rows[self.corrected[of_side, 0]] = self.corrected_rows[of_side]
        return rows


def pack(trace: Trace) -> bytes:
    """The trace as bytes of this version: rows as their changes, corrected rows as what differs from the row."""
    facts = json.dumps(_facts(trace), sort_keys=True, separators=(",", ":")).encode()
    changes = changes_of(trace.rows)
    sizes = (len(trace.rows), len(changes.columns), len(trace.corrected), len(facts))
    corrections = trace.corrected_rows - trace.rows[trace.corrected[:, 0]]
    words = (changes.counts, changes.columns, changes.steps, trace.teams, trace.corrected, corrections)
    parts = [np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes() for array in words]
    parts += [np.ascontiguousarray(array, np.int8).tobytes() for array in (trace.choices, trace.choice_flags)]
    return b"".join((_HEAD.pack(MAGIC, VERSION, WIDTH, *sizes), *parts, facts))


def _facts(trace: Trace) -> dict[str, Any]:
    return {
        "format": trace.format_id,
        "generation": trace.generation,
        "day": trace.day,
        "ratings": trace.ratings,
        "winner": trace.winner,
        "end": trace.end_reason,
        "turns": trace.num_turns,
        "players": trace.players,
        "battle": trace.battle_id,
        "team_known": trace.is_team_known,
    }


def unpack(data: bytes | memoryview) -> Trace:
    """The trace that `pack` made bytes of; team tables share their memory with `data`.

    Raises:
        IncompatibleError: The bytes are no trace of this version, or were damaged.
    """
    forms, facts_at = _read_head(data)
    arrays, offset = [], _HEAD.size
    for shape, dtype in forms:
        array: NDArray[Any] = np.ndarray(shape, dtype, data, offset)
        arrays.append(array)
        offset += array.nbytes
    counts, columns, steps, teams, corrected, differences, choices, flags = arrays
    facts = _read_facts(bytes(data[facts_at:]))
    _check_numbers(choices, corrected, len(counts))
    changes = Changes(counts=counts, columns=columns, steps=steps)
    if not are_changes(changes):
        raise _refused("changes that cannot be", facts["battle_id"])
    rows = rows_of(changes)
    corrected_rows = rows[corrected[:, 0]] + differences if len(corrected) else differences
    if not (are_rows(rows) and (not len(corrected) or are_rows(corrected_rows)) and are_teams(teams)):
        raise _refused("an id that does not exist", facts["battle_id"])
    return Trace(
        rows=rows,
        choices=choices.astype(np.int16),
        choice_flags=flags,
        teams=teams,
        corrected=corrected,
        corrected_rows=corrected_rows,
        **facts,
    )


def _read_head(data: bytes | memoryview) -> tuple[_Forms, int]:
    """What follows the head, and where the JSON begins."""
    if len(data) < _HEAD.size:
        raise _refused("shorter than a head", len(data))
    magic, version, width, *sizes = _HEAD.unpack_from(data)
    if (magic, version, width) != (MAGIC, VERSION, WIDTH):
        raise _refused("another kind, version or row width", (magic, version, width))
    decisions, num_changes, corrections, json_bytes = sizes
    is_possible = num_changes <= WIDTH * decisions and corrections <= 2 * decisions
    if decisions > _MAX_DECISIONS or json_bytes > _MAX_JSON_BYTES or not is_possible:
        raise _refused("impossible sizes", sizes)
    forms = _forms(decisions, num_changes, corrections)
    facts_at = _HEAD.size + sum(math.prod(shape) * dtype.itemsize for shape, dtype in forms)
    if len(data) != facts_at + json_bytes:
        raise _refused("not as long as its head says", len(data))
    return forms, facts_at


def _forms(decisions: int, num_changes: int, corrections: int) -> _Forms:
    """Shape and type of what follows the head, in order: see `pack`."""
    return (
        ((decisions,), _UNSIGNED),
        ((num_changes,), _UNSIGNED),
        ((num_changes,), _SIGNED),
        (_TEAMS_SHAPE, _SIGNED),
        ((corrections, 2), _SIGNED),
        ((corrections, WIDTH), _SIGNED),
        ((decisions, NUM_SIDES), _CODE),
        ((decisions, NUM_SIDES), _FLAGS),
    )


def _check_numbers(choices: NDArray[np.int8], corrected: NDArray[np.int16], decisions: int) -> None:
    least = np.int8(CHOICE_NOT_ASKED)
    if ((choices - least).view(np.uint8) >= np.uint8(NUM_CHOICES - CHOICE_NOT_ASKED)).any():
        raise _refused("a choice out of range", (int(choices.min()), int(choices.max())))
    if corrected.size and not (
        corrected.min() >= 0 and corrected[:, 0].max() < decisions and corrected[:, 1].max() < NUM_SIDES
    ):
        raise _refused("a correction out of range", corrected.tolist()[:3])


def _read_facts(text: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(text)
        read = {
            "format_id": facts["format"],
            "generation": facts["generation"],
            "day": facts["day"],
            "ratings": tuple(facts["ratings"]),
            "winner": facts["winner"],
            "end_reason": facts["end"],
            "num_turns": facts["turns"],
            "players": tuple(facts["players"]),
            "battle_id": facts["battle"],
            "is_team_known": tuple(facts["team_known"]),
        }
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _refused("unreadable facts", text[:80]) from error
    if not _are_facts(read):
        raise _refused("impossible facts", text[:80])
    return read


def _are_facts(facts: dict[str, Any]) -> bool:
    pairs = (("ratings", int | None), ("players", str), ("is_team_known", bool))
    return (
        all(len(facts[name]) == NUM_SIDES and all(isinstance(v, kind) for v in facts[name]) for name, kind in pairs)
        and all(isinstance(facts[name], str) for name in ("format_id", "battle_id", "end_reason"))
        and all(type(facts[name]) is int for name in ("generation", "winner", "num_turns"))
        and (facts["day"] is None or type(facts["day"]) is int)
        and facts["winner"] in (TIE, 0, 1)
        and facts["end_reason"] in END_REASONS
    )


def _refused(what: str, value: object) -> IncompatibleError:
    return IncompatibleError(
        f"This is no battle record of version {VERSION}: {what}",
        value=value,
        remedy="Parse the battles again with this version, or check the file they were read from.",
    )
