"""When the run reached each milestone for the first time.

Job: turn reached milestones into events that are news. Place in the data flow: the actor asks after every step; events
go to the run's event file. Left out: milestones within one episode (`accounts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.accounts import Accounts
from gamefleet.actors.steps import START


@dataclass(frozen=True, slots=True, kw_only=True)
class MilestoneEvent:
    """A milestone that the run reached for the first time, or for the first time from the true beginning.

    Args:
        milestone: Its name.
        env: The game.
        origin: Where the episode started.
        total_steps: The run's steps then.
        path_steps: Steps since the game's beginning, those before the episode's start state included.
    """

    milestone: str
    env: int
    origin: str
    total_steps: int
    path_steps: int


class Firsts:
    """The run's steps at each milestone's first time, from anywhere and from the true beginning.

    Args:
        milestones: Names, as in the game's spec.
    """

    def __init__(self, milestones: Sequence[str]) -> None:
        self._milestones = tuple(milestones)
        self.steps: dict[str, int] = {}
        self.steps_from_start: dict[str, int] = {}

    def add(self, fresh: NDArray[np.bool_], accounts: Accounts, total_steps: int) -> tuple[MilestoneEvent, ...]:
        """Note what a step reached, bool `[env, milestone]`, and return what was news."""
        if not fresh.any():
            return ()
        events = []
        for env, index in np.argwhere(fresh).tolist():
            name, origin = self._milestones[index], accounts.origins[env]
            known = self.steps_from_start if origin == START else self.steps
            if name in known:
                continue
            known[name] = total_steps
            self.steps.setdefault(name, total_steps)
            path = int(accounts.path_steps[env])
            events.append(
                MilestoneEvent(milestone=name, env=env, origin=origin, total_steps=total_steps, path_steps=path)
            )
        return tuple(events)

    def export_state(self) -> dict[str, Any]:
        """As JSON values."""
        return {"steps": dict(self.steps), "steps_from_start": dict(self.steps_from_start)}

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from `export_state`."""
        self.steps = dict(state["steps"])
        self.steps_from_start = dict(state["steps_from_start"])
