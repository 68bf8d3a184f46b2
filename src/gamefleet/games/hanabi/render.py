"""A picture of one game.

Job: hands with what their owners know of them, fireworks, tokens, the last move. Place in the data flow: viewers and
videos; `game.frame` calls it. Left out: letters (`glyphs`).

Everyone's cards lie open, as spectators see them. Under each card stand the colours and the ranks that its owner still
thinks possible;
what a hint has named is bright.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.hanabi.actions import action_names
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.glyphs import stamp
from gamefleet.games.hanabi.state import State

Color = tuple[int, int, int]

INKS: tuple[Color, ...] = ((226, 72, 66), (236, 200, 60), (76, 175, 96), (232, 232, 236), (84, 140, 240))
"""Red, yellow, green, white, blue."""
_TABLE: Color = (24, 27, 34)
_PAPER: Color = (40, 45, 56)
_TEXT: Color = (214, 218, 226)
_FAINT: Color = (96, 104, 120)

MARGIN, CARD_WIDTH, CARD_HEIGHT, KNOWN_HEIGHT, GAP = 8, 34, 28, 18, 4
_NAME_WIDTH = 30
_HEAD_HEIGHT = 16
_ROW_HEIGHT = CARD_HEIGHT + KNOWN_HEIGHT + GAP


def picture_shape(config: HanabiConfig) -> tuple[int, int]:
    """Height and width in pixels, both even."""
    columns = max(config.hand_size, config.num_colors, 5)
    width = 2 * MARGIN + _NAME_WIDTH + columns * (CARD_WIDTH + GAP)
    height = 2 * MARGIN + 2 * _HEAD_HEIGHT + CARD_HEIGHT + GAP + config.num_players * _ROW_HEIGHT
    return height + height % 2, width + width % 2


def picture_of(config: HanabiConfig, state: State, env: int) -> NDArray[np.uint8]:
    """Draw one game.

    Args:
        config: The game.
        state: Many games.
        env: Which one.

    Returns:
        uint8 `[height, width, 3]`, RGB.
    """
    picture = np.empty((*picture_shape(config), 3), np.uint8)
    picture[:] = _TABLE
    lives, score = int(state.lives[env]), int(state.score[env])
    head = f"SCORE {score if lives else 0}/{config.max_score} HINTS {state.information[env]} LIVES {lives}"
    stamp(picture, head, (MARGIN, MARGIN), _TEXT)
    deck = f"DECK {config.num_cards - int(state.drawn[env])}  {_last_move(config, state, env)}"
    stamp(picture, deck, (MARGIN + _HEAD_HEIGHT, MARGIN), _FAINT)
    top = MARGIN + 2 * _HEAD_HEIGHT
    for color, height in enumerate(state.fireworks[env].tolist()):
        _card(picture, (top, _column(color)), INKS[color] if height else _PAPER, str(height) if height else "-")
    top += CARD_HEIGHT + GAP
    for player in range(config.num_players):
        _hand(picture, config, (state, env, player), top + player * _ROW_HEIGHT)
    return picture


def _hand(picture: NDArray[np.uint8], config: HanabiConfig, whose: tuple[State, int, int], top: int) -> None:
    state, env, player = whose
    is_next = int(state.seat[env]) == player and not state.is_over[env]
    stamp(picture, f"{'>' if is_next else ' '}P{player + 1}", (top + 10, MARGIN), _TEXT if is_next else _FAINT)
    for slot, card in enumerate(state.hands[env, player].tolist()):
        if card == config.num_kinds:
            continue
        color, rank = divmod(card, config.num_ranks)
        _card(picture, (top, _column(slot)), INKS[color], str(rank + 1))
        _knowledge(picture, config, state.knowledge[env, player, slot], (top + CARD_HEIGHT + 2, _column(slot)))


def _knowledge(picture: NDArray[np.uint8], config: HanabiConfig, known: NDArray[np.uint8], at: tuple[int, int]) -> None:
    """Colours as dots, ranks as digits below; a line under a named colour, a named rank in bright."""
    (row, column), kinds = at, config.num_kinds
    plausible = known[:kinds].reshape(config.num_colors, config.num_ranks)
    named = known[kinds:]
    for color in range(config.num_colors):
        left = column + 1 + color * 6
        if plausible[color].any():
            picture[row : row + 5, left : left + 4] = INKS[color]
        if named[color]:
            picture[row + 5, left : left + 4] = _TEXT
    for rank in range(config.num_ranks):
        if plausible[:, rank].any():
            is_named = named[config.num_colors + rank]
            stamp(picture, str(rank + 1), (row + 7, column + 1 + rank * 6), _TEXT if is_named else _FAINT)


def _card(picture: NDArray[np.uint8], at: tuple[int, int], ink: Color, text: str) -> None:
    row, column = at
    picture[row : row + CARD_HEIGHT, column : column + CARD_WIDTH] = ink
    stamp(picture, text, (row + 7, column + 12), _TABLE if ink != _PAPER else _FAINT, scale=2)


def _column(place: int) -> int:
    return MARGIN + _NAME_WIDTH + place * (CARD_WIDTH + GAP)


def _last_move(config: HanabiConfig, state: State, env: int) -> str:
    count = int(state.num_moves[env])
    return action_names(config)[int(state.moves[env, count - 1]) % config.num_actions] if count else ""
