"""What the dashboard shows of chains of jobs.

Job: read a fleet's records and ask its scheduler which jobs there are; move nothing on and write nothing. Place in the
data flow: `cluster` and run folders -> JSON values for `watch`. Left out: moving a fleet on (`gamefleet fleet status`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gamefleet.errors import SchedulerSilentError

if TYPE_CHECKING:
    from gamefleet.cluster.account import LegAccount
    from gamefleet.cluster.carrier import Standing
    from gamefleet.cluster.chain_view import ChainView
    from gamefleet.cluster.executors import Scheduler
    from gamefleet.cluster.fleet import ChainFacts, Fleet
    from gamefleet.cluster.fleet_paths import ChainPaths, FleetPaths
    from gamefleet.cluster.jobs import Job
    from gamefleet.topologies.fleet_account import Stretch

WRITER = "train"

Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Chains:
    """The provider; it keeps what was read of fleets, because records never change.

    Args:
        environment: Of this process.
        is_copy: The folders are copies: there is no scheduler to ask here.
    """

    environment: Mapping[str, str]
    is_copy: bool = False
    _fleets: dict[Path, tuple[float, Fleet, Scheduler]] = field(default_factory=dict)

    def __call__(self, folders: Sequence[Path]) -> Json:
        """The content of `/api/chain`."""
        answers = [self._one(folder) for folder in folders]
        silences = {answer["silence"]: None for answer in answers if answer["silence"]}
        chains = [chain for answer in answers for chain in answer["chains"]]
        return {"available": bool(chains), "chains": chains} | ({"error": "; ".join(silences)} if silences else {})

    def _one(self, folder: Path) -> Json:
        fleet, scheduler = self._opened(folder)
        standing = look(fleet, is_copy=self.is_copy)
        views = {view.member: view for view in standing.views}
        chains = [chain_json(fleet, scheduler, chain, views[chain.member], standing) for chain in fleet.facts.chains]
        return {"chains": chains, "silence": standing.silence}

    def _opened(self, folder: Path) -> tuple[Fleet, Scheduler]:
        from gamefleet.cluster.executors import Scheduler
        from gamefleet.cluster.fleet import read_facts
        from gamefleet.cluster.fleet_paths import FleetPaths
        from gamefleet.topologies.fleet_runs import fleet_of

        paths = FleetPaths(folder.absolute())
        changed = paths.facts.stat().st_mtime
        if folder not in self._fleets or self._fleets[folder][0] != changed:
            facts = read_facts(paths)
            fleet = fleet_of(paths, facts, self.environment)
            self._fleets[folder] = (changed, fleet, Scheduler.named(facts.executor, paths, self.environment))
        return self._fleets[folder][1:]


def look(fleet: Fleet, *, is_copy: bool) -> Standing:
    """Folder and queue as they are; nothing is decided, and nothing is done about it."""
    from gamefleet.cluster.carrier import Standing, read_views
    from gamefleet.cluster.chain_view import Answer

    views = read_views(fleet)
    answer, silence = None, "" if is_copy else "the scheduler did not answer"
    if not is_copy:
        try:
            jobs = {job.id: job for job in queue(fleet)}
            answer, silence = Answer(asked_at=fleet.clock(), jobs=jobs, ended=None), ""
        except SchedulerSilentError as error:
            silence = str(error)
    return Standing(views=views, answer=answer, silence=silence, done={}, refusals={})


def queue(fleet: Fleet) -> list[Job]:
    """The jobs that have not ended.

    Raises:
        SchedulerSilentError: The scheduler does not answer.
    """
    if fleet.facts.executor == "slurm":
        return fleet.executor.queue()
    return list(local_jobs(fleet.paths))


def local_jobs(paths: FleetPaths) -> Iterator[Job]:
    """Jobs without a scheduler whose processes live; who asks the executor itself also clears up after dead ones."""
    from gamefleet.cluster.local.executor import living
    from gamefleet.cluster.local.processes import Process, fate_of
    from gamefleet.cluster.local.spool import job_folders, read_facts

    for folder in job_folders(paths.jobs):
        runner = read_facts(folder.runner)
        is_there = not runner.get("abandoned") and (not runner or fate_of(Process(**runner)) in ("lives", "elsewhere"))
        job = living(folder) if is_there and not folder.end.exists() else None
        if job is not None:
            yield job


def chain_json(fleet: Fleet, scheduler: Scheduler, chain: ChainFacts, view: ChainView, standing: Standing) -> Json:
    """One chain."""
    from gamefleet.cli.fleet_report import state_of
    from gamefleet.cluster.records import read_record

    paths = fleet.paths.chain(chain.member)
    jobs = view.jobs(standing.answer.jobs.values()) if standing.answer else []
    mark = read_record(fleet.paths.stop if view.ending == "stopped" else paths.mark(view.ending)) if view.ending else {}
    refusal = view.last.refusal if view.last and not view.last.job else ""
    run_folder = run_folder_of(fleet, chain)
    return {
        "name": chain.member,
        "fleet": fleet.facts.name,
        "run": run_folder.name,
        "run_folder": str(run_folder.resolve()),
        "executor": fleet.facts.executor,
        "max_jobs": fleet.facts.max_jobs,
        "time_limit_s": fleet.facts.resources.time_limit_s,
        "state": state_of(view, jobs, standing),
        "reason": str(mark.get("reason", "")) or refusal,
        "silence": standing.silence,
        "step": view.step,
        "has_place": view.has_place,
        "legs": legs_json(paths, run_folder, {job.id for job in jobs} if standing.answer else None),
        "jobs": [job_json(job, scheduler) for job in sorted(jobs, key=lambda job: job.state != "running")],
    }


def run_folder_of(fleet: Fleet, chain: ChainFacts) -> Path:
    """The run that a chain carries, also where the fleet's folder is a copy or was moved."""
    beside = fleet.paths.root.parent / chain.run_path.name
    return beside if beside.exists() else chain.run_path


