"""A learner that works for a coordinator on another machine.

Job: listen, let one coordinator at a time carry its run, answer monitors, and find the run again after a crash. Place
in the data flow: the side with the accelerator of the wiring `remote_learner`. Left out: the conversation
(`session`), the run folder (`standing`), what is computed (`work`).
"""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gamefleet
from gamefleet.runs.deadline import Deadline
from gamefleet.runs.progress import Progress
from gamefleet.topologies.config import RunConfig
from gamefleet.topologies.remote_learner import messages as say
from gamefleet.topologies.remote_learner.account import NOTHING, account_of_link, account_of_run
from gamefleet.topologies.remote_learner.desk import Desk
from gamefleet.topologies.remote_learner.session import Session
from gamefleet.topologies.remote_learner.standing import Standing, open_again, open_for
from gamefleet.transport.base import ClosedError
from gamefleet.transport.link import CLOSED, CONNECTED, Link
from gamefleet.transport.link_admission import Resume
from gamefleet.transport.link_listener import Listener
from gamefleet.transport.link_settings import LinkSettings, LinkTimes
from gamefleet.transport.token import Token

log = logging.getLogger(__name__)

LOOK_S = 0.25
MOST_MONITORS = 16
AWAY_S = 60.0
"""A coordinator that is away for so long loses its place to another run's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """How a learner serves.

    Args:
        host: Address to listen at.
        port: 0 lets the system choose one.
        folder: For run folders.
        device: Where to compute.
        config: Settings that the coordinator's must agree with; None takes the coordinator's.
        adopt: Move a run of the same name that belongs to somebody else aside.
        link: Bounds and times of the line; a coordinator may be away for as long as it likes, since laptops sleep.
    """

    host: str = "127.0.0.1"
    port: int = 5555
    folder: Path = Path("runs/learner")
    device: str = "auto"
    config: RunConfig | None = None
    adopt: bool = False
    link: LinkSettings = field(default_factory=lambda: LinkSettings(times=LinkTimes(keep_s=math.inf)))


def serve(settings: ServeSettings, token: Token, *, deadline: Deadline, progress: Progress) -> None:
    """Serve until the deadline comes.

    Raises:
        ConfigError: The address cannot be listened at, or the device is not there.
        CheckpointError: The run that was worked on last cannot be read.
    """
    from gamefleet.topologies.build import choose_device, import_learning

    import_learning()
    device = choose_device(settings.device)
    settings.folder.mkdir(parents=True, exist_ok=True)
    standing = open_again(settings.folder, device=device)
    resume = Resume() if standing is None else Resume(applied=standing.applied, epochs=standing.epochs)
    listener = Listener(
        settings.host,
        settings.port,
        token,
        name=socket.gethostname(),
        role=say.LEARNER,
        peer_role=(say.COORDINATOR, say.MONITOR),
        facts={"version": gamefleet.__version__},
        settings=settings.link,
        resume=resume,
    )
    server = LearnerServer(settings, listener, standing, device=device, progress=progress)
    with deadline.listening():
        try:
            server.run(deadline)
        finally:
            server.close()


class LearnerServer:
    """One process that listens; see the module's docstring.

    Args:
        settings: How it serves.
        listener: Where coordinators and monitors arrive; closed with this object.
        standing: The run that was worked on before a restart.
        device: Where it computes.
        progress: Whoever watches.
    """

    def __init__(
        self,
        settings: ServeSettings,
        listener: Listener,
        standing: Standing | None,
        *,
        device: str,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._standing = standing
        self._device = device
        self._progress = progress
        self._session: Session | None = None
        self._thread: threading.Thread | None = None
        self._monitors: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._is_closing = threading.Event()
        self._started = time.time()
        self._told_at = 0.0

    def run(self, deadline: Deadline) -> None:
        """Serve until the deadline comes."""
        host, port = self._listener.address
        self._progress.say(f"learner at {host}:{port} on {self._device}; run folders in {self._settings.folder}")
        if self._standing is not None:
            run, step = self._standing.run.paths.name, self._standing.step
            self._progress.say(f"the run {run} was at step {step:,}; waiting for its coordinator")
        while not (reason := deadline.reason()):
            link = self._listener.accept(LOOK_S)
            if link is not None:
                self._welcome(link)
            self._tell_refusals()
        self._progress.say(f"the learner ends: {reason}")

    def close(self) -> None:
        """End the session and listen no more; the coordinator goes on trying."""
        self._is_closing.set()
        self._end_session()
        self._listener.close()
        with self._lock:
            if self._standing is not None:
                self._standing.run.write_state(
                    status="stopped", reason="the learner ended", step=max(self._standing.step, 0)
                )
                self._standing.close()
                self._standing = None

    def status(self) -> dict[str, Any]:
        """What monitors are told; JSON values."""
        with self._lock:
            standing, session = self._standing, self._session
        link = None if session is None else session.link
        about = {
            "role": say.LEARNER,
            "version": gamefleet.__version__,
            "host": socket.gethostname(),
            "address": list(self._listener.address),
            "device": self._device,
            "uptime_s": time.time() - self._started,
            "refused": [[refusal.at, refusal.address, refusal.why] for refusal in self._listener.refusals()[-5:]],
            "coordinator": None if link is None else account_of_link(link),
        }
        if standing is None:
            return {**about, **NOTHING}
        is_here = link is not None and link.state.kind == CONNECTED
        state = ("working", "") if is_here else ("waiting", "its coordinator is away")
        return {**about, **account_of_run(standing), "state": state[0], "why": state[1]}

    def _welcome(self, link: Link) -> None:
        if link.peer.role == say.MONITOR:
            self._monitors = [thread for thread in self._monitors if thread.is_alive()]
            if len(self._monitors) >= MOST_MONITORS:
                link.refuse("too many monitors are connected")
                return
            thread = threading.Thread(target=self._answer_monitor, args=(link,), daemon=True)
            self._monitors.append(thread)
            thread.start()
            return
        if why := self._reason_to_refuse(link):
            self._progress.say(f"turned {link.peer.name} away: {why}")
            link.refuse(why)
            return
        self._end_session()
        known = self._standing if self._standing and link.peer.session in self._standing.applied else None
        desk = Desk(link, opens=self._open, epochs=self._listener.epochs, standing=known)
        self._session = Session(link, desk)
        self._thread = threading.Thread(target=self._session.run, name="session", daemon=True)
        self._progress.say(f"the coordinator {link.peer.name} is here")
        self._thread.start()

    def _reason_to_refuse(self, link: Link) -> str:
        """Two coordinators would fight for one learner: who is at work keeps its place."""
        if self._session is None:
            return ""
        present = self._session.link
        state, run = present.state, present.peer.facts.get("run", "")
        if state.kind == CLOSED:
            return ""
        if state.kind != CONNECTED and (link.peer.facts.get("run") == run or time.time() - state.since > AWAY_S):
            return ""
        return (
            f"this learner works for the run {run!r} of {present.peer.name}; stop that coordinator, or start a learner "
            "of your own on another port"
        )

    def _open(self, header: Mapping[str, Any]) -> Standing:
        settings = self._settings
        with self._lock:
            if self._standing is not None:
                self._standing.close()
                self._standing = None
            adopt = settings.adopt or bool(header.get("is_fresh"))
            self._standing = open_for(settings.folder, header, device=self._device, own=settings.config, adopt=adopt)
            name, game = self._standing.run.paths.name, self._standing.work.config.game_name
            self._progress.say(f"run {name}: {game}; run folder {self._standing.run.paths.root}")
            return self._standing

    def _end_session(self) -> None:
        if self._session is not None and self._thread is not None:
            self._session.stop()
            self._thread.join()
        self._session = self._thread = None

    def _answer_monitor(self, link: Link) -> None:
        with suppress(ClosedError):
            while not self._is_closing.is_set():
                message = link.receive(LOOK_S)
                if message is None:
                    continue
                link.acknowledge(message)
                if message.kind == say.STATUS:
                    link.send(say.STATUS, self.status())

    def _tell_refusals(self) -> None:
        """Say who was not let in, once each."""
        for refusal in self._listener.refusals():
            if refusal.at > self._told_at:
                self._told_at = refusal.at
                self._progress.say(f"did not let {refusal.address} in: {refusal.why}")
                log.warning("did not let %s in: %s", refusal.address, refusal.why)
