"""Is there a way to a learner on another machine: its name, its port, and whether it listens to others at all.

Job: the checks of group `learner` that need no token. Place in the data flow: `gamefleet doctor --gpu-host`. Left out:
what the learner says of itself (`topologies.remote_learner.check`).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection

import psutil

from gamefleet.cluster.checks.base import Check, Result, failed, ok, skipped, warning

GROUP = "learner"
CONNECT_TIMEOUT_S = 5.0
EVERYWHERE = ("0.0.0.0", "::")


def learner_checks(host: str, port: int) -> list[Check]:
    """Checks of the way to a learner.

    Args:
        host: Name or address; empty when none was named.
        port: Of the learner.
    """
    return [
        Check(name="learner-listens", group=GROUP, run=lambda: check_listening(host, port)),
        Check(name="learner-name", group=GROUP, run=lambda: check_name(host)),
        Check(name="learner-port", group=GROUP, run=lambda: check_port(host, port), needs=("learner-name",)),
    ]


def check_name(host: str) -> Result:
    """Whether the name has an address."""
    if not host:
        return skipped("no learner was named: --gpu-host HOST")
    try:
        found = sorted({str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
    except OSError as error:
        remedy = "Name its address instead: on that machine, `ip addr show | grep 'inet '` says it."
        return failed(f"{host} has no address here ({error.strerror or error})", remedy)
    return ok(f"{host} is {', '.join(found)}")


def check_port(host: str, port: int) -> Result:
    """Whether anything answers there."""
    try:
        socket.create_connection((host, port), CONNECT_TIMEOUT_S).close()
    except ConnectionRefusedError:
        return failed(
            f"{host} refuses port {port}: nothing listens there for other machines",
            f"On {host}: gamefleet learner serve --host 0.0.0.0 --port {port}; or, from there, a tunnel: "
            f"ssh -R {port}:localhost:{port} USER@SERVER, and --gpu-host localhost here.",
        )
    except OSError as error:  # a firewall drops, or the machine sleeps
        return failed(
            f"{host} does not answer on port {port} ({error.strerror or error})",
            f"Is it awake (`ping {host}`)? A firewall there: sudo ufw allow {port}/tcp, or sudo firewall-cmd "
            f"--add-port={port}/tcp. Where neither helps, a tunnel: ssh -R {port}:localhost:{port} USER@SERVER.",
        )
    return ok(f"port {port} of {host} is open")


def check_listening(host: str, port: int) -> Result:
    """Where this machine itself listens, for those who type this beside the learner."""
    if not host:
        return skipped("no learner was named: --gpu-host HOST")
    if not is_here(host):
        return skipped(
            f"{host} is another machine; on it, `gamefleet doctor --gpu-host localhost` says where it listens"
        )
    try:
        found = listening(port)
    except psutil.AccessDenied:
        return skipped("this system does not say who listens where")
    if not found:
        return skipped(f"nothing on this machine listens on port {port}")
    return judge_listening(found, port)


def judge_listening(addresses: Collection[str], port: int) -> Result:
    """Whether other machines can reach what listens here."""
    where = ", ".join(sorted(addresses))
    if any(address in EVERYWHERE or not ipaddress.ip_address(address).is_loopback for address in addresses):
        return ok(f"port {port} listens on {where}: other machines can reach it if the firewall lets them")
    return warning(
        f"port {port} listens on {where} only: this machine and ssh tunnels reach it, no other machine does",
        f"gamefleet learner serve --host 0.0.0.0 --port {port}, unless a tunnel is what you want.",
    )


def listening(port: int) -> set[str]:
    """Addresses of this machine on which somebody listens at a port."""
    return {
        connection.laddr.ip
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    }


def is_here(host: str) -> bool:
    """Whether a name means this machine."""
    try:
        named = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return False
    own = {address.address for interface in psutil.net_if_addrs().values() for address in interface}
    return any(ipaddress.ip_address(address.split("%")[0]).is_loopback or address in own for address in named)
