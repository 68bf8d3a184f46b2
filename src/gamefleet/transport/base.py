"""The seam between those who play and those who learn: what is handed over, and what is promised about it.

Job: protocols that every way of moving experience and weights keeps, so that a wiring is chosen by choosing classes.
Place in the data flow: actors -> experience sender ~ receiver -> replay; learner -> weights sender ~ receiver ->
policy. Left out: the ways themselves (`memory`), and what is done with what arrives.

The two kinds of cargo need opposite promises. Experience is made once and paid for: none may get lost, come twice or
change its order, and a slow receiver slows its senders down. Old weights are worth nothing: only the newest matter, a
reader may miss any number of versions, and a writer never waits.

Source: the parting of lossless and newest-wins channels as in IMPALA (Espeholt et al. 2018) and R2D2 (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gamefleet.experience.types import Slots
from gamefleet.weights.snapshot import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Consecutive slots of one environment, as `Replay.extend` takes them.

    Args:
        source: Which environment, a text of `Identity`; a chunk continues where the last one of its source ended.
        slots: Arrays `[time, ...]`; nobody changes them any more.
        state: float32 `[time, state]`, the recurrent state before each slot.
    """

    source: str
    slots: Slots
    state: NDArray[np.float32]

    @property
    def num_bytes(self) -> int:
        """Of all arrays."""
        slots = self.slots
        flags = (slots.action, slots.reward, slots.is_first, slots.is_last, slots.is_terminal)
        return sum(array.nbytes for array in (*slots.obs.values(), *flags, self.state))


class ClosedError(Exception):
    """The other end is gone or has said that nothing more comes; the wiring decides what that means."""


class ExperienceSender(Protocol):
    """The actors' end.

    Every chunk that was accepted arrives once, and those of one source in the order in which they were accepted. How
    chunks of different sources interleave is not promised.
    """

    def send(self, chunk: Chunk, timeout_s: float | None = None) -> bool:
        """Hand over a chunk, waiting while the receiver is behind by more than the transport's bound.

        Args:
            chunk: What was played.
            timeout_s: Seconds to wait at most; None waits as long as it takes.

        Returns:
            Whether it was accepted; if not, the sender still has it and may try again.

        Raises:
            ClosedError: The receiver is gone, or this end has finished.
        """
        ...

    def finish(self) -> None:
        """Say that nothing more comes; what was accepted still arrives."""
        ...


class ExperienceReceiver(Protocol):
    """The replay's end; promises as in `ExperienceSender`."""

    def receive(self, timeout_s: float | None = None) -> Chunk | None:
        """Take the next chunk.

        Args:
            timeout_s: Seconds to wait at most; None waits as long as it takes.

        Returns:
            The chunk, or None when none came in time.

        Raises:
            ClosedError: The senders have finished and everything was taken, or this end was closed.
        """
        ...

    def close(self) -> None:
        """Take no more; senders that wait, and those that try later, are told."""
        ...


class WeightsSender(Protocol):
    """The learner's end: the newest version wins."""

    def publish(self, weights: Weights) -> None:
        """Offer weights; never waits for readers. Weights no newer than those on offer are passed over.

        Args:
            weights: Their arrays must not be changed afterwards.
        """
        ...

    def close(self) -> None:
        """Say that nothing more comes; the newest weights can still be read."""
        ...


class WeightsReceiver(Protocol):
    """The policy's end; any number of readers may look at the same time, each sees versions that only grow."""

    def newest(self, *, after: int, timeout_s: float | None = 0.0) -> Weights | None:
        """Look for weights that are newer than those one has.

        Args:
            after: The version that the reader has.
            timeout_s: Seconds to wait for a newer one; 0 looks once, None waits as long as it takes.

        Returns:
            The newest weights when their version is above `after`; otherwise None: none came in time, or the sender
            was closed.
        """
        ...
