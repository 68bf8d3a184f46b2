"""The updates that a coordinator orders, and what became of them.

Job: draw what an update shall be made on, order it, and take in the results, which may come twice or after a crash.
Place in the data flow: replay -> here -> link -> `work`, and back. Left out: when updates are due
(`remote_learner`).

Updates are numbered by their order. A learner that was restarted makes those again that its checkpoint did not hold,
and reports them again; whoever has a number already passes it over.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.experience.replay import Replay
from gamefleet.experience.windows import Draw
from gamefleet.topologies.config import RunConfig
from gamefleet.topologies.remote_learner import messages as say
from gamefleet.topologies.remote_learner.client import SLICE_S, LearnerClient
from gamefleet.topologies.remote_learner.work import BATCH, updates_of
from gamefleet.transport.link import Message, Stream

if TYPE_CHECKING:
    from gamefleet.learners.value import UpdateResult

MOST_PER_ORDER = 16
"""Updates of one message: results come back steadily, and a message is small."""

MOST_ORDER_BYTES = 64 * 2**20


class Orders:
    """See the module's docstring; one thread at a time may use it.

    Args:
        client: To the learner.
        replay: Where batches are drawn.
        config: All settings.
    """

    def __init__(self, client: LearnerClient, replay: Replay, config: RunConfig) -> None:
        self.ordered = self.made = 0
        self.times = (0.0, 0.0)
        self._answered = 0
        self._fresh: int | None = None
        self._drawn_windows: deque[NDArray[np.int64]] = deque()
        self._needs_warm_up = config.curiosity.enabled
        self._is_prioritized = config.replay.effective_exponent > 0
        self._client = client
        self._replay = replay
        self._config = config

    @property
    def expected(self) -> int:
        """Updates that will have been made when everything ordered is done."""
        return self.made + self.ordered - self._answered

    def order(self, count: int, *, weights: str) -> tuple[UpdateResult, ...]:
        """Order updates, then the weights after them, and take in what has been answered meanwhile.

        Args:
            count: How many.
            weights: How the weights shall travel here; empty when they are not wanted here.
        """
        results: list[UpdateResult] = []
        if count and self._replay.can_sample():
            self._warm_up()
            most = self._config.remote.updates_in_flight if self._is_prioritized else self._most_per_order()
            for first in range(0, count, most):
                self._order_some(min(most, count - first))
                # The next draw depends on the priorities of this one.
                results += self.results(waits=self._is_prioritized)
            self._client.send(say.REFRESH, {"version": self.ordered, "weights": weights})
            self._fresh = self.ordered
        return (*results, *self.results(waits=False))

    def take_fresh(self) -> int | None:
        """The version of the weights that were ordered since this was last asked; None when none were."""
        fresh, self._fresh = self._fresh, None
        return fresh

    def results(self, *, waits: bool) -> list[UpdateResult]:
        """Take in answers to orders; with `waits` until none is missing."""
        results: list[UpdateResult] = []
        while self._answered < self.ordered:
            message = self._client.wait(Stream.BATCHES) if waits else self._client.poll(Stream.BATCHES)
            if message is None:
                break
            results += self._result(message)
        return results

    def wait_for(self, kind: str) -> Message:
        """The next message of a kind; others are passed over."""
        while (message := self._client.wait(Stream.BATCHES)).kind != kind:
            pass
        return message

    def save(self, step: int) -> Message:
        """Have the learner write its half of the joint checkpoint; returns what it says of it."""
        link = self._client.link
        session = ""
        while True:
            if link.peer.session != session:  # the answer of a learner that died is lost, its checkpoint may be there
                session = link.peer.session
                self._client.send(say.SAVE, {"step": step, "have": self._client.saved_steps()}, is_last=True)
            message = self._client.poll(Stream.BATCHES, SLICE_S)
            if message is None:
                self._client.look()
            elif message.kind == say.SAVED and int(message.header["step"]) == step:
                if not message.header["error"]:
                    self._client.unsaved_bytes = 0
                return message

    def export_state(self) -> dict[str, Any]:
        """Counts, for a checkpoint; only when everything was answered."""
        return {"num_updates": self.made, "ordered": self.ordered, "needs_warm_up": self._needs_warm_up}

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `export_state`."""
        self.made = int(state["num_updates"])
        self.ordered = self._answered = int(state["ordered"])
        self._needs_warm_up = bool(state["needs_warm_up"])

    def _most_per_order(self) -> int:
        """Whole batches of large observations fill a message sooner than indices."""
        if self._config.remote.batches == "indices":
            return MOST_PER_ORDER
        config, layout = self._config, self._replay.layout
        slot_bytes = sum(math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in layout.values()) + 32
        span = config.replay.burn_in + config.replay.unroll + config.learner.num_steps
        return max(1, min(MOST_PER_ORDER, MOST_ORDER_BYTES // (slot_bytes * span * config.learner.batch_size)))

    def _order_some(self, count: int, purpose: str = "update") -> None:
        draws = [self._replay.draw(self._config.learner.batch_size) for _ in range(count)]
        header, arrays = self._described(draws)
        self._client.send(say.ORDER, {"first": self.ordered, "count": count, "purpose": purpose, **header}, arrays)
        if purpose == "update":
            self.ordered += count
            self._drawn_windows.extend(draw.index for draw in draws if self._is_prioritized)

    def _warm_up(self) -> None:
        """Show curiosity what random play looks like before the first update."""
        if self._needs_warm_up:
            self._needs_warm_up = False
            config = self._config
            span = config.replay.burn_in + config.replay.unroll + config.learner.num_steps
            slots = config.learner.batch_size * span
            self._order_some(math.ceil(config.curiosity.warm_up_steps / slots), purpose="warm_up")

    def _described(self, draws: list[Draw]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Drawn windows as they travel: where they lie, or what they hold."""
        replay = self._replay
        if self._config.remote.batches == "indices":
            arrays: dict[str, NDArray[Any]] = {"index": np.stack([draw.index for draw in draws])}
            if self._is_prioritized:
                arrays["probability"] = np.stack([draw.probability for draw in draws])
            return {}, arrays
        batches = [replay.gather(draw) for draw in draws]
        arrays = {name: np.stack([getattr(batch, name) for batch in batches]) for name in BATCH}
        arrays |= say.named({name: np.stack([batch.obs[name] for batch in batches]) for name in batches[0].obs})
        return {"num_windows": replay.num_sampleable}, arrays

    def _result(self, message: Message) -> tuple[UpdateResult, ...]:
        if message.kind != say.RESULT or int(message.header["first"]) != self._answered:
            return ()
        found = updates_of(message.header, say.arrays_of(message))
        self._answered += len(found)
        self.made = int(message.header["made"])
        self.times = (float(message.header["busy_s"]), float(message.header["idle_s"]))
        for result in found if self._is_prioritized else ():
            self._replay.update_priorities(self._drawn_windows.popleft(), result.priorities)
        return found
