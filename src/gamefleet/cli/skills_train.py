"""Being one job of a graph of skills.

Job: open what `topologies.job_graph.training` needs: the task, the world, logs, metrics. Place in the data flow: jobs
of any executor run it, as `gamefleet skills train`. Left out: training.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gamefleet.runs.trackers import Trackers
    from gamefleet.topologies.job_graph.paths import GraphPaths
    from gamefleet.topologies.job_graph.tasks import JobTask

log = logging.getLogger("gamefleet.skills")


def train_skill(root: Path, skill: str, *, index: int, leg: int) -> None:
    """Train one leg."""
    from gamefleet.topologies.job_graph.paths import GraphPaths
    from gamefleet.topologies.job_graph.tasks import read_task
    from gamefleet.topologies.job_graph.training import Leg, deadline_of, run_leg
    from gamefleet.topologies.job_graph.world import open_world

    paths = GraphPaths(root.absolute())
    training = paths.training(index, skill)
    task = read_task(paths, training, leg)
    with ExitStack() as stack:
        stack.enter_context(logging_into(training.log))
        work = Leg(
            paths=training,
            task=task,
            deadline=deadline_of(os.environ),
            tell=log.info,
            record=recorder(paths, task, stack),
        )
        log.info("%s", run_leg(work, open_world(task.env_name), os.environ))


@contextmanager
def logging_into(path: Path) -> Iterator[None]:
    """Log into the training's file and to the terminal; an error that ends the job is written down, too."""
    handlers: list[logging.Handler] = [logging.FileHandler(path), logging.StreamHandler(sys.stdout)]
    form = logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S")
    logger = logging.getLogger("gamefleet")
    logger.setLevel(logging.INFO)
    for handler in handlers:
        handler.setFormatter(form)
        logger.addHandler(handler)
    try:
        yield
    finally:
        error = sys.exc_info()
        if error[0] is not None:
            handlers[0].handle(logger.makeRecord("gamefleet", logging.ERROR, "", 0, "the job failed", (), error))
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


def recorder(paths: GraphPaths, task: JobTask, stack: ExitStack) -> Callable[[int, Mapping[str, float]], None]:
    """What records step and values of a leg's training, into a file and where that was asked for to a mirror."""
    from gamefleet.runs.metrics import MetricsWriter

    path = paths.metrics(task.task.index, task.task.skill.name)
    mirrors = trackers(paths, task)
    stack.callback(mirrors.close)
    writers: list[MetricsWriter] = []

    def record(step: int, values: Mapping[str, float]) -> None:
        if not writers:  # only now it is known from which step training goes on
            writers.append(stack.enter_context(MetricsWriter(path, attempt=task.leg, resumed_step=step - 1)))
        writers[0].write(step, values)
        mirrors.write(step, values)

    return record


def trackers(paths: GraphPaths, task: JobTask) -> Trackers:
    """Mirrors of a skill's metrics: one run for each skill, over all its jobs.

    The scheduler has looked whether the package is there; where only this job's machine lacks it, training goes on.
    """
    from gamefleet.errors import MissingDependencyError
    from gamefleet.files import make_folder
    from gamefleet.runs.paths import RunPaths
    from gamefleet.runs.settings import TrackerSettings
    from gamefleet.runs.trackers import Trackers, make_trackers

    run = RunPaths(paths.root / "trackers" / f"{task.task.index}_{task.task.skill.name}_{task.task.attempt}")
    if task.wandb_project:
        make_folder(run.root)
    settings = TrackerSettings(
        wandb="online" if task.wandb_project else "off", project=task.wandb_project or "gamefleet"
    )
    config = {"env_name": task.env_name, "skill": task.task.skill.as_json(), "attempt": task.task.attempt}
    try:
        return make_trackers(run, settings, config=config, resumed_step=-1, on_failure=nothing_more)
    except MissingDependencyError as error:
        log.warning("this skill's metrics are mirrored nowhere: %s", error)
        return Trackers({}, nothing_more)


def nothing_more(name: str, error: Exception) -> None:
    """What a job does about a mirror that failed: `gamefleet.runs.trackers` has warned already."""
