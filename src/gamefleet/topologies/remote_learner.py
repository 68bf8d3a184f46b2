"""remote_learner: games, replay and records here, network and optimizer on another machine.

Job: the wiring of a coordinator. Place in the data flow: the same as `solo`, with a link where the learner was:
game -> actor -> replay -> (link) -> learner -> (link) -> policy. Left out: the learner's side (`remote_session`), the
run around it (`coordinator`), and the line (`remote_client`).

The rounds are those of `solo`: what is played in a round enters the replay at its end, updates are due on what was
recorded before it, and new weights play from the next round on. So with one group and exact weights a run gives the
same result as on one machine, bit for bit, whatever happens to the line; and collecting, sending and learning overlap:
the updates of a round are ordered before its games are played, and nobody waits for their results before the policy
needs the weights.

A checkpoint is joint: the learner writes its half, acknowledges, and only then this side writes its own. After a crash
of either side both have the same moment to go back to.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.actor import Actor, Moment
from gamefleet.actors.policy import EpsilonGreedyPolicy
from gamefleet.errors import PeerAwayError, PeerError
from gamefleet.experience.replay import Replay
from gamefleet.topologies import remote_messages as say
from gamefleet.topologies.config import RunConfig
from gamefleet.topologies.remote_client import LearnerClient
from gamefleet.topologies.remote_mind import RemoteMind
from gamefleet.topologies.remote_work import BATCH, FLAGS, updates_of
from gamefleet.topologies.solo import Round, Schedule
from gamefleet.transport.link import Message, Stream

if TYPE_CHECKING:
    from gamefleet.learners.value import UpdateResult

MOST_PER_ORDER = 16
"""Updates of one message: results come back steadily, and a message is small."""

RETRY_S = 5.0
"""Between two tries to write a joint checkpoint for which there was no room."""


class RemoteLearner:
    """See the module's docstring.

    Args:
        actor: Plays; its policy is `policy`.
        policy: Asks the learner, or has weights of its own.
        replay: Holds what was recorded here.
        client: The way to the learner.
        schedule: How playing and learning take turns.
        config: All settings.
    """

    def __init__(
        self,
        *,
        actor: Actor,
        policy: EpsilonGreedyPolicy,
        replay: Replay,
        client: LearnerClient,
        schedule: Schedule,
        config: RunConfig,
    ) -> None:
        self.actor = actor
        self.policy = policy
        self.replay = replay
        self.client = client
        self.schedule = schedule
        self._remote = config.remote
        self._config = config
        self._mind = policy.mind if isinstance(policy.mind, RemoteMind) else None
        self._count = schedule.count
        self._ordered = self._answered = 0
        self._made = 0
        self._fresh: int | None = None
        self._fresh_next: int | None = None
        self._rounds_ahead = 0
        self._needs_warm_up = config.curiosity.enabled
        self._times = (0.0, 0.0)
        self._exit = ExitStack()
        self._thread = self._exit.enter_context(ThreadPoolExecutor(max_workers=1, thread_name_prefix="orders"))
        self._exit.callback(actor.close)

    def close(self) -> None:
        """End the games and the thread that orders."""
        self._exit.close()

    @property
    def steps(self) -> int:
        """Steps recorded so far, over all environments."""
        return self.actor.total_steps

    @property
    def updates(self) -> int:
        """Updates whose results have arrived."""
        return self._made

    def run_round(self) -> Round:
        """Order what is due, play, and tell the learner what was played."""
        ordering = self._thread.submit(self._order, self._due())
        try:
            self._take_weights()
            first_ask = -1 if self._mind is None else self._mind.num_asked
            moments = tuple(self.actor.step() for _ in range(self.schedule.round_length))
        finally:
            updates = ordering.result()
        self._record(moments, first_ask)
        for moment in moments:
            self.replay.add(moment.slots, moment.state)
        return Round(moments=moments, updates=updates, sharing=self._metrics())

    def begin(self, *, step: int, updates: int) -> None:
        """Tell the learner that this side stands where it was agreed on.

        Args:
            step: The agreed checkpoint's; -1 for a beginning.
            updates: Made by then.

        Raises:
            PeerError: The learner stands elsewhere.
        """
        self.client.send(say.BEGIN, {"step": step, "version": self._ordered})
        ready = self._wait_for(say.READY)
        if int(ready.header["updates"]) != updates:
            raise PeerError(
                f"At step {step} the learner knows of {ready.header['updates']} updates, and this side of {updates}",
                where=self.client.where,
                remedy="Their checkpoints do not belong together. Start anew with --fresh.",
            )

    def _due(self) -> int:
        return self._count.due(self.steps, self._made + self._ordered - self._answered, self.actor.total_episodes)

    def _order(self, count: int) -> tuple[UpdateResult, ...]:
        """Order updates, and take in what has been answered; in the ordering thread."""
        results: list[UpdateResult] = []
        if count and self.replay.can_sample():
            self._warm_up()
            is_uniform = self._config.replay.effective_exponent == 0
            most = MOST_PER_ORDER if is_uniform else self._remote.updates_in_flight
            left = count
            while left:
                now = min(left, most)
                self._order_some(now)
                left -= now
                results += self._results(waits=not is_uniform)
            kind = self._remote.weights if self._mind is None else ""
            self.client.send(say.REFRESH, {"version": self._ordered, "weights": kind})
            self._fresh_next = self._ordered
        results += self._results(waits=False)
        return tuple(results)

    def _order_some(self, count: int) -> None:
        header = {"first": self._ordered, "count": count, "purpose": "update"}
        more, arrays = self._drawn(count)
        self.client.send(say.ORDER, {**header, **more}, arrays)
        self._ordered += count

    def _warm_up(self) -> None:
        """See `Solo._warm_up`: curiosity must know what random play looks like before the first update."""
        if not self._needs_warm_up:
            return
        self._needs_warm_up = False
        slots = self.schedule.batch_size * (self._config.replay.burn_in + self.schedule.unroll + self.replay.num_steps)
        count = math.ceil(self._config.curiosity.warm_up_steps / slots)
        more, arrays = self._drawn(count)
        self.client.send(say.ORDER, {"first": self._ordered, "count": count, "purpose": "warm_up", **more}, arrays)

    def _drawn(self, count: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        draws = [self.replay.draw(self.schedule.batch_size) for _ in range(count)]
        if self._remote.batches == "indices":
            arrays = {"index": np.stack([draw.index for draw in draws])}
            if self._config.replay.effective_exponent > 0:
                arrays["probability"] = np.stack([draw.probability for draw in draws])
            return {}, arrays
        batches = [self.replay.gather(draw) for draw in draws]
        arrays = {name: np.stack([getattr(batch, name) for batch in batches]) for name in BATCH}
        for name in batches[0].obs:
            arrays[f"obs/{name}"] = np.stack([batch.obs[name] for batch in batches])
        return {"num_windows": self.replay.num_sampleable}, arrays

    def _results(self, *, waits: bool) -> list[UpdateResult]:
        """Take in answers to orders; with `waits` until none is missing."""
        results: list[UpdateResult] = []
        while self._answered < self._ordered:
            message = self.client.wait(Stream.BATCHES) if waits else self.client.poll(Stream.BATCHES)
            if message is None:
                break
            results += self._result(message)
        return results

    def _result(self, message: Message) -> tuple[UpdateResult, ...]:
        # A learner that was restarted answers again what it had answered before.
        if message.kind != say.RESULT or int(message.header["first"]) != self._answered:
            return ()
        found = updates_of(message.header, say.arrays_of(message))
        self._answered += len(found)
        self._made = int(message.header["made"])
        self._times = (float(message.header["busy_s"]), float(message.header["idle_s"]))
        return found

    def _record(self, moments: tuple[Moment, ...], first_ask: int) -> None:
        """Tell the learner's copy of the replay what was played."""
        if self._fresh_next is not None:
            self._fresh, self._fresh_next = self._fresh_next, None
        if self._remote.batches != "indices":
            return
        slots = [moment.slots for moment in moments]
        arrays = {name: np.stack([getattr(slot, name) for slot in slots]) for name in FLAGS}
        groups = 0 if self._mind is None else self._mind.groups
        if first_ask < 0:
            arrays["state"] = np.stack([moment.state for moment in moments])
            for name in slots[0].obs:
                arrays[f"obs/{name}"] = np.stack([slot.obs[name] for slot in slots])
        self.client.send(say.RECORD, {"first_ask": first_ask, "groups": groups}, arrays)

    def _take_weights(self) -> None:
        """Let the policy play with the weights after the last round's updates."""
        if self._fresh is None:
            return
        if self._mind is not None:
            self.policy.refresh({}, version=self._fresh)
            self._fresh = None
            return
        while self._fresh is not None:
            if self._may_go_ahead():
                return
            message = self.client.poll(Stream.WEIGHTS, 0.05) or self._patient(Stream.WEIGHTS)
            if message is not None and int(message.header["version"]) == self._fresh:
                self.policy.refresh(say.doubled(say.arrays_of(message)), version=self._fresh)
                self._fresh, self._rounds_ahead = None, 0

    def _patient(self, stream: Stream) -> Message | None:
        if self._remote.collect_ahead_rounds == 0:
            return self.client.wait(stream)
        self.client.look()
        return None

    def _may_go_ahead(self) -> bool:
        """Whether to play with old weights because the learner is away."""
        if self.client.is_connected or self._rounds_ahead >= self._remote.collect_ahead_rounds:
            return False
        self._rounds_ahead += 1
        return True

    def _metrics(self) -> dict[str, float]:
        busy_s, idle_s = self._times
        counts = self.client.link.counts()
        return {
            "remote/idle_share": idle_s / (busy_s + idle_s) if busy_s + idle_s else 1.0,
            "remote/sent_bytes": float(counts.sent_bytes),
            "remote/received_bytes": float(counts.received_bytes),
            "remote/paused_s": self.client.paused_s,
        }

    def _drain(self) -> None:
        """Wait until everything that was ordered is done, and the policy has its weights."""
        self._results(waits=True)
        self._take_weights()
        while self._fresh is not None:
            self._take_weights()

    def _wait_for(self, kind: str) -> Message:
        while (message := self.client.wait(Stream.BATCHES)).kind != kind:
            pass
        return message

    def export_state(self) -> dict[str, Any]:
        """As `Solo.export_state`; the learner has written its half of the joint checkpoint when this returns.

        Raises:
            PeerError: The learner cannot, or is away and this process may not wait.
        """
        self._drain()
        saved = self._saved()
        network = say.arrays_of(saved)
        learner = {
            "network": network,
            "count": asdict(self._count),
            "num_updates": self._made,
            "ordered": self._ordered,
            "needs_warm_up": self._needs_warm_up,
            "hash": str(saved.header["hash"]),
        }
        return {"actor": self.actor.export_state(), "learner": learner}

    def _saved(self) -> Message:
        while True:
            self.client.send(say.SAVE, {"step": self.steps}, is_last=True)
            message = self._wait_for(say.SAVED)
            while int(message.header["step"]) != self.steps:
                message = self._wait_for(say.SAVED)
            if not message.header["error"]:
                return message
            self.client.pause(f"the learner cannot save: {message.header['error']}")
            if reason := self.client.reason_to_end():
                raise PeerAwayError(
                    f"The learner cannot save ({message.header['error']}), and this process ends: {reason}",
                    where=self.client.where,
                    remedy="Make room there and start the coordinator again; it goes on where both last saved.",
                )
            time.sleep(RETRY_S)

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `export_state`; the learner has gone to the same moment."""
        learner, actor = state["learner"], dict(state["actor"])
        policy = dict(actor["policy"])
        if self._mind is None and not policy["weights"]:  # saved while the learner chose the actions
            policy["weights"] = learner["network"]
        self.actor.import_state({**actor, "policy": policy})
        self._made = int(learner["num_updates"])
        self._ordered = self._answered = int(learner["ordered"])
        self._needs_warm_up = bool(learner["needs_warm_up"])
        self._count = self.schedule.count.going_on(learner["count"], self.steps, self._made, self.actor.total_episodes)

    def save_replay(self, folder: Path, previous: Path | None) -> None:
        """Write the replay; see `Replay.save`."""
        self.replay.save(folder, previous)
