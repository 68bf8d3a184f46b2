"""Which actions the rules leave, as far as the arrays of a view tell.

Job: legal actions where no request says them. Place in the data flow: `observe` -> here -> the records' `legal`. Left
out: the legal actions of live requests (`live`).

Axes: `d` decisions.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown import tables
from gamefleet.games.showdown.observe import Arrays, Mask, Rows

Z_GENERATION: Final = 7
DYNAMAX_GENERATION: Final = 8
_MEGA_OR_ULTRA: Final = at.GIMMICK_MEGA | at.GIMMICK_ULTRA_BURST
_FORM_GIMMICKS: Final = {6: _MEGA_OR_ULTRA, 7: _MEGA_OR_ULTRA, 8: at.GIMMICK_DYNAMAX, 9: at.GIMMICK_TERASTALLIZE}
"""Generation -> bits of the gimmicks that change a form; once all are used there is none left."""


def likely_legal(arrays: Arrays, actions: NDArray[np.int16]) -> Mask:
    """Which actions the rules leave, as far as the arrays tell, bool `[d, 18]`; the chosen one is always among them.

    A record does not show what a request would: a trapped Pokémon, a disabled move that nobody tried, a gimmick that
    this Pokémon cannot use. Those stay legal here. Where a Pokémon must repeat its move (an Encore, a Choice item) no
    other one is legal, as in a request: what was chosen then says whether to stay, and nothing of which move is best.
    """
    sides, own, field = arrays["sides"][:, 0], arrays["own"], arrays["field"]
    must_switch = sides[:, at.MUST_SWITCH]
    legal = np.zeros((len(own), at.NUM_CHOICES), np.bool_)
    can_move = (must_switch == 0)[:, None] & (arrays["moves"][:, :, 0] > 0)
    legal[:, : at.NUM_MOVES] = can_move
    generation = int(field[0, at.GENERATION]) if len(field) else 0
    with_form, with_z = gimmicks_left(sides, generation)
    legal[:, at.CHOICE_MOVE_GIMMICK : at.CHOICE_Z_MOVE] = can_move & with_form[:, None]
    legal[:, at.CHOICE_Z_MOVE : at.CHOICE_SWITCH] = can_move & with_z[:, None]
    is_fainted = (own[:, :, at.FLAGS] & at.FLAG_FAINTED) > 0
    is_active = np.arange(at.TEAM_SIZE) == sides[:, at.ACTIVE, None]
    can_come = np.where((must_switch == 2)[:, None], is_fainted, ~is_fainted & ~is_active)
    legal[:, at.CHOICE_SWITCH :] = (own[:, :, at.SPECIES] != 0) & can_come
    narrow_moves(legal, repeated_moves(arrays), actions, generation)
    chosen = np.where(actions >= 0, actions, np.where(legal.any(axis=1), legal.argmax(axis=1), 0))
    legal[np.arange(len(own)), chosen] = True
    return legal


def narrow_moves(legal: Mask, is_repeated: Mask, actions: NDArray[np.int16], generation: int) -> None:
    """Leave of the moves in `legal` only those that must be repeated, unless another one was chosen: then none must.

    Args:
        legal: Bool `[d, 18]`; changed in place.
        is_repeated: Bool `[d, 4]`, see `repeated_moves`.
        actions: int16 `[d]`.
        generation: Of the battle.
    """
    is_move = (actions >= 0) & (actions < at.CHOICE_SWITCH)
    is_other = is_move & ~is_repeated[np.arange(len(actions)), actions % at.NUM_MOVES]
    allowed = is_repeated | (~is_repeated.any(axis=1) | is_other)[:, None]
    legal[:, : at.NUM_MOVES] &= allowed
    if generation != DYNAMAX_GENERATION:  # Max Moves are free to choose from
        legal[:, at.CHOICE_MOVE_GIMMICK : at.CHOICE_Z_MOVE] &= allowed
    legal[:, at.CHOICE_Z_MOVE : at.CHOICE_SWITCH] &= allowed


def repeated_moves(arrays: Mapping[str, Rows]) -> Mask:
    """At which place the move stands that the active Pokémon must repeat, bool `[d, 4]`; nowhere for none.

    An Encore names it; a Choice item that the own side knows of allows only the last one, except while Dynamaxed.
    """
    sides, own = arrays["sides"][:, 0], arrays["own"]
    active = own[np.arange(len(own)), np.maximum(sides[:, at.ACTIVE], 0)]
    is_choice = choice_items()[active[:, at.ITEM]] & ((active[:, at.FLAGS] & at.FLAG_DYNAMAXED) == 0)
    move = np.where(sides[:, at.ENCORED_MOVE] > 0, sides[:, at.ENCORED_MOVE], sides[:, at.LAST_MOVE] * is_choice)
    is_at: Mask = (arrays["moves"][:, :, 0] == move[:, None]) & (move > 0)[:, None]
    return is_at


@functools.cache
def choice_items() -> Mask:
    """Whether each item is one that allows only one move, by item id."""
    return np.array([key.startswith("choice") for key in tables.items().keys])


def gimmicks_left(sides: Rows, generation: int) -> tuple[Mask, Mask]:
    """Whether a form gimmick and a Z-move are still to be had, by the generation and by what was used, each `[d]`."""
    used = sides[:, at.GIMMICKS_USED]
    form = np.zeros(len(used), np.bool_)
    if generation in _FORM_GIMMICKS:
        form = (used & _FORM_GIMMICKS[generation]) != _FORM_GIMMICKS[generation]
    return form, ((used & at.GIMMICK_Z_MOVE) == 0) & (generation == Z_GENERATION)


def packed_legal(legal: Mask) -> NDArray[np.uint8]:
    """Bool `[..., 18]` as uint8 `[..., LEGAL_BYTES]`."""
    return np.packbits(legal, axis=-1)
