"""What one side sees: rows of the state turned into named arrays.

Job: both points of view from one row, the same for recorded and for live battles. Place in the data flow: rows of
`state` or of a trace, and what the side knows of its own team -> arrays of `ARRAYS` -> the network. Left out: reading
records (`replays.records`), and legal actions (`observe_legal`, in live play `live`).

The order of things must not tell what will happen. In a record a Pokémon's moves stand in the order in which they were
used, and without a team preview a team in the order in which it appeared: who sees that order knows the future. So the
own side's Pokémon are sorted by species, and moves by their id: the same order live, with a team sheet, and where only
the end of a log tells the team. The opponent's stay in the order in which they came.

Axes: `d` decisions, `slot` 6 team slots, `place` the same in view order, `column` of `layout`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.base import ArraySpec
from gamefleet.games.showdown import layout as at

NO_ACTION: Final = -1
LEGAL_BYTES: Final = (at.NUM_CHOICES + 7) // 8

Rows = NDArray[np.int16]
Arrays = dict[str, Rows]
Mask = NDArray[np.bool_]


def _numbers(name: str, shape: tuple[int, ...], meaning: str) -> ArraySpec:
    return ArraySpec(name=name, shape=shape, dtype="int16", low=-32768, high=32767, meaning=meaning)


ARRAYS: Final = (
    _numbers(
        "own",
        (at.TEAM_SIZE, at.MON_WIDTH),
        "own team in view order, columns of a Pokémon in `layout`, with all that this side knows",
    ),
    _numbers(
        "opponent", (at.TEAM_SIZE, at.MON_WIDTH), "the other team as shown so far, columns of a Pokémon in `layout`"
    ),
    _numbers(
        "moves",
        (at.NUM_MOVES, 2),
        "moves that the active Pokémon can choose from in view order: id, PP spent",
    ),
    _numbers(
        "sides",
        (at.NUM_SIDES, at.SIDE_WIDTH),
        "columns of a side in `layout`, own side first; `ACTIVE` counts places of this view",
    ),
    _numbers("field", (at.FIELD_WIDTH,), "columns of the field in `layout`"),
    ArraySpec(
        name="legal",
        shape=(LEGAL_BYTES,),
        dtype="uint8",
        low=0,
        high=255,
        meaning="legal actions, packed as by numpy.packbits",
    ),
)

ACTIONS: Final = (
    *(f"move {place}" for place in range(at.NUM_MOVES)),
    *(f"move {place} with the form's gimmick" for place in range(at.NUM_MOVES)),
    *(f"Z-move {place}" for place in range(at.NUM_MOVES)),
    *(f"switch to {place}" for place in range(at.TEAM_SIZE)),
)
"""Places are those of the view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOrder:
    """How a side's team is laid out before it.

    Args:
        slots: int64 `[place]`, the team slot at each place.
        places: int64 `[slot]`, the place of each team slot.
        moves: int64 `[slot, place]`, which entry of the team table's moves stands at each place.
    """

    slots: NDArray[np.int64]
    places: NDArray[np.int64]
    moves: NDArray[np.int64]


def view_order(team: Rows) -> ViewOrder:
    """Sort a team by species and its moves by id; what is not known comes last.

    Args:
        team: int16 `[slot, TEAM_WIDTH]`, one side of `Trace.teams`.
    """
    slots = np.argsort(_last_if_unknown(team[:, at.TEAM_SPECIES]), kind="stable")
    places = np.empty_like(slots)
    places[slots] = np.arange(at.TEAM_SIZE)
    return ViewOrder(slots=slots, places=places, moves=move_order(_team_moves(team)))


def move_order(moves: Rows) -> NDArray[np.int64]:
    """Which of `moves` `[..., 4]` stands at each place: by id, unknown ones last."""
    return np.argsort(_last_if_unknown(moves), axis=-1, kind="stable")


def _last_if_unknown(ids: Rows) -> NDArray[np.uint16]:
    """Keys to sort by: below 0 there is nothing but the largest number."""
    return (ids - np.int16(1)).view(np.uint16)


