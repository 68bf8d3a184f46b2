"""The jobs of a skill graph: handed over, found again, ended, and read when they are over.

Job: carry out `Submit` and `Cancel`, and notice ends. Place in the data flow: between the loop (`job_graph`) and an
executor; every answer becomes an event. Left out: decisions (`cluster.graph`).

A job's result file decides how it went; the executor only says that it is over. One that says nothing is asked again
later, and nothing is concluded.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gamefleet.cluster.graph.events import (
    Cancel,
    Event,
    JobEnded,
    JobMissing,
    JobSilent,
    Submit,
    SubmitRefused,
    Submitted,
)
from gamefleet.cluster.graph.failures import Remains, Report, classify
from gamefleet.cluster.graph.state import GraphState, Node
from gamefleet.cluster.jobs import EndedJob, Executor
from gamefleet.cluster.local.spool import job_folder, read_facts
from gamefleet.errors import MissingDependencyError, RunFolderError, SchedulerSilentError, SubmitRefusedError
from gamefleet.topologies.job_graph.executor import job_name, request_for
from gamefleet.topologies.job_graph.paths import GraphPaths, TrainingPaths
from gamefleet.topologies.job_graph.settings import GraphSettings
from gamefleet.topologies.job_graph.tasks import write_task

log = logging.getLogger(__name__)

FORGOTTEN_S = 60.0
"""A younger job that an executor does not know may only not be listed yet."""

LAST_WORDS_BYTES = 2000


@dataclass(slots=True, kw_only=True)
class Jobs:
    """The jobs of one graph.

    Args:
        paths: Of the graph.
        settings: Of the graph.
        executor: Where they run.
        features: Names of the world's features, for the skills' modules.
        clock: Seconds since 1970.
    """

    paths: GraphPaths
    settings: GraphSettings
    executor: Executor
    features: tuple[str, ...]
    clock: Callable[[], float] = time.time
    _complaint: str = field(default="")

    @property
    def is_local(self) -> bool:
        """Whether jobs are processes of this machine, whose spool cannot lose an answer."""
        return self.settings.executor != "slurm"

    def submit(self, state: GraphState, command: Submit) -> Event:
        """Hand a job over, or look for one that may have been."""
        name, leg = command.skill_name, command.leg
        node = state.by_name[name]
        try:
            if command.may_exist:
                job = self._find(job_name(state, node, node.jobs[-1]))
                missing = JobMissing(skill_name=name, leg=leg, is_certain=self.is_local)
                return Submitted(skill_name=name, leg=leg, job=job) if job else missing
            write_task(self.paths, self.settings, state, node, self.features)
            job = self.executor.submit(request_for(self.paths, self.settings, state, node))
        except SubmitRefusedError as error:
            return SubmitRefused(skill_name=name, leg=leg, reason=str(error), is_temporary=error.is_temporary)
        except SchedulerSilentError as error:
            self._say(str(error))
            return JobSilent(skill_name=name, leg=leg)
        except MissingDependencyError as error:
            return SubmitRefused(skill_name=name, leg=leg, reason=str(error), is_temporary=False)
        return Submitted(skill_name=name, leg=leg, job=job)

    def _find(self, name: str) -> str:
        """The id of the job of this name, whether it has ended or not; empty when there is none."""
        living = [job.id for job in self.executor.queue() if job.name == name]
        if living:
            return min(living, key=int)
        ended = self.executor.ended(names=[name])
        return min((job.id for job in ended.values() if job.name == name), key=int, default="")

    def cancel(self, command: Cancel) -> None:
        """Ask a job to save and end, or end it; one that hears nothing is asked again by the scheduler."""
        try:
            self.executor.cancel([command.job], signal="USR1" if command.is_polite else "")
        except SchedulerSilentError as error:
            self._say(str(error))

    def ended(self, state: GraphState) -> list[JobEnded]:
        """What has ended since it was started, with how it went."""
        running = {node.jobs[-1].id: node for node in state.skills if node.status == "running"}
        if not running:
            return []
        found = [event for node in running.values() if (event := self._by_result(node)) is not None]
        told = {event.skill_name for event in found}
        asked = {job: node for job, node in running.items() if node.skill_name not in told}
        return found + self._by_executor(asked)

    def has_results(self, state: GraphState) -> bool:
        """Whether a running job has left a result."""
        return any(self._by_result(node) is not None for node in state.skills if node.status == "running")

    def _by_result(self, node: Node) -> JobEnded | None:
        """On SLURM, where nothing wakes us, a result is news before the queue says so."""
        training = self.paths.training(node.index, node.skill_name)
        if self.is_local or not is_of(read_result(training)[0], node):
            return None
        return self._report(node, None)

    def _by_executor(self, asked: dict[str, Node]) -> list[JobEnded]:
        if not asked:
            return []
        try:
            living = set() if self.is_local else {job.id for job in self.executor.queue()}
            over = [job for job in asked if job not in living]
            known = self.executor.ended(over) if over else {}
        except SchedulerSilentError as error:
            self._say(str(error))
            return []
        now = self.clock()
        return [
            self._report(asked[job], known.get(job))
            for job in over
            if job in known or self._is_gone(job) or (not self.is_local and self._is_old(asked[job], now))
        ]

    def _is_gone(self, job: str) -> bool:
        """Whether a local job's folder has vanished."""
        return self.is_local and job_folder(self.paths.jobs, job) is None

    def _is_old(self, node: Node, now: float) -> bool:
        return now - node.jobs[-1].asked_at > FORGOTTEN_S

    def _report(self, node: Node, end: EndedJob | None) -> JobEnded:
        report = read_report(self.paths.training(node.index, node.skill_name), node, end, self.settings.threshold)
        return JobEnded(skill_name=node.skill_name, leg=node.jobs[-1].leg, report=report)

    def _say(self, complaint: str) -> None:
        """Log a complaint once, not at every look."""
        if complaint != self._complaint:
            log.warning("%s", complaint)
            self._complaint = complaint

    def runner_pids(self, state: GraphState) -> dict[str, int]:
        """Job -> process id of what runs it, of jobs on this machine."""
        running = [node.jobs[-1].id for node in state.skills if node.status == "running"] if self.is_local else []
        folders = [(job, job_folder(self.paths.jobs, job)) for job in running]
        found = {job: runner_pid(folder.runner) for job, folder in folders if folder is not None}
        return {job: pid for job, pid in found.items() if pid}


