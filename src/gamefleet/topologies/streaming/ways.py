"""The ways from a player to a viewer, tried in turn at every attempt.

Job: find a connection and a token, whatever stands between a compute node and a laptop. Place in the data flow: the
link's dialer asks here each time it connects, so nothing has to be restarted when a viewer, a tunnel or a token comes
later. Left out: the link, and what is sent.

To a viewer that left word in the run's or the fleet's folder: the machine that it named, its own loopback address when
that is this machine, `ssh -W` to it otherwise: `sshd` opens forwarded ports on the loopback address only.

To one that did not:

1. The port here: a viewer, or the end of a tunnel, on this machine.
2. The host from which the job was submitted: there ends the tunnel of `ssh -R 9999:localhost:9999 USER@login...`.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gamefleet.cluster.ssh import HOST_PATTERN
from gamefleet.cluster.tunnel import StdioTunnel
from gamefleet.errors import ConfigError
from gamefleet.transport.rendezvous import LOOPBACK, Endpoint, login_hosts, tokens
from gamefleet.transport.token import Token

DIRECT_TIMEOUT_S = 3.0
"""A port that is filtered never answers; the other ways must not wait for it."""

LOGIN_INTERVAL_S = 60.0
"""Between two logins on a machine where no viewer is known to be: many jobs look, and logins are logged."""

SUBMIT_HOST = "SLURM_SUBMIT_HOST"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to a viewer.

    Args:
        host: Where its port is open.
        port: The port.
        is_login: By `ssh -W`, to the loopback address there.
        is_known: A viewer said that it is there.
    """

    host: str
    port: int
    is_login: bool = False
    is_known: bool = False

    def __str__(self) -> str:
        return f"ssh {self.host} to port {self.port} there" if self.is_login else f"{self.host}:{self.port}"


class Ways:
    """See the module's docstring.

    Args:
        places: Rendezvous folders of the run and its fleet.
        port: The port where nothing was published; None goes nowhere else.
        endpoint: Go to this viewer only.
        environ: Of this process.
        tunnel: Connects by ssh.
        here: Name of this machine.
        clock: In seconds.
    """

    def __init__(
        self,
        places: Sequence[Path],
        *,
        port: int | None,
        endpoint: Endpoint | None = None,
        environ: Mapping[str, str] = os.environ,
        tunnel: StdioTunnel | None = None,
        here: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places = tuple(places)
        self._port = port
        self._endpoint = endpoint
        self._environ = environ
        self._tunnel = StdioTunnel() if tunnel is None else tunnel
        self._here = here or socket.gethostname()
        self._clock = clock
        self._tried_last: Way | None = None
        self._logged_in_at: dict[Way, float] = {}
        self._num_tokens = 0

    def connect(self, timeout_s: float) -> socket.socket:
        """A connection by the first way that is open, beginning after the one that was tried last.

        Raises:
            OSError: None is open now; names those that were tried.
        """
        reasons = []
        for way in self._in_turn():
            try:
                connection = self._go(way, min(timeout_s, DIRECT_TIMEOUT_S))
            except OSError as error:
                reasons.append(f"{way}: {error.strerror or error}")
                continue
            if connection is not None:
                self._tried_last = way
                return connection
        self._tried_last = None
        words = f"; ssh said: {self._tunnel.last_words}" if self._tunnel.last_words else ""
        raise ConnectionRefusedError(f"no viewer is there ({'; '.join(reasons) or 'nothing to try now'}{words})")

    def token(self) -> Token:
        """The token to try now: with each call the next, where there are several.

        Raises:
            ConfigError: There is none.
        """
        known = self.known_tokens()
        if not known:
            where = ", ".join(str(place) for place in self._places)
            raise ConfigError("There is no token for viewers", where=where, remedy="`gamefleet token` makes one.")
        self._num_tokens += 1
        return known[(self._num_tokens - 1) % len(known)]

    def known_tokens(self) -> list[Token]:
        """All tokens that a viewer may hold, looked up now."""
        return tokens(self._places, self._environ)

    def close(self) -> None:
        """Give up the connection by ssh."""
        self._tunnel.close()

    def ways(self) -> list[Way]:
        """What could be tried now, in order."""
        if self._endpoint is not None:
            return self._to(self._endpoint)
        if self._port is None:
            return []
        found = [Way(LOOPBACK, self._port)]
        for host in dict.fromkeys([self._environ.get(SUBMIT_HOST, ""), *login_hosts(self._places)]):
            if HOST_PATTERN.fullmatch(host) and not self._is_here(host):
                found += [Way(host, self._port), Way(host, self._port, is_login=True)]
        return found

    def _to(self, endpoint: Endpoint) -> list[Way]:
        if self._is_here(endpoint.host):
            return [Way(LOOPBACK, endpoint.port, is_known=True)]
        return [Way(endpoint.host, endpoint.port), Way(endpoint.host, endpoint.port, is_login=True, is_known=True)]

    def _in_turn(self) -> Iterator[Way]:
        ways = self.ways()
        start = ways.index(self._tried_last) + 1 if self._tried_last in ways else 0
        yield from ways[start:]
        yield from ways[:start]

    def _go(self, way: Way, timeout_s: float) -> socket.socket | None:
        """Take a way; None when it is not its time."""
        if not way.is_login:
            return socket.create_connection((way.host, way.port), timeout_s)
        if not way.is_known:
            now = self._clock()
            if now - self._logged_in_at.get(way, -LOGIN_INTERVAL_S) < LOGIN_INTERVAL_S:
                return None
            self._logged_in_at[way] = now
        return self._tunnel.connect(way.host, way.port)

    def _is_here(self, host: str) -> bool:
        return host.partition(".")[0].lower() == self._here.partition(".")[0].lower() or host in (LOOPBACK, "localhost")
