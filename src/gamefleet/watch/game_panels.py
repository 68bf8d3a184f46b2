"""Pages that games add.

Job: open a game's panels in the background, and ask for their data. Place in the data flow: games, handed in by the
command line -> pages. Left out: drawing, which is the panel's own script.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gamefleet.watch.contained import Source, UnknownError
from gamefleet.watch.providers import FIRST_ANSWER_S, FOLDER_INTERVAL_S, Panel
from gamefleet.watch.run_view import RunView

DATA_S = 10.0
"""So long a panel's data is waited for: a game has to be opened first."""


@dataclass(slots=True)
class GamePanels:
    """The panels of all games that are shown.

    Args:
        provide: Name of a game -> its panels; None for no panels at all.
    """

    provide: Callable[[str], Sequence[Panel]] | None
    _panels: dict[str, Source] = field(default_factory=dict)
    _data: dict[tuple[str, str, str], Source] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """Changes when a game was opened."""
        return sum(source.version for source in list(self._panels.values()))

    def describe(self, games: Sequence[str]) -> list[dict[str, Any]]:
        """What `/api/site` says of them."""
        return [
            {
                "game": game,
                "name": panel.name,
                "title": panel.title,
                "script": f"/panels/{game}/{panel.name}.js",
                "data": f"/panels/{game}/{panel.name}.json?run=",
            }
            for game in games
            for panel in self.of(game)
        ]

    def of(self, game: str) -> Sequence[Panel]:
        """What a game adds; nothing while it is being opened, or when it cannot be."""
        provide = self.provide
        if provide is None:
            return ()
        source = self._panels.setdefault(game, Source(read=lambda: tuple(provide(game)), interval_s=math.inf))
        outcome = source.latest(wait_s=FIRST_ANSWER_S)
        return outcome.value or () if outcome else ()

    def find(self, games: Sequence[str], game: str, name: str) -> Panel:
        """One panel of a game that is shown.

        Raises:
            UnknownError: There is none.
        """
        for panel in self.of(game) if game in games else ():
            if panel.name == name:
                return panel
        raise UnknownError(f"There is no panel {name!r} of {game!r}")

    def data(self, panel: Panel, view: RunView) -> Any:
        """What a panel's script gets."""
        source = self._data.setdefault(
            (view.facts.game, panel.name, view.id),
            Source(read=lambda: panel.data(view.folder), interval_s=FOLDER_INTERVAL_S),
        )
        outcome = source.latest(wait_s=DATA_S)
        if outcome is None or outcome.error:
            return {"error": outcome.error if outcome else "the game has not answered yet"}
        return outcome.value
