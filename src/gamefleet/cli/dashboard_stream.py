"""Live pictures on the dashboard.

Job: listen for players as `gamefleet view` does, and say in the folders that are shown where. Place in the data flow:
players -> hub -> pages. Left out: pictures (`watch.hub`), and the way from a compute node to here (the players' part).
"""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gamefleet.transport.token import Token
    from gamefleet.watch.hub import Hub

LOOPBACK = "127.0.0.1"


@contextmanager
def live_pictures(port: int, folders: Sequence[Path]) -> Iterator[Hub]:
    """A hub for the players of some runs or fleets.

    Args:
        port: On this machine's loopback address; 0 for any.
        folders: Run folders and shared folders; each is told where the hub is while the block lasts.
    """
    from gamefleet.transport.rendezvous import rendezvous
    from gamefleet.watch.hub import Hub
    from gamefleet.watch.players import player_listener

    places = [rendezvous(folder) for folder in folders]
    listener = player_listener(LOOPBACK, port, token_for(places), name=platform.node() or "dashboard")
    actual = int(listener.address[1])
    hub = Hub(listener, listening=f"{LOOPBACK}:{actual}")
    with ExitStack() as stack:
        stack.callback(hub.close)
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
    from gamefleet.errors import GamefleetError
    from gamefleet.transport.rendezvous import Endpoint, publish_endpoint, withdraw_endpoint

    host = re.sub(r"[^A-Za-z0-9.-]", "-", platform.node())[:40] or "localhost"
    name = f"dashboard-{host}-{os.getpid()}"
    try:
        publish_endpoint(place, name, Endpoint(host=host, port=port, at=time.time()))
    except (GamefleetError, OSError):
        yield
        return
    try:
        yield
    finally:
        withdraw_endpoint(place, name)