def _team_moves(team: Rows) -> Rows:
    return team[..., at.TEAM_MOVES : at.TEAM_MOVES + at.NUM_MOVES]


def observe(rows: Rows, teams: Rows, side: int) -> Arrays:
    """All arrays but `legal`.

    Args:
        rows: int16 `[d, WIDTH]`.
        teams: int16 `[2, slot, TEAM_WIDTH]`: of the own side what it knows; of the other one only the moves are read,
            and only while the own active Pokémon is transformed into that one, when they are known.
        side: Whose view, 0 or 1.

    Returns:
        Arrays of `ARRAYS` with a leading axis `[d]`.
    """
    order = view_order(teams[side])
    own = known_team(mons_of(rows, side), teams[side])[:, order.slots]
    own[:, :, _MOVES] = np.take_along_axis(own[:, :, _MOVES], order.moves[order.slots][None], axis=2)
    own[:, :, _PP_USED] = np.take_along_axis(own[:, :, _PP_USED], order.moves[order.slots][None], axis=2)
    return {
        "own": own,
        "opponent": np.ascontiguousarray(mons_of(rows, at.other(side))),
        "moves": active_moves(rows, teams, side),
        "sides": _sides(rows, side, order),
        "field": np.ascontiguousarray(rows[:, at.FIELD : at.FIELD + at.FIELD_WIDTH]),
    }


_MOVES = slice(at.MOVES, at.MOVES + at.NUM_MOVES)
_PP_USED = slice(at.PP_USED, at.PP_USED + at.NUM_MOVES)
_MOVE_COLUMNS = np.arange(at.MOVES, at.MOVES + at.NUM_MOVES)


def mons_of(rows: Rows, side: int) -> Rows:
    """A view of one team, `[d, slot, MON_WIDTH]`."""
    start = at.mon_at(side, 0)
    return rows[:, start : start + at.TEAM_SIZE * at.MON_WIDTH].reshape(len(rows), at.TEAM_SIZE, at.MON_WIDTH)


def known_team(mons: Rows, team: Rows) -> Rows:
    """The own team: what was shown, and where nothing was, what the side knows of it.

    Args:
        mons: int16 `[d, slot, MON_WIDTH]`, as a spectator sees it.
        team: int16 `[slot, TEAM_WIDTH]`.

    Returns:
        A copy of `mons` with facts filled in; `MOVES` and `PP_USED` in the team table's order.
    """
    own = mons.copy()
    is_unseen = (mons[:, :, at.SPECIES] == 0) & (team[:, at.TEAM_SPECIES] != 0)
    own[:, :, at.HP_PERMILLE] = np.where(is_unseen, 1000, own[:, :, at.HP_PERMILLE])
    for column, fact in _FACTS:
        own[:, :, column] = np.where(own[:, :, column] == 0, team[:, fact], own[:, :, column])
    has_own_item = (mons[:, :, at.ITEM] == 0) & (mons[:, :, at.LOST_ITEM] == 0)
    own[:, :, at.ITEM] = np.where(has_own_item, team[:, at.TEAM_ITEM], mons[:, :, at.ITEM])
    own[:, :, _MOVES] = _team_moves(team)
    own[:, :, _PP_USED] = _spent(mons[:, :, _MOVES], mons[:, :, _PP_USED], _team_moves(team))
    return own


_FACTS = (
    (at.SPECIES, at.TEAM_SPECIES),
    (at.BASE_SPECIES, at.TEAM_SPECIES),
    (at.LEVEL, at.TEAM_LEVEL),
    (at.GENDER, at.TEAM_GENDER),
    (at.ABILITY, at.TEAM_ABILITY),
    (at.BASE_ABILITY, at.TEAM_ABILITY),
    (at.TERA_TYPE, at.TEAM_TERA),
)


def _spent(shown: Rows, used: Rows, moves: Rows) -> Rows:
    """What `used` says of `shown`, said of `moves` instead; all `[..., 4]`."""
    is_same = (shown[..., None, :] == moves[..., None]) & (moves[..., None] != 0)
    spent: Rows = (is_same * used[..., None, :]).sum(axis=-1, dtype=np.int16)
    return spent


