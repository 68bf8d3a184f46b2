"""A model's server, and one request to it with its one answer or its one reason why not.

Job: ask once through the `openai` SDK and read what comes under a deadline and a size limit, streamed or not; sort all
that can go wrong into kinds. Place in the data flow: below `client`. Left out: trying again (`client_retries`), what
servers understand (`dialect`), what is asked (`prompts`).

The SDK's own retries and redirects are off: a redirect would carry the prompt to a server that nobody named.
"""

from __future__ import annotations

import email.utils
import enum
import ipaddress
import math
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gamefleet.errors import ConfigError, MissingDependencyError, PeerError
from gamefleet.skills.client_answer import Answer, GarbledError, read_answer
from gamefleet.skills.proposer import plain

if TYPE_CHECKING:
    import openai

DEFAULT_BASE_URL = "https://api.openai.com/v1"

MAX_ANSWER_BYTES = 16 << 20
"""Most that is read of one answer: a streamed token takes about 300 bytes."""

MAX_LISTED_MODELS = 12


class Trouble(enum.Enum):
    """Why there is no answer. The first five may pass; the others stay."""

    RATE_LIMITED = "asked too often"
    BROKEN = "an error of the server"
    TIMEOUT = "no answer in time"
    UNREACHABLE = "not reachable"
    CUT = "the answer was cut or garbled"
    UNSUPPORTED = "the server does not understand the request"
    MISSING = "no such model or address"
    REFUSED = "not allowed"

    @property
    def may_pass(self) -> bool:
        """Whether asking again may help."""
        return self not in (Trouble.UNSUPPORTED, Trouble.MISSING, Trouble.REFUSED)


class RequestFailedError(PeerError):
    """One request got no answer.

    Args:
        trouble: What kind of reason.
        what: One sentence without a full stop.
        retry_after_s: How long the server asks to be left alone.
        details: `value`, `where` and `remedy` of `GamefleetError`.
    """

    def __init__(self, trouble: Trouble, what: str, *, retry_after_s: float | None = None, **details: Any) -> None:
        super().__init__(what, **details)
        self.trouble = trouble
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model answers.

    Args:
        base_url: Ends where `/chat/completions` is added.
        key: Is shown to that server and to nobody else.
        connect_timeout_s: To reach it.
        read_timeout_s: Without a byte.
        total_timeout_s: For one whole answer.
    """

    base_url: str
    key: str = field(repr=False)
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 120.0
    total_timeout_s: float = 600.0

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine or in a private network."""
        host = urlsplit(self.base_url).hostname or ""
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_private
        except ValueError:
            return False

    def scrub(self, text: str) -> str:
        """What the server said, fit for logs: one printable line in which the key does not occur."""
        return plain(self.without_key(text))

    def without_key(self, text: str) -> str:
        """A text in which the key does not occur; a server may repeat it, also in an answer that is kept."""
        return text.replace(self.key, "(key)") if len(self.key) > 6 else text


