"""The best actions, asked of a learner on another machine.

Job: ask for all games of a step in lockstep, in groups of which one is on the line while another is computed. Place in
the data flow: `EpsilonGreedyPolicy` -> here -> link -> `work`. Left out: exploring, which stays with the games.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.mind import Situation
from gamefleet.errors import PeerError
from gamefleet.topologies.remote_learner import messages as say
from gamefleet.topologies.remote_learner.client import LearnerClient
from gamefleet.topologies.remote_learner.work import SITUATION
from gamefleet.transport.link import Message, Stream


class RemoteMind:
    """A mind that is elsewhere; see `actors.mind.Mind`.

    Args:
        client: To the learner.
        state_size: Numbers in a recurrent state.
        num_envs: Number of games.
        groups: Parts that are asked for apart.
    """

    def __init__(self, client: LearnerClient, *, state_size: int, num_envs: int, groups: int) -> None:
        self.state_size = state_size
        self.num_asked = 0
        self._client = client
        self._version = 0
        bounds = np.linspace(0, num_envs, min(groups, num_envs) + 1).round().astype(int).tolist()
        self._slices = [slice(first, end) for first, end in itertools.pairwise(bounds)]

    @property
    def groups(self) -> int:
        """Parts of each step."""
        return len(self._slices)

    def greedy(self, situation: Situation) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """See `Mind.greedy`; waits for the learner."""
        number, self.num_asked = self.num_asked, self.num_asked + 1
        for group, rows in enumerate(self._slices):
            header = {"number": number, "group": group, "version": self._version}
            self._client.send(say.ASK, header, _rows_of(situation, rows), stream=Stream.CONTROL)
        answers: dict[int, dict[str, NDArray[Any]]] = {}
        while len(answers) < self.groups:
            message = self._client.wait(Stream.CONTROL)
            # An answer to an older question comes twice from a learner that was restarted.
            if message.kind == say.ANSWER and message.header.get("number") == number:
                answers[int(message.header["group"])] = self._checked(message)
        found = [answers[group] for group in range(self.groups)]
        return np.concatenate([part["actions"] for part in found]), np.concatenate([part["state"] for part in found])

    def refresh(self, weights: Mapping[str, NDArray[Any]], *, version: int) -> None:
        """The next questions are about weights that had so many updates; they stay where they are."""
        self._version = version

    def weights(self) -> dict[str, NDArray[Any]]:
        """None: they are at the learner."""
        return {}

    def _checked(self, message: Message) -> dict[str, NDArray[Any]]:
        arrays, rows = say.arrays_of(message), self._slices[int(message.header["group"])]
        count = rows.stop - rows.start
        shapes = {name: (array.shape, array.dtype.name) for name, array in arrays.items()}
        if shapes != {"actions": ((count,), "int16"), "state": ((count, self.state_size), "float32")}:
            raise PeerError("The learner's answer does not fit the question", value=shapes, where=self._client.where)
        return arrays


def _rows_of(situation: Situation, rows: slice) -> dict[str, NDArray[Any]]:
    """Copies: the games go on while the line may have to repeat them."""
    arrays = {name: getattr(situation, name)[rows].copy() for name in SITUATION}
    return arrays | say.named({name: array[rows].copy() for name, array in situation.obs.items()})
