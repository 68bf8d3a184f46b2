"""Live pictures on the dashboard.

Job: listen for players as `gamefleet view` does, and say in the folders that are shown where. Place in the data flow:
players -> hub -> pages. Left out: pictures (`watch.hub`), and the way from a compute node to here (the players' part).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gamefleet.cli.watching import listening, machine_label
from gamefleet.errors import GamefleetError

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.websockets import WebSocket

    from gamefleet.cluster.ssh import Remote
    from gamefleet.transport.token import Token
    from gamefleet.watch.frames_socket import FramesSocket
    from gamefleet.watch.hub import Hub

RETRY_S = 30.0
LONGEST_JOIN_S = 10.0


class LivePictures:
    """Makes the hub in the background and stands in for it until then: the first page shall not wait for it.

    Args:
        begin: Makes the hub; while it cannot (no network), it is asked again.
        retry_s: Between two tries.
    """

    def __init__(self, begin: Callable[[], AbstractContextManager[Hub]], *, retry_s: float = RETRY_S) -> None:
        self._begin = begin
        self._retry_s = retry_s
        self._exit = ExitStack()
        self._hub: Hub | None = None
        self._socket: FramesSocket | None = None
        self._why = "starting"
        self._tried = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="live-pictures", daemon=True)

    def start(self) -> None:
        """Begin; only once everything else is imported: a Ctrl-C amid imports of two threads can lock both out."""
        self._thread.start()

    def as_json(self) -> dict[str, Any]:
        """See `answers.Pictures`."""
        if self._hub is not None:
            return self._hub.as_json()
        return {"streaming": {"listening": False, "producers": 0, "why": self._why}, "agents": []}

    def best(self, k: int, /) -> Sequence[str]:
        """See `answers.Pictures`."""
        return self._hub.best(k) if self._hub is not None else ()

    def route(self) -> BaseRoute:
        """For a Starlette app."""
        from starlette.routing import WebSocketRoute

        return WebSocketRoute("/ws/frames", self._serve)

    def close(self) -> None:
        """End the hub, and take back what was said in folders."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=LONGEST_JOIN_S)
        self._exit.close()

    async def _serve(self, socket: WebSocket) -> None:
        import asyncio

        await asyncio.to_thread(self._tried.wait)
        if self._socket is not None:
            await self._socket.serve(socket)
            return
        await socket.accept()
        await socket.close(TRY_AGAIN_LATER, "there are no live pictures yet")

    def _work(self) -> None:
        from gamefleet.watch.frames_socket import FramesSocket

        while not self._stop.is_set():
            try:
                hub = self._exit.enter_context(self._begin())
            except (GamefleetError, OSError) as error:
                self._why = str(error)
                self._tried.set()
                self._stop.wait(self._retry_s)
                continue
            self._socket, self._hub = FramesSocket(hub), hub
            self._tried.set()
            return


TRY_AGAIN_LATER = 1013


@contextmanager
def pictures_through(remote: Remote, port: int, ssh_config: Path | None) -> Iterator[Hub]:
    """A hub for the players of another machine's folder, which reach it through a tunnel that is held.

    Args:
        remote: The folder; it is told where the tunnel ends.
        port: On this machine's loopback address; 0 for any.
        ssh_config: As for `ssh -F`.

    Raises:
        ClusterError: The machine or the folder cannot be reached.
    """
    from gamefleet.cli.view import held_tunnel, token_for

    token, _ = token_for(str(remote), None, ssh_config)
    with listening(port, token) as (hub, actual), held_tunnel(remote, actual, ssh_config):
        yield hub


@contextmanager
def live_pictures(port: int, folders: Sequence[Path]) -> Iterator[Hub]:
    """A hub for the players of some runs or fleets.

    Args:
        port: On this machine's loopback address; 0 for any.
        folders: Run folders and shared folders; each is told where the hub is while the block lasts.
    """
    from gamefleet.transport.rendezvous import rendezvous

    places = [rendezvous(folder) for folder in folders]
    with ExitStack() as stack:
        hub, actual = stack.enter_context(listening(port, token_for(places)))
        for place in places:
            stack.enter_context(published(place, actual))
        yield hub


def token_for(places: Sequence[Path]) -> Token:
    """The token of the folders, or this user's own, which is made when there is none."""
    from gamefleet.transport.rendezvous import tokens
    from gamefleet.transport.token import usual_place, write_token

    found = tokens(places, os.environ)
    return found[0] if found else write_token(usual_place(os.environ))


@contextmanager
def published(place: Path, port: int) -> Iterator[None]:
    """Say in a folder where the hub is; a folder that may only be read is left alone.

    This is the one thing that the dashboard writes.
    """
    from gamefleet.transport.rendezvous import Endpoint, publish_endpoint, withdraw_endpoint

    host = machine_label("localhost")
    name = f"dashboard-{host}-{os.getpid()}"
    withdraw_dead(place, f"dashboard-{host}-")
    try:
        publish_endpoint(place, name, Endpoint(host=host, port=port, at=time.time()))
    except (GamefleetError, OSError):
        yield
        return
    try:
        yield
    finally:
        withdraw_endpoint(place, name)


def withdraw_dead(place: Path, prefix: str) -> None:
    """Take back what dashboards of this machine said that were killed: each word is a connection that is tried."""
    import psutil

    from gamefleet.transport.rendezvous import withdraw_endpoint

    for path in place.glob(f"viewer-{prefix}*.json"):
        number = path.stem.rpartition("-")[2]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            withdraw_endpoint(place, path.stem.removeprefix("viewer-"))
