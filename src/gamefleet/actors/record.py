"""Watching one episode frame by frame.

Job: play one game with any policy and yield pictures with captions. Place in the data flow: an `InlineVector` of one
game -> frames for `video` or a viewer. Left out: files (`video`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.accounts import Accounts
from gamefleet.actors.policy import Policy
from gamefleet.actors.steps import Restart
from gamefleet.actors.vector import InlineVector
from gamefleet.errors import ConfigError
from gamefleet.games.base import Rendered


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One picture of an episode.

    Args:
        picture: uint8 `[height, width, 3]`, RGB; an own copy.
        caption: What has happened so far, one line.
        num_steps: Steps since the episode's start.
        action: Name of the action that led here; empty for the first frame.
    """

    picture: NDArray[np.uint8]
    caption: str
    num_steps: int
    action: str


def record(
    vector: InlineVector, policy: Policy, *, seed: int, max_frames: int, start: bytes | None = None
) -> Iterator[Frame]:
    """Play one episode and yield a frame for its start and for every step.

    Args:
        vector: One game that can show itself.
        policy: For one game.
        seed: Of the episode.
        max_frames: Ends it early.
        start: A saved state to start from instead of the beginning.

    Raises:
        ConfigError: The game has no pictures.
    """
    spec, game = vector.spec, vector.games[0]
    if not hasattr(game, "frame"):
        raise ConfigError("The game cannot show itself", value=spec.name, remedy="Leave the video out.")
    rendered = cast(Rendered, game)
    accounts = Accounts(spec, vector.num_envs)
    restart = Restart(seed=seed, state=start)
    vector.send(np.zeros(1, np.int16), {0: restart})
    view = vector.receive()
    accounts.begin(0, restart, view)
    action = ""
    for frame in range(max_frames):
        if frame > 0:
            decision = policy.act(view)
            vector.send(decision.sent, {})
            view = vector.receive()
            accounts.add(view, np.ones(1, np.bool_))
            action = spec.actions[int(decision.actions[0])]
        yield Frame(picture=rendered.frame().copy(), caption=_caption(accounts), num_steps=frame, action=action)
        if view.ended[0]:
            return


def _caption(accounts: Accounts) -> str:
    summary = accounts.summary(0, "")
    latest = summary.milestones[-1] if summary.milestones else "-"
    return f"step {summary.num_steps}  reward {summary.total_return:.1f}  milestones {summary.num_milestones}  {latest}"
