"""How often and how patiently a model's server is asked.

Job: try again what may pass, wait as long as the server says or ever longer, and never ask faster than allowed. Place
in the data flow: between `client` and `client_endpoint`. Left out: the request. Clock, sleep and chance are passed in.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from gamefleet.skills.client_answer import Answer
from gamefleet.skills.client_endpoint import RequestFailedError, Trouble
from gamefleet.skills.proposer import ModelAwayError, ModelRefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """When to try again.

    Args:
        tries: Requests for one answer, at most.
        first_wait_s: After the first failure; doubles with each.
        longest_wait_s: Of these waits.
        longest_asked_s: What a server may ask for; beyond, it counts as away.
        requests_per_minute: Never more than this, over all answers.
    """

    tries: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    longest_asked_s: float = 300.0
    requests_per_minute: float = 60.0


@dataclass(slots=True, kw_only=True)
class Caller:
    """Asks, and waits in between.

    Args:
        patience: The rules.
        clock: Seconds, of any origin.
        sleep: Waits for seconds.
        rng: Spreads waits, so that many runs that were refused together do not come back together.
    """

    patience: Patience
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    rng: random.Random
    _earliest: float = field(init=False, default=float("-inf"))

    def call(self, request: Callable[[], Answer], tries: int | None = None) -> Answer:
        """Ask until there is an answer.

        Args:
            request: Asks once.
            tries: Instead of the rule's.

        Raises:
            ModelAwayError: All tries failed, or the server asks for more time than it is granted.
            RequestFailedError: What failed will not pass.
        """
        tries = self.patience.tries if tries is None else tries
        for number in range(1, tries + 1):
            self._keep_pace()
            try:
                return request()
            except RequestFailedError as error:
                if not error.trouble.may_pass:
                    raise
                if number == tries:
                    raise _away(error, f"after {number} tries") from error
                self.sleep(self._wait(error, number))
        raise ValueError("an answer takes at least one try")

    def _keep_pace(self) -> None:
        wait = self._earliest - self.clock()
        if wait > 0:
            self.sleep(wait)
        self._earliest = max(self._earliest, self.clock()) + 60.0 / self.patience.requests_per_minute

    def _wait(self, error: RequestFailedError, number: int) -> float:
        """Seconds until the next try."""
        asked = error.retry_after_s
        if asked is not None:
            if asked > self.patience.longest_asked_s:
                raise _away(error, f"it asks to be left alone for {asked:.0f} s") from error
            return asked + self.rng.uniform(0.0, self.patience.first_wait_s)
        longest = min(self.patience.longest_wait_s, self.patience.first_wait_s * 2 ** (number - 1))
        return self.rng.uniform(longest / 2, longest)


def _away(error: RequestFailedError, why: str) -> ModelAwayError:
    return ModelAwayError(
        f"{error.what}, {why}",
        where=error.where,
        remedy="What trains goes on; the model is asked again later. --proposer catalogue needs no server.",
    )


def refused(error: RequestFailedError, models: tuple[str, ...] = ()) -> ModelRefusedError:
    """The error for people of a request that will never be answered.

    Args:
        error: What the server said.
        models: The models that it offers, where no such model was the reason.
    """
    remedies = {
        Trouble.MISSING: f"It offers: {', '.join(models)}." if models else "Check --llm_name and OPENAI_BASE_URL.",
        Trouble.REFUSED: "Check OPENAI_API_KEY, the account's credit and OPENAI_BASE_URL.",
        Trouble.UNSUPPORTED: "The server understands none of the ways to ask; see docs/llm.md.",
    }
    return ModelRefusedError(error.what, where=error.where, remedy=remedies.get(error.trouble, ""))
