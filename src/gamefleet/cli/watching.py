"""What the commands that show pages have in common.

Job: listen for players, name this machine, and open a browser where there is one. Place in the data flow: under
`gamefleet view` and `gamefleet dashboard`. Left out: what is shown.
"""

from __future__ import annotations

import platform
import re
import sys
import threading
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gamefleet.transport.token import Token
    from gamefleet.watch.hub import Hub

LOOPBACK = "127.0.0.1"


@contextmanager
def listening(port: int, token: Token) -> Iterator[tuple[Hub, int]]:
    """A hub for players on this machine's loopback address.

    Yields:
        The hub, and its port.
    """
    from gamefleet.watch.hub import Hub
    from gamefleet.watch.players import player_listener

    listener = player_listener(LOOPBACK, port, token, name=platform.node() or "viewer")
    actual = int(listener.address[1])
    hub = Hub(listener, listening=f"{LOOPBACK}:{actual}")
    try:
        yield hub, actual
    finally:
        hub.close()


def machine_label(otherwise: str) -> str:
    """This machine's name as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", platform.node())[:40] or otherwise


def has_display(environ: Mapping[str, str]) -> bool:
    """Whether a browser could show itself here; not through a login from elsewhere."""
    if environ.get("SSH_CONNECTION"):
        return False
    return sys.platform in ("darwin", "win32") or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def open_page(address: str) -> None:
    """Open the browser; it starts in its own time."""
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
