"""Who may ask: this machine's own browser pages, or who has the token.

Job: stand before every page and socket and refuse strangers. Place in the data flow: browser -> here -> the pages of
`server` and `viewer`. Left out: what is served.

A page of any web site may send requests to 127.0.0.1, and a name of its own may be made to mean 127.0.0.1. So the name
under which the browser asks must be one of ours (`Host`), and what is more than a look must come from our own page
(`Origin`). Beyond loopback, and on machines that others log in to, a secret is needed as well: it is in the address
that was printed, and is exchanged at once for a cookie that scripts cannot read.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
HOST_PATTERN = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?")
LOOKS = frozenset({"GET", "HEAD"})
LARGEST_BODY_BYTES = 1 << 16
LONGEST_QUERY = 8192
LONGEST_HEADERS_BYTES = 1 << 15

POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered.

    Args:
        status: Of HTTP.
        text: For people.
    """

    status: int
    text: str


def secured(app: App, *, hosts: Collection[str] = (), token: str | None = None) -> App:
    """An application that answers only whom it should.

    Args:
        app: What is protected, an ASGI application.
        hosts: Names besides those of loopback under which the server may be asked, without ports.
        token: Needed by everyone when given.
    """
    names = LOOPBACK_NAMES | {name.lower() for name in hosts}

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
            return
        headers = headers_of(scope)
        refusal = refused(scope, headers, names)
        if refusal is None and token is not None and not has_cookie(scope, headers, token):
            if scope["type"] == "http" and offers(scope, token):
                await exchange(scope, send, token)
                return
            refusal = Refusal(403, "Open the address that gamefleet printed: it has the token that is needed here.")
        if refusal is not None:
            await refuse(scope, receive, send, refusal)
        else:
            await app(scope, receive, hardened(send))

    return guard


def headers_of(scope: Scope) -> dict[str, list[str]]:
    """Header -> its values."""
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def refused(scope: Scope, headers: dict[str, list[str]], names: Collection[str]) -> Refusal | None:
    """Why a request is refused before its token is looked at; None when it is not."""
    hosts = headers.get("host", [])
    match = HOST_PATTERN.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if match is None or match[1].lower() not in names:
        shown = hosts[0][:100] if hosts else "nothing"
        return Refusal(421, f"This server is not asked as {shown!r}: use the address that gamefleet printed.")
    is_look = scope["type"] == "http" and scope["method"] in LOOKS
    origins = headers.get("origin", [])
    if not is_look or origins:
        # The browser says which page asks; a page of another site, or a program without one, changes nothing here.
        ours = {f"{scheme}://{hosts[0]}".lower() for scheme in ("http", "https")}
        if len(origins) != 1 or origins[0].lower() not in ours:
            return Refusal(403, "Requests of other sites are not answered.")
    if len(scope.get("query_string", b"")) > LONGEST_QUERY:
        return Refusal(414, "The address is too long.")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > LONGEST_HEADERS_BYTES:
        return Refusal(431, "The headers are too long.")
    return _body_refusal(headers)


def _body_refusal(headers: dict[str, list[str]]) -> Refusal | None:
    lengths = headers.get("content-length", [])
    is_long = any(not text.isdigit() or int(text) > LARGEST_BODY_BYTES for text in lengths)
    if is_long or "transfer-encoding" in headers:
        return Refusal(413, f"No request is longer than {LARGEST_BODY_BYTES} bytes.")
    return None


def cookie_name(scope: Scope) -> str:
    """Browsers keep cookies by host without the port, and another server may run beside this one."""
    server = scope.get("server") or ("", 0)
    return f"gamefleet-{server[1]}"


def proof(token: str) -> str:
    """What the cookie holds: that somebody knew the token, not the token."""
    return hashlib.sha256(b"gamefleet page " + token.encode()).hexdigest()


def has_cookie(scope: Scope, headers: dict[str, list[str]], token: str) -> bool:
    """Whether the browser showed the token before."""
    name, expected = cookie_name(scope), proof(token)
    for text in headers.get("cookie", []):
        try:
            cookies = SimpleCookie(text)
        except CookieError:
            continue
        if name in cookies and hmac.compare_digest(cookies[name].value.encode(), expected.encode()):
            return True
    return False


def query_of(scope: Scope) -> list[tuple[str, str]]:
    """The parts of an address after its question mark."""
    return parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True, max_num_fields=200)


def offers(scope: Scope, token: str) -> bool:
    """Whether the address has the token."""
    try:
        offered = [value for name, value in query_of(scope) if name == "token"]
    except ValueError:
        return False
    return any(hmac.compare_digest(value.encode(), token.encode()) for value in offered)


async def exchange(scope: Scope, send: Send, token: str) -> None:
    """Give the cookie and send the browser to the same address without the token."""
    rest = urlencode([(name, value) for name, value in query_of(scope) if name != "token"])
    path = "/" + scope["raw_path"].decode("latin-1").split("?")[0].lstrip("/")  # never `//elsewhere`
    cookie = f"{cookie_name(scope)}={proof(token)}; Path=/; HttpOnly; SameSite=Strict"
    headers = [
        (b"location", f"{path}{'?' if rest else ''}{rest}".encode("latin-1")),
        (b"set-cookie", cookie.encode()),
        (b"cache-control", b"no-store"),
        (b"content-length", b"0"),
    ]
    await hardened(send)({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def refuse(scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
    """Answer with a sentence, or close a socket before it is open."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.text[:120]})
        return
    body = refusal.text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await hardened(send)({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def hardened(send: Send) -> Send:
    """Add the headers that every answer has."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*_without(message.get("headers", ())), *HEADERS]}
        await send(message)

    return send_with_headers


def _without(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    ours = {name for name, _ in HEADERS}
    return [(name, value) for name, value in headers if name.lower() not in ours]
