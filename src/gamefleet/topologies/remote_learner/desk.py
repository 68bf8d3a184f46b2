"""What a learner does with the messages of a coordinator, one after the other.

Job: open the run, make updates, refresh, record, save; and answer. Place in the data flow: `session` -> here ->
`work` and `standing`. Left out: the order of the messages and the threads (`session`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from gamefleet.errors import PeerError, StorageFullError
from gamefleet.topologies.remote_learner import messages as say
from gamefleet.topologies.remote_learner.standing import Standing
from gamefleet.transport.link import Link, Message, Stream
from gamefleet.weights.snapshot import checksum

log = logging.getLogger(__name__)


class Desk:
    """See the module's docstring.

    Args:
        link: To the coordinator.
        opens: `(header) -> Standing`: what to do when it says which run it carries.
        epochs: `() -> epochs` of the listener, for checkpoints.
        standing: The run that the coordinator already carries when it comes back to a learner that was restarted.

    Attributes:
        is_open: Whether there is a run that questions can be about.
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
        self.is_open = standing is not None
        self._opens = opens
        self._epochs = epochs
        self._asked = 0

    def perform(self, message: Message, asked: int) -> None:
        """Do what a message asks for; one at a time, in their order.

        Args:
            message: Anything but a question.
            asked: Number of the last question that came before it.

        Raises:
            PeerError: Its kind is not known, or it may not come now.
        """
        self._asked = asked
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
        if self.is_open:
            raise PeerError("The coordinator opened a second run over the same line")
        self.standing = self._opens(message.header)
        steps = [int(step) for step in message.header["steps"]]
        step = self.standing.load(steps)
        log.info("the run %s of %s goes on from step %d", message.header["run"], self.link.peer.name, step)
        self._send(say.OPENED, {"step": step, **self._facts(self.standing.work.learner.weights())})
        self.is_open = True

    def _begin(self, message: Message) -> None:
        """The coordinator went to the step that was agreed on; from here on everything counts."""
        standing = self.run_of(message)
        if int(message.header["step"]) != standing.step:
            raise PeerError("The coordinator went to another checkpoint than agreed on", value=message.header["step"])
        standing.work.refresh(int(message.header["version"]), is_asked=True)
        self._send(say.READY, self._facts(standing.work.learner.weights()))

    def _order(self, message: Message) -> None:
        told, arrays = self.run_of(message).work.order(message.header, say.arrays_of(message))
        self._send(say.RESULT, told, arrays)

    def _refresh(self, message: Message) -> None:
        work, version = self.run_of(message).work, int(message.header["version"])
        kind = str(message.header["weights"])
        work.refresh(version, is_asked=not kind)
        if kind:
            arrays = work.weights(kind)
            say.send(self.link, say.WEIGHTS, {"version": version}, arrays, stream=Stream.WEIGHTS)

    def _probe(self, message: Message) -> None:
        arrays = self.run_of(message).work.weights(str(message.header["weights"]))
        say.send(self.link, say.WEIGHTS, {"version": -1}, arrays, stream=Stream.WEIGHTS)

    def _record(self, message: Message) -> None:
        self.run_of(message).work.record(message.header, say.arrays_of(message))

    def _save(self, message: Message) -> None:
        """Write the joint checkpoint; the coordinator writes its half once it knows that this one is on disk."""
        standing, session = self.run_of(message), message.session
        position = {int(message.stream): int(message.number), int(Stream.CONTROL): self._asked}
        step = int(message.header["step"])
        try:
            standing.save(step, {session: position}, self._epochs(), partner=message.header["have"])
        except StorageFullError as error:
            log.warning("the joint checkpoint cannot be written: %s", error)
            self._send(say.SAVED, {"step": step, "error": str(error)})
            return
        # As the file says: a checkpoint of this step may have been there already.
        for stream, number in standing.applied.get(session, {}).items():
            self.link.acknowledge_up_to(session, Stream(stream), number)
        weights = standing.work.learner.weights()
        self._send(say.SAVED, {"step": step, "error": "", **self._facts(weights)}, weights)

    def _facts(self, weights: say.Arrays) -> dict[str, Any]:
        """What identifies the moment that the learner stands at; `weights` are its present ones."""
        work = self.run_of(None).work
        return {
            "updates": work.learner.num_updates,
            "version": work.version,
            "hash": checksum(weights, {}),
            "state_size": work.state_size,
            "device": work.device,
        }

    def run_of(self, message: Message | None) -> Standing:
        """The run that this is about.

        Raises:
            PeerError: The coordinator did not say.
        """
        if self.standing is None:
            raise PeerError("The coordinator did not say which run it carries", value=message and message.kind)
        return self.standing

    def _send(self, kind: str, header: Mapping[str, Any], arrays: say.Arrays | None = None) -> None:
        say.send(self.link, kind, header, arrays, stream=Stream.BATCHES)
