"""What a link may take, and how long it waits.

Job: every bound of a link in one place, with defaults that suit a laptop behind a tunnel. Place in the data flow: given
to `Dialer` and `Listener`. Left out: what the bounds are applied to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTimes:
    """How long a link waits.

    Args:
        ping_s: After so long a silence of its own, a side says that it is there.
        dead_s: After so long without any byte of the other side, the connection is given up.
        handshake_s: For everything before the first message: TCP, TLS and greeting.
        retry_s: Before the first new try; doubled for each further one.
        retry_most_s: Between two tries, at most.
        refused_s: Between two tries while a person must mend something, for example a token.
        keep_s: After so long without a connection, a listener forgets a session that may return.
    """

    ping_s: float = 1.0
    dead_s: float = 4.0
    handshake_s: float = 10.0
    retry_s: float = 0.25
    retry_most_s: float = 10.0
    refused_s: float = 15.0
    keep_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """What a link may take.

    Args:
        window_bytes: Of each lossless stream: what the receiving application has not taken yet.
        kept_bytes: Of each lossless stream: what the receiving application is not done with yet, held by the sender.
        message_bytes: The largest message.
        most_peers: Sessions that a listener holds at a time.
        most_handshakes: Connections of a listener that have not shown a token yet.
        scope: Within which `epoch` is compared, for example the name of a run; empty for no fence.
        epoch: A number that grows with each process that takes over; a listener refuses older ones than it has seen.
        times: How long it waits.
    """

    window_bytes: int = 64 * MEBIBYTE
    kept_bytes: int = 1024 * MEBIBYTE
    message_bytes: int = 256 * MEBIBYTE
    most_peers: int = 64
    most_handshakes: int = 32
    scope: str = ""
    epoch: int = 0
    times: LinkTimes = field(default_factory=LinkTimes)
