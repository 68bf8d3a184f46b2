"""Trouble with the shared folder, told once.

Job: let a learner go on when a file server does not, and say when that begins and ends. Place in the data flow: around
each exchange of `shared_folder`. Left out: the exchanges.
"""

from __future__ import annotations

from collections.abc import Callable

from gamefleet.errors import GamefleetError, IncompatibleError
from gamefleet.topologies.solo import News


class Trouble:
    """Remembers which exchanges failed the last time; all is well when none did."""

    def __init__(self) -> None:
        self._failing: set[str] = set()

    def told(self, exchange: Callable[[], list[News]]) -> list[News]:
        """Do an exchange; its failure becomes news, unless there was trouble already.

        Raises:
            IncompatibleError: It does not fit the fleet: trying again cannot help.
        """
        had_trouble = bool(self._failing)
        try:
            news = exchange()
        except IncompatibleError:
            raise
        except (GamefleetError, OSError) as error:
            self._failing.add(exchange.__name__)
            sentence = f"the shared folder cannot be used, training goes on alone: {error}"
            failed = News(kind="sharing_failed", sentence=sentence, details={"reason": str(error)})
            return [] if had_trouble else [failed]
        self._failing.discard(exchange.__name__)
        if had_trouble and not self._failing:
            news.append(News(kind="sharing_again", sentence="the shared folder can be used again"))
        return news
