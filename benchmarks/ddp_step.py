"""What does a step of the trainer cost beside the bare loop of forward pass, backward pass and optimizer?

Both learn from the same packed batches of the battles that come with gamefleet, with the tiny network, in turns.
Counted is the processor time of this process; the trainer's loader works in another one, and waiting for it counts too.
"""

from __future__ import annotations

import argparse
import io
import itertools
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch

from gamefleet.games import open_game
from gamefleet.learners.sequence_batch import RowBatch
from gamefleet.learners.sequence_losses import sequence_losses
from gamefleet.learners.sequence_optimizer import decaying
from gamefleet.learners.sequence_settings import SequenceSettings
from gamefleet.runs.deadline import Deadline
from gamefleet.runs.progress import PlainProgress
from gamefleet.topologies.ddp.build import settled
from gamefleet.topologies.ddp.group import Group
from gamefleet.topologies.ddp.ranks import Place
from gamefleet.topologies.ddp.watch import Watch
from gamefleet.topologies.ddp.wiring import Opening, RecordedRun, opened_attempt
from gamefleet.topologies.sequence.config import make_sequence_config
from gamefleet.topologies.sequence.training import SequenceAttempt, after_step, carried_step, on_device
from table import Row, report

STEPS, WARM_UP = 24, 3
SETTINGS = {
    "run": {"device": "cpu", "name": "bench", "metrics_interval_steps": 8},
    "network": {"size": "tiny"},
    "data": {"workers": 1},
    "evaluation": {"interval_steps": 0},
}


class Bare:
    """The shortest loop that learns the same, with PyTorch's own optimizer."""

    def __init__(self, settings: SequenceSettings) -> None:
        self.settings = settings
        self.network = open_game("showdown").recorded.make_network({"size": "tiny"})
        matrices = decaying(self.network)
        named = list(self.network.named_parameters())
        groups = [
            {"params": [parameter for name, parameter in named if name in matrices], "weight_decay": 0.1},
            {"params": [parameter for name, parameter in named if name not in matrices], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.95), fused=True)

    def step(self, batch: RowBatch) -> None:
        """Learn from one batch."""
        sums = sequence_losses(self.network(batch.obs, batch.segment, batch.position), batch, self.settings)
        (sums["policy_loss"] / 200 + 0.5 * sums["value_loss"] / 256).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


def opened(folder: Path, stack: ExitStack) -> SequenceAttempt:
    """An attempt as rank 0 of one opens it, with all of its files."""
    package = open_game("showdown")
    settings = SETTINGS | {"run": SETTINGS["run"] | {"runs_folder": str(folder)}}
    config = settled(make_sequence_config(package, settings), Place())
    opening = Opening(
        wanted=RecordedRun(package=package, config=config, asked="", start="first"),
        group=Group(place=Place()),
        stack=stack,
        deadline=Deadline(max_runtime_s=None),
        progress=PlainProgress(io.StringIO()),
    )
    note = opening.open_folder()
    return stack.enter_context(opened_attempt(opening, note, watch=Watch(), device=torch.device("cpu")))


def measure(attempt: SequenceAttempt) -> Row:
    """Steps of both, in turns, on the same batches."""
    bare = Bare(attempt.learner.settings)
    loader, ours, theirs, waits = attempt.loader, [], [], []
    for _ in range(WARM_UP + STEPS):
        taken = next(loader)
        attempt.loader = itertools.chain([taken], loader)  # type: ignore[assignment]  # what was taken comes again
        started = time.process_time()
        carried_step(attempt)
        after_step(attempt)
        ours.append(time.process_time() - started + taken.wait_s)
        waits.append(taken.wait_s)
        batch = on_device(attempt.learner, taken)
        started = time.process_time()
        bare.step(batch)
        theirs.append(time.process_time() - started)
    trainer, alone = np.array(ours[WARM_UP:]), np.array(theirs[WARM_UP:])
    return {
        "what": "tiny, 256 decisions, float32, 1 thread",
        "bare s": float(np.median(alone)),
        "trainer s": float(np.median(trainer)),
        "trainer / bare (goal 1.05)": float(np.median(trainer / alone)),
        "share waited for the loader (goal 0.02)": float(sum(waits[WARM_UP:]) / trainer.sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/ddp_step.md")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        row = measure(opened(Path(folder), stack))
    report("ddp_step", "What does a step of the trainer cost beside the bare loop?", [row], arguments.write)


if __name__ == "__main__":
    main()
