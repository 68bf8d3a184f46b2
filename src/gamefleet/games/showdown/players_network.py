"""Networks that play battles of the host.

Job: seats that follow their battle with `LiveBattle`, and one call of a policy for all seats that are asked. Place in
the data flow: a player for `match`, games and servers. Left out: the network, and where its weights come from.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import ConfigError
from gamefleet.games.base import Observation
from gamefleet.games.showdown.live import LiveBattle, LiveDecision
from gamefleet.games.showdown.players import Request, SeatFailedError, SeatInfo
from gamefleet.games.showdown.state_words import StateError

if TYPE_CHECKING:
    import torch

    from gamefleet.models.decoder import SequenceOutput

LEADS = "default"
"""Answers a team preview, which is no decision in records: the team in its own order."""

USUAL_MEMORY = 64
"""Decisions that a network looks back on if nobody says how many: rows have so many unless told otherwise."""


@dataclass(slots=True, kw_only=True)
class Memory:
    """What a policy keeps of one battle.

    Args:
        seed: For chance of the policy's own.
        observations: Of the decisions so far, oldest first, the present one last.
        num_decisions: How many there were, those included that are no longer kept.
    """

    seed: str
    observations: list[Observation] = field(default_factory=list)
    num_decisions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a network thinks of one decision.

    Args:
        probabilities: float32 `[action]`, zero for what is not legal.
        win_chance: 0 to 1.
    """

    probabilities: NDArray[np.float32]
    win_chance: float


DecideAll = Callable[[Sequence[Memory]], Sequence[int]]
"""`(memories) -> actions`, one for each battle that is asked now; legal ones by the last observation's `legal`."""


class NetworkSeat:
    """One side of one battle."""

    def __init__(self, info: SeatInfo) -> None:
        self.battle = LiveBattle(info.side)
        self.memory = Memory(seed=f"{info.seed} {info.side}")
        self._row: NDArray[np.int16] | None = None

    def hear(self, lines: Sequence[str]) -> None:
        """See `Seat`."""
        try:
            self.battle.hear(lines)
        except StateError as error:
            raise SeatFailedError(str(error)) from error

    def decide(self, request: Request, most: int) -> LiveDecision:
        """The decision that a request asks for, remembered among at most `most` of them."""
        decision = self.battle.decide(request)
        # Nothing has happened since the last one: the choice was refused for something hidden (a trap), and the same
        # decision is asked for again with less to choose from. Records have it once.
        is_again = self._row is not None and np.array_equal(self._row, decision.row)
        self._row = decision.row
        if is_again:
            self.memory.observations[-1] = decision.obs
        else:
            remember(self.memory, decision.obs, most)
        return decision


class NetworkPlayer:
    """A policy in many battles.

    Args:
        name: For tables.
        decide: The policy.
        memory_decisions: How many decisions of a battle it is shown, the present one included.
    """

    def __init__(self, name: str, decide: DecideAll, *, memory_decisions: int = USUAL_MEMORY) -> None:
        self.name = name
        self._decide = decide
        self._memory_decisions = memory_decisions
        self._deciding = threading.Lock()

    def sit(self, info: SeatInfo) -> NetworkSeat:
        """See `OutsidePlayer`."""
        return NetworkSeat(info)

    def choose(self, asked: Sequence[tuple[NetworkSeat, Request]]) -> list[str]:
        """See `OutsidePlayer`."""
        choices = [LEADS] * len(asked)
        for seat, request in asked:
            if request.get("teamPreview"):
                seat.battle.meet(request)
        playing = [number for number, (_, request) in enumerate(asked) if not request.get("teamPreview")]
        decisions = [asked[number][0].decide(asked[number][1], self._memory_decisions) for number in playing]
        memories = [asked[number][0].memory for number in playing]
        with self._deciding:  # threads of several battles may ask; a policy need not expect that
            actions = self._decide(memories) if memories else ()
        for number, decision, action in zip(playing, decisions, actions, strict=True):
            choices[number] = decision.words.get(int(action), "")
        return choices


def remember(memory: Memory, obs: Observation, most: int = USUAL_MEMORY) -> None:
    """Add a decision, and forget the oldest one where there are more than `most`."""
    memory.observations.append(obs)
    memory.num_decisions += 1
    del memory.observations[:-most]


