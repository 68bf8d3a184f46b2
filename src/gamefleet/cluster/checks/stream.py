"""Is there a way for pictures: the port here, and the tunnel's end on the host.

Job: the checks of group `streaming` that need no token. Place in the data flow: `gamefleet doctor`. Left out: whether a
viewer answers and what the run says (`topologies.streaming.check`).
"""

from __future__ import annotations

import socket

from gamefleet.cluster.checks.base import Check, Result, ok, skipped, warning
from gamefleet.cluster.checks.host import ANSWER_TIMEOUT_S, Host, explain
from gamefleet.cluster.checks.programs import Completed, Runner
from gamefleet.cluster.ssh import ssh_words

GROUP = "streaming"
LOOPBACK = "127.0.0.1"
CONNECT_TIMEOUT_S = 3.0


def stream_checks(port: int, host: Host | None, runner: Runner) -> list[Check]:
    """Checks of the port and of the tunnel.

    Args:
        port: Of the viewer or the tunnel's end.
        host: The machine to which a tunnel leads; None when none was named.
        runner: Runs `ssh`.
    """
    return [
        Check(name="streaming-port", group=GROUP, run=lambda: check_port(port)),
        Check(name="streaming-tunnel", group=GROUP, run=lambda: check_tunnel(port, host, runner)),
    ]


def check_port(port: int) -> Result:
    """Whether anything listens here."""
    try:
        socket.create_connection((LOOPBACK, port), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        reason = f"nothing listens on port {port} of this machine ({error.strerror or error})"
        return skipped(f"{reason}; where people watch, `gamefleet view --port {port}` does")
    return ok(f"port {port} of this machine is open")


def check_tunnel(port: int, host: Host | None, runner: Runner) -> Result:
    """Whether the port of the other machine's loopback address leads anywhere."""
    if host is None:
        return skipped("no host was named: --host USER@HOST")
    command = [*ssh_words(host), "-W", f"{LOOPBACK}:{port}", host.name]
    return judge_tunnel(runner(command, ANSWER_TIMEOUT_S), host, port)


def judge_tunnel(answer: Completed, host: Host, port: int) -> Result:
    """What `ssh -W` to the port said."""
    if answer.status == 0:
        return ok(f"port {port} of {host.name} leads on")
    words = " ".join(answer.err.split())
    if "prohibited" in words:
        remedy = f"Ask those who run {host.name} for AllowTcpForwarding; without it, watch from a copy of the run."
        return warning(f"{host.name} does not allow tunnels", remedy)
    if "forwarding failed" in words or "open failed" in words:
        by_hand = f"ssh -R {port}:localhost:{port} {host.name}"
        remedy = f"gamefleet view --via {host.name}:DIR, or `{by_hand}` in a terminal that stays open."
        return warning(f"no tunnel ends at port {port} of {host.name}", remedy)
    return explain(answer, host)