def runner_pid(path: Any) -> int:
    """The process that runs a job; 0 when there is none."""
    try:
        return int(read_facts(path).get("pid", 0))
    except RunFolderError:
        return 0


def read_result(training: TrainingPaths) -> tuple[dict[str, Any], bool]:
    """A result file's content, empty where there is none, and whether it is damaged."""
    try:
        content = json.loads(training.result.read_bytes())
    except FileNotFoundError:
        return {}, False
    except (OSError, ValueError):
        return {}, True
    return (content, False) if isinstance(content, dict) else ({}, True)


def is_of(result: dict[str, Any], node: Node) -> bool:
    """Whether a result is about a skill's newest job: that leg's, or the end of its attempt."""
    job = node.jobs[-1]
    is_end = result.get("status") in ("succeeded", "did_not_learn", "time_limit")
    return result.get("attempt") == job.attempt and (is_end or result.get("leg") == job.leg)


def read_report(training: TrainingPaths, node: Node, end: EndedJob | None, threshold: float) -> Report:
    """How a job went, by what it left."""
    result, is_damaged = read_result(training)
    remains = Remains(
        how=None if end is None else end.how,
        exit_code=None if end is None else end.exit_code,
        result=result if is_of(result, node) else None,
        is_damaged=is_damaged,
        frames=saved_frames(training, node),
        last_words=last_words(training, node.jobs[-1].id),
    )
    return classify(remains, threshold)


def saved_frames(training: TrainingPaths, node: Node) -> int:
    """Frames of the attempt, as last reported."""
    progress = read_progress(training)
    return int(progress.get("frames", 0)) if progress.get("attempt") == node.jobs[-1].attempt else 0


def saved_progress(paths: GraphPaths, node: Node) -> dict[str, Any]:
    """How a skill's training goes, as last reported."""
    return read_progress(paths.training(node.index, node.skill_name))


def read_progress(training: TrainingPaths) -> dict[str, Any]:
    """A progress file's content; empty where there is none that can be read."""
    try:
        content = json.loads(training.progress.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def last_words(training: TrainingPaths, job: str) -> str:
    """The last lines that a job wrote to its error output."""
    path = training.output / f"slurm-{job}.err"
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, path.stat().st_size - LAST_WORDS_BYTES))
            lines = [line.strip() for line in stream.read().decode(errors="replace").splitlines()]
    except OSError:
        return ""
    return " ".join([line for line in lines if line][-3:])[-400:]
