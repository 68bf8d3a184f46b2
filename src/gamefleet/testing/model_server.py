"""A model's server on loopback that does what it is told: good answers, bad ones, and every usual way to fail.

Job: a real HTTP server with the interface of hosted and local models, for tests of whoever asks them. Place in the data
flow: takes the place of a provider. Left out: a model; its answers are written down beforehand.

    with ModelServer([Reply(status=429, headers={"Retry-After": "1"}), Reply(text="{...}")]) as server:
        environment = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "test"}

Small questions about what it understands are answered by `Understanding` and take none of the written answers.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, cast

from gamefleet.skills.dialect import PROBE_SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer.

    Args:
        text: What the model says.
        status: Of HTTP; from 400 on `text` is the error's message.
        code: The error's code, as `insufficient_quota`.
        headers: Further headers.
        finish: Why the answer ended.
        body: Sent as it is, instead of all that.
        cut_after: Bytes of the body after which the connection is closed.
        delay_s: Before the first byte.
        pause_s: Before each further part of a stream.
        has_usage: Whether the tokens are counted.
    """

    text: str = ""
    status: int = 200
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    finish: str = "stop"
    body: bytes | None = None
    cut_after: int | None = None
    delay_s: float = 0.0
    pause_s: float = 0.0
    has_usage: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Understanding:
    """What the server makes of a request's form.

    Args:
        formats: Kinds of `response_format` that it takes: `json_schema`, `json_object_schema`, `json_object`, `none`.
        enforced: Of these, the ones whose schema it obeys.
        refusal: Status for the others.
        limits: Names of the answer's limit that it takes.
        is_streaming: Whether it takes `stream`.
        ignores_stream: Whether it answers in one piece all the same.
    """

    formats: tuple[str, ...] = ("json_schema", "json_object", "none")
    enforced: tuple[str, ...] = ("json_schema",)
    refusal: int = 400
    limits: tuple[str, ...] = ("max_tokens", "max_completion_tokens")
    is_streaming: bool = True
    ignores_stream: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request that came.

    Args:
        path: As it was asked for.
        headers: By lower-case name.
        body: The JSON object.
    """

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def is_probe(self) -> bool:
        """Whether it only asks what the server understands."""
        return _schema(self.body) == PROBE_SCHEMA or "blue" in str(self.body.get("messages"))


class ModelServer:
    """The server; runs while its block does.

    Args:
        replies: Answers in their order; the last one is repeated.
        understanding: What it makes of forms.
        models: Names of the models that it has; None has every one.
        key: The key that it wants; None takes any.
    """

    def __init__(
        self,
        replies: Sequence[Reply],
        understanding: Understanding | None = None,
        models: tuple[str, ...] | None = None,
        key: str | None = None,
    ) -> None:
        self.replies = list(replies)
        self.understanding = Understanding() if understanding is None else understanding
        self.models = models
        self.key = key
        self.seen: list[Seen] = []
        self.closing = threading.Event()
        self._http = _HttpServer(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def base_url(self) -> str:
        """For `OPENAI_BASE_URL`."""
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    @property
    def questions(self) -> list[Seen]:
        """The requests that were no small questions."""
        return [seen for seen in self.seen if not seen.is_probe]

    def next_reply(self) -> Reply:
        """The next written answer."""
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def __enter__(self) -> ModelServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = False  # joined when the server closes, so that no test leaves one behind
    owner: ModelServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some tests are about."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        owner = self._owner()
        names = owner.models or ("any-model",)
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in names]
        self._send(Reply(body=json.dumps({"object": "list", "data": listed}).encode()), {})

    def do_POST(self) -> None:
        owner = self._owner()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(path=self.path, headers=headers, body=body)
        owner.seen.append(seen)
        refusal = _refusal(seen, owner)
        if refusal is not None:
            self._send(refusal, body)
        elif seen.is_probe:
            self._send(Reply(text=_echo(body, owner.understanding)), body)
        else:
            self._send(owner.next_reply(), body)

    def _owner(self) -> ModelServer:
        return cast(_HttpServer, self.server).owner

    def _send(self, reply: Reply, request: Mapping[str, Any]) -> None:
        owner = self._owner()
        owner.closing.wait(reply.delay_s)
        is_streamed = bool(request.get("stream")) and not owner.understanding.ignores_stream
        parts = list(_parts(reply, is_streamed=is_streamed and reply.status < 300))
        self.close_connection = True
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/event-stream" if len(parts) > 1 else "application/json")
        self.send_header("Content-Length", str(sum(len(part) for part in parts)))
        self.send_header("Connection", "close")
        self.end_headers()
        left = reply.cut_after if reply.cut_after is not None else 1 << 40
        for part in parts:
            self.wfile.write(part[:left])
            self.wfile.flush()
            left -= len(part)
            if left <= 0 or owner.closing.wait(reply.pause_s):
                return


def _parts(reply: Reply, *, is_streamed: bool) -> Iterator[bytes]:
    """The body, in the pieces in which it is sent."""
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120} if reply.has_usage else None
    if reply.body is not None:
        yield reply.body
    elif reply.status >= 300:
        yield json.dumps({"error": {"message": reply.text, "code": reply.code, "type": "error"}}).encode()
    elif is_streamed:
        for start in range(0, len(reply.text), 16):
            yield _event({"index": 0, "delta": {"content": reply.text[start : start + 16]}, "finish_reason": None})
        yield _event({"index": 0, "delta": {}, "finish_reason": reply.finish}, usage)
        yield b"data: [DONE]\n\n"
    else:
        message = {"role": "assistant", "content": reply.text}
        yield json.dumps(_chunk({"index": 0, "message": message, "finish_reason": reply.finish}, usage)).encode()


def _event(choice: Mapping[str, Any], usage: Mapping[str, int] | None = None) -> bytes:
    return b"data: " + json.dumps(_chunk(choice, usage)).encode() + b"\n\n"


def _chunk(choice: Mapping[str, Any], usage: Mapping[str, int] | None) -> dict[str, Any]:
    return {"id": "1", "object": "chat.completion", "model": "any-model", "choices": [choice], "usage": usage}


def _refusal(seen: Seen, owner: ModelServer) -> Reply | None:
    """Why a request is not answered at all."""
    understanding = owner.understanding
    if owner.key is not None and seen.headers.get("authorization") != f"Bearer {owner.key}":
        shown = seen.headers.get("authorization", "")
        return Reply(status=401, text=f"Incorrect API key provided: {shown}", code="invalid_api_key")
    if owner.models is not None and seen.body.get("model") not in owner.models:
        return Reply(status=404, text=f"The model {seen.body.get('model')!r} does not exist", code="model_not_found")
    limit = next((name for name in ("max_tokens", "max_completion_tokens") if name in seen.body), "max_tokens")
    if limit not in understanding.limits:
        use = understanding.limits[0]
        return Reply(status=400, text=f"Unsupported parameter: '{limit}'. Use '{use}' instead.")
    if seen.body.get("stream") and not understanding.is_streaming:
        return Reply(status=400, text="Your organization must be verified to stream this model")
    if _format(seen.body) not in understanding.formats:
        return Reply(status=understanding.refusal, text="response_format is not supported")
    return None


def _format(body: Mapping[str, Any]) -> str:
    wanted = body.get("response_format")
    if not isinstance(wanted, Mapping):
        return "none"
    return "json_object_schema" if "schema" in wanted else str(wanted.get("type"))


def _schema(body: Mapping[str, Any]) -> Any:
    wanted = body.get("response_format")
    if not isinstance(wanted, Mapping):
        return None
    return wanted.get("schema") or wanted.get("json_schema", {}).get("schema")


def _echo(body: Mapping[str, Any], understanding: Understanding) -> str:
    """The answer to a small question: as its schema says, or as its words do."""
    return '{"colour": "red"}' if _format(body) in understanding.enforced else 'Sure! {"colour": "blue"}'
