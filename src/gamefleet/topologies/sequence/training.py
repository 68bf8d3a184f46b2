"""One attempt of a run on recorded play: steps until the end, rows, evaluations, checkpoints.

Job: the loop that every rank runs. Place in the data flow: packed batches in, updates, and at rank 0 files of the run
folder out. Left out: how the attempt was opened (`ddp`), and what an update is (`learners.sequence`).

All ranks do the same in the same order. What depends on a clock or on a signal is agreed: each rank says before each
step whether it has to stop, together with how much it is about to learn from, and all of them hear the sum.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gamefleet.experience.loader import Loader, PackedBatch
from gamefleet.experience.packing import Cursor
from gamefleet.identity import derive_seed
from gamefleet.learners.sequence import UPDATE_SUMS, SequenceLearner, counts
from gamefleet.learners.sequence_batch import Mover, RowBatch
from gamefleet.learners.sequence_losses import SUMS
from gamefleet.learners.sequence_metrics import evaluation_row, learning_row
from gamefleet.runs.deadline import Deadline
from gamefleet.runs.progress import Progress
from gamefleet.topologies.attempt import Times
from gamefleet.topologies.ddp.group import Group
from gamefleet.topologies.ddp.watch import Watch
from gamefleet.topologies.sequence.config import SequenceConfig
from gamefleet.topologies.sequence.data import step_batches
from gamefleet.topologies.sequence.saving import Standing
from gamefleet.topologies.sequence.speed import Speed, memory_row

if TYPE_CHECKING:
    from gamefleet.topologies.sequence.writer import Writer

LABELS, DECISIONS, STOPS = range(3)


@dataclass(kw_only=True)
class SequenceAttempt:
    """What an attempt works with at one rank.

    Args:
        config: All settings.
        group: The ranks.
        learner: Learns.
        loader: This rank's share of the steps.
        speed: What steps cost.
        watch: Is told what the loop does.
        deadline: When to stop.
        progress: Whoever watches.
        aside: The batches of an evaluation, from the beginning at each call.
        writer: Writes the run folder; only at rank 0.
        cursor: Place in the data after the last step; None at its beginning.
        decisions: Decisions learned from since the run began.
        global_batch_size: Decisions per step.
        profile: Folder for the profile of a few steps, None for none.
        times: Where the attempt's time goes.
        show: Called with the learner and the step after an evaluation at rank 0, to show people a record.

    Attributes:
        mover: Takes batches to the learner's device.
    """

    config: SequenceConfig
    group: Group
    learner: SequenceLearner
    loader: Loader
    speed: Speed
    watch: Watch
    deadline: Deadline
    progress: Progress
    aside: Callable[[], Iterator[PackedBatch]]
    writer: Writer | None
    cursor: Cursor | None
    decisions: int
    global_batch_size: int
    profile: Path | None = None
    times: Times = field(default_factory=Times)
    show: Callable[[SequenceLearner, int], None] | None = None

    def __post_init__(self) -> None:
        self.mover = Mover(self.learner.device)

    @property
    def step(self) -> int:
        """Updates made since the run began."""
        return self.learner.num_updates

    def standing(self) -> Standing:
        """Where the run stands now."""
        return Standing(
            step=self.step, decisions=self.decisions, global_batch_size=self.global_batch_size, cursor=self.cursor
        )


def carry_out(attempt: SequenceAttempt) -> str:
    """Steps until the end.

    Returns:
        Why the attempt stopped before the run's end; empty when all steps are done.
    """
    with profiled(attempt) as note_step:
        while attempt.step < attempt.config.run.total_steps:
            if reason := carried_step(attempt):
                return reason
            note_step()
            after_step(attempt)
    return ""


def carried_step(attempt: SequenceAttempt) -> str:
    """One step, unless a rank has to stop.

    Returns:
        Why, then; empty when the step was carried out.
    """
    started = time.monotonic()
    attempt.watch.note(attempt.step, "waiting for a batch")
    batches = step_batches(attempt.loader)
    moved = [begun(attempt.mover, batch) for batch in batches]  # copied while the ranks wait for each other
    totals, reason = agreed(attempt, batches)
    if reason:
        return reason
    attempt.watch.note(attempt.step, "learning")
    seed = attempt.config.run.seed
    torch.manual_seed(
        derive_seed(seed, purpose="step", actor=str(attempt.group.place.rank), environment=str(attempt.step))
    )
    with attempt.group.explained("average gradients"):
        attempt.mover.finish()
        attempt.learner.update(
            moved, torch.from_numpy(totals[[LABELS, DECISIONS]]).to(attempt.learner.device, torch.float32)
        )
    attempt.cursor = batches[-1].cursor_after
    attempt.decisions += int(totals[DECISIONS])
    attempt.speed.note_batches(batches)
    if attempt.times.note_round(time.monotonic() - started) and attempt.writer is not None:
        attempt.writer.tell_began(attempt)
    return ""


def agreed(
    attempt: SequenceAttempt, batches: Sequence[PackedBatch]
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], str]:
    """What the step holds over all ranks, and why it shall not be carried out."""
    reason = attempt.deadline.reason()
    own = counts([batch.arrays for batch in batches], [batch.segment for batch in batches])
    attempt.watch.note(attempt.step, "waiting for the other ranks")
    started = time.perf_counter()
    totals = attempt.group.total(np.append(own, float(bool(reason))))
    attempt.speed.note_rank_wait(time.perf_counter() - started)
    if totals[STOPS] and not reason:
        reason = "another rank has to stop"
    return totals, reason


def begun(mover: Mover, batch: PackedBatch) -> RowBatch:
    """A packed batch as tensors, as soon as the mover has finished."""
    return mover.begin(batch.arrays, batch.segment, batch.position)


def after_step(attempt: SequenceAttempt) -> None:
    """Whatever is due after a step: an evaluation, a row, a checkpoint."""
    settings = attempt.config
    is_last = attempt.step >= settings.run.total_steps
    interval = settings.evaluation.interval_steps
    is_measured = bool(interval) and (attempt.step % interval == 0 or is_last)
    measured = evaluated(attempt) if is_measured else {}
    if measured:
        attempt.progress.say(measured_in_words(attempt.step, measured))
    # Rows are added up over all ranks: the step alone decides, which is the same at all of them.
    if is_measured or attempt.step % settings.run.metrics_interval_steps == 0 or is_last:
        write_row(attempt, measured)
    if attempt.writer is not None:
        attempt.watch.note(attempt.step, "copying a checkpoint")
        attempt.speed.note_pause(attempt.writer.save_if_due(attempt))


def evaluated(attempt: SequenceAttempt) -> dict[str, float]:
    """Metrics on the records set aside, over all ranks; none when nothing was set aside."""
    started = time.perf_counter()
    attempt.watch.note(attempt.step, "evaluating")
    network = attempt.learner.network
    network.eval()
    sums = np.zeros(len(SUMS))
    for batch in attempt.aside():
        rows = begun(attempt.mover, batch)
        attempt.mover.finish()
        sums += attempt.learner.examine(rows).cpu().numpy()
        attempt.watch.note(attempt.step, "evaluating")  # each batch is progress: only one that does not end is a hang
    attempt.watch.note(attempt.step, "waiting for the other ranks")
    sums = attempt.group.total(sums)
    row = evaluation_row(dict(zip(SUMS, sums.tolist(), strict=True))) if sums[SUMS.index("decisions")] else {}
    if attempt.writer is not None and attempt.show is not None:
        attempt.watch.note(attempt.step, "showing a record")
        attempt.show(attempt.learner, attempt.step)
    network.train()
    attempt.speed.note_pause(time.perf_counter() - started)
    return row


def measured_in_words(step: int, row: Mapping[str, float]) -> str:
    """An evaluation, for people."""
    return (
        f"evaluation at step {step:,}, on records set aside: policy loss {row['evaluation/policy_loss']:.3g}, accuracy "
        f"{row['evaluation/policy_accuracy']:.1%}, winner foreseen {row['evaluation/value_accuracy']:.1%}"
    )


def write_row(attempt: SequenceAttempt, measured: Mapping[str, float]) -> None:
    """Add up over all ranks what was learned since the last row, and write it down at rank 0."""
    world = attempt.group.place.world
    attempt.watch.note(attempt.step, "waiting for the other ranks")
    own = attempt.learner.take_sums().cpu().numpy().astype(np.float64)
    sums = dict(zip(UPDATE_SUMS, attempt.group.total(own).tolist(), strict=True))
    loss_scale, skipped = attempt.learner.check()
    row = {
        **learning_row(sums),
        **attempt.speed.take(sums, world),
        **memory_row(attempt.learner.device),
        **measured,
        "learner/gradient_norm": sums["gradient_norm"] / max(1.0, sums["updates"]),
        "learner/skipped_updates": float(skipped),
        "learner/learning_rate": attempt.learner.learning_rate,
        "learner/loss_scale": loss_scale,
        "data/epoch": float(attempt.cursor.epoch if attempt.cursor else 0),
        "run/decisions": float(attempt.decisions),
        "run/updates": float(attempt.step),
        "run/ranks": float(world),
    }
    if attempt.writer is not None:
        attempt.writer.write_row(attempt, row)


@contextmanager
def profiled(attempt: SequenceAttempt) -> Iterator[Callable[[], None]]:
    """Profile some steps at rank 0, if the settings ask for it; what is yielded is called after each step."""
    steps = attempt.config.trainer.profile_steps
    if attempt.profile is None or not steps:
        yield lambda: None
        return
    folder = attempt.profile
    from torch.profiler import profile, schedule

    def write(finished: profile) -> None:
        path = folder / f"profile-step-{attempt.step:09d}.json"
        finished.export_chrome_trace(str(path))
        attempt.progress.say(f"profile of {steps} steps: {path} (open it at https://ui.perfetto.dev)")

    plan = schedule(wait=2, warmup=2, active=steps, repeat=1)
    with profile(schedule=plan, on_trace_ready=write, record_shapes=True, profile_memory=True) as running:
        yield running.step
