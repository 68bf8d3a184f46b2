"""The viewer's page: the best agents and nothing else.

Job: the web application of `gamefleet view`. Place in the data flow: hub -> here -> browser. Left out: serving and
protection (`serving`), and the dashboard (`server`), which has the same pictures among other pages.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gamefleet.watch.frames_socket import FramesSocket
from gamefleet.watch.hub import Hub

PAGES = Path(__file__).parent / "pages"


def viewer_app(hub: Hub, *, view: dict[str, Any], extra: Callable[[], dict[str, Any]] | None = None) -> Starlette:
    """The viewer as an application, not yet protected.

    Args:
        hub: Where pictures come from.
        view: How the page is to look: `top_k`, `width`, `height`, `fps`.
        extra: More to say about the streaming, such as how the tunnel is.
    """

    def agents(request: Request) -> JSONResponse:
        answer = hub.as_json()
        if extra is not None:
            answer["streaming"] = {**answer["streaming"], **extra()}
        return JSONResponse({**answer, "view": view})

    def page(request: Request) -> FileResponse:
        return FileResponse(PAGES / "view.html", headers={"cache-control": "no-cache"})

    routes = [
        Route("/", page),
        Route("/api/agents", agents),
        FramesSocket(hub).route(),
        Mount("/static", StaticFiles(directory=PAGES)),
    ]
    return Starlette(routes=routes)
