"""Work that may fail without harm to anything else.

Job: call something and keep what it raised as a sentence; do slow work in the background and show the last answer.
Place in the data flow: around every source of the pages: readers, providers, panels. Left out: what is called.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from gamefleet.errors import GamefleetError

Clock = Callable[[], float]

EAGER_S = 30.0
EAGER_INTERVAL_S = 3.0
"""For so long after news, answers are asked for so often: a job that ends and the next one do it in steps."""


class UnknownError(LookupError):
    """There is nothing of that name."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call.

    Args:
        value: What it returned; None when it failed.
        error: What it raised, for people; empty when it did not.
    """

    value: Any = None
    error: str = ""


def contained(work: Callable[[], Any]) -> Outcome:
    """Call `work`; whatever it raises becomes a sentence."""
    try:
        return Outcome(work())
    except (GamefleetError, OSError) as error:
        return Outcome(error=str(error))
    except Exception as error:  # noqa: BLE001  # one source that is broken must not take the page with it
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome(error=f"{type(error).__name__}: {error} ({place.name}, line {place.lineno})")


@dataclass(slots=True, kw_only=True)
class Source:
    """Something slow, asked for in the background while somebody wants to know it.

    Args:
        read: Returns JSON values; may take long, hang or raise.
        interval_s: An answer this old is asked for anew, by the next who wants it.
        retry_s: A failure is asked about again after so long, if that is sooner.
        clock: Seconds that never run backwards.
        hung_s: After so long without an answer, the pages say so.
        news: Returns something else as soon as the last answer may be wrong.
    """

    read: Callable[[], Any]
    interval_s: float = 15.0
    retry_s: float = 15.0
    clock: Clock = time.monotonic
    hung_s: float = 30.0
    news: Callable[[], Hashable] | None = None
    outcome: Outcome | None = None
    version: int = 0
    _asked_at: float = field(default=0.0)
    _answered_at: float = field(default=0.0)
    _news: Hashable = None
    _news_at: float = -EAGER_S
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def latest(self, *, wait_s: float = 0.0) -> Outcome | None:
        """The last answer, None while there is none; asks for a new one when it is old.

        Args:
            wait_s: Give the first answer so long to come.
        """
        with self._lock:
            thread = self._thread
            is_old = self.outcome is None or self.clock() - self._answered_at >= self._patience_s()
            if is_old and (thread is None or not thread.is_alive()):
                self._asked_at = self.clock()
                thread = self._thread = threading.Thread(target=self._ask, name="watch-source", daemon=True)
                thread.start()
        if self.outcome is None and thread is not None and wait_s:
            thread.join(wait_s)
        return self._hung() or self.outcome

    def _patience_s(self) -> float:
        """How old an answer may be now."""
        news = self.news() if self.news else None
        if news != self._news:
            self._news, self._news_at = news, self.clock()
        is_eager = self.news is not None and self.clock() - self._news_at < EAGER_S
        has_failed = self.outcome is not None and bool(self.outcome.error)
        patience_s = min(self.interval_s, self.retry_s) if has_failed else self.interval_s
        return min(patience_s, EAGER_INTERVAL_S) if is_eager else patience_s

    def _ask(self) -> None:
        outcome = contained(self.read)
        self._answered_at = self.clock()
        if outcome != self.outcome:
            self.version += 1
        self.outcome = outcome

    def _hung(self) -> Outcome | None:
        thread = self._thread
        waited_s = self.clock() - self._asked_at
        if thread is None or not thread.is_alive() or waited_s < self.hung_s:
            return None
        value = self.outcome.value if self.outcome else None
        return Outcome(value, f"there has been no answer for {waited_s:.0f} s")


def stamped(work: Callable[[], Any]) -> Outcome:
    """An answer with the server's time; what fails is told, what is unknown is passed on.

    Raises:
        UnknownError: There is nothing of that name.
    """
    unknown: list[UnknownError] = []

    def asked() -> Any:
        try:
            return work()
        except UnknownError as error:
            unknown.append(error)
            return None

    outcome = contained(asked)
    if unknown:
        raise unknown[0]
    return outcome
