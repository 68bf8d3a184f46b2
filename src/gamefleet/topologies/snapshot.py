"""What a run leaves in its folder for people who look at it: a picture, and what was played lately.

Job: now and then let the best agent's game draw itself, write that as a small file, and beside it what games tell of
themselves, so that whoever looks at the folder, or at a copy of it, sees the game. Place in the data flow: an observer
of the actor -> `media` of the run. Left out: pictures that move (`streaming`), and what is told (`recent_play`).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.actor import Actor, Moment
from gamefleet.errors import GamefleetError
from gamefleet.files import Fence, write_bytes
from gamefleet.topologies.recent_play import RecentPlay

log = logging.getLogger(__name__)

INTERVAL_S = 20.0
"""Between two pictures; at about 1.5 kB each they cost a network disk nothing."""

WORDS_INTERVAL_S = 10.0
"""Between two accounts of what was played lately, of up to some 20 kB."""

WORDS = "now.json"


class Snapshot:
    """See the module's docstring.

    Args:
        actor: Whose games are shown.
        recent: What was played lately; None leaves that out.
        clock: In seconds.
    """

    def __init__(
        self, actor: Actor, recent: RecentPlay | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._actor = actor
        self._recent = recent
        self._clock = clock
        self._asked: int | None = None
        self._picture: NDArray[np.uint8] | None = None
        self._due_at = self._words_due_at = -float("inf")

    def observe(self, moment: Moment) -> None:
        """See `actor.Observer`."""
        if self._recent is not None:
            self._recent.observe(moment)
        if self._asked is not None:
            scene = self._actor.vector.scene
            self._picture = scene.pictures[self._asked].copy()
            scene.wanted[self._asked] = False
            self._asked = None

    def write(self, media: Path, *, fence: Fence | None = None) -> None:
        """Between two steps: write what the last request brought, and ask for the next picture when it is time.

        Nothing that goes wrong here is worth a run; it is logged.

        Args:
            media: Folder of the run.
            fence: See `files.Fence`.
        """
        if self._picture is not None:
            self._write(media, fence)
        if self._actor.vector.scene.has_pictures and self._clock() >= self._due_at:
            self._due_at = self._clock() + INTERVAL_S
            self._asked = self._best()
            self._actor.vector.scene.wanted[self._asked] = True
        if self._recent is not None and self._clock() >= self._words_due_at:
            self._words_due_at = self._clock() + WORDS_INTERVAL_S
            self._write_words(self._recent, media, fence)

    def _write(self, media: Path, fence: Fence | None) -> None:
        from gamefleet.transport.pictures import encode

        picture, self._picture = self._picture, None
        assert picture is not None
        try:
            encoded = encode(picture)
            write_bytes(media / f"now.{encoded.codec}", encoded.data, fence=fence)
        except GamefleetError as error:
            log.warning("no picture of the run: %s", error)

    def _write_words(self, recent: RecentPlay, media: Path, fence: Fence | None) -> None:
        try:
            words = json.dumps(recent.tell(), separators=(",", ":"), allow_nan=False)
            write_bytes(media / WORDS, words.encode(), fence=fence)
        except GamefleetError as error:
            log.warning("no account of what was played: %s", error)

    def _best(self) -> int:
        """The agent that is furthest, then the one with the highest return."""
        episodes = [self._actor.episode(env) for env in range(self._actor.vector.num_envs)]
        return max(episodes, key=lambda episode: (episode.progress, episode.total_return)).env
