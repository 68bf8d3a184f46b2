"""The dashboard's addresses.

Job: turn requests into questions and answers into JSON, files and sockets. Place in the data flow: browser ->
`security` -> here -> `answers`. Left out: what is known (`answers`), and starting (`serving`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import xxhash
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gamefleet.watch.answers import Answers, versions
from gamefleet.watch.contained import UnknownError, stamped
from gamefleet.watch.run_view import is_plain

PAGES = Path(__file__).parent / "pages"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
}
MEDIA_TYPES = {
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}

LARGEST_INT = 2**63

LIVE_INTERVAL_S = 0.5
SLOWEST_SOCKET_S = 5.0
MOST_SOCKETS = 32
TRY_LATER, TOO_SLOW = 1013, 1008

Ask = Callable[[Request], Any]


def make_app(answers: Answers, *, more: Sequence[BaseRoute] = ()) -> Starlette:
    """The application, without protection.

    Args:
        answers: What is known.
        more: Further addresses, such as those of live pictures.
    """
    live = Live(answers)
    routes: list[BaseRoute] = [
        Route("/", page, methods=["GET"]),
        Route("/static/{path:path}", static, methods=["GET"]),
        *(Route(f"/api/{name}", json_route(answers, ask), methods=["GET"]) for name, ask in questions(answers).items()),
        Route("/api/checks", start_checks(answers), methods=["POST"]),
        Route("/media/{run}/{file}", media(answers), methods=["GET"]),
        Route("/panels/{game}/{name}.js", panel_script(answers), methods=["GET"]),
        Route("/panels/{game}/{name}.json", json_route(answers, panel_data(answers)), methods=["GET"]),
        WebSocketRoute("/ws/live", live.serve),
        *more,
    ]
    return Starlette(routes=routes, exception_handlers={404: not_found})


def questions(answers: Answers) -> Mapping[str, Ask]:
    """Address below `/api/` -> how it is answered."""

    def run(request: Request) -> str | None:
        return request.query_params.get("run")

    return {
        "site": lambda request: answers.describe(),
        "now": lambda request: answers.now(run(request)),
        "runs": lambda request: answers.runs(),
        "metrics": lambda request: answers.metrics(run(request)),
        "curves": lambda request: curves(answers, request),
        "events": lambda request: answers.events(run(request), whole(request, "limit") or 200),
        "visits": lambda request: answers.visits(run(request), whole(request, "until")),
        "recent": lambda request: answers.recent(run(request)),
        "agents": lambda request: answers.agents(),
        "chain": lambda request: answers.chain(),
        "machines": lambda request: answers.machines(),
        "averaging": lambda request: answers.averaging(),
        "skills": lambda request: answers.skills(),
        "checks": lambda request: answers.check_list.as_json(),
    }


def curves(answers: Answers, request: Request) -> Any:
    """Curves of any number of runs and names."""
    asked = request.query_params
    window = {"points": decimal(request, "points"), "first": decimal(request, "from"), "last": decimal(request, "to")}
    return answers.curves(asked.getlist("run"), asked.getlist("name"), **window)


def decimal(request: Request, name: str) -> float | None:
    """A number in an address; None when there is none, or something else."""
    with suppress(ValueError, OverflowError):
        value = float(request.query_params.get(name, ""))
        return value if abs(value) < 1e18 else None
    return None


def whole(request: Request, name: str) -> int | None:
    """A whole number in an address."""
    value = decimal(request, name)
    return None if value is None else int(value)


def json_route(answers: Answers, ask: Ask) -> Callable[[Request], Response]:
    """An address that answers with JSON; what fails is told in its place."""

    def endpoint(request: Request) -> Response:
        answers.freshness.note_asked()
        try:
            outcome = stamped(lambda: ask(request))
        except UnknownError as error:
            return as_json({"error": str(error)}, status=404)
        if outcome.error:
            return as_json({"error": f"{request.url.path}: {outcome.error}"}, status=500)
        return as_json(outcome.value, request=request)

    return endpoint


def as_json(value: Any, *, status: int = 200, request: Request | None = None) -> Response:
    """JSON with the server's time and a mark by which the browser knows that nothing changed."""
    body = encoded(value)
    mark = f'"{xxhash.xxh3_64_hexdigest(body)}"'
    headers = {"cache-control": "no-cache", "etag": mark}
    if request is not None and request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers=headers)
    if isinstance(value, dict):
        at = msgspec.json.encode({"at": round(time.time(), 1)})
        body = body[:-1] + (b"," if len(body) > 2 else b"") + at[1:]
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def encoded(value: Any) -> bytes:
    """JSON, also of what a file may hold but no answer: half characters, and whole numbers without bounds."""
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError, ValueError, TypeError):
        return msgspec.json.encode(plain(value))