def find_endpoint(environment: Mapping[str, str]) -> Endpoint:
    """The server that `OPENAI_BASE_URL` and `OPENAI_API_KEY` speak of; OpenAI's own without the first.

    Raises:
        ConfigError: The address is none, or there is no key for a server that is not local.
    """
    base_url = environment.get("OPENAI_BASE_URL", "").strip().rstrip("/") or DEFAULT_BASE_URL
    _check_address(base_url)
    key = environment.get("OPENAI_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigError("OPENAI_API_KEY is not a key: it holds characters that no key has", where="environment")
    endpoint = Endpoint(base_url=base_url, key=key or "local")
    if not key and not endpoint.is_local:
        raise ConfigError(
            f"No key for {base_url}",
            where="environment",
            remedy="Set OPENAI_API_KEY, or use a local server (OPENAI_BASE_URL=http://127.0.0.1:11434/v1), "
            "or --proposer catalogue, which needs neither.",
        )
    return endpoint


def _check_address(base_url: str) -> None:
    form = "Write OPENAI_BASE_URL like https://api.example.org/v1 or http://127.0.0.1:11434/v1."
    try:
        parts = urlsplit(base_url)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
        parts = urlsplit("")
    if not is_whole or not base_url.isprintable() or " " in base_url:
        raise ConfigError("Not the address of a server", value=plain(base_url, 80), remedy=form)
    if parts.username or parts.password or parts.query or parts.fragment:
        # Not shown: it may hold a password.
        raise ConfigError("OPENAI_BASE_URL holds a user name, a password or a query", remedy=form)


def ask(endpoint: Endpoint, request: Mapping[str, Any], clock: Callable[[], float]) -> Answer:
    """Send one request and read its answer.

    Args:
        endpoint: Where.
        request: The fields of a chat completion.
        clock: Seconds, of any origin.

    Raises:
        RequestFailedError: There is no answer; its `trouble` says of which kind.
    """
    import httpx2
    import openai

    deadline = clock() + endpoint.total_timeout_s
    try:
        with (
            make_client(endpoint) as client,
            client.chat.completions.with_streaming_response.create(**request) as response,
        ):
            return read_answer(_collect(response.iter_bytes(), deadline, clock))
    except openai.APIStatusError as error:
        raise _of_status(error, endpoint) from None  # servers repeat the key, which would be in a traceback
    except (openai.APITimeoutError, httpx2.TimeoutException) as error:
        raise _failed(Trouble.TIMEOUT, "The model's server fell silent", endpoint) from error
    except openai.APIConnectionError as error:
        said = endpoint.scrub(str(error.__cause__ or error))
        raise _failed(Trouble.UNREACHABLE, f"Cannot reach the model's server ({said})", endpoint) from error
    except (httpx2.HTTPError, GarbledError) as error:
        raise _failed(Trouble.CUT, f"The answer broke off ({endpoint.scrub(str(error))})", endpoint) from error


def list_models(endpoint: Endpoint) -> tuple[str, ...]:
    """Names of the models that a server offers, at most `MAX_LISTED_MODELS`; costs nothing.

    Raises:
        RequestFailedError: It does not say.
    """
    import openai

    try:
        with make_client(endpoint) as client:
            listed = client.models.list().data or []
            return tuple(plain(str(model.id), 80) for model in listed[:MAX_LISTED_MODELS])
    except openai.APIStatusError as error:
        raise _of_status(error, endpoint) from None  # servers repeat the key, which would be in a traceback
    except (openai.OpenAIError, ValueError, AttributeError, TypeError) as error:  # an answer of any shape
        said = endpoint.scrub(str(error.__cause__ or error))
        raise _failed(Trouble.UNREACHABLE, f"The model's server lists no models ({said})", endpoint) from error


def make_client(endpoint: Endpoint) -> openai.OpenAI:
    """The SDK's client; closes its connections when its block ends.

    Raises:
        MissingDependencyError: The SDK is not installed.
    """
    try:
        import openai
    except ImportError as error:
        raise MissingDependencyError(
            "A language model needs the package openai",
            remedy="pip install 'gamefleet[llm]', or use --proposer catalogue, which needs nothing.",
        ) from error
    # Without TLS no certificates are needed, and reading them takes longer than a local request; whatever should speak
    # TLS all the same, as a proxy might, is trusted by nobody.
    is_open = endpoint.base_url.startswith("http:")
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_open else True
    return openai.OpenAI(
        api_key=endpoint.key,
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=openai.Timeout(endpoint.read_timeout_s, connect=endpoint.connect_timeout_s),
        http_client=openai.DefaultHttpxClient(follow_redirects=False, verify=trusted),
    )


def _collect(chunks: Iterable[bytes], deadline: float, clock: Callable[[], float]) -> bytes:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > MAX_ANSWER_BYTES:
            raise GarbledError(f"more than {MAX_ANSWER_BYTES} bytes")
        if clock() > deadline:
            raise GarbledError("it took longer than one answer may")
    return bytes(data)


def _failed(trouble: Trouble, what: str, endpoint: Endpoint, retry_after_s: float | None = None) -> RequestFailedError:
    return RequestFailedError(trouble, what, where=endpoint.base_url, retry_after_s=retry_after_s)


def _of_status(error: openai.APIStatusError, endpoint: Endpoint) -> RequestFailedError:
    status, headers = error.status_code, error.response.headers
    said = endpoint.scrub(_message(error))
    if 300 <= status < 400:
        target = endpoint.scrub(headers.get("location", "nowhere"))
        what = f"The model's server redirects to {target}, where nothing is sent: name that address yourself"
        return _failed(Trouble.REFUSED, what, endpoint)
    trouble = _trouble(status, getattr(error, "code", None))
    return _failed(trouble, f"The model's server answered {status}: {said}", endpoint, _retry_after(headers))


def _trouble(status: int, code: object) -> Trouble:
    if status == 429:
        return Trouble.REFUSED if code == "insufficient_quota" else Trouble.RATE_LIMITED
    if status in (400, 405, 415, 422, 501):
        return Trouble.UNSUPPORTED
    if status in (408, 409, 425) or status >= 500:
        return Trouble.BROKEN
    return Trouble.MISSING if status == 404 else Trouble.REFUSED


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping):
        body = body["error"]
    message = body.get("message") if isinstance(body, Mapping) else body
    return str(message) if message else "nothing"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of `Retry-After`, which may also be a date; that is compared with the server's own clock."""
    text = headers.get("retry-after", "")
    try:
        seconds = float(text)
    except ValueError:
        seconds = _seconds_between(headers.get("date", ""), text)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_between(start: str, end: str) -> float:
    try:
        return (email.utils.parsedate_to_datetime(end) - email.utils.parsedate_to_datetime(start)).total_seconds()
    except (ValueError, TypeError):  # no date, or one of two knows no zone
        return math.nan
