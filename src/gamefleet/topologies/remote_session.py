"""A learner's side of one link to a coordinator.

Job: take messages in their order, let one thread answer questions and another one do everything else, and acknowledge
what a checkpoint holds. Place in the data flow: link <-> here <-> `remote_work`. Left out: listening
(`learner_server`), run folders (`remote_standing`).

Nothing is acknowledged before a joint checkpoint holds it. So when this process dies, the line repeats everything since
that checkpoint to the next one, which comes to the same state and answers again; a coordinator drops what it has.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial
from queue import SimpleQueue
from typing import Any

from gamefleet.actors.mind import Situation
from gamefleet.errors import GamefleetError, PeerError, StorageFullError
from gamefleet.topologies import remote_messages as say
from gamefleet.topologies.remote_standing import Standing
from gamefleet.transport.base import ClosedError
from gamefleet.transport.link import Link, Message, Stream

log = logging.getLogger(__name__)

LOOK_S = 0.25
KEPT = (Stream.CONTROL, Stream.BATCHES)
"""Streams of a coordinator that are kept until a checkpoint holds their effect."""

MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError)
"""What wrong values in a message lead to."""

Task = Callable[[], None]


class Session:
    """See the module's docstring.

    Args:
        link: To the coordinator.
        opens: `(header) -> Standing`: what to do when it says which run it carries.
        epochs: `() -> epochs` of the listener, for checkpoints.
        standing: The run that the coordinator already carries when it comes back to a learner that was restarted.
    """

    def __init__(
        self,
        link: Link,
        *,
        opens: Callable[[Mapping[str, Any]], Standing],
        epochs: Callable[[], Mapping[str, int]],
        standing: Standing | None = None,
    ) -> None:
        self.link = link
        self.standing = standing
        self._opens = opens
        self._epochs = epochs
        known = {} if standing is None else standing.applied.get(link.peer.session, {})
        self._taken = {int(stream): known.get(int(stream), 0) for stream in KEPT}
        self._is_over = threading.Event()
        self._questions: SimpleQueue[Task | None] = SimpleQueue()
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work_off, args=(queue,), name=name, daemon=True)
            for name, queue in (("answers", self._questions), ("updates", self._tasks))
        ]

    def run(self) -> None:
        """Work until the link ends; never raises because of what the other side does."""
        for thread in self._threads:
            thread.start()
        try:
            while not self._is_over.is_set():
                message = self.link.receive(LOOK_S)
                if message is not None:
                    self._guarded(partial(self._take, message))
        except ClosedError as error:
            log.info("the session with %s has ended: %s", self.link.peer.name, error)
        finally:
            self.stop()

    def stop(self) -> None:
        """End the threads, after what they are doing."""
        self._is_over.set()
        for queue in (self._questions, self._tasks):
            queue.put(None)
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join()

    def _work_off(self, queue: SimpleQueue[Task | None]) -> None:
        while (task := queue.get()) is not None and not self._is_over.is_set():
            self._guarded(task)

    def _guarded(self, task: Task) -> None:
        """Whatever a coordinator sends ends its own session at most."""
        try:
            task()
        except ClosedError:
            self._is_over.set()
        except GamefleetError as error:
            log.exception("the work for %s cannot go on", self.link.peer.name)
            self._end(str(error), kind=type(error).__name__)
        except MALFORMED as error:
            log.exception("a message of %s cannot be understood", self.link.peer.name)
            self._end(f"A message cannot be understood: {error!r}", kind=PeerError.__name__)

    def _take(self, message: Message) -> None:
        """Sort a message in; called in the order in which they come."""
        before, self._taken[int(message.stream)] = self._taken.get(int(message.stream), 0), int(message.number)
        if message.stream in KEPT and message.number != before + 1:
            self._say_lost(message, before)
        elif message.kind == say.ASK:
            situation = self._run_of(message).work.note(message.header, say.arrays_of(message))
            self._questions.put(partial(self._answer, message, situation))
        else:
            self._tasks.put(partial(self._perform, message))

    def _answer(self, message: Message, situation: Situation) -> None:
        header = message.header
        work = self._run_of(message).work
        answer = work.answer(situation, int(header["version"]), self._is_over.is_set)
        if answer is not None:
            told = {"number": header["number"], "group": header["group"]}
            say.send(self.link, say.ANSWER, told, answer, stream=Stream.CONTROL)

    def _perform(self, message: Message) -> None:
        """One of everything but questions."""
        kinds: Mapping[str, Callable[[Message], None]] = {
            say.OPEN: self._open,
            say.BEGIN: self._begin,
            say.ORDER: self._order,
            say.REFRESH: self._refresh,
            say.RECORD: self._record,
            say.SAVE: self._save,
            say.PROBE: self._probe,
        }
        if message.kind not in kinds:
            raise PeerError("The coordinator sent what no learner knows", value=message.kind)
        kinds[message.kind](message)

    def _open(self, message: Message) -> None:
        self.standing = self._opens(message.header)
        steps = [int(step) for step in message.header["steps"]]
        step = self.standing.load(steps)
        log.info("the run %s of %s goes on from step %d", message.header["run"], self.link.peer.name, step)
        self._send(say.OPENED, {"step": step, **self._facts()})

    def _begin(self, message: Message) -> None:
        """The coordinator went to the step that was agreed on; from here on everything counts."""
        standing = self._run_of(message)
        if int(message.header["step"]) != standing.step:
            raise PeerError("The coordinator went to another checkpoint than agreed on", value=message.header["step"])
        standing.work.refresh(int(message.header["version"]))
        self._send(say.READY, self._facts())

    def _order(self, message: Message) -> None:
        told, arrays = self._run_of(message).work.order(message.header, say.arrays_of(message))
        self._send(say.RESULT, told, arrays)

    def _refresh(self, message: Message) -> None:
        work, version = self._run_of(message).work, int(message.header["version"])
        work.refresh(version)
        if kind := str(message.header["weights"]):
            arrays = work.weights(kind)
            say.send(self.link, say.WEIGHTS, {"version": version}, arrays, stream=Stream.WEIGHTS)

    def _probe(self, message: Message) -> None:
        arrays = self._run_of(message).work.weights(str(message.header["weights"]))
        say.send(self.link, say.WEIGHTS, {"version": -1}, arrays, stream=Stream.WEIGHTS)

    def _record(self, message: Message) -> None:
        self._run_of(message).work.record(message.header, say.arrays_of(message))

    def _save(self, message: Message) -> None:
        """Write the joint checkpoint; the coordinator writes its half once it knows that this one is on disk."""
        standing, session = self._run_of(message), message.session
        position = {int(message.stream): int(message.number), int(Stream.CONTROL): self._taken[int(Stream.CONTROL)]}
        step = int(message.header["step"])
        try:
            standing.save(step, {session: position}, self._epochs())
        except StorageFullError as error:
            log.warning("the joint checkpoint cannot be written: %s", error)
            self._send(say.SAVED, {"step": step, "error": str(error)})
            return
        for stream, number in position.items():
            self.link.acknowledge_up_to(session, Stream(stream), number)
        self._send(say.SAVED, {"step": step, "error": "", **self._facts()}, standing.work.learner.weights())

    def _say_lost(self, message: Message, before: int) -> None:
        """This learner's checkpoint is older than what the coordinator can repeat."""
        log.warning(
            "%s repeats from message %d on, and this learner holds %d", self.link.peer.name, message.number, before
        )
        self._send(say.LOST, {"held": before, "came": int(message.number)})
        self._is_over.set()

    def _facts(self) -> dict[str, Any]:
        work = self._run_of(None).work
        return {
            "updates": work.learner.num_updates,
            "version": work.version,
            "hash": work.hash(),
            "state_size": work.state_size,
            "device": work.device,
        }

    def _run_of(self, message: Message | None) -> Standing:
        if self.standing is None:
            raise PeerError("The coordinator did not say which run it carries", value=message and message.kind)
        return self.standing

    def _send(self, kind: str, header: Mapping[str, Any], arrays: say.Arrays | None = None) -> None:
        say.send(self.link, kind, header, arrays, stream=Stream.BATCHES)

    def _end(self, why: str, *, kind: str) -> None:
        """Tell the coordinator why it cannot go on."""
        try:
            say.send(self.link, say.TROUBLE, {"why": why, "kind": kind}, stream=Stream.BATCHES, is_last=True)
            self.link.flush(LOOK_S * 8, streams=(Stream.BATCHES,))
        except ClosedError:
            pass
        self._is_over.set()
