"""Both ends of real links on this machine, with lines in between that break when told to.

Job: open listeners, dialers and lines for a test, and close them after it. Place in the data flow: tests of everything
that talks over a link. Left out: what is sent.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

from gamefleet.testing.faulty_line import FaultyLine
from gamefleet.transport.link import CONNECTED, Link, LinkState
from gamefleet.transport.link_admission import Resume
from gamefleet.transport.link_dialer import Dialer
from gamefleet.transport.link_listener import Listener
from gamefleet.transport.link_settings import LinkSettings, LinkTimes
from gamefleet.transport.token import Token, new_token

PATIENCE_S = 300.0
"""Whoever waits this long for what must come has found a deadlock."""

QUICK = LinkTimes(ping_s=0.2, dead_s=1.0, handshake_s=3.0, retry_s=0.02, retry_most_s=0.1, refused_s=0.1)
"""Everything a link waits for, sooner."""


class LinkedEnds:
    """Opens ends of links, and closes them at the end of a `with` block.

    Args:
        settings: Of both ends.
    """

    def __init__(self, settings: LinkSettings | None = None) -> None:
        self.token = new_token()
        self.settings = settings or LinkSettings(times=QUICK)
        self._stack = ExitStack()

    def __enter__(self) -> LinkedEnds:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def listener(
        self,
        token: Token | None = None,
        *,
        role: str = "learner",
        port: int = 0,
        settings: LinkSettings | None = None,
        resume: Resume | None = None,
    ) -> Listener:
        """A listener for players, on 127.0.0.1."""
        opened = Listener(
            "127.0.0.1",
            port,
            token or self.token,
            name="there",
            role=role,
            peer_role="player",
            settings=settings or self.settings,
            resume=resume,
        )
        self._stack.callback(opened.close)
        return opened

    def dialer(
        self,
        address: tuple[str, int],
        token: Token | Callable[[], Token] | None = None,
        *,
        role: str = "player",
        peer_role: str = "learner",
        settings: LinkSettings | None = None,
    ) -> Dialer:
        """A player that calls an address."""
        opened = Dialer(
            lambda timeout_s: socket.create_connection(address, timeout_s),
            token or self.token,
            name="here",
            role=role,
            peer_role=peer_role,
            facts={"run": "demo"},
            settings=settings or self.settings,
        )
        self._stack.callback(opened.close, linger_s=0.0)
        return opened

    def line(self, listener: Listener) -> FaultyLine:
        """A line to a listener."""
        return self._stack.enter_context(FaultyLine(listener.address))

    def pair(self) -> tuple[Link, Link]:
        """A link, seen from here and from there."""
        listener = self.listener()
        return self.dialer(listener.address).link, accepted(listener)

    def broken_pair(self) -> tuple[Link, Link, FaultyLine]:
        """The same, with a line that breaks."""
        listener = self.listener()
        line = self.line(listener)
        return self.dialer(line.address).link, accepted(listener), line


def accepted(listener: Listener) -> Link:
    """The next link of a listener; fails when none comes."""
    link = listener.accept(PATIENCE_S)
    assert link is not None, "no link came"
    return link


def until_state(link: Link, *kinds: str) -> LinkState:
    """Wait until a link is in one of these states, and return it."""
    state = link.state
    while state.kind not in kinds:
        changed = link.wait_for_change(state, PATIENCE_S)
        assert changed != state, f"still {state}"
        state = changed
    return state


def until_connected(link: Link) -> None:
    """Wait until a link is connected."""
    until_state(link, CONNECTED)
