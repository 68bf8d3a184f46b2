"""How to ask this server for JSON: the same interface is understood differently everywhere.

Job: find out with a few small questions which form of a request a server and model take, and whether they obey a
schema; make requests of that form. Place in the data flow: `client` asks here before its first real question. Left out:
sending (`client_endpoint`), remembering (`cache`).

Some servers refuse a schema (with 400, or with 500), some accept it and pay no heed. So the small question contradicts
its schema: only who obeys the schema gives the answer that fits it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gamefleet.errors import nearest
from gamefleet.skills.client_answer import Answer, find_object
from gamefleet.skills.client_endpoint import RequestFailedError, Trouble
from gamefleet.skills.proposer import ModelAwayError

FORMATS = ("json_schema", "json_object_schema", "json_object", "none")
"""Ways to ask for JSON, the strictest first. The second is what llama-cpp-python's server takes."""

LIMITS = ("max_completion_tokens", "max_tokens")
"""Names of the limit of an answer: OpenAI's newer models refuse the second, older servers do not know the first."""

PROBE_TOKENS = 2000
"""Reasoning models think before they say a word, and are cut if they may not."""

PROBE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red"]}},
    "required": ["colour"],
    "additionalProperties": False,
}

PROBE_MESSAGES = ({"role": "user", "content": 'Answer with exactly this JSON object: {"colour": "blue"}'},)

Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a server and model understand.

    Args:
        response_format: One of `FORMATS`.
        token_limit: One of `LIMITS`.
        is_streamed: Whether it sends its answer in parts; OpenAI lets only verified organisations stream some models.
        is_enforced: Whether answers were seen to obey a schema.
    """

    response_format: str
    token_limit: str = LIMITS[0]
    is_streamed: bool = True
    is_enforced: bool = False

    def __post_init__(self) -> None:
        if self.response_format not in FORMATS or self.token_limit not in LIMITS:
            raise ValueError(nearest(self.response_format, [*FORMATS, *LIMITS]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, in no dialect.

    Args:
        model: The model's name.
        messages: The conversation so far.
        schema: What the answer should obey.
        max_tokens: Most tokens of the answer.
        temperature: None leaves it to the server; some models allow nothing else.
    """

    model: str
    messages: Messages
    schema: Mapping[str, Any]
    max_tokens: int
    temperature: float | None = None


def make_request(question: Question, dialect: Dialect) -> dict[str, Any]:
    """The fields of a chat completion."""
    request: dict[str, Any] = {
        "model": question.model,
        "messages": [dict(message) for message in question.messages],
        dialect.token_limit: question.max_tokens,
    }
    schema = dict(question.schema)
    formats = {
        "json_schema": {"type": "json_schema", "json_schema": {"name": "skill", "strict": True, "schema": schema}},
        "json_object_schema": {"type": "json_object", "schema": schema},
        "json_object": {"type": "json_object"},
    }
    if dialect.response_format in formats:
        request["response_format"] = formats[dialect.response_format]
    if dialect.is_streamed:
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    if question.temperature is not None:
        request["temperature"] = question.temperature
    return request


def find_dialect(model: str, send: Callable[[Mapping[str, Any]], Answer], *, is_hosted_openai: bool) -> Dialect:
    """Ask a server the small question in one form after the other.

    Args:
        model: The model's name.
        send: Sends a request; may try again by itself.
        is_hosted_openai: Whether the server is OpenAI's own, which has its own name for the limit.

    Raises:
        RequestFailedError: The server refuses every form, or the key, or knows no such model.
        ModelAwayError: It did not answer.
    """
    question = Question(model=model, messages=PROBE_MESSAGES, schema=PROBE_SCHEMA, max_tokens=PROBE_TOKENS)
    start = Dialect(response_format=FORMATS[0], token_limit=LIMITS[0 if is_hosted_openai else 1])
    best: Dialect | None = None
    refusal: RequestFailedError | ModelAwayError | None = None
    for name in FORMATS:
        try:
            dialect, answer = _settle(question, replace(start, response_format=name), send)
        except (RequestFailedError, ModelAwayError) as error:
            if not _is_about_form(error):
                raise
            refusal = error
            continue
        start = dialect
        found = find_object(answer.text)
        if found == {"colour": "red"}:
            return replace(dialect, is_enforced=True)
        if name in ("json_object", "none") and (found is not None or name == "none"):
            best = best or dialect
    if best is None:
        raise refusal if refusal is not None else ValueError("a server that answers understands the plain form")
    return best


def _is_about_form(error: RequestFailedError | ModelAwayError) -> bool:
    """Whether another form of the same request may be answered; some servers break (500) over a form."""
    cause = error.__cause__ if isinstance(error, ModelAwayError) else error
    return isinstance(cause, RequestFailedError) and cause.trouble in (Trouble.UNSUPPORTED, Trouble.BROKEN)


def _settle(
    question: Question, dialect: Dialect, send: Callable[[Mapping[str, Any]], Answer]
) -> tuple[Dialect, Answer]:
    """Ask in one format, with another limit or without a stream where the server says that these are its trouble."""
    for _ in range(3):
        try:
            return dialect, send(make_request(question, dialect))
        except RequestFailedError as error:
            adapted = _adapted(dialect, error)
            if adapted == dialect:
                raise
            dialect = adapted
    return dialect, send(make_request(question, dialect))


def _adapted(dialect: Dialect, error: RequestFailedError) -> Dialect:
    said = error.what.lower()
    other = LIMITS[1 - LIMITS.index(dialect.token_limit)]
    if error.trouble is not Trouble.UNSUPPORTED:
        return dialect
    if dialect.token_limit in said.replace(other, "") or f"use '{other}'" in said:
        return replace(dialect, token_limit=other)
    if "stream" in said and dialect.is_streamed:
        return replace(dialect, is_streamed=False)
    return dialect


def dialect_as_json(dialect: Dialect) -> dict[str, Any]:
    """The dialect as plain JSON values."""
    return {
        "response_format": dialect.response_format,
        "token_limit": dialect.token_limit,
        "is_streamed": dialect.is_streamed,
        "is_enforced": dialect.is_enforced,
    }


def canonical(value: object) -> bytes:
    """One byte string for equal JSON values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
