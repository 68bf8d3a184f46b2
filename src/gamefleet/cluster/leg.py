"""One leg: what a job of a chain does, from its first line to its last.

Job: check the marks, take the leg, run the training command as a child, queue the successor, account for the end. Place
in the data flow: the batch script's only command. Left out: training; this process imports neither torch nor numpy and
is at work a fraction of a second after the job began.

The child trains, this process looks after the chain: it outlives a child that crashes, and a scheduler that hangs never
holds up training. Signals only set flags. SIGUSR1 (the limit is near) is passed on to the child, for which it is a hint
when it knows its job's end. SIGTERM asks it to save and end: a scheduler sends it to all processes, this process sends
it when the fleet is stopped or another leg has taken over. A child that is `srun` gets SIGUSR1 in its place (`spread`).
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gamefleet.cluster.budget import left_s
from gamefleet.cluster.carrier import end_chain, move_on, read_views
from gamefleet.cluster.chain import LEGS_WITHOUT_PROGRESS, YIELDED, give_up, without_progress
from gamefleet.cluster.chain_view import ChainView
from gamefleet.cluster.fleet import Fleet
from gamefleet.cluster.fleet_paths import ChainPaths
from gamefleet.cluster.leg_signals import Repeat, Signals, ignored
from gamefleet.cluster.spread import end_of_job, is_spread
from gamefleet.cluster.store import accept_job, beat, claim_leg, end_leg, end_submission, last_beat
from gamefleet.errors import GamefleetError, SchedulerSilentError

log = logging.getLogger(__name__)

LEG_VARIABLE = "GAMEFLEET_LEG"
"""Tells the child which fence it holds: the absolute path of `legs/NNNN`."""

SCRIPT_VARIABLE = "GAMEFLEET_SCRIPT_STARTED"
"""When the batch script began, seconds since 1970."""

POLL_S = 0.5
TICK_S = 60.0
"""Between two looks at the whole fleet: one question to the scheduler a minute."""

BEAT_S = 20.0
REMIND_S = 5.0
"""Between two signals to a child that shall stop: one that is still importing ignores the first."""

PREDECESSOR_S = 120.0
"""So long a job waits for the one before it to be gone; a job that ends may take this long to be cleaned up."""

HOPELESS = (2, 3, 5)
"""Exit codes that another job cannot mend: wrong settings, something not installed, checkpoints that do not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things are waited for, in seconds, and how; tests have other values.

    Args:
        poll_s: Between two looks at the child.
        tick_s: Between two looks at the whole fleet.
        predecessor_s: For the job before this one to be gone.
        pause: Waits so many seconds.
    """

    poll_s: float = POLL_S
    tick_s: float = TICK_S
    predecessor_s: float = PREDECESSOR_S
    pause: Callable[[float], None] = time.sleep


def run_leg(fleet: Fleet, member: str, submission: int, *, environment: Mapping[str, str], timing: Timing) -> str:
    """Carry a chain through one job.

    Args:
        fleet: The fleet.
        member: The chain.
        submission: Which of its submissions this job is.
        environment: Of the job; `SLURM_JOB_ID` is needed.
        timing: How long things are waited for.

    Returns:
        What happened, in a few words.
    """
    signals = Signals(signal.SIGUSR1, signal.SIGTERM)
    begun = begin_leg(fleet, member, submission, environment=environment, timing=timing)
    if isinstance(begun, str):
        return begun
    chain = fleet.paths.chain(member)
    command = fleet.facts.chain(member).command
    show_output(fleet, environment.get("SLURM_JOB_ID", ""))
    variables = {**environment, **end_of_job(command, environment), LEG_VARIABLE: str(chain.leg(begun))}
    with ignored(signal.SIGUSR1, signal.SIGTERM):
        child = subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL)
    ending = signal.SIGUSR1 if is_spread(command) else signal.SIGTERM
    watch(fleet, chain, begun, child, signals=signals, timing=timing, ending=ending)
    return finish_leg(fleet, chain, begun, child.returncode, signals=sorted(signals.seen))


def begin_leg(
    fleet: Fleet, member: str, submission: int, *, environment: Mapping[str, str], timing: Timing
) -> int | str:
    """Take the next leg of a chain for this job.

    Returns:
        The leg's number, or why this job must not work.
    """
    chain = fleet.paths.chain(member)
    job = environment.get("SLURM_JOB_ID", "")
    accepted = accept_job(chain, submission, job, now=fleet.clock())
    if accepted != job:
        return f"job {accepted} counts for submission {submission}; this one ends"
    obstacle = may_begin(fleet, member, submission, job, timing)
    if not obstacle:
        step = fleet.probe.step(fleet.facts.chain(member).run_path)
        facts = {"submission": submission, "job": job, "step": step, **whereabouts(fleet, environment)}
        number = claim_leg(chain, facts)
        if number is not None:
            return number
        obstacle = YIELDED
    end_submission(chain, submission, obstacle)
    look_after(fleet, is_last=True)
    return obstacle


def whereabouts(fleet: Fleet, environment: Mapping[str, str]) -> dict[str, object]:
    """Where and since when this job runs."""
    return {
        "host": socket.gethostname(),
        "node": environment.get("SLURMD_NODENAME", ""),
        "pid": os.getpid(),
        "restarts": int(environment.get("SLURM_RESTART_COUNT", "0") or 0),
        "script_started_at": float(environment.get(SCRIPT_VARIABLE, "0") or 0),
        "began_at": fleet.clock(),
    }


def may_begin(fleet: Fleet, member: str, submission: int, job: str, timing: Timing) -> str:
    """Why this job must not begin a leg; empty when it may. Waits while the job before it is being cleaned up."""
    waited_s, pause_s, longest_s = 0.0, min(1.0, timing.predecessor_s / 10), min(5.0, timing.predecessor_s / 10)
    first_beats: dict[tuple[str, int], float] = {}
    while True:
        views = read_views(fleet)
        view = next(view for view in views if view.member == member)
        if view.ending:
            return f"the chain is {view.ending}"
        if view.legs and view.legs[-1].submission > submission:
            return "a later job has taken over"
        before = leg_before(views, view, submission)
        if before is None:
            return nothing_gained(fleet, view, submission)
        is_over = waited_s >= timing.predecessor_s
        beat_now = last_beat(fleet.paths.chain(before[0]), before[1])
        first_beat = first_beats.setdefault(before, beat_now)
        try:
            if not is_at_work(fleet, view, job):
                return nothing_gained(fleet, view, submission)
        except SchedulerSilentError:
            # Nobody can say whether the job before is gone; a heart that beat meanwhile says that it is not.
            if is_over and beat_now == first_beat:
                return ""
        if is_over:
            return YIELDED
        timing.pause(pause_s)
        waited_s, pause_s = waited_s + pause_s, min(1.5 * pause_s, longest_s)


def leg_before(views: Sequence[ChainView], view: ChainView, submission: int) -> tuple[str, int] | None:
    """The leg whose end a job must await, as (chain, number): of its own chain, or of the one that had its place."""
    if view.legs and not view.legs[-1].has_ended:
        return view.member, view.legs[-1].number
    queued_behind = next((one.after for one in view.submissions if one.number == submission), "")
    if not queued_behind or queued_behind != view.place_after:
        return None
    for other in views:
        legs = [leg for one in other.submissions if one.job == queued_behind for leg in other.legs_of(one.number)]
        if legs and not legs[-1].has_ended:
            return other.member, legs[-1].number
    return None


def nothing_gained(fleet: Fleet, view: ChainView, submission: int) -> str:
    """End a chain whose time is over or whose jobs bring nothing; empty when this one may try.

    Jobs that were killed could not say so.
    """
    if is_over := time_is_over(fleet, view.member):
        end_chain(fleet, view.member, "held", is_over)
        return is_over
    not_ended = [one.job for one in view.submissions if one.number >= submission]
    fruitless = without_progress(view, not_ended)
    if fruitless < LEGS_WITHOUT_PROGRESS:
        return ""
    end_chain(fleet, view.member, "failed", give_up(fruitless).reason)
    return "the chain brought no progress"


def is_at_work(fleet: Fleet, view: ChainView, job: str) -> bool:
    """Whether another job of the chain, or the one that had its place, still has processes, by the scheduler's word.

    Raises:
        SchedulerSilentError: It did not answer.
    """
    jobs = fleet.executor.queue()
    before = {other.id for other in view.jobs(jobs)} | {view.place_after}
    return any(other.id in before and other.id != job and other.state != "pending" for other in jobs)


def time_is_over(fleet: Fleet, member: str) -> str:
    """Why a chain has had its time; empty while some is left."""
    budget = fleet.budget
    if not budget.is_spent(left_s(fleet.paths.chain(member), budget, now=fleet.clock())):
        return ""
    return f"the {budget.total_s / 3600:g} h that were asked for are over; starting it again gives it as much once more"


def show_output(fleet: Fleet, job: str) -> None:
    """Put a link to this job's output where the fleet was started, if that is wanted."""
    if not fleet.facts.shows_output:
        return
    name = f"slurm-{job}.out"
    try:
        (Path(fleet.facts.work_folder) / name).symlink_to(fleet.paths.logs / name)
    except OSError as error:
        log.warning("no link to this job's output: %s", error)


