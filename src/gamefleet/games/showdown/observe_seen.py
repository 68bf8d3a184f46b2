"""What a side may see in a record without its team sheet: what had been shown by then, and nothing else.

Job: observations, actions and legal actions of such views. Place in the data flow: as `observe`, which serves live play
and records with team sheets; the arrays are the same. Left out: guessing what the side must have known.

The end of a log tells more of a team than its beginning: which moves were used later, which Pokémon came. A network
that saw it would learn to know the future. So a Pokémon or a move that had not been shown is unknown here to its own
side, too, and choosing it is the action of the first unknown place. Places are those of the trace: order of appearance,
or of the team preview. In live play a side knows its whole team; that gap remains.

Axes: as in `observe`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown.observe import NO_ACTION, Arrays, Mask, Rows, mons_of, side_of
from gamefleet.games.showdown.observe_legal import gimmicks_left


def observe_seen(rows: Rows, side: int) -> Arrays:
    """All arrays but `legal`, as `observe.observe`."""
    sides = np.stack((side_of(rows, side), side_of(rows, at.other(side))), axis=1)
    moves = _moves_in_use(rows, side)
    sides[:, :, at.MOVE_SOURCE] = sides[:, :, at.MOVE_SOURCE] > 0
    return {
        "own": mons_of(rows, side).copy(),
        "opponent": mons_of(rows, at.other(side)).copy(),
        "moves": moves,
        "sides": sides,
        "field": np.ascontiguousarray(rows[:, at.FIELD : at.FIELD + at.FIELD_WIDTH]),
    }


def _moves_in_use(rows: Rows, side: int) -> Rows:
    """Moves that the active Pokémon has shown, or the one that it copies, and PP spent, int16 `[d, 4, 2]`."""
    block, decisions = side_of(rows, side), np.arange(len(rows))
    active, source = block[:, at.ACTIVE], block[:, at.MOVE_SOURCE]
    owner = np.where(source > 0, source - 1, side * at.TEAM_SIZE + np.maximum(active, 0))
    both = rows[:, : at.NUM_MONS * at.MON_WIDTH].reshape(len(rows), at.NUM_MONS, at.MON_WIDTH)
    mon = both[decisions, owner]
    copied = block[:, at.TRANSFORM_PP_USED : at.TRANSFORM_PP_USED + at.NUM_MOVES]
    spent = np.where((source > 0)[:, None], copied, mon[:, at.PP_USED : at.PP_USED + at.NUM_MOVES])
    moves = np.stack((mon[:, at.MOVES : at.MOVES + at.NUM_MOVES], spent), axis=2)
    moves[active < 0] = 0
    return moves


def seen_actions(choices: NDArray[np.int16], arrays: Arrays) -> NDArray[np.int16]:
    """Choices of a record as actions of the view: what had not been shown stands at the first unknown place."""
    known = (arrays["moves"][:, :, 0] > 0).sum(axis=1)
    entry = np.minimum(choices % at.NUM_MOVES, np.minimum(known, at.NUM_MOVES - 1))
    seen = (arrays["own"][:, :, at.SPECIES] > 0).sum(axis=1)
    slot = np.minimum(choices - at.CHOICE_SWITCH, np.minimum(seen, at.TEAM_SIZE - 1))
    as_move = choices // at.NUM_MOVES * at.NUM_MOVES + entry
    actions = np.where(choices >= at.CHOICE_SWITCH, at.CHOICE_SWITCH + slot, as_move)
    return np.where(choices >= 0, actions, NO_ACTION).astype(np.int16)


def seen_legal(arrays: Arrays, actions: NDArray[np.int16]) -> Mask:
    """Which actions may have been legal, as far as was shown, bool `[d, 18]`; see `observe_legal.likely_legal`."""
    sides, own, field = arrays["sides"][:, 0], arrays["own"], arrays["field"]
    must_switch = sides[:, at.MUST_SWITCH]
    can_move = np.repeat((must_switch == 0)[:, None], at.NUM_MOVES, axis=1)
    generation = int(field[0, at.GENERATION]) if len(field) else 0
    with_form, with_z = gimmicks_left(sides, generation)
    is_fainted = (own[:, :, at.FLAGS] & at.FLAG_FAINTED) > 0
    is_active = np.arange(at.TEAM_SIZE) == sides[:, at.ACTIVE, None]
    is_seen = own[:, :, at.SPECIES] > 0
    is_next = np.arange(at.TEAM_SIZE) == is_seen.sum(axis=1)[:, None]
    can_come = np.where((must_switch == 2)[:, None], is_fainted, is_next | (is_seen & ~is_fainted & ~is_active))
    legal = np.concatenate((can_move, can_move & with_form[:, None], can_move & with_z[:, None], can_come), axis=1)
    shown = np.flatnonzero(actions >= 0)
    legal[shown, actions[shown]] = True
    legal[~legal.any(axis=1), 0] = True
    return legal
