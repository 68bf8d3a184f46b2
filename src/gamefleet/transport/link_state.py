"""What people and applications see of a link.

Job: its state, its peer, its counts. Place in the data flow: kept by `link_endpoint`, shown by everything above. Left
out: how they change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ENDED, RESTART = "ended", "restart"
CONNECTING, CONNECTED, REFUSED, CLOSED = "connecting", "connected", "refused", "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """How a link is.

    Args:
        kind: `connecting`, `connected`, `refused` (a person must mend something; it is tried again, slowly), `closed`.
        why: A sentence for people; empty when there is nothing to say.
        since: Seconds since 1970.
    """

    kind: str
    why: str
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is at the other end; empty texts until it was reached for the first time.

    Args:
        name: What it calls itself.
        role: What it is for.
        session: One process's life at the other end; another value means that it started afresh, and knows nothing of
            what was acknowledged before.
        facts: What it wants to be known; written by the other side.
    """

    name: str
    role: str
    session: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCounts:
    """What a link did so far.

    Args:
        connections: Times that it was connected.
        sent_bytes: On all connections, before encryption.
        received_bytes: Likewise.
        missing: Messages that the other side was done with and this side, which resumed from something older, is not.
    """

    connections: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    missing: int = 0
