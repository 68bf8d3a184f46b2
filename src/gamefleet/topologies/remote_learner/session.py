"""A learner's side of one link to a coordinator.

Job: take messages in their order, let one thread answer questions and another one do everything else, and acknowledge
what a checkpoint holds. Place in the data flow: link <-> here <-> `work`. Left out: what is done
(`desk`), listening (`server`).

Nothing is acknowledged before a joint checkpoint holds it. So when this process dies, the line repeats everything since
that checkpoint to the next one, which comes to the same state and answers again; a coordinator drops what it has.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any

from gamefleet.actors.mind import Situation
from gamefleet.errors import GamefleetError, PeerError
from gamefleet.topologies.remote_learner import messages as say
from gamefleet.topologies.remote_learner.desk import Desk
from gamefleet.transport.base import ClosedError
from gamefleet.transport.link import Link, Message, Stream
from gamefleet.transport.wire import LOSSLESS

log = logging.getLogger(__name__)

LOOK_S = 0.25
GLANCE_S = 0.02
KEPT = (Stream.CONTROL, Stream.BATCHES)
"""Streams of a coordinator that are kept until a checkpoint holds their effect."""

MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError)
"""What wrong values in a message lead to."""

Task = Callable[[], None]


class Session:
    """See the module's docstring.

    Args:
        link: To the coordinator.
        desk: Does what the messages ask for.
    """

    def __init__(self, link: Link, desk: Desk) -> None:
        self.link = link
        self._desk = desk
        standing = desk.standing
        known = {} if standing is None else standing.applied.get(link.peer.session, {})
        self._taken = {int(stream): known.get(int(stream), 0) for stream in KEPT}
        self._is_over = threading.Event()
        self._questions: SimpleQueue[Task | None] = SimpleQueue()
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work_off, args=(self._questions, False), name="answers", daemon=True),
            threading.Thread(target=self._work_off, args=(self._tasks, True), name="updates", daemon=True),
        ]

    def run(self) -> None:
        """Work until the link ends; never raises because of what the other side does."""
        for thread in self._threads:
            thread.start()
        try:
            while not self._is_over.is_set():
                message = self._next()
                if message is not None:
                    self._guarded(partial(self._take, message))
        except ClosedError as error:
            log.info("the session with %s has ended: %s", self.link.peer.name, error)
        finally:
            self.stop()

    def _next(self) -> Message | None:
        # Questions that are repeated to a learner that was restarted must wait for the run that they are about.
        if self._desk.is_open:
            return self.link.receive(LOOK_S)
        return self.link.receive(GLANCE_S, streams=(Stream.BATCHES,))

    def stop(self) -> None:
        """End the threads, after what they are doing."""
        self._is_over.set()
        if self._desk.standing is not None:
            self._desk.standing.work.stop()
        for queue in (self._questions, self._tasks):
            queue.put(None)
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join()

    def _work_off(self, queue: SimpleQueue[Task | None], is_timed: bool) -> None:
        free_at = time.monotonic()
        while (task := queue.get()) is not None and not self._is_over.is_set():
            came_at = time.monotonic()
            self._guarded(task)
            done_at, standing = time.monotonic(), self._desk.standing
            if is_timed and standing is not None:
                standing.work.idle_s += came_at - free_at
                standing.work.busy_s += done_at - came_at
            free_at = done_at

    def _guarded(self, task: Task) -> None:
        """Whatever a coordinator sends ends its own session at most, and the coordinator hears of it."""
        is_explained = False
        try:
            task()
            is_explained = True
        except ClosedError:
            is_explained = True
            self._is_over.set()
        except GamefleetError as error:
            is_explained = True
            log.warning("the work for %s cannot go on: %s", self.link.peer.name, error)
            self._end(str(error), kind=type(error).__name__)
        except MALFORMED as error:
            is_explained = True
            log.exception("a message of %s cannot be understood", self.link.peer.name)
            self._end(f"A message cannot be understood: {error!r}", kind=PeerError.__name__)
        finally:
            if not is_explained:  # an error of the program: it goes on its way up
                self._end("an error in the learner, which its log describes", kind="")

    def _take(self, message: Message) -> None:
        """Sort a message in; called in the order in which they come."""
        before, self._taken[int(message.stream)] = self._taken.get(int(message.stream), 0), int(message.number)
        if message.stream in KEPT and message.number != before + 1:
            self._say_lost(message, before)
        elif message.kind == say.ASK:
            situation = self._desk.run_of(message).work.note(message.header, say.arrays_of(message))
            self._questions.put(partial(self._answer, message, situation))
        else:
            asked = self._taken[int(Stream.CONTROL)]
            self._tasks.put(partial(self._desk.perform, message, asked))

    def _answer(self, message: Message, situation: Situation) -> None:
        header = message.header
        work = self._desk.run_of(message).work
        answer = work.answer(situation, int(header["version"]))
        told = {"number": header["number"], "group": header["group"]}
        say.send(self.link, say.ANSWER, told, answer, stream=Stream.CONTROL)

    def _say_lost(self, message: Message, before: int) -> None:
        """This learner's checkpoint is older than what the coordinator can repeat."""
        log.warning(
            "%s repeats from message %d on, and this learner holds %d", self.link.peer.name, message.number, before
        )
        self._tell_everyone(say.LOST, {"held": before, "came": int(message.number)})

    def _end(self, why: str, *, kind: str) -> None:
        """Tell the coordinator why it cannot go on."""
        self._tell_everyone(say.TROUBLE, {"why": why, "kind": kind})

    def _tell_everyone(self, kind: str, header: Mapping[str, Any]) -> None:
        """Say what ends the session, on all streams: whoever waits over there waits for one of them."""
        self._is_over.set()
        with suppress(ClosedError):
            for stream in LOSSLESS:
                say.send(self.link, kind, header, stream=stream, is_last=True)
