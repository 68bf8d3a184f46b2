"""Serving pages on a port of this machine.

Job: take a port, run the server until it is interrupted, and say under which address it is reached. Place in the data
flow: under `gamefleet dashboard` and `gamefleet view`. Left out: what is served.
"""

from __future__ import annotations

import secrets
import signal
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from gamefleet.errors import ConfigError
from gamefleet.watch.security import App, secured

if TYPE_CHECKING:
    import uvicorn

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
EVERYWHERE = frozenset({"0.0.0.0", "::"})
HIGHEST_PORT = 65_535
MOST_CONNECTIONS = 128
"""More at once are told to come back later."""

LONGEST_MESSAGE_BYTES = 1 << 16
"""That a browser may send through a socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where pages are served.

    Args:
        socket: Listens already.
        host: As the user named it.
        port: That was taken.
        token: Needed by every browser; None when being on this machine is enough.
    """

    socket: socket.socket
    host: str
    port: int
    token: str | None = None

    @property
    def address(self) -> str:
        """To be opened in a browser."""
        name = socket.gethostname() if self.host in EVERYWHERE else self.host
        name = f"[{name}]" if ":" in name else name
        return f"http://{name}:{self.port}/" + (f"?token={self.token}" if self.token else "")


def take_place(host: str, port: int | None, *, usual_port: int, token: str | None = None) -> Place:
    """Listen.

    Args:
        host: Name or address of this machine.
        port: As the user wants it; None takes the usual one, or any that is free.
        usual_port: See `port`.
        token: See `Place`.

    Raises:
        ConfigError: The port is taken, or this machine has no such address.
    """
    if port is not None and not 0 <= port <= HIGHEST_PORT:
        raise ConfigError("This is no port", value=port, remedy=f"Choose 1 to {HIGHEST_PORT}, or 0 for any.")
    for candidate in (usual_port, 0) if port is None else (port,):
        try:
            listener = _listen(host, candidate)
        except OSError as error:
            trouble = error
            continue
        return Place(socket=listener, host=host, port=int(listener.getsockname()[1]), token=token)
    raise ConfigError(
        f"Nothing can be served at this address: {trouble.strerror or trouble}",
        value=f"{host}:{usual_port if port is None else port}",
        where="--listen, --port",
        remedy="Choose another port, or leave --port out to take a free one.",
    )


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    return listener


def needed_token(host: str, environment: Mapping[str, str]) -> str | None:
    """A fresh secret where others could ask: beyond loopback, and on machines that others log in to as well.

    A machine that was reached by SSH, or given by a scheduler, is such a one: its loopback is everybody's there.
    """
    is_shared = any(name in environment for name in ("SSH_CONNECTION", "SLURM_JOB_ID"))
    return secrets.token_urlsafe(24) if host not in LOOPBACK or is_shared else None


def names_of(host: str) -> frozenset[str]:
    """Names and addresses under which browsers may ask for what is served at `host`."""
    if host in LOOPBACK:
        return frozenset()
    if host not in EVERYWHERE:
        return frozenset({f"[{host}]" if ":" in host else host})
    every = [entry.address for entries in psutil.net_if_addrs().values() for entry in entries]
    addresses = {address.partition("%")[0] for address in every}
    own = {socket.gethostname(), socket.getfqdn()}
    return frozenset({f"[{name}]" if ":" in name else name for name in addresses | own})


@dataclass(slots=True)
class Serving:
    """A server, to be run in this thread or in one of its own.

    Args:
        app: What is served, without protection.
        place: Where.
        hosts: Further names under which it may be asked.
    """

    app: App
    place: Place
    hosts: frozenset[str] = frozenset()
    _server: uvicorn.Server = field(init=False)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        import uvicorn

        from gamefleet.watch.idling import ImpatientProtocol

        names = self.hosts | names_of(self.place.host)
        config = uvicorn.Config(
            secured(self.app, hosts=names, token=self.place.token),
            http=ImpatientProtocol,  # on h11, which unlike the faster one bounds the length of headers
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            ws_max_size=LONGEST_MESSAGE_BYTES,
            ws_max_queue=8,
            ws_per_message_deflate=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=1 << 15,
        )
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Serve until the process is interrupted, or told to end, which then counts as the same.

        The server raises the signal again when it is done; SIGTERM would end the process without any clearing up.
        """
        if threading.current_thread() is not threading.main_thread():
            self._server.run([self.place.socket])
            return
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self._server.run([self.place.socket])
        finally:
            signal.signal(signal.SIGTERM, before)

    def start(self) -> None:
        """Serve in a thread."""
        self._thread = threading.Thread(target=self.run, name="watch-server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End a server that was started in a thread."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(timeout=10.0)
        self.place.socket.close()
