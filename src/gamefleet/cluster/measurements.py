"""What a benchmark of a machine found, and what a game needs of one.

Job: the numbers between measuring (`topologies.machine_bench`) and deciding (`autotune`). Place in the data flow: kept
in a machine's profile. Left out: how they are measured and what follows from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

GIB = 1 << 30
MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """How fast games are played.

    Args:
        num_envs: Games.
        num_workers: Processes that share them.
        random_steps_per_s: Steps of all games together with random actions: games and processes alone.
        policy_steps_per_s: The same with the network's actions.
        worker_bytes: Resident memory of the largest process; pages that processes share count in each.
    """

    num_envs: int
    num_workers: int
    random_steps_per_s: float
    policy_steps_per_s: float
    worker_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long one call takes.

    Args:
        device: Where it was computed.
        batch: Games (choosing actions) or windows (learning) at once.
        seconds: Of one call.
    """

    device: str
    batch: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """What a benchmark found.

    Args:
        game: What was played.
        plays: Games in processes.
        inference: Choosing actions.
        updates: Learning.
        learner_bytes: Resident memory of the process that chooses and learns, after an update; 0 if nothing learned.
        missing: Device -> why it was not measured.
        took_s: Duration.
        load: Processes that wanted a CPU in the minute before, on average; other programs distort measurements.
    """

    game: str
    plays: tuple[Play, ...] = ()
    inference: tuple[Timing, ...] = ()
    updates: tuple[Timing, ...] = ()
    learner_bytes: int = 0
    missing: Mapping[str, str] = field(default_factory=dict)
    took_s: float = 0.0
    load: float = 0.0

    @property
    def env_bytes(self) -> int:
        """Memory of one game in a process of its own; 0 when no games were played."""
        alone = [play.worker_bytes for play in self.plays if play.num_envs == play.num_workers]
        return max(alone or [play.worker_bytes for play in self.plays], default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a game and its settings need; the first two as measured with the built-in cartridge on Linux, rounded up.

    Args:
        env_bytes: One game in a process of its own.
        learner_bytes: The process that chooses actions and learns, with room for what a checkpoint copies.
        slot_bytes: One remembered step.
        steps_per_env: Steps that each game must at least have room for in the replay, or what is remembered has too
            little variety: the default capacity shared by the default number of games.
        capacity_steps: What the settings ask the replay to hold.
        batch_size: What the settings ask an update to train on.
    """

    env_bytes: int = 70 * MIB
    learner_bytes: int = GIB
    slot_bytes: int = 2000
    steps_per_env: int = 125_000
    capacity_steps: int = 1_000_000
    batch_size: int = 32
