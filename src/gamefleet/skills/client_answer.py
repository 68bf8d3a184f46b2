"""Reading what a model's server sends: a stream of events or one JSON object, either from a stranger.

Job: bytes -> the text of the answer, why it ended, and how many tokens were counted; text -> the JSON object in it.
Place in the data flow: below `client_endpoint` and `client`. Left out: what the object means (`Skill.from_json`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_TEXT = 65_536
"""Characters of an answer that are looked at."""

MAX_STARTS = 32
"""Braces at which a JSON object is looked for."""

MOST_TOKENS = 10_000_000
"""What a server counts beyond this is taken for nonsense."""

_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)


class GarbledError(ValueError):
    """The bytes are no whole answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model said.

    Args:
        text: All of it.
        finish: Why it ended: `stop`, `length`, or what else the server calls it.
        tokens_in: Tokens of the question as the server counted; None where it did not say.
        tokens_out: Of the answer, likewise.
    """

    text: str
    finish: str
    tokens_in: int | None = None
    tokens_out: int | None = None


def read_answer(data: bytes) -> Answer:
    """Put an answer together.

    Args:
        data: The body of a response: server-sent events, or one object from a server that does not stream.

    Raises:
        GarbledError: It is neither, it ends before its end, or it reports an error.
    """
    if data.lstrip()[:1] == b"{":
        return _joined([_object(data)], is_ended=True)
    lines = [line[5:].strip() for line in data.splitlines() if line.startswith(b"data:")]
    if not lines:
        raise GarbledError("no event came")
    is_ended = lines[-1] == b"[DONE]"
    return _joined([_object(line) for line in lines if line != b"[DONE]"], is_ended=is_ended)


def _joined(parts: list[dict[str, Any]], *, is_ended: bool) -> Answer:
    texts: list[str] = []
    finish = ""
    counted: Mapping[str, Any] = {}
    for part in parts:
        if part.get("error"):
            raise GarbledError(f"an error in the answer: {str(part['error'])[:200]}")
        counted = part["usage"] if isinstance(part.get("usage"), Mapping) else counted
        for choice in _choices(part):
            texts.append(_text(choice))
            finish = choice["finish_reason"] if isinstance(choice.get("finish_reason"), str) else finish
    if not finish and not is_ended:
        raise GarbledError("it ends in the middle")
    return Answer(
        text="".join(texts)[:MAX_TEXT],
        finish=finish or "stop",
        tokens_in=_count(counted.get("prompt_tokens")),
        tokens_out=_count(counted.get("completion_tokens")),
    )


def _choices(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    choices = part.get("choices")
    first = choices[:1] if isinstance(choices, list) else []
    yield from (choice for choice in first if isinstance(choice, Mapping))


def _text(choice: Mapping[str, Any]) -> str:
    message = choice.get("delta") or choice.get("message")
    if not isinstance(message, Mapping):
        return ""
    return next((message[key] for key in ("content", "refusal") if isinstance(message.get(key), str)), "")


def _count(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS
    return value if is_count else None  # type: ignore[return-value] # is_count says it is an int


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise GarbledError(f"no JSON: {data[:60]!r}") from error
    if not isinstance(value, dict):
        raise GarbledError(f"no JSON object: {data[:60]!r}")
    return value


def find_object(text: str) -> dict[str, Any] | None:
    """The first JSON object in what a model wrote, which may stand between words or in a fenced block.

    Args:
        text: The answer; what it thought aloud (`<think>`) is passed over.
    """
    rest = _THOUGHTS.sub("", text[:MAX_TEXT])
    decoder = json.JSONDecoder()
    start = rest.find("{")
    for _ in range(MAX_STARTS):
        if start < 0:
            return None
        try:
            value, _ = decoder.raw_decode(rest, start)
        except (ValueError, RecursionError):
            start = rest.find("{", start + 1)
            continue
        return value if isinstance(value, dict) else None
    return None
