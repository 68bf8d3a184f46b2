"""Settings of a learner on another machine, free of heavy imports so that `config show` starts fast.

Job: where the learner is and what travels. Place in the data flow: section `remote` of `RunConfig`; read by the
coordinator, and told to the learner. Left out: the secret, which is no setting (`transport.token`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from gamefleet.errors import ConfigError, nearest
from gamefleet.learners.settings import check_range

Inference = Literal["auto", "learner", "actor"]
WeightsType = Literal["bfloat16", "float32"]
Batches = Literal["indices", "arrays"]

HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """How a coordinator and a learner work together.

    Args:
        gpu_host: Where the learner listens.
        gpu_port: Its port.
        inference: Who chooses the best actions: `learner` for all games in lockstep, `actor` here with weights that are
            fetched each round, `auto` whatever a measurement at the start finds faster.
        weights: How weights travel: `bfloat16` takes half the line, `float32` is exact.
        batches: What an update travels as: `indices` into a copy of the replay that the learner keeps, or `arrays`
            where the learner shall hold no replay.
        groups: Parts into which the games of one step are divided while the learner chooses, so that one is on the line
            while another is computed; 1 keeps results equal to those of one machine bit for bit.
        updates_in_flight: With priorities, updates that are ordered before the priorities of the earlier ones are
            known; 1 keeps results equal to those of one machine. Without priorities all are ordered at once anyway.
        collect_ahead_rounds: Rounds that are played with old weights while the learner is away; more than 0 gives up
            the exactness of the run. Only where actions are chosen here.
        reconnect_s: Give up when the learner is away for so long, in seconds; 0 waits for ever.
    """

    gpu_host: str = "localhost"
    gpu_port: int = 5555
    inference: Inference = "auto"
    weights: WeightsType = "bfloat16"
    batches: Batches = "indices"
    groups: int = 2
    updates_in_flight: int = 1
    collect_ahead_rounds: int = 0
    reconnect_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ConfigError: Names the setting and what it may be.
        """
        for name, choices in (("inference", Inference), ("weights", WeightsType), ("batches", Batches)):
            if getattr(self, name) not in get_args(choices):
                remedy = nearest(str(getattr(self, name)), get_args(choices))
                raise ConfigError(
                    "There is no such choice", value=getattr(self, name), where=f"remote.{name}", remedy=remedy
                )
        ranges: dict[str, tuple[float, float]] = {
            "gpu_port": (1, HIGHEST_PORT),
            "groups": (1, 64),
            "updates_in_flight": (1, 1024),
            "collect_ahead_rounds": (0, 1_000_000),
            "reconnect_s": (0, float("inf")),
        }
        for name, (low, high) in ranges.items():
            check_range(f"remote.{name}", getattr(self, name), low, high)