def active_moves(rows: Rows, teams: Rows, side: int) -> Rows:
    """Moves that the active Pokémon can choose from, int16 `[d, 4, 2]`, in view order; zeros where there are none."""
    tables, spent = _active_tables(rows, teams, side)
    order = move_order(tables)
    chosen = np.stack((tables, spent), axis=2)
    return np.take_along_axis(chosen, order[:, :, None], axis=1)


def _active_tables(rows: Rows, teams: Rows, side: int) -> tuple[Rows, Rows]:
    """Ids and spent PP of the active Pokémon's moves, each `[d, 4]`, in the order of the table that they stand in."""
    decisions = np.arange(len(rows))
    block = side_of(rows, side)
    active, source = block[:, at.ACTIVE], block[:, at.MOVE_SOURCE]
    slot = np.maximum(active, 0)
    tables = _team_moves(teams[side])[slot]
    active_mons = mons_of(rows, side)[decisions, slot]
    spent = _spent(active_mons[:, _MOVES], active_mons[:, _PP_USED], tables)
    is_copy = source > 0
    if is_copy.any():
        of_all = _team_moves(teams.reshape(at.NUM_MONS, at.TEAM_WIDTH))
        owner = source[is_copy] - 1
        tables[is_copy] = of_all[owner]
        shown = rows[is_copy][np.arange(len(owner))[:, None], owner[:, None] * at.MON_WIDTH + _MOVE_COLUMNS]
        used = block[is_copy, at.TRANSFORM_PP_USED : at.TRANSFORM_PP_USED + at.NUM_MOVES]
        spent[is_copy] = _spent(shown, used, tables[is_copy])
    # Who transformed and is replaced in the same turn never gets to choose from what was copied, nor to see it.
    has_none = (active < 0) | (is_copy & (block[:, at.MUST_SWITCH] > 0))
    tables[has_none] = 0
    spent[has_none] = 0
    return tables, spent


def side_of(rows: Rows, side: int) -> Rows:
    """Columns of one side, `[d, SIDE_WIDTH]`."""
    start = at.side_at(side)
    return rows[:, start : start + at.SIDE_WIDTH]


def _sides(rows: Rows, side: int, order: ViewOrder) -> Rows:
    """Both sides' columns, own first, with the active slot as a place of this view."""
    sides = np.stack((side_of(rows, side), side_of(rows, at.other(side))), axis=1)
    active = sides[:, 0, at.ACTIVE]
    sides[:, 0, at.ACTIVE] = np.where(active >= 0, order.places[np.maximum(active, 0)], active)
    sides[:, :, at.MOVE_SOURCE] = sides[:, :, at.MOVE_SOURCE] > 0
    return sides


def view_actions(choices: NDArray[np.int16], rows: Rows, teams: Rows, side: int) -> NDArray[np.int16]:
    """Choices of a record as actions of the view.

    Args:
        choices: int16 `[d]`, codes of `layout`: table order of moves and slots.
        rows: int16 `[d, WIDTH]`.
        teams: int16 `[2, slot, TEAM_WIDTH]`.
        side: Whose.

    Returns:
        int16 `[d]`; `NO_ACTION` where the choice is not shown.
    """
    order = view_order(teams[side])
    tables, _ = _active_tables(rows, teams, side)
    places = np.argsort(move_order(tables), axis=1, kind="stable")
    moved = np.minimum(np.maximum(choices, 0), at.CHOICE_SWITCH - 1)
    variant, entry = moved // at.NUM_MOVES, moved % at.NUM_MOVES
    as_move = variant * at.NUM_MOVES + places[np.arange(len(rows)), entry]
    as_switch = at.CHOICE_SWITCH + order.places[np.maximum(choices - at.CHOICE_SWITCH, 0)]
    actions = np.where(choices >= at.CHOICE_SWITCH, as_switch, as_move)
    return np.where(choices >= 0, actions, NO_ACTION).astype(np.int16)