def random_policy(memories: Sequence[Memory]) -> list[int]:
    """Any legal action; chance follows from the battle and the number of the decision."""
    actions = []
    for memory in memories:
        rng = np.random.default_rng([*f"{memory.seed} {memory.num_decisions}".encode()])
        actions.append(int(rng.choice(np.flatnonzero(legal_of(memory.observations[-1])))))
    return actions


def legal_of(obs: Observation) -> NDArray[np.bool_]:
    """Legal actions of an observation, bool `[action]`."""
    from gamefleet.games.showdown.layout import NUM_CHOICES

    return np.unpackbits(obs["legal"], count=NUM_CHOICES).astype(np.bool_)


class SequencePolicy:
    """A network over whole trajectories, asked again with everything remembered at each decision.

    Args:
        network: `(obs, segment, position) -> SequenceOutput`, see `learners.sequence`.
        temperature: 0 takes the likeliest action, 1 draws by the network's probabilities.
        device: Where the network is.

    Raises:
        ConfigError: The temperature is below 0 or no number.
    """

    def __init__(
        self, network: Callable[..., SequenceOutput], *, temperature: float = 0.0, device: str = "cpu"
    ) -> None:
        if not temperature >= 0:
            raise ConfigError("A temperature is at least 0", value=temperature, where="temperature")
        self._network = network
        self._temperature = temperature
        self._device = device

    def __call__(self, memories: Sequence[Memory]) -> list[int]:
        """See `DecideAll`."""
        return [
            self._action(memory, opinion) for memory, opinion in zip(memories, self.opinions(memories), strict=True)
        ]

    def opinions(self, memories: Sequence[Memory]) -> list[Opinion]:
        """What the network thinks of the last decision of each battle."""
        import torch

        if not memories:
            return []
        lengths = torch.tensor([len(memory.observations) for memory in memories])
        with torch.inference_mode():
            out = self._network(*self._rows(memories, lengths))
            last = torch.arange(len(memories)), lengths - 1
            chances = torch.softmax(out.logits.float().cpu()[last], dim=-1).numpy()
            wins = torch.sigmoid(out.value.float().cpu()[last]).tolist()
        return [Opinion(probabilities=p, win_chance=win) for p, win in zip(chances, wins, strict=True)]

    def _rows(self, memories: Sequence[Memory], lengths: torch.Tensor) -> tuple[Any, torch.Tensor, torch.Tensor]:
        """Each battle as a row of its own, padded at the end."""
        import torch

        longest = int(lengths.max())
        obs = {}
        for name, first in memories[0].observations[0].items():
            batch = np.zeros((len(memories), longest, *first.shape), first.dtype)
            for row, memory in zip(batch, memories, strict=True):
                row[: len(memory.observations)] = [kept[name] for kept in memory.observations]
            obs[name] = torch.from_numpy(batch).to(self._device)
        place = torch.arange(longest)[None].repeat(len(memories), 1)
        segment = (place < lengths[:, None]).to(torch.int32)
        return obs, segment.to(self._device), place.to(torch.int32).to(self._device)

    def _action(self, memory: Memory, opinion: Opinion) -> int:
        if not self._temperature:
            return int(opinion.probabilities.argmax())
        rng = np.random.default_rng([*f"{memory.seed} {memory.num_decisions}".encode()])
        weights = tempered(opinion.probabilities, self._temperature)
        return int(rng.choice(len(weights), p=weights))


def tempered(probabilities: NDArray[np.floating[Any]], temperature: float) -> NDArray[np.float64]:
    """Probabilities `[action]` to the power of `1 / temperature`, made to sum to 1; `temperature` is above 0.

    Through logarithms, relative to the likeliest: powers as they are would all be 0 at low temperatures.
    """
    # The logarithm of 0, and what overflows at the lowest temperatures, are the -inf that they should be.
    with np.errstate(divide="ignore", over="ignore"):
        logarithms = np.log(probabilities.astype(np.float64))
        weights: NDArray[np.float64] = np.exp((logarithms - logarithms.max()) / temperature)
    weights /= weights.sum()
    return weights
