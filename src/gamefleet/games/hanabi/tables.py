"""Everything about a game that is looked up instead of worked out.

Job: arrays by card, value, seat and move. Place in the data flow: made once per game's settings; the simulator and the
encoder index into them, because one `take` for a thousand games replaces a dozen operations on them. Left out: the
situation (`state`).

A move's *code* says all that an observation tells of it: for a play or discard the action, the card and the outcome
(1 fitted, 2 brought a token); for a hint the action and the slots that it meant. Code 0 is no move.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.hanabi.actions import Actions, actions_of
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.layout import Layout, layout
from gamefleet.games.hanabi.state import OTHER, PLAYABLE

FITTED, BROUGHT_TOKEN = 1, 2
_OUTCOMES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Look-up tables of one game; `kind` axes end with an entry for no card.

    Args:
        actions: The actions.
        color: int64 `[kind + 1]`.
        rank: int64 `[kind + 1]`.
        copies: int64 `[kind]`, cards of this kind in the deck.
        first_copy: int64 `[kind]`, place of the kind's first bit in the segment `discards`.
        next_kind: int64 `[kind]`, the card that goes on top of this one; no card on top of the highest rank.
        first_worth: int8 `[kind + 1]`, `State.worth` at the deal.
        bars: bool `[kind, kind + 1]`, the cards that can never be played once all copies of a card are gone.
        touches: uint8 `[(kind + 1) * value]`, 1 where a hint of a value means a card.
        values: int16 `[kind + 1]`, both values of a card as bits.
        faces: uint8 `[kind + 1, kind]`, one-hot cards.
        unknown: uint8 `[2, kinds + values]`, knowledge of an empty slot and of a card just drawn.
        keeps: uint8 `[value * 2, kinds + values]`, what a hint leaves of the knowledge of a card it does not mean, and
            of one it means.
        adds: uint8 `[value * 2, kinds + values]`, what it adds.
        shift: int64 `[slot, slot]`, from where each slot is filled when a card leaves; the last one is drawn.
        order: int64 `[player, player]`, seats as each player counts them.
        own_legal: uint64 `[2]`, discards and plays at the most tokens, and below.
        hint_legal: uint64 `[(player - 1) * 2 ** value]`, hints to each other player by what could be named.
        move_bits: uint8 `[player * code, block_bits]`, the description of a move by the actor's seat, counted from the
            observer, and the move's code.
        first_code: int64 `[action]`, code of an action with all else 0.
        num_codes: Number of codes.
    """

    actions: Actions
    color: NDArray[np.int64]
    rank: NDArray[np.int64]
    copies: NDArray[np.int64]
    first_copy: NDArray[np.int64]
    next_kind: NDArray[np.int64]
    first_worth: NDArray[np.int8]
    bars: NDArray[np.bool_]
    touches: NDArray[np.uint8]
    values: NDArray[np.int16]
    faces: NDArray[np.uint8]
    unknown: NDArray[np.uint8]
    keeps: NDArray[np.uint8]
    adds: NDArray[np.uint8]
    shift: NDArray[np.int64]
    order: NDArray[np.int64]
    own_legal: NDArray[np.uint64]
    hint_legal: NDArray[np.uint64]
    move_bits: NDArray[np.uint8]
    first_code: NDArray[np.int64]
    num_codes: int


