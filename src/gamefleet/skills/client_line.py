"""The line to a model: patient, counted, written down, in the form that its server understands.

Job: turn a question into an answer, whatever dialect it takes; check the caps before every request and count after it,
also for those that got no answer. Place in the data flow: `client` -> here -> `client_endpoint`. Left out: what is
asked, and what the answer means.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from gamefleet.skills.cache import AnswerCache
from gamefleet.skills.client_answer import Answer
from gamefleet.skills.client_endpoint import (
    DEFAULT_BASE_URL,
    Endpoint,
    RequestFailedError,
    Trouble,
    ask,
    list_models,
)
from gamefleet.skills.client_retries import Caller, refused
from gamefleet.skills.cost import Meter, likely_tokens, most_tokens
from gamefleet.skills.dialect import LIMITS, Dialect, Question, canonical, find_dialect, make_request
from gamefleet.skills.proposer import ModelRefusedError, Usage
from gamefleet.skills.replayed import Conversation, Exchange

PROBE_TRIES = 2
"""Requests for each form of the small question; a server that cannot take a form may break over it."""

ONLY_A_PROBE = "asked to learn what the server understands"


@dataclass(slots=True, kw_only=True)
class ModelLine:
    """Asks one model of one server; one thread at a time.

    Args:
        endpoint: The server.
        model: As the server calls it.
        caller: With which patience.
        meter: Within which caps.
        cache: Where is kept what the server understands.
        conversation: Where every answer and every lost request is written down.
        now: Seconds since 1970, for that.
    """

    endpoint: Endpoint
    model: str
    caller: Caller
    meter: Meter
    cache: AnswerCache
    conversation: Conversation
    now: Callable[[], float]
    _dialect: Dialect | None = field(init=False, default=None)

    def answer(self, question: Question) -> Answer:
        """Ask until there is an answer.

        Raises:
            BudgetSpentError: The next request could go beyond a cap.
            ModelRefusedError: There will never be an answer.
            ModelAwayError: There is none now.
        """
        try:
            return self._answer(question)
        except RequestFailedError as error:
            if error.trouble is not Trouble.UNSUPPORTED:
                raise self._refused(error) from error
        # It took this form once: another server may have taken its place.
        self._dialect = None
        self.cache.forget_dialect(self.endpoint.base_url, self.model)
        try:
            return self._answer(question)
        except RequestFailedError as error:
            raise self._refused(error) from error

    def dialect(self) -> Dialect:
        """What the server understands: known already, or kept on disk, or found out now; raises as `answer` does."""
        if self._dialect is None:
            self._dialect = self.cache.dialect(self.endpoint.base_url, self.model)
        if self._dialect is None:
            is_hosted = urlsplit(self.endpoint.base_url).hostname == urlsplit(DEFAULT_BASE_URL).hostname
            try:
                self._dialect = find_dialect(self.model, self._probe, is_hosted_openai=is_hosted)
            except RequestFailedError as error:
                raise self._refused(error) from error
            self.cache.keep_dialect(self.endpoint.base_url, self.model, self._dialect)
        return self._dialect

    def _answer(self, question: Question) -> Answer:
        return self.caller.call(functools.partial(self._send, make_request(question, self.dialect())))

    def note(self, text: str, usage: Usage, problem: str = "", **details: Any) -> None:
        """Write down an answer, or why there is none."""
        exchange = Exchange(text=text, usage=usage, problem=problem)
        place = {"at": self.now(), "model": self.model, "base_url": self.endpoint.base_url}
        self.conversation.add(exchange, {**place, **details})

    def _probe(self, request: Mapping[str, Any]) -> Answer:
        return self.caller.call(functools.partial(self._send, request, ONLY_A_PROBE), tries=PROBE_TRIES)

    def _send(self, request: Mapping[str, Any], problem: str = "") -> Answer:
        """One request, counted and written down."""
        messages = request["messages"]
        most_out = next(request[name] for name in LIMITS if name in request)
        self.meter.check(most_tokens(len(canonical(request)), len(messages)), most_out)
        size = likely_tokens(len(canonical(messages)))
        try:
            answer = ask(self.endpoint, request, self.caller.clock)
            answer = replace(answer, text=self.endpoint.without_key(answer.text))
        except RequestFailedError as error:
            self._note_lost(error, size)
            raise
        counted = (answer.tokens_in, answer.tokens_out)
        tokens_in = size if counted[0] is None else counted[0]
        tokens_out = likely_tokens(len(answer.text.encode())) if counted[1] is None else counted[1]
        usage = self.meter.add(tokens_in, tokens_out, is_estimated=None in counted)
        self.note(answer.text, usage, problem, finish=answer.finish, messages=messages)
        return answer

    def _note_lost(self, error: RequestFailedError, size: int) -> None:
        """A request whose answer was lost on the way may be paid for all the same; a refused one is not."""
        is_paid = error.trouble in (Trouble.TIMEOUT, Trouble.CUT)
        usage = self.meter.add(size, 0, is_estimated=True) if is_paid else Usage()
        self.note("", usage, f"{error.trouble.value}: {error.what}")

    def _refused(self, error: RequestFailedError) -> ModelRefusedError:
        """The error for people; where no such model is the reason, it names those that there are."""
        if error.trouble is not Trouble.MISSING:
            return refused(error)
        try:
            return refused(error, list_models(self.endpoint))
        except RequestFailedError:
            return refused(error)