def watch(
    fleet: Fleet,
    chain: ChainPaths,
    number: int,
    child: subprocess.Popen[bytes],
    *,
    signals: Signals,
    timing: Timing,
    ending: signal.Signals = signal.SIGTERM,
) -> None:
    """Until the child ends: look after the chain, show life, pass on what asks for an end, as the signal `ending`."""
    repeat = Repeat(time.monotonic)
    while child.poll() is None:
        if repeat.is_due("beat", BEAT_S):
            beat(chain, number)
        if must_end(fleet, chain, number) and repeat.is_due("remind", REMIND_S):
            child.send_signal(ending)
        elif signals.near_the_end() and repeat.is_due("hint", REMIND_S):
            child.send_signal(signal.SIGUSR1)
        if repeat.is_due("tick", timing.tick_s):
            look_after(fleet)
        with suppress(subprocess.TimeoutExpired):
            child.wait(timing.poll_s)


def must_end(fleet: Fleet, chain: ChainPaths, number: int) -> bool:
    """Whether the fleet was stopped, or another leg has taken over."""
    return fleet.paths.stop.exists() or max(chain.numbers(chain.legs), default=number) > number


def look_after(fleet: Fleet, *, is_last: bool = False) -> None:
    """Queue the successor and help the other chains; whatever goes wrong there, training goes on.

    Args:
        fleet: The fleet.
        is_last: This process will not look again, so what was refused a moment ago is tried once more now.
    """
    try:
        move_on(fleet, patience_s=0.0 if is_last else None)
    except (GamefleetError, OSError) as error:
        log.warning("could not look after the chain, trying again in a minute: %s", error)


