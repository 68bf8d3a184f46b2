"""Weights over a link: the newest version wins.

Job: weights as messages of the stream WEIGHTS, one at a time, so that what is overtaken is never sent. Place in the
data flow: learner of one machine -> policies of another one. Left out: the line (`link`), what the arrays mean.
"""

from __future__ import annotations

from threading import Event, Thread

from gamefleet.transport.base import ClosedError
from gamefleet.transport.link import CLOSED, CONNECTED, Link, Message, Stream
from gamefleet.transport.memory import MemoryWeights
from gamefleet.transport.socket_arrays import ArraysError, describe, restore
from gamefleet.weights.snapshot import Weights

WEIGHTS, END = "weights", "end"
STREAMS = (Stream.WEIGHTS,)
LOOK_S = 0.25


class SocketWeightsSender:
    """The learner's end: `publish` returns at once, a thread sends what is newest when the line is free.

    Args:
        link: Its stream WEIGHTS, in this direction, belongs to this object.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._newest = MemoryWeights()
        self._is_closed = Event()
        Thread(target=self._keep_sending, name="weights-sender", daemon=True).start()

    def publish(self, weights: Weights) -> None:
        """See `WeightsSender.publish`."""
        self._newest.publish(weights)

    def close(self) -> None:
        """See `WeightsSender.close`."""
        self._is_closed.set()
        self._newest.close()

    def _keep_sending(self) -> None:
        session, version = "", -1
        try:
            while self._link.state.kind != CLOSED:
                if session != self._link.peer.session:  # another process, which has nothing yet
                    session, version = self._link.peer.session, -1
                found = self._next(version)
                if found is not None:
                    self._send(found, session)
                    version = found.version
                elif self._is_closed.is_set() and self._newest.newest(after=version) is None:
                    self._link.send(END, {}, stream=Stream.WEIGHTS, is_last=True)
                    return
        except ClosedError:
            return

    def _next(self, version: int) -> Weights | None:
        """What to send, if there is a line to send it on: what waits for one might be overtaken."""
        state = self._link.state
        if state.kind != CONNECTED:
            self._link.wait_for_change(state, LOOK_S)
            return None
        return self._newest.newest(after=version, timeout_s=LOOK_S)

    def _send(self, weights: Weights, session: str) -> None:
        """Send, and wait until the other side has it: meanwhile newer ones may come, of which only the last goes."""
        facts, parts = describe(weights.arrays)
        header = {"version": weights.version, "arrays": facts}
        self._link.send(WEIGHTS, header, parts, stream=Stream.WEIGHTS)
        while not self._link.flush(LOOK_S, streams=STREAMS):
            if self._link.state.kind == CLOSED or self._link.peer.session != session:
                return


class SocketWeightsReceiver:
    """The policy's end; any number of threads may look.

    Args:
        link: Its stream WEIGHTS, in this direction, belongs to this object.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._newest = MemoryWeights()
        Thread(target=self._keep_receiving, name="weights-receiver", daemon=True).start()

    def newest(self, *, after: int, timeout_s: float | None = 0.0) -> Weights | None:
        """See `WeightsReceiver.newest`."""
        return self._newest.newest(after=after, timeout_s=timeout_s)

    def _keep_receiving(self) -> None:
        try:
            while True:
                message = self._link.receive(None, streams=STREAMS)
                if message is None:
                    continue
                if message.kind == END:
                    return
                self._newest.publish(weights_of(message))
                self._link.acknowledge(message)
        except ClosedError:
            return
        except ArraysError as error:
            self._link.refuse(str(error))
        finally:
            self._newest.close()


def weights_of(message: Message) -> Weights:
    """The weights that a message holds.

    Raises:
        ArraysError: It holds none.
    """
    version = message.header.get("version")
    if message.kind != WEIGHTS or type(version) is not int or version < 0:
        raise ArraysError("A message among the weights is none", value=message.kind)
    return Weights(version=version, arrays=restore(message.header.get("arrays"), message.payload))
