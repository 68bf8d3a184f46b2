"""Pages that a game brings to the dashboard.

Job: the type in which a game says what the watching side shows of it. Place in the data flow: the command line hands
`data` and `script` to the pages; the process that plays calls `describe` and leaves what it says in the run folder.
Left out: drawing, and everything that the watching side does by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamefleet.games.base import Observation

Describe = Callable[[Any, Sequence[Observation]], Any]
"""`(config, observations) -> JSON value`; see `Panel`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A page of a game's own on the dashboard: what the watching side shows without knowing the game.

    Args:
        name: Part of its address, in small letters.
        title: For its tab.
        script: An ES module in the game's folder; its default export draws into the element that it is given.
        data: `(config) -> JSON value`, what the script needs to know of the game, such as a list of areas.
        describe: `(config, observations) -> JSON value`, one episode as people want to see it, from the observations of
            its steps so far, oldest first and seldom without the first ones. It is asked a few times a minute, between
            two steps. None for a page that needs no such thing.
    """

    name: str
    title: str
    script: Path
    data: Callable[[Any], Any]
    describe: Describe | None = None
