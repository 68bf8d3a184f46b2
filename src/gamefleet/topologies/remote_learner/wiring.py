"""remote_learner: games, replay and records here, network and optimizer on another machine.

Job: the wiring of a coordinator. Place in the data flow: the same as `solo`, with a link where the learner was:
game -> actor -> replay -> (link) -> learner -> (link) -> policy. Left out: the learner's side (`session`), the
run around it (`coordinator`), and the line (`client`).

The rounds are those of `solo`: what is played in a round enters the replay at its end, updates are due on what was
recorded before it, and new weights play from the next round on. So with one group and exact weights a run gives the
same result as on one machine, bit for bit, whatever happens to the line; and collecting, sending and learning overlap:
the updates of a round are ordered before its games are played, and nobody waits for their results before the policy
needs the weights.

A checkpoint is joint: the learner writes its half, acknowledges, and only then this side writes its own. After a crash
of either side both have the same moment to go back to.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gamefleet.actors.actor import Actor, Moment
from gamefleet.actors.policy import EpsilonGreedyPolicy
from gamefleet.errors import PeerAwayError, PeerError
from gamefleet.experience.layout import FLAGS
from gamefleet.experience.replay import Replay
from gamefleet.topologies.config import RunConfig
from gamefleet.topologies.remote_learner import messages as say
from gamefleet.topologies.remote_learner.client import LearnerClient
from gamefleet.topologies.remote_learner.mind import RemoteMind
from gamefleet.topologies.remote_learner.orders import Orders
from gamefleet.topologies.remote_learner.weights import RemoteWeights
from gamefleet.topologies.solo import Round, Schedule
from gamefleet.transport.link import Message

KEPT_SHARE = 0.25
"""Of what the line keeps for a learner that may die; more than that asks for a checkpoint out of turn."""

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
        self._orders = Orders(client, replay, config)
        self._hash = ""
        self._weights = RemoteWeights(client, policy, config.remote)
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
        return self._orders.made

    @property
    def must_save(self) -> bool:
        """Whether so much was sent since the last joint checkpoint that the line could soon keep no more of it."""
        return self.client.unsaved_bytes > KEPT_SHARE * self.client.kept_bytes

    def run_round(self) -> Round:
        """Order what is due, play, and tell the learner what was played."""
        due = self._count.due(self.steps, self._orders.expected, self.actor.total_episodes)
        ordering = self._thread.submit(self._orders.order, due, weights="" if self._mind else self._remote.weights)
        try:
            self._weights.take()
            first_ask = -1 if self._mind is None else self._mind.num_asked
            moments = tuple(self.actor.step() for _ in range(self.schedule.round_length))
        finally:
            updates = ordering.result()
        self._weights.expect(self._orders.take_fresh())
        self._record(moments, first_ask)
        for moment in moments:
            self.replay.add(moment.slots, moment.state)
        return Round(moments=moments, updates=updates, sharing=self._metrics())

    def begin(self, step: int) -> None:
        """Tell the learner that this side stands where it was agreed on.

        Args:
            step: The agreed checkpoint's; -1 for a beginning.

        Raises:
            PeerError: The learner stands elsewhere.
        """
        self.client.send(say.BEGIN, {"step": step, "version": self._orders.ordered})
        ready = self._orders.wait_for(say.READY)
        updates, theirs = self._orders.made, str(ready.header["hash"])
        if int(ready.header["updates"]) != updates or self._hash not in ("", theirs):
            raise PeerError(
                f"At step {step} the learner has other weights than this side knows of "
                f"({ready.header['updates']} updates and {theirs}, not {updates} and {self._hash})",
                where=self.client.where,
                remedy="Their checkpoints do not belong together. Start anew with --fresh.",
            )

    def _record(self, moments: tuple[Moment, ...], first_ask: int) -> None:
        """Tell the learner's copy of the replay what was played."""
        if self._remote.batches != "indices":
            return
        slots = [moment.slots for moment in moments]
        arrays = {name: np.stack([getattr(slot, name) for slot in slots]) for name in FLAGS}
        groups = 0 if self._mind is None else self._mind.groups
        if first_ask < 0:
            arrays["state"] = np.stack([moment.state for moment in moments])
            arrays |= say.named({name: np.stack([slot.obs[name] for slot in slots]) for name in slots[0].obs})
        self.client.send(say.RECORD, {"first_ask": first_ask, "groups": groups}, arrays)

    def _metrics(self) -> dict[str, float]:
        busy_s, idle_s = self._orders.times
        counts = self.client.link.counts()
        return {
            "remote/idle_share": idle_s / (busy_s + idle_s) if busy_s + idle_s else 1.0,
            "remote/sent_bytes": float(counts.sent_bytes),
            "remote/received_bytes": float(counts.received_bytes),
            "remote/paused_s": self.client.paused_s,
        }

    def export_state(self) -> dict[str, Any]:
        """As `Solo.export_state`; the learner has written its half of the joint checkpoint when this returns.

        Raises:
            PeerError: The learner cannot, or is away and this process may not wait.
        """
        self._orders.results(waits=True)
        self._weights.take(ahead=False)
        saved = self._saved()
        network = say.arrays_of(saved)
        learner = {
            "network": network,
            "count": asdict(self._count),
            "hash": str(saved.header["hash"]),
            **self._orders.export_state(),
        }
        return {"actor": self.actor.export_state(), "learner": learner}

    def _saved(self) -> Message:
        """Have the learner write its half, however often that must be tried."""
        while True:
            message = self._orders.save(self.steps)
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
        self._orders.import_state(learner)
        self._hash = str(learner["hash"])
        count, made = self.schedule.count, self._orders.made
        self._count = count.going_on(learner["count"], self.steps, made, self.actor.total_episodes)

    def save_replay(self, folder: Path, previous: Path | None) -> None:
        """Write the replay; see `Replay.save`."""
        self.replay.save(folder, previous)
