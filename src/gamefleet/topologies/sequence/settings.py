"""Settings of training on recorded play: data, network size, ranks, evaluation.

Job: what only this kind of run can be told. Place in the data flow: parts of `SequenceConfig`. Left out: losses and
step sizes (`learners.sequence_settings`), the run itself (`runs.settings`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from gamefleet.learners.settings import check_range

TrainingPrecision = Literal["auto", "float32", "bfloat16", "float16"]
Compile = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Which records are learned from, and how they reach the trainer.

    Args:
        folder: A dataset, or the folder whose `processed` it is; empty takes the records that come with the game.
        mock: Learn from meaningless records of the right form instead, to try out everything around them.
        mock_records: How many.
        min_rating: Only sides with at least this rating are learned from; 0 takes those without a rating, too.
        groups: Only records of these groups, such as battle formats; all when empty.
        since_day: Only records from this day on, in days since 1970-01-01; 0 for no limit.
        until_day: Only records up to this day; 0 for no limit.
        max_samples: Learn from at most so many decisions, always the same ones; 0 for no limit.
        holdout_every: Every so many-th record is set aside for evaluation; 0 sets none aside.
        row_decisions: Decision places in a row; longer trajectories are cut.
        window_trajectories: So many trajectories are packed together.
        workers: Processes per rank that prepare batches; 0 prepares them in the trainer.
        prefetch_batches: Batches that each of them may be ahead.
    """

    folder: str = ""
    mock: bool = False
    mock_records: int = 512
    min_rating: int = 0
    groups: tuple[str, ...] = ()
    since_day: int = 0
    until_day: int = 0
    max_samples: int = 0
    holdout_every: int = 50
    row_decisions: int = 64
    window_trajectories: int = 4096
    workers: int = 2
    prefetch_batches: int = 2

    def __post_init__(self) -> None:
        """Refuse values outside their range.

        Raises:
            ConfigError: Names the setting and its range.
        """
        for name in ("mock_records", "row_decisions", "window_trajectories", "prefetch_batches"):
            check_range(f"data.{name}", getattr(self, name), 1, math.inf)
        for name in ("min_rating", "since_day", "until_day", "max_samples", "holdout_every", "workers"):
            check_range(f"data.{name}", getattr(self, name), 0, math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceNetworkSettings:
    """Size of the network.

    Args:
        size: `tiny`, `15M`, `50M` or `200M`, as far as the game has them; `auto` takes 200M on an accelerator and tiny
            on a CPU when the run starts.
        layers: In place of the size's; 0 keeps it, here and below.
        width: Numbers per token.
        heads: Of attention.
        feedforward: Units of the gated feed-forward network.
        embedding_size: Numbers per embedded name.
    """

    size: str = "auto"
    layers: int = 0
    width: int = 0
    heads: int = 0
    feedforward: int = 0
    embedding_size: int = 0

    def __post_init__(self) -> None:
        """Refuse negative sizes.

        Raises:
            ConfigError: Names the setting.
        """
        for name in ("layers", "width", "heads", "feedforward", "embedding_size"):
            check_range(f"network.{name}", getattr(self, name), 0, math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerSettings:
    """How steps are carried out, and by how many ranks.

    Args:
        batch_size_per_gpu: Decisions that a rank takes at a time.
        global_batch_size: Decisions per step over all ranks; 0 takes what the first start has ranks for. It stays the
            same when the number of ranks changes: each rank then takes its share in several micro-batches.
        nodes: Machines, of what starts the ranks.
        gpus_per_node: Ranks on each machine, of what starts the ranks.
        precision: Of matrix products; `auto` is bfloat16 where the accelerator has it, float16 on older ones, float32
            on a CPU.
        compile: Compile the decoder's blocks; `auto` does on CUDA.
        hang_timeout_s: A step that takes longer ends the rank, and with it the run, with the name of who is silent.
        profile_steps: So many steps of each attempt are profiled into the attempt's log folder.
    """

    batch_size_per_gpu: int = 256
    global_batch_size: int = 0
    nodes: int = 1
    gpus_per_node: int = 1
    precision: TrainingPrecision = "auto"
    compile: Compile = "auto"
    hang_timeout_s: float = 600.0
    profile_steps: int = 0

    def __post_init__(self) -> None:
        """Refuse values outside their range.

        Raises:
            ConfigError: Names the setting and its range.
        """
        for name in ("batch_size_per_gpu", "nodes", "gpus_per_node", "hang_timeout_s"):
            check_range(f"trainer.{name}", getattr(self, name), 1, math.inf)
        for name in ("global_batch_size", "profile_steps"):
            check_range(f"trainer.{name}", getattr(self, name), 0, math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """Measuring on records that are not learned from.

    Args:
        interval_steps: Steps between evaluations; 0 evaluates never.
        batches: An evaluation looks at as many decisions as so many updates learn from, all ranks together; at most at
            all that are set aside, once.
    """

    interval_steps: int = 5000
    batches: int = 16

    def __post_init__(self) -> None:
        """Refuse values outside their range.

        Raises:
            ConfigError: Names the setting and its range.
        """
        check_range("evaluation.interval_steps", self.interval_steps, 0, math.inf)
        check_range("evaluation.batches", self.batches, 1, math.inf)
