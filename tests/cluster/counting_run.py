"""A run that counts: what a chain of jobs carries in tests, with the run folder's real machinery and without torch.

Called like a training command: the first call starts the run, later ones go on with it. It claims the run folder, saves
checkpoints, writes events and `state.json`, and stops at the deadline as training does. It is at work within half a
second, so that a fault can be tested in seconds.

    counting_run.py RUN_FOLDER TOTAL [--step-s S] [--save-every N] [--max-runtime-s S] [--leg-steps N]
        [--no-clock] [--deaf] [--fail-with CODE]
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gamefleet.cluster.slurm.executor import JOB_VARIABLE
from gamefleet.cluster.slurm.executor import job_end as ask_scheduler
from gamefleet.errors import GamefleetError
from gamefleet.runs.checkpoint import CheckpointStore
from gamefleet.runs.deadline import Deadline, job_end, runtime_limit
from gamefleet.runs.events import EventWriter
from gamefleet.runs.folder import OpenRun, is_run, open_run, read_state
from gamefleet.runs.leg import leg_from
from gamefleet.runs.manifest import Compatibility, RunFacts
from gamefleet.runs.paths import RunPaths

WRITER = "train"
FACTS = RunFacts(
    game="counting",
    seed=0,
    asked="",
    resolved={"game_name": "counting"},
    compatibility=Compatibility(game="1", observation={}, reward={}, architecture={}),
)
KEEP = 100_000
"""All checkpoints stay: they are what tests look at."""


@dataclass(slots=True)
class Count:
    """What is learned: the sum of all steps so far, from which a step that is lost or played twice would show."""

    step: int = 0
    total: int = 0

    def play(self) -> None:
        self.step += 1
        self.total += self.step


def expected_sum(step: int) -> int:
    """The sum after so many steps, each played once."""
    return step * (step + 1) // 2


@dataclass(frozen=True, slots=True)
class Counting:
    """One attempt."""

    run: OpenRun
    store: CheckpointStore
    events: EventWriter
    count: Count
    goal: int

    def save(self, *, status: str, reason: str) -> None:
        """As training does: checkpoint, event, summary."""
        started = time.monotonic()
        step = self.count.step
        checkpoint = self.store.save(step, {"model": {"sum": np.array([self.count.total])}})
        size = sum(int(file["bytes"]) for file in checkpoint.manifest["files"].values())
        seconds = round(time.monotonic() - started, 3)
        self.events.write("checkpoint_saved", step=step, seconds=seconds, bytes=size)
        self.run.write_state(status=status, reason=reason, step=step, total_steps=self.goal)


@contextmanager
def opened(folder: Path, goal: int) -> Iterator[Counting]:
    """The run, new or where it was saved."""
    leg, job = leg_from(os.environ), os.environ.get(JOB_VARIABLE, "")
    start = "resume" if is_run(RunPaths(folder)) else "first"
    with open_run(folder, FACTS, start=start, leg=leg, job=job) as run:
        store = CheckpointStore(
            run.paths, compatibility=FACTS.compatibility, fence=run.fence, keep=KEEP, attempt=run.attempt
        )
        with EventWriter(run.paths.events(WRITER), attempt=run.attempt, fence=run.fence) as events:
            loaded = store.load_newest().checkpoint if run.is_resumed else None
            count = Count(loaded.step, int(loaded.part("model")["sum"][0])) if loaded else Count()
            carried = {"leg": leg.number, "job": job, "pid": os.getpid()} if leg else {}
            events.write("attempt_started", step=count.step, resumed_step=loaded.step if loaded else -1, **carried)
            yield Counting(run, store, events, count, goal)


def carry_out(counting: Counting, asked: argparse.Namespace, deadline: Deadline | None) -> None:
    """Count until the goal, the end of this leg's share or the deadline; without a deadline nothing is listened to."""
    count, reason = counting.count, ""
    share_ends = count.step + asked.leg_steps if asked.leg_steps else counting.goal
    while count.step < counting.goal and not (reason := deadline.reason() if deadline else ""):
        time.sleep(asked.step_s)
        count.play()
        if count.step % asked.save_every == 0:
            counting.save(status="running", reason="")
        if count.step >= share_ends < counting.goal:
            reason = "this leg's share is done"
            break
    status = "stopped" if reason else "finished"
    counting.save(status=status, reason=reason or "all steps are done")
    counting.events.write("attempt_ended", step=count.step, outcome=status, reason=reason)


def deadline_of(max_runtime_s: float | None, *, knows_end: bool) -> Deadline:
    """By the clock and by the end of the job around this process, as training has it."""
    ends = (job_end(os.environ) or ask_scheduler(os.environ)) if knows_end else None
    limit = runtime_limit(max_runtime_s, is_in_job=JOB_VARIABLE in os.environ, job_end=ends)
    return Deadline(max_runtime_s=limit, job_end=ends)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("total", type=int)
    parser.add_argument("--step-s", type=float, default=0.1)
    parser.add_argument("--save-every", type=int, default=5)
    parser.add_argument("--max-runtime-s", type=float)
    parser.add_argument("--leg-steps", type=int, help="of each attempt: the same on any machine, however busy it is")
    parser.add_argument("--no-clock", action="store_true", help="as if the job's end could not be learned")
    parser.add_argument("--deaf", action="store_true", help="hear neither signals nor deadlines")
    parser.add_argument("--fail-with", type=int, metavar="CODE", help="end like this before the first step")
    asked = parser.parse_args()
    if asked.deaf:
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
    if read_state(RunPaths(asked.folder)).get("status") == "finished":
        return 0
    deadline = None if asked.deaf else deadline_of(asked.max_runtime_s, knows_end=not asked.no_clock)
    with opened(asked.folder, asked.total) as counting, deadline.listening() if deadline else nullcontext():
        if asked.fail_with is not None:
            return int(asked.fail_with)
        carry_out(counting, asked, deadline)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GamefleetError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
