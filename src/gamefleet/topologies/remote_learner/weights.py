"""New weights for a policy whose learner is on another machine.

Job: let the policy play with the weights after the last round's updates, wherever it takes them from. Place in the data
flow: link -> here -> policy, once per round. Left out: who orders them (`orders`).
"""

from __future__ import annotations

from gamefleet.actors.policy import EpsilonGreedyPolicy
from gamefleet.topologies.remote_learner import messages as say
from gamefleet.topologies.remote_learner.client import LearnerClient
from gamefleet.topologies.remote_learner.mind import RemoteMind
from gamefleet.topologies.remote_learner.settings import RemoteSettings
from gamefleet.transport.link import Stream

GLANCE_S = 0.05


class RemoteWeights:
    """See the module's docstring.

    Args:
        client: To the learner.
        policy: Asks the learner, or has weights of its own.
        settings: How far playing may go ahead.
    """

    def __init__(self, client: LearnerClient, policy: EpsilonGreedyPolicy, settings: RemoteSettings) -> None:
        self._client = client
        self._policy = policy
        self._most_ahead = settings.collect_ahead_rounds
        self._ahead = 0
        self._fresh: int | None = None

    def expect(self, version: int | None) -> None:
        """Weights of this version were ordered; None when none were."""
        self._fresh = self._fresh if version is None else version

    def take(self, *, ahead: bool = True) -> None:
        """Wait for what is expected; with `ahead` not while the learner is away and rounds may be played meanwhile."""
        if self._fresh is not None and isinstance(self._policy.mind, RemoteMind):
            self._policy.refresh({}, version=self._fresh)
            self._fresh = None
        while self._fresh is not None:
            if ahead and not self._client.is_connected and self._ahead < self._most_ahead:
                self._ahead += 1
                return
            self._take_next(self._fresh)

    def _take_next(self, wanted: int) -> None:
        """Older weights are passed over: only the newest matter."""
        if self._most_ahead == 0:
            message = self._client.wait(Stream.WEIGHTS)
        else:
            found = self._client.poll(Stream.WEIGHTS, GLANCE_S)
            if found is None:
                self._client.look()
                return
            message = found
        if message.kind == say.WEIGHTS and int(message.header["version"]) == wanted:
            self._policy.refresh(say.doubled(say.arrays_of(message)), version=wanted)
            self._fresh, self._ahead = None, 0
