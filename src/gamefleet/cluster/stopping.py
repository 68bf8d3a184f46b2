"""Stopping a fleet so that nothing of it starts again.

Job: mark first, then ask the jobs to end, then look until none is left. Place in the data flow: `gamefleet fleet stop`.
Left out: saving, which the training command does when it is asked to end.

The order matters: a leg that queues its successor at this very moment sees the mark, or its successor does when it
starts, or the second look finds it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from gamefleet.cluster.fleet import Fleet
from gamefleet.cluster.jobs import Job
from gamefleet.cluster.notify import notify
from gamefleet.errors import ClusterError, SchedulerSilentError
from gamefleet.files import create_once

QUIET_LOOKS = 2
"""The queue must be empty of our jobs so many times in a row: a submission may be under way at the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited, in seconds.

    Args:
        wait_s: For running jobs to save and end.
        poll_s: Between two looks at the queue.
    """

    wait_s: float = 600.0
    poll_s: float = 3.0


def stop(fleet: Fleet, *, now: bool, patience: Patience, say: Callable[[str], None]) -> None:
    """End all chains of a fleet; when it returns, no job of it is left.

    Args:
        fleet: Which.
        now: End running jobs with SIGTERM instead of asking the training to save first (it saves then too, as far as
            the scheduler's grace time allows).
        patience: How long is waited.
        say: Tells the user.

    Raises:
        ClusterError: Jobs are left, or the scheduler did not answer; the mark stands, so nothing starts anew.
    """
    if create_once(fleet.paths.stop, {"at": fleet.clock(), "by": fleet.who, "now": now}):
        notify(fleet.facts.notify, event="stopped", fleet=fleet.facts.name, member="", reason=f"by {fleet.who}")
    give_up_at = time.monotonic() + patience.wait_s
    jobs: list[Job] = []
    quiet, told, silence = 0, set[str](), ""
    while quiet < QUIET_LOOKS:
        try:
            jobs, silence = own_jobs(fleet), ""
            end(fleet, jobs, now=now, told=told, say=say)
            quiet = 0 if jobs else quiet + 1
        except SchedulerSilentError as error:
            silence = str(error)
        if time.monotonic() > give_up_at and (jobs or silence):
            raise ClusterError(
                silence or f"{len(jobs)} job(s) have not ended yet",
                value=[job.id for job in jobs] if not silence else None,
                where=fleet.paths.root,
                remedy="They are marked and will not be followed by others. Look again with `gamefleet fleet status`, "
                "or end them with `gamefleet fleet stop --now`.",
            )
        time.sleep(patience.poll_s if quiet < QUIET_LOOKS else 0)


def own_jobs(fleet: Fleet) -> list[Job]:
    """The fleet's jobs that have not ended."""
    return [job for job in fleet.executor.queue() if job.name.startswith(fleet.facts.job_prefix)]


def end(fleet: Fleet, jobs: Collection[Job], *, now: bool, told: set[str], say: Callable[[str], None]) -> None:
    """Cancel what waits, and ask what runs to end, each once."""
    waiting = [job.id for job in jobs if job.state == "pending"]
    running = [job for job in jobs if job.state == "running" and job.id not in told]
    if waiting:
        fleet.executor.cancel(waiting)
        say(f"cancelled {len(waiting)} waiting job(s): {' '.join(waiting)}")
    if running:
        fleet.executor.cancel([job.id for job in running], signal="" if now else "USR1")
        told.update(job.id for job in running)
        verb = "ended" if now else "asked to save and end"
        say(f"{verb} {len(running)} running job(s): {' '.join(job.id for job in running)}")
