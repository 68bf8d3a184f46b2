"""A coordinator's side of the link to its learner.

Job: dial, wait for answers while the line may break, notice when it does, and say so. Place in the data flow: under the
wiring `remote_learner`. Left out: what is said (`remote_learner`, `mind`).

Waiting is the normal case here: a learner that sleeps, restarts or is out of reach pauses the run, and nothing else
happens. What ends the waiting is an answer, a refusal that a person must mend, or this process's own end.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from gamefleet.errors import PeerAwayError, PeerError, PeerWentBackError
from gamefleet.topologies.remote_learner import messages as say
from gamefleet.topologies.remote_learner.settings import RemoteSettings
from gamefleet.transport.base import ClosedError
from gamefleet.transport.link import CONNECTED, REFUSED, Link, Message, Stream
from gamefleet.transport.link_admission import TOOK_OVER
from gamefleet.transport.link_dialer import Dialer
from gamefleet.transport.link_settings import LinkSettings
from gamefleet.transport.token import Token

SLICE_S = 0.25
"""How often a waiting thread looks at the state of the line."""

REFUSALS = frozenset(("IncompatibleError", "ConfigError", "PeerError", "RunFolderError"))
"""Kinds of trouble that come before any work."""

SILENT_S = 30.0
"""So long a learner that is there may take to answer a process that is to end."""

NOTICE_S = 1.0
"""A line that is back sooner is not worth a word."""

REFUSED_FOR_S = 20.0
"""A refusal is believed after so long: somebody may be mending a token file, or a port may be taken over."""


class PauseWatcher(Protocol):
    """Is told when the run pauses and when it goes on."""

    def paused(self, why: str) -> None:
        """The learner is out of reach."""
        ...

    def resumed(self, seconds: float) -> None:
        """It is back after so long."""
        ...


class LearnerClient:
    """See the module's docstring.

    Args:
        settings: Where the learner is.
        token: The secret.
        run: Name of the run.
        identity: Of the run; a copy of it on another machine has the same one.
        epoch: Attempt of this process; the learner refuses older ones.
        reason_to_end: `Deadline.reason`.
        link: Bounds and times of the line.
    """

    def __init__(
        self,
        settings: RemoteSettings,
        token: Token | Callable[[], Token],
        *,
        run: str,
        identity: str,
        epoch: int,
        reason_to_end: Callable[[], str],
        link: LinkSettings | None = None,
    ) -> None:
        self.settings = settings
        self.where = f"{settings.gpu_host}:{settings.gpu_port}"
        self.watcher: PauseWatcher | None = None
        self.reason_to_end = reason_to_end
        self.paused_s = 0.0
        self.unsaved_bytes = 0
        self.kept_bytes = (link or LinkSettings()).kept_bytes
        self._paused_at = 0.0
        self._was_connected = False
        self._ending_since = 0.0
        self.saved_steps: Callable[[], list[int]] = list
        self._dialer = Dialer(
            lambda patience_s: _connect(settings.gpu_host, settings.gpu_port, patience_s),
            token,
            name=socket.gethostname(),
            role=say.COORDINATOR,
            peer_role=say.LEARNER,
            facts={"run": run, "attempt": epoch},
            settings=replace(link or LinkSettings(), scope=identity, epoch=epoch),
        )
        self.link: Link = self._dialer.link

    def close(self) -> None:
        """End the session; what was sent is of no use to a learner that has not acknowledged it by now."""
        self._dialer.close(linger_s=0.0)

    @property
    def is_connected(self) -> bool:
        """Whether the line stands at this moment."""
        return self.link.state.kind == CONNECTED

    def send(
        self,
        kind: str,
        header: Mapping[str, Any],
        arrays: say.Arrays | None = None,
        *,
        stream: Stream = Stream.BATCHES,
        is_last: bool = False,
    ) -> None:
        """Send what must arrive; waits while the line's window is full.

        Raises:
            PeerAwayError: This process may not wait any longer.
            PeerError: The learner refuses.
        """
        self.unsaved_bytes += sum(array.nbytes for array in (arrays or {}).values())
        while not self._closed_as_error(
            lambda: say.send(self.link, kind, header, arrays, stream=stream, timeout_s=SLICE_S, is_last=is_last)
        ):
            self.look()

    def wait(self, stream: Stream) -> Message:
        """The next message of a stream, however long it takes.

        Raises:
            PeerAwayError: This process may not wait any longer.
            PeerWentBackError: The learner cannot be told what it misses.
            PeerError: The learner refuses, or cannot go on.
        """
        while (found := self.poll(stream, SLICE_S)) is None:
            self.look()
        return found

    def poll(self, stream: Stream, timeout_s: float = 0.0) -> Message | None:
        """The next message of a stream, if there is one in time; raises as `wait`."""
        found: Message | None = self._closed_as_error(lambda: self.link.receive(timeout_s, streams=(stream,)))
        if found is None:
            return None
        self.link.acknowledge(found)
        self._note_connected()
        if found.kind == say.TROUBLE:
            raise self._trouble(found)
        if found.kind == say.LOST:
            raise PeerWentBackError(
                "The learner went back to an older checkpoint than this coordinator can make up for",
                where=self.where,
                remedy="Both go back to the newest checkpoint that they have in common.",
            )
        return found

    def _trouble(self, message: Message) -> PeerError:
        why, kind = str(message.header.get("why") or "it does not say why"), message.header.get("kind")
        if kind in REFUSALS:  # what to do about it is in the sentence
            return PeerError(f"The learner refuses this run: {why.rstrip('.')}", where=self.where)
        return PeerError(
            f"The learner cannot go on: {why.rstrip('.')}",
            where=self.where,
            remedy="Its log says more. Mend it and start the coordinator again; both go on where they last saved.",
        )

    def _closed_as_error(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except ClosedError as error:
            raise PeerError(
                f"The learner ended the session: {error}", where=self.where, remedy="Start the coordinator again."
            ) from error

    def look(self) -> None:
        """What to do while nothing comes: notice a pause, and see whether there is any point in waiting.

        Raises:
            PeerAwayError: This process may not wait any longer.
            PeerError: The learner refuses.
        """
        state = self.link.state
        if state.kind == CONNECTED:
            self._was_connected = True
            self._end_if_silent()
            return
        away_s = time.time() - state.since
        is_final = not self._was_connected or TOOK_OVER in state.why
        if state.kind == REFUSED and (is_final or away_s > REFUSED_FOR_S):
            raise PeerError(
                f"The learner does not let this coordinator in: {state.why}",
                where=self.where,
                remedy=f"Run `gamefleet doctor --gpu-host {self.settings.gpu_host}` to see what differs.",
            )
        if away_s > NOTICE_S:
            self.pause(state.why or "the connection is being made", since=state.since)
        patience_s = self.settings.reconnect_s
        reason = self.reason_to_end() or ("it was away for too long" if 0 < patience_s < away_s else "")
        if reason and away_s > NOTICE_S:
            raise PeerAwayError(
                f"The learner is out of reach ({state.why or 'connecting'}), and this process ends: {reason}",
                where=self.where,
                remedy="Start the coordinator again when it is back; it goes on from the last joint checkpoint.",
            )

    def _end_if_silent(self) -> None:
        """Somebody wants this process to end, and the learner, although it is there, does not answer."""
        reason = self.reason_to_end()
        self._ending_since = (self._ending_since or time.monotonic()) if reason else 0.0
        if reason and time.monotonic() - self._ending_since > SILENT_S:
            raise PeerAwayError(
                f"The learner has not answered for {SILENT_S:g} s, and this process ends: {reason}",
                where=self.where,
                remedy="Start the coordinator again; it goes on from the last joint checkpoint.",
            )

    def pause(self, why: str, *, since: float | None = None) -> None:
        """The run pauses from now on (or since some moment) until the next message comes."""
        if not self._paused_at:
            self._paused_at = time.time() if since is None else since
            if self.watcher is not None:
                self.watcher.paused(why)

    def _note_connected(self) -> None:
        self._was_connected = True
        if self._paused_at:
            seconds, self._paused_at = time.time() - self._paused_at, 0.0
            self.paused_s += seconds
            if self.watcher is not None:
                self.watcher.resumed(seconds)


def _connect(host: str, port: int, patience_s: float) -> socket.socket:
    return socket.create_connection((host, port), timeout=patience_s)
