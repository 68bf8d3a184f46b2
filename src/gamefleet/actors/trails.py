"""Where players went.

Job: follow the spot of each player from step to step, as one trail per environment. Place in the data flow: an observer
of the actor -> `runs.visits`, for maps. Left out: what an area is, which the game knows, and counting visits, which
readers do from the trails.
"""

from __future__ import annotations

import numpy as np

from gamefleet.actors.actor import Moment
from gamefleet.actors.steps import NOWHERE, Scene


class Trails:
    """One trail per environment since the last `take`.

    Args:
        scene: Of the vector that the actor plays.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._last = np.full_like(scene.spots, NOWHERE)
        self._stays = np.zeros(len(scene.spots), np.int64)
        self._trails: list[list[int]] = [[] for _ in scene.spots]

    def observe(self, moment: Moment) -> None:
        """See `actor.Observer`; only who moved costs more than a comparison."""
        spots = self._scene.spots
        for env in np.flatnonzero((spots != self._last).any(axis=1)).tolist():
            self._close(env)
        np.copyto(self._last, spots)
        self._stays += 1

    def take(self) -> dict[str, list[int]]:
        """The trails since the last call, and forget them.

        Returns:
            Environment -> area, x, y and the steps spent there, again and again, in the order of the steps;
            environments that were nowhere are left out.
        """
        for env in range(len(self._trails)):
            self._close(env)
        taken = {str(env): trail for env, trail in enumerate(self._trails) if trail}
        self._trails = [[] for _ in self._trails]
        return taken

    def _close(self, env: int) -> None:
        """End the stay of one player."""
        area, x, y = self._last[env].tolist()
        if self._stays[env] and area != NOWHERE:
            self._trails[env] += (area, x, y, int(self._stays[env]))
        self._stays[env] = 0