def finish_leg(fleet: Fleet, chain: ChainPaths, number: int, exit_code: int, *, signals: Sequence[int]) -> str:
    """Write down how a leg ended, and what follows for the chain; returns that in a few words."""
    run = fleet.facts.chain(chain.member).run_path
    is_finished = exit_code == 0 and fleet.probe.is_finished(run)
    newest = max(chain.numbers(chain.legs), default=number)
    outcome = (
        "finished" if is_finished else "saved" if exit_code == 0 else "superseded" if newest > number else "failed"
    )
    facts = {
        "outcome": outcome,
        "exit_code": exit_code,
        "step": fleet.probe.step(run),
        "signals": [signal.Signals(seen).name for seen in signals],
        "ended_at": fleet.clock(),
    }
    end_leg(chain, number, facts)
    if is_finished:
        end_chain(fleet, chain.member, "done", "all steps are done")
    elif exit_code in HOPELESS:
        reason = f"leg {number} ended with exit code {exit_code}, which another job cannot mend: see its log"
        end_chain(fleet, chain.member, "failed", reason)
    elif is_over := time_is_over(fleet, chain.member):
        end_chain(fleet, chain.member, "held", is_over)
    look_after(fleet, is_last=True)
    return f"leg {number} {outcome} with exit code {exit_code}"
