"""What `gamefleet fleet status` says.

Job: move a fleet on, gather what is known about it, and put it into lines. Place in the data flow: `cluster` and run
folders in, text out. Left out: decisions.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gamefleet.cluster.carrier import Standing
    from gamefleet.cluster.chain_view import ChainView
    from gamefleet.cluster.fleet import ChainFacts, Fleet
    from gamefleet.cluster.jobs import Job

NO_LIMIT = 1000
"""Jobs at once: so many mean that whoever asked for them sets no limit."""


def report(fleet: Fleet) -> dict[str, Any]:
    """Everything about a fleet as JSON values; what could be moved on has been."""
    from gamefleet.cluster.carrier import move_on

    standing = move_on(fleet)
    if standing.done:
        standing = move_on(fleet)  # once more, to show what is there now
    views = {view.member: view for view in standing.views}
    return {
        "fleet": fleet.facts.name,
        "folder": str(fleet.paths.root),
        "executor": fleet.facts.executor,
        "max_jobs": fleet.facts.max_jobs,
        "scheduler": standing.silence or "answers",
        "chains": [chain_report(fleet, chain, views[chain.member], standing) for chain in fleet.facts.chains],
    }


def chain_report(fleet: Fleet, chain: ChainFacts, view: ChainView, standing: Standing) -> dict[str, Any]:
    """One chain."""
    from gamefleet.cluster.records import read_record
    from gamefleet.runs.folder import read_state
    from gamefleet.runs.paths import RunPaths
    from gamefleet.topologies.fleet_account import chain_account

    paths = fleet.paths.chain(chain.member)
    jobs = view.jobs(standing.answer.jobs.values()) if standing.answer else []
    mark = read_record(fleet.paths.stop if view.ending == "stopped" else paths.mark(view.ending)) if view.ending else {}
    state = read_state(RunPaths(chain.run_path))
    refusal = view.last.refusal if view.last and not view.last.job else ""
    return {
        "chain": chain.member,
        "run_folder": chain.run_folder,
        "state": state_of(view, jobs, standing),
        "reason": str(mark.get("reason", "")) or refusal,
        "step": view.step,
        "total_steps": state.get("total_steps"),
        "milestones": len(state.get("milestones", {})),
        "jobs": [asdict(job) for job in sorted(jobs, key=lambda job: job.state != "running")],
        "legs": [asdict(row) for row in chain_account(paths, chain.run_path)],
    }


def state_of(view: ChainView, jobs: list[Job], standing: Standing) -> str:
    """A chain's state in a word: what the run folder says first, then what the queue says."""
    if view.ending in ("done", "failed"):
        return view.ending
    if standing.answer is None:
        return "unknown"
    if any(job.state != "pending" for job in jobs):
        return "stopping" if view.ending else "running"
    if view.ending:
        return view.ending
    if jobs:
        return "queued"
    return "waiting for a place" if not view.has_place else "between jobs"


def report_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """For people."""
    # A launch sets no limit of its own, and a limit that nobody can reach is no news.
    limit = f", at most {found['max_jobs']} jobs at once" if found["max_jobs"] < NO_LIMIT else ""
    yield f"{found['fleet']} ({found['executor']}{limit}) in {found['folder']}"
    if found["scheduler"] != "answers":
        yield f"  the scheduler does not answer, so nothing was concluded or changed: {found['scheduler']}"
    for chain in found["chains"]:
        yield f"  {chain['chain']}  {chain['state']}  {progress(chain)}"
        if chain["reason"]:
            yield f"      {chain['reason']}"
        for job in chain["jobs"]:
            yield f"      {job_line(job)}"


def progress(chain: Mapping[str, Any]) -> str:
    """How far a chain is."""
    legs = [row["leg"]["number"] for row in chain["legs"]]
    total = f" of {chain['total_steps']:,}" if chain["total_steps"] else ""
    saved = f"saved at step {chain['step']:,}{total}" if chain["step"] >= 0 else "nothing saved yet"
    milestones = f", {chain['milestones']} milestones" if chain["milestones"] else ""
    return f"{saved}{milestones}, {len(legs)} leg(s)"


def job_line(job: Mapping[str, Any]) -> str:
    """One job."""
    from gamefleet.cluster.slurm.words import explain_reason

    if job["state"] == "pending":
        expected = f", expected to start {clock_time(job['started'])}" if job["started"] else ""
        return f"job {job['id']} waits: {explain_reason(job['reason']) or 'it was handed over a moment ago'}{expected}"
    until = f" until {clock_time(job['ends'])}" if job["ends"] else ""
    return f"job {job['id']} is {job['state']} on {job['node'] or 'this machine'}{until}"


def clock_time(seconds: float) -> str:
    """A moment, with its day when that is not today."""
    moment = time.localtime(seconds)
    is_today = time.strftime("%F", moment) == time.strftime("%F")
    return time.strftime("%H:%M:%S" if is_today else "%a %d %b %H:%M", moment)


def leg_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The account of every chain: legs and hand-overs."""
    heading = ("chain", "leg", "job", "where", "from step", "to step", "ended", "gap", "ours", "lost", "repeated")
    rows = [heading, *(leg_row(chain["chain"], row) for chain in found["chains"] for row in chain["legs"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heading))]
    yield ""
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def leg_row(member: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    """One leg as cells."""
    leg, stretch, after = row["leg"], row["stretch"] or {}, row["handover"] or {}

    def seconds(value: float | None) -> str:
        return "" if value is None else f"{value:.1f} s"

    begin, end = stretch.get("resumed_step", leg["step"]), stretch.get("saved_step", leg["end_step"])
    return (
        member,
        str(leg["number"]),
        leg["job"],
        leg["host"],
        f"{max(begin, 0):,}",
        "" if end is None else f"{max(end, begin, 0):,}",
        leg["outcome"] or ("" if not after else "killed"),
        seconds(after.get("gap_s")),
        seconds(after.get("ours_s")),
        str(after.get("lost_steps", "")),
        str(after.get("repeated_steps", "")),
    )
