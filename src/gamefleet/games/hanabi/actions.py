"""What the numbers of actions mean.

Job: actions by index as arrays and as names. Place in the data flow: the simulator, the encoder, scripted players and
pages look moves up here. Left out: which of them are legal (`simulator`).

Order, the same as in OpenSpiel and the Hanabi Learning Environment: discard slot 0, 1, ..., play slot 0, 1, ..., hint
each colour to the next player, to the one after, ..., hint each rank to the next player, to the one after, ...
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.hanabi.config import HanabiConfig

COLORS = ("red", "yellow", "green", "white", "blue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """Facts about each action, int64 `[action]`; -1 where a fact does not apply.

    Args:
        is_card: 1 for a discard or a play, 0 for a hint.
        is_play: 1 for a play.
        slot: The card's place in the hand, 0 is the oldest.
        offset: How many seats after the mover the hinted player sits, from 1.
        value: What a hint names: a colour, or `num_colors` + a rank.
    """

    is_card: NDArray[np.int64]
    is_play: NDArray[np.int64]
    slot: NDArray[np.int64]
    offset: NDArray[np.int64]
    value: NDArray[np.int64]


def actions_of(config: HanabiConfig) -> Actions:
    """The actions of a game."""
    rows = [(1, is_play, slot, -1, -1) for is_play in (0, 1) for slot in range(config.hand_size)]
    offsets = range(1, config.num_players)
    rows += [(0, 0, -1, offset, color) for offset in offsets for color in range(config.num_colors)]
    rows += [(0, 0, -1, offset, config.num_colors + rank) for offset in offsets for rank in range(config.num_ranks)]
    is_card, is_play, slot, offset, value = np.array(rows, np.int64).T.copy()
    return Actions(is_card=is_card, is_play=is_play, slot=slot, offset=offset, value=value)


def value_name(config: HanabiConfig, value: int) -> str:
    """What a hint names, such as `red` or `rank 3`."""
    return COLORS[value] if value < config.num_colors else f"rank {value - config.num_colors + 1}"


def action_names(config: HanabiConfig) -> tuple[str, ...]:
    """Names by index, such as `play 1` and `hint +1 red`; slots count from 1, the oldest card."""
    actions = actions_of(config)
    names = []
    for action in range(config.num_actions):
        if actions.is_card[action]:
            names.append(f"{'play' if actions.is_play[action] else 'discard'} {actions.slot[action] + 1}")
        else:
            names.append(f"hint +{actions.offset[action]} {value_name(config, int(actions.value[action]))}")
    return tuple(names)
