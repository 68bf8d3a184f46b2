"""Which actions the rules leave, as far as the arrays of a view tell.

Job: legal actions where no request says them. Place in the data flow: `observe` -> here -> the records' `legal`. Left
out: the legal actions of live requests (`live`).

Axes: `d` decisions.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown.observe import Arrays, Mask, Rows

Z_GENERATION: Final = 7
_MEGA_OR_ULTRA: Final = at.GIMMICK_MEGA | at.GIMMICK_ULTRA_BURST
_FORM_GIMMICKS: Final = {6: _MEGA_OR_ULTRA, 7: _MEGA_OR_ULTRA, 8: at.GIMMICK_DYNAMAX, 9: at.GIMMICK_TERASTALLIZE}
"""Generation -> bits of the gimmicks that change a form; once all are used there is none left."""


def likely_legal(arrays: Arrays, actions: NDArray[np.int16]) -> Mask:
    """Which actions the rules leave, as far as the arrays tell, bool `[d, 18]`; the chosen one is always among them.

    A record does not show what a request would: a trapped Pokémon, a disabled move that nobody tried, a gimmick that
    this Pokémon cannot use. Those stay legal here.
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
    chosen = np.where(actions >= 0, actions, np.where(legal.any(axis=1), legal.argmax(axis=1), 0))
    legal[np.arange(len(own)), chosen] = True
    return legal


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