@cache
def tables_of(config: HanabiConfig) -> Tables:
    """The tables of a game."""
    kinds, ranks, players = config.num_kinds, config.num_ranks, config.num_players
    card = np.arange(kinds + 1)
    actions = actions_of(config)
    touches = _touches(config)
    copies = np.tile(np.array(config.copies, np.int64), config.num_colors)
    keeps, adds = _hints(config, touches)
    first_code, num_codes = _codes(config, actions)
    own_legal, hint_legal = _legal(config, actions)
    bars = (card[:, None] // ranks == card // ranks) & (card >= card[:, None]) & (card < kinds)
    slots = np.arange(config.hand_size)
    return Tables(
        actions=actions,
        color=card // ranks,
        rank=card % ranks,
        copies=copies,
        first_copy=np.cumsum(copies) - copies,
        next_kind=np.where(card % ranks == ranks - 1, kinds, card + 1)[:kinds],
        first_worth=np.where(card == kinds, 0, np.where(card % ranks == 0, PLAYABLE, OTHER)).astype(np.int8),
        bars=bars[:kinds],
        touches=touches.reshape(-1),
        values=(touches.astype(np.int64) @ (1 << np.arange(config.num_values))).astype(np.int16),
        faces=np.eye(kinds + 1, kinds, dtype=np.uint8),
        unknown=_unknown(config),
        keeps=keeps,
        adds=adds,
        shift=np.minimum(slots + (slots >= slots[:, None]), config.hand_size - 1),
        order=(np.arange(players)[:, None] + np.arange(players)) % players,
        own_legal=own_legal,
        hint_legal=hint_legal,
        move_bits=_move_bits(config, layout(config), first_code, num_codes),
        first_code=first_code,
        num_codes=num_codes,
    )


def _touches(config: HanabiConfig) -> NDArray[np.uint8]:
    """Which values mean which cards, uint8 `[kind + 1, value]`."""
    kind = np.arange(config.num_kinds + 1)[:, None]
    value = np.arange(config.num_values)
    is_meant = np.where(
        value < config.num_colors,
        kind // config.num_ranks == value,
        kind % config.num_ranks == value - config.num_colors,
    )
    touches: NDArray[np.uint8] = (is_meant & (kind < config.num_kinds)).astype(np.uint8)
    return touches


def _unknown(config: HanabiConfig) -> NDArray[np.uint8]:
    unknown = np.zeros((2, config.num_kinds + config.num_values), np.uint8)
    unknown[1, : config.num_kinds] = 1
    return unknown


def _hints(config: HanabiConfig, touches: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """`keeps` and `adds`."""
    kinds, values = config.num_kinds, config.num_values
    keeps = np.ones((values, 2, kinds + values), np.uint8)
    keeps[:, 0, :kinds] = 1 - touches[:kinds].T
    keeps[:, 1, :kinds] = touches[:kinds].T
    adds = np.zeros_like(keeps)
    adds[:, 1, kinds:] = np.eye(values, dtype=np.uint8)
    return keeps.reshape(values * 2, -1), adds.reshape(values * 2, -1)


def _codes(config: HanabiConfig, actions: Actions) -> tuple[NDArray[np.int64], int]:
    """The first code of each action, and the number of codes."""
    sizes = np.where(actions.is_card == 1, config.num_kinds * _OUTCOMES, 2**config.hand_size)
    first = 1 + np.cumsum(sizes) - sizes
    return first, int(first[-1] + sizes[-1])


def _legal(config: HanabiConfig, actions: Actions) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """`own_legal` and `hint_legal`: action `a` is bit `63 - a`, so that the bytes are in the order of `packbits`."""
    bit = np.uint64(1) << (63 - np.arange(config.num_actions)).astype(np.uint64)
    plays, discards = bit[actions.is_play == 1].sum(), bit[(actions.is_card == 1) & (actions.is_play == 0)].sum()
    named = np.arange(2**config.num_values)
    hints = np.zeros((config.num_players - 1, len(named)), np.uint64)
    for action in np.flatnonzero(actions.is_card == 0):
        can_be_named = (named >> actions.value[action]) & 1
        hints[actions.offset[action] - 1] |= bit[action] * can_be_named.astype(np.uint64)
    return np.array([plays, plays + discards], np.uint64), hints.reshape(-1)


def _move_bits(config: HanabiConfig, parts: Layout, first_code: NDArray[np.int64], num_codes: int) -> NDArray[np.uint8]:
    """Describe every move as every observer sees it."""
    bits = np.zeros((config.num_players, num_codes, parts.block_bits), np.uint8)
    block = {segment.name: segment.start for segment in parts.block}
    for actor in range(config.num_players):
        for action in range(config.num_actions):
            stop = first_code[action + 1] if action + 1 < config.num_actions else num_codes
            _describe(config, block, bits[actor, first_code[action] : stop], (actor, action))
    return bits.reshape(-1, parts.block_bits)


def _describe(config: HanabiConfig, block: dict[str, int], rows: NDArray[np.uint8], move: tuple[int, int]) -> None:
    """Fill the rows of all codes of one action of one actor."""
    (actor, action), actions = move, actions_of(config)
    detail = np.arange(len(rows))
    rows[:, block["last_actor"] + actor] = 1
    if actions.is_card[action]:
        rows[:, block["last_type"] + (0 if actions.is_play[action] else 1)] = 1
        rows[:, block["last_slot"] + actions.slot[action]] = 1
        rows[detail, block["last_card"] + detail // _OUTCOMES] = 1
        if actions.is_play[action]:
            rows[:, block["last_outcome"]] = detail & FITTED
            rows[:, block["last_outcome"] + 1] = (detail & BROUGHT_TOKEN) >> 1
        return
    value = actions.value[action]
    is_rank = value >= config.num_colors
    rows[:, block["last_type"] + (3 if is_rank else 2)] = 1
    rows[:, block["last_target"] + (actor + actions.offset[action]) % config.num_players] = 1
    # The rank's segment follows the colour's, as the ranks follow the colours in the numbers of values.
    rows[:, block["last_color"] + value] = 1
    slots = np.arange(config.hand_size)
    rows[:, block["last_revealed"] + slots] = (detail[:, None] >> slots) & 1