def plain(value: Any) -> Any:
    """The same with what JSON cannot hold replaced."""
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, int) and abs(value) >= LARGEST_INT:
        return None
    return value if isinstance(value, int | float | None) else plain(str(value))


def not_found(request: Request, error: Exception) -> Response:
    """For what has no address."""
    return as_json({"error": f"There is nothing at {request.url.path[:200]}"}, status=404)


def page(request: Request) -> Response:
    """The one page."""
    return file_in(PAGES, "index.html", TYPES)


def static(request: Request) -> Response:
    """Scripts and styles of the pages."""
    return file_in(PAGES, request.path_params["path"], TYPES)


def file_in(folder: Path, name: str, types: Mapping[str, str]) -> Response:
    """A plain file of a known kind below a folder; nothing else, whatever its name says."""
    parts = name.split("/")
    kind = types.get(Path(parts[-1]).suffix.lower())
    if kind is None or any(part in ("", ".", "..") or part.startswith(".") or "\\" in part for part in parts):
        return as_json({"error": f"There is no file {name[:200]!r}"}, status=404)
    path = folder.joinpath(*parts)
    with suppress(OSError, ValueError):
        if is_plain(path) and path.resolve().is_relative_to(folder.resolve()):
            return FileResponse(path, media_type=kind, headers={"cache-control": "no-cache"})
    return as_json({"error": f"There is no file {name[:200]!r}"}, status=404)


def media(answers: Answers) -> Callable[[Request], Response]:
    """Pictures and videos of a run."""

    def endpoint(request: Request) -> Response:
        try:
            view = answers.view(request.path_params["run"])
        except UnknownError as error:
            return as_json({"error": str(error)}, status=404)
        return file_in(view.paths.media, request.path_params["file"], MEDIA_TYPES)

    return endpoint


def panel_script(answers: Answers) -> Callable[[Request], Response]:
    """The script of a game's panel."""

    def endpoint(request: Request) -> Response:
        try:
            panel = answers.panels.find(answers.games, request.path_params["game"], request.path_params["name"])
        except UnknownError as error:
            return as_json({"error": str(error)}, status=404)
        return file_in(panel.script.parent, panel.script.name, {".js": TYPES[".js"]})

    return endpoint


def panel_data(answers: Answers) -> Ask:
    """The data of a game's panel."""

    def ask(request: Request) -> Any:
        game, name = request.path_params["game"], request.path_params["name"]
        panel = answers.panels.find(answers.games, game, name)
        return answers.panels.data(panel, answers.view(request.query_params.get("run")))

    return ask


def start_checks(answers: Answers) -> Callable[[Request], Response]:
    """Run the checks."""

    def endpoint(request: Request) -> Response:
        answers.check_list.start()
        return as_json(answers.check_list.as_json(), status=202)

    return endpoint


class Live:
    """Tells browsers what changed, so that they need not ask for everything again and again.

    Args:
        answers: What is known.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._open = 0

    async def serve(self, socket: WebSocket) -> None:
        """One browser, until it leaves or is too slow."""
        await socket.accept()
        if self._open >= MOST_SOCKETS:
            await socket.close(TRY_LATER, "too many pages are open")
            return
        self._open += 1
        leaving = asyncio.create_task(until_left(socket))
        try:
            await self._tell(socket, leaving)
        except TimeoutError:
            with suppress(RuntimeError, TimeoutError):
                async with asyncio.timeout(SLOWEST_SOCKET_S):  # it may not take the good-bye either
                    await socket.close(TOO_SLOW, "too slow")
        except (WebSocketDisconnect, RuntimeError):
            pass  # it left between two words
        finally:
            self._open -= 1
            leaving.cancel()

    async def _tell(self, socket: WebSocket, leaving: asyncio.Task[None]) -> None:
        seen: dict[str, int] = {}
        while not leaving.done() and socket.application_state == WebSocketState.CONNECTED:
            self._answers.freshness.note_asked()
            numbers = await asyncio.to_thread(versions, self._answers)
            changed = [name for name, number in numbers.items() if seen.get(name) != number]
            if changed:
                seen = numbers
                told = {"changed": changed, "at": round(time.time(), 1)}
                async with asyncio.timeout(SLOWEST_SOCKET_S):
                    await socket.send_text(msgspec.json.encode(told).decode())
            await asyncio.wait([leaving], timeout=LIVE_INTERVAL_S * (2 if changed else 1))


async def until_left(socket: WebSocket) -> None:
    """Listen to a browser that has nothing to say, until it leaves."""
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