def job_json(job: Job, scheduler: Scheduler) -> Json:
    """One job that has not ended."""
    is_pending = job.state == "pending"
    return {
        "id": job.id,
        "state": job.state,
        "host": job.node,
        "reason": job.reason,
        "reason_text": (scheduler.explain(job.reason) or "it was handed over a moment ago") if is_pending else "",
        "never_starts": scheduler.never_starts(job.reason) if is_pending else "",
        "expected_start": job.started if is_pending else None,
        "started_at": None if is_pending else job.started,
        "ends_at": job.ends,
    }


def legs_json(chain: ChainPaths, run_folder: Path, alive: Set[str] | None) -> list[Json]:
    """Every leg with the way to the next; only events are read, which are few, and never the metrics.

    Args:
        chain: Its records.
        run_folder: Its run.
        alive: Ids of its jobs that have not ended; None when nobody knows.
    """
    from itertools import pairwise, zip_longest

    from gamefleet.cluster.account import read_legs
    from gamefleet.topologies.fleet_account import handover

    legs = read_legs(chain)
    stretches, saves = stretches_of(run_folder)
    signs = last_signs(run_folder, stretches, saves)
    ways = [handover(one, two, stretches.get(one.number), stretches.get(two.number)) for one, two in pairwise(legs)]
    return [
        leg_json(chain, leg, stretches.get(leg.number), saves.get(leg.number, []))
        | (killed_json(leg, signs.get(leg.number, 0.0)) if was_killed(leg, legs[-1].number, alive) else {})
        | {"gap_s": way.gap_s if way else None, "ours_s": way.ours_s if way else None}
        for leg, way in zip_longest(legs, ways)
    ]


def was_killed(leg: LegAccount, newest: int, alive: Set[str] | None) -> bool:
    """Whether a leg is over and could not say so: there is a later one, or its job is gone."""
    return not leg.outcome and (leg.number < newest or (alive is not None and leg.job not in alive))


def killed_json(leg: LegAccount, last_sign: float) -> Json:
    """What is told of a leg that could not account for itself: it ended at its last sign of life."""
    return {"outcome": "killed", "ended_at": max(last_sign, leg.began_at) or None}


def last_signs(
    run_folder: Path, stretches: Mapping[int, Stretch], saves: Mapping[int, Sequence[float]]
) -> dict[int, float]:
    """Leg -> when it last gave a sign of life, or saved, seconds since 1970."""
    from gamefleet.runs.paths import RunPaths

    touched = {}
    with suppress(OSError):
        for attempt, path in RunPaths(run_folder).found_attempts():
            touched[attempt] = path.stat().st_mtime
    return {
        leg: max(touched.get(one.attempt, 0.0), one.began_training_at, *saves.get(leg, []))
        for leg, one in stretches.items()
    }


def leg_json(chain: ChainPaths, leg: LegAccount, stretch: Stretch | None, saves: Sequence[float]) -> Json:
    """One leg."""
    from gamefleet.cluster.records import read_record

    accepted = read_record(chain.accepted(leg.submission)) if leg.submission else {}
    return {
        "number": leg.number,
        "job": leg.job,
        "host": leg.host,
        "queued_at": float(accepted.get("accepted_at", 0.0)) or None,
        "started_at": leg.script_started_at or leg.began_at or None,
        "training_at": (stretch.began_training_at if stretch else 0.0) or None,
        "ended_at": leg.ended_at or (stretch.trained_until if stretch else 0.0) or None,
        "from_step": max(0, stretch.resumed_step if stretch else leg.step),
        "to_step": max(stretch.saved_step, stretch.seen_step) if stretch else leg.end_step,
        "outcome": leg.outcome,
        "checkpoints": list(saves),
        "milestones": list(stretch.milestones) if stretch else [],
    }


def stretches_of(run_folder: Path) -> tuple[dict[int, Stretch], dict[int, list[float]]]:
    """What the run's events say, by leg: its stretch, and when it saved."""
    from gamefleet.runs.events import read_events
    from gamefleet.runs.paths import RunPaths
    from gamefleet.topologies.fleet_account import stretch

    by_attempt: dict[int, list[Json]] = {}
    for row in read_events(RunPaths(run_folder).events(WRITER)).rows:
        if isinstance(row.get("kind"), str) and isinstance(row.get("attempt"), int):
            by_attempt.setdefault(row["attempt"], []).append(row)
    stretches: dict[int, Stretch] = {}
    saves: dict[int, list[float]] = {}
    for attempt, rows in sorted(by_attempt.items()):
        started = next((row for row in rows if row["kind"] == "attempt_started"), None)
        if started is not None and isinstance(started.get("leg"), int):
            leg = started["leg"]
            stretches[leg] = stretch(attempt, started, rows, -1)
            saves[leg] = [float(row["time"]) for row in rows if row["kind"] == "checkpoint_saved" and "time" in row]
    return stretches, saves
