"""Two networks on this machine with a line between them that can be cut, slowed down and delayed.

Job: two network namespaces, joined by two pairs of virtual interfaces and a process that forwards packets. Place in the
data flow: tests of what happens when packets stop without a word, and measurements of slow lines. Left out: what is
sent.

    namespace near (10.99.0.1) --veth-- forwarder --veth-- namespace far (10.99.0.2)

The forwarder is a process because not every kernel has the queue that delays (`netem`). It removes the namespaces, and
with them the interfaces, when its input ends: however the program that started it dies, nothing stays behind.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

from gamefleet.errors import ClusterError, MissingDependencyError

Side = Literal["near", "far"]
ADDRESSES: dict[Side, str] = {"near": "10.99.0.1", "far": "10.99.0.2"}
NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_FOLDER = Path("/run/netns")


class NetworkNamespaces:
    """Up within a `with` block; needs Linux, root and the program `ip`.

    Raises:
        MissingDependencyError: Something of this is not there.
    """

    def __init__(self) -> None:
        mark = secrets.token_hex(4)
        self.names: dict[Side, str] = {"near": f"gamefleet-{mark}-near", "far": f"gamefleet-{mark}-far"}
        self._ends: dict[Side, str] = {"near": f"gf{mark}n", "far": f"gf{mark}f"}
        self._forwarder: subprocess.Popen[str] | None = None

    def __enter__(self) -> NetworkNamespaces:
        check_possible()
        with ExitStack() as stack:
            stack.callback(self._remove)
            for side in self.names:
                self._make(side)
            self._start()
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._forwarder is not None and self._forwarder.stdin is not None:
            self._forwarder.stdin.close()
            self._forwarder.wait(10.0)
            if self._forwarder.stdout is not None:
                self._forwarder.stdout.close()
        self._remove()

    def address(self, side: Side) -> str:
        """By which the other side reaches this one."""
        return ADDRESSES[side]

    def cut(self) -> None:
        """Drop every packet from now on; neither side is told."""
        self._order("cut")

    def restore(self) -> None:
        """Forward again; what was dropped meanwhile is lost."""
        self._order("restore")

    def shape(self, *, mbit_per_s: float = 0.0, round_trip_s: float = 0.0) -> None:
        """Slow the line down.

        Args:
            mbit_per_s: Of each direction; 0 for as fast as the forwarder is.
            round_trip_s: Half of it is added to each direction.
        """
        self._order(f"shape {mbit_per_s * 1e6} {round_trip_s / 2}")

    def popen(self, side: Side, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a program on one side; as `subprocess.Popen`."""
        return subprocess.Popen(["ip", "netns", "exec", self.names[side], *command], **options)

    @contextmanager
    def inside(self, side: Side) -> Iterator[None]:
        """The calling thread is on one side within the block; sockets that it opens stay there."""
        with open("/proc/thread-self/ns/net") as before:
            enter(self.names[side])
            try:
                yield
            finally:
                _move(before)

    def _make(self, side: Side) -> None:
        name, end = self.names[side], self._ends[side]
        ip("netns", "add", name)
        ip("link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", name)
        Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1")
        ip("link", "set", end, "up")
        ip("-n", name, "addr", "add", f"{ADDRESSES[side]}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "link", "set", "lo", "up")

    def _start(self) -> None:
        command = [sys.executable, "-P", "-m", "gamefleet.testing.network_forwarder"]
        arguments = [*self._ends.values(), *self.names.values()]
        self._forwarder = subprocess.Popen(
            [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._hear()

    def _order(self, what: str) -> None:
        if self._forwarder is None or self._forwarder.stdin is None:
            raise ClusterError("These namespaces are not up")
        self._forwarder.stdin.write(f"{what}\n")
        self._forwarder.stdin.flush()
        self._hear()

    def _hear(self) -> None:
        assert self._forwarder is not None
        assert self._forwarder.stdout is not None
        if self._forwarder.stdout.readline() != "done\n":
            raise ClusterError("The process that forwards packets has ended")

    def _remove(self) -> None:
        """What the forwarder could not."""
        for name in self.names.values():
            if (_FOLDER / name).exists():
                subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        for end in self._ends.values():
            subprocess.run(["ip", "link", "del", end], capture_output=True, check=False)


def enter(name: str) -> None:
    """Move the calling thread, and what it starts from now on, into a namespace for good.

    Args:
        name: Of `NetworkNamespaces.names`; a process may get it from another one.
    """
    with open(_FOLDER / name) as found:
        _move(found)


def check_possible() -> None:
    """Fail where there can be no namespaces.

    Raises:
        MissingDependencyError: Says what is not there.
    """
    if not sys.platform.startswith("linux") or shutil.which("ip") is None:
        raise MissingDependencyError(
            "Network namespaces need Linux and the program ip",
            remedy="apt-get install --no-install-recommends iproute2",
        )
    if os.geteuid() != 0:
        raise MissingDependencyError("Network namespaces need root", remedy="Run this as root, in a container say.")


def ip(*arguments: str) -> None:
    """Run `ip`.

    Raises:
        ClusterError: It fails, with what it says.
    """
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(
            f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}",
            remedy="Namespaces need the capability CAP_NET_ADMIN, which this container may not have.",
        )


def _move(namespace: IO[str]) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(namespace.fileno(), NEW_NETWORK):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), namespace.name)
