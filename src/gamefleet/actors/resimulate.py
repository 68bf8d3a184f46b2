"""Playing a chunk again: what a member says it saw must be what the game gives.

Job: go to a chunk's start, repeat its actions and compare every observation, reward and flag bit for bit. Place in the
data flow: for a share of the chunks that other members send, before a replay takes them. Left out: which chunks are
looked at and what a difference means for their member (`topologies`), and damage (`experience.chunk_file`).

A chunk that passes was possible in this game: nobody can invent rewards or observations. That is all it says. The start
is taken on trust, because reaching it would mean to play everything before it; and an action that was swapped for one
with the same visible effect up to the chunk's end (two buttons that both do nothing) passes, being as true as the
other.

The start comes from a stranger and goes into an emulator. It cannot run code by design of the format, but an emulator
is a large program: call this in a process of its own, and take its death for a difference.

Axes: `time` (slots of the chunk).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import GamefleetError
from gamefleet.experience.bounded import decompress
from gamefleet.experience.chunk_file import ChunkContent
from gamefleet.games.base import Game, GameSpec, Step

MAX_STATE_BYTES = 16 * 2**20
"""A Game Boy's state takes 0.2 MB."""


def check(make_game: Callable[[], Game], content: ChunkContent, spec: GameSpec) -> str:
    """Play a chunk in a fresh game.

    Args:
        make_game: Makes the game with our settings; closed afterwards if it can be.
        content: The chunk, found to fit the replay (`chunk_check.check_fits`).
        spec: Of our game.

    Returns:
        The first difference, a sentence that names the step and the array; empty when all is equal.
    """
    with ExitStack() as at_end:
        try:
            game = make_game()
            close = getattr(game, "close", None)
            if close is not None:
                at_end.callback(close)
            return _first_difference(game, content, spec)
        except GamefleetError as error:
            return f"It cannot be played: {error.what}."


def _first_difference(game: Game, content: ChunkContent, spec: GameSpec) -> str:
    slots = content.slots
    here = game.restore_state(decompress(content.start, max_bytes=MAX_STATE_BYTES), new_episode=False)
    difference = _view_difference(here, content, spec, time=0)
    for time, action in enumerate(slots.action[:-1].tolist()):
        if difference:
            return difference
        if not 0 <= action < spec.num_actions:
            return f"Step {time} has action {action}, the game has {spec.num_actions}."
        here = game.step(action)
        difference = _reward_difference(here, slots.reward[time], time) or _view_difference(
            here, content, spec, time=time + 1
        )
    return difference


def _view_difference(step: Step, content: ChunkContent, spec: GameSpec, *, time: int) -> str:
    slots = content.slots
    for array in spec.observations:
        if array.name not in slots.obs:
            return f"It holds no observation {array.name!r}."
        if not _is_same(np.asarray(step.obs[array.name]), slots.obs[array.name][time]):
            return f"Slot {time}: the game shows another {array.name!r}."
    if bool(slots.is_terminal[time]) != step.terminated:
        return f"Slot {time}: is_terminal is {bool(slots.is_terminal[time])}, the game says {step.terminated}."
    if step.truncated and not slots.is_last[time]:
        return f"Slot {time}: the game cuts the episode here, the chunk goes on."
    return ""


def _reward_difference(step: Step, claimed: np.float32, time: int) -> str:
    # The sum and its type are those of the arrays that actors record from.
    paid = np.float32(step.terms.sum())
    if paid.tobytes() == np.float32(claimed).tobytes():
        return ""
    return f"Step {time}: reward is {float(claimed):g}, the game pays {float(paid):g}."


def _is_same(played: NDArray[np.generic], claimed: NDArray[np.generic]) -> bool:
    is_same_kind = played.shape == claimed.shape and played.dtype == claimed.dtype
    return is_same_kind and played.tobytes() == claimed.tobytes()
