"""Transport within one process: references change hands, nothing is copied.

Job: the promises of `base` between threads. Place in the data flow: the wiring `solo`, and every member of the larger
wirings on its inside. Left out: other processes and machines.
"""

from __future__ import annotations

from collections import deque
from threading import Condition

from gamefleet.transport.base import Chunk, ClosedError
from gamefleet.weights.snapshot import Weights


class MemoryExperience:
    """Both ends of an experience channel; any number of threads may send and receive.

    Args:
        capacity_bytes: Chunks that wait hold at most this much; a larger one is accepted when nothing else waits.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._waiting: deque[Chunk] = deque()
        self._waiting_bytes = 0
        self._is_finished = False
        self._is_closed = False
        self._changed = Condition()

    def send(self, chunk: Chunk, timeout_s: float | None = None) -> bool:
        """See `ExperienceSender.send`."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_ended() or self._has_room(chunk), timeout_s)
            if self._has_ended():
                raise ClosedError("the receiver is gone" if self._is_closed else "this sender has finished")
            if not self._has_room(chunk):
                return False
            self._waiting.append(chunk)
            self._waiting_bytes += chunk.num_bytes
            self._changed.notify_all()
            return True

    def finish(self) -> None:
        """See `ExperienceSender.finish`."""
        with self._changed:
            self._is_finished = True
            self._changed.notify_all()

    def receive(self, timeout_s: float | None = None) -> Chunk | None:
        """See `ExperienceReceiver.receive`."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_ended() or self._waiting, timeout_s)
            if self._waiting:
                chunk = self._waiting.popleft()
                self._waiting_bytes -= chunk.num_bytes
                self._changed.notify_all()
                return chunk
            if self._has_ended():
                raise ClosedError("this receiver was closed" if self._is_closed else "the senders have finished")
            return None

    def close(self) -> None:
        """See `ExperienceReceiver.close`."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._waiting_bytes = 0
            self._changed.notify_all()

    def _has_ended(self) -> bool:
        return self._is_finished or self._is_closed

    def _has_room(self, chunk: Chunk) -> bool:
        return not self._waiting or self._waiting_bytes + chunk.num_bytes <= self._capacity_bytes


class MemoryWeights:
    """Both ends of a weights channel; any number of threads may publish and read."""

    def __init__(self) -> None:
        self._newest: Weights | None = None
        self._is_closed = False
        self._changed = Condition()

    def publish(self, weights: Weights) -> None:
        """See `WeightsSender.publish`."""
        with self._changed:
            if self._newest is None or weights.version > self._newest.version:
                self._newest = weights
                self._changed.notify_all()

    def close(self) -> None:
        """See `WeightsSender.close`."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def newest(self, *, after: int, timeout_s: float | None = 0.0) -> Weights | None:
        """See `WeightsReceiver.newest`."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._newer_than(after) is not None, timeout_s)
            return self._newer_than(after)

    def _newer_than(self, version: int) -> Weights | None:
        return self._newest if self._newest is not None and self._newest.version > version else None
