"""The run around a wiring: resume, rounds, metrics, milestones, checkpoints, deadline.

Job: carry one attempt of a run from opening its folder to its last checkpoint. Place in the data flow: rounds of
`solo` in, files of the run folder out. Left out: what a round does, and the command line.

Everything happens between rounds, where nothing is in flight; a round takes a fraction of a second, so asking the
deadline there is soon enough.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gamefleet.actors.pace import Pace
from gamefleet.actors.trails import Trails
from gamefleet.games.base import GamePackage
from gamefleet.runs.age import process_age_s
from gamefleet.runs.checkpoint import CheckpointStore
from gamefleet.runs.deadline import Deadline
from gamefleet.runs.events import EventWriter, slowest_save_s
from gamefleet.runs.folder import OpenRun, Start, open_run
from gamefleet.runs.leg import Leg
from gamefleet.runs.logs import logging_to
from gamefleet.runs.manifest import RunFacts
from gamefleet.runs.metrics import MetricsWriter
from gamefleet.runs.progress import Progress
from gamefleet.runs.schedule import CheckpointSchedule
from gamefleet.runs.visits import VisitsWriter
from gamefleet.topologies.attempt import Attempt, Rows, tell_events
from gamefleet.topologies.build import compatibility
from gamefleet.topologies.config import RunConfig
from gamefleet.topologies.mirrors import mirrors
from gamefleet.topologies.recent_play import RecentPlay, describers
from gamefleet.topologies.restoring import checkpoint_parts, restore
from gamefleet.topologies.snapshot import Snapshot
from gamefleet.topologies.solo import Round
from gamefleet.topologies.training_state import write_training_state
from gamefleet.topologies.wiring import Wiring, built_wiring

log = logging.getLogger(__name__)

WRITER = "train"
"""Name of this role's metrics, events and log files."""

NAP_S = 0.5
"""Between two looks while the pace holds the games back; a signal is heard this soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended.

    Args:
        status: `finished` when all steps are done, `stopped` when a deadline or signal came first.
        reason: In words.
        step: Steps of the run so far.
        folder: The run folder.
        checkpoint: The last checkpoint.
    """

    status: Literal["finished", "stopped"]
    reason: str
    step: int
    folder: Path
    checkpoint: Path


def train(
    package: GamePackage,
    config: RunConfig,
    *,
    asked: str,
    start: Start,
    deadline: Deadline,
    progress: Progress,
    leg: Leg | None = None,
    job: str = "",
) -> Outcome:
    """Train until all steps are done or the deadline comes.

    Args:
        package: The game.
        config: All settings; `config.run.name` is the run's name.
        asked: What the user asked for, as TOML.
        start: Whether the run is new, resumed or started over.
        deadline: When to stop.
        progress: Whoever watches.
        leg: The chain's leg that this process belongs to.
        job: The scheduler's id of the job around this process.

    Raises:
        RunFolderError: The run folder cannot be used, or a later leg took it over.
        CheckpointError: There is no checkpoint that can be resumed.
    """
    facts = facts_of(package, config, asked, is_new=start != "resume")
    root = Path(config.run.runs_folder) / config.run.name
    with (
        open_run(root, facts, start=start, leg=leg, job=job) as run,
        logging_to(run.paths.log(run.attempt, WRITER), identity=str(run.identity)),
    ):
        store = store_of(run, keep=config.run.keep_checkpoints)
        with (
            built_wiring(package, config, log_folder=run.paths.log(run.attempt, WRITER).parent) as solo,
            opened_attempt(config, run, solo, store=store, progress=progress, deadline=deadline) as attempt,
            deadline.listening(),
        ):
            return carry_out(attempt)


def store_of(run: OpenRun, *, keep: int) -> CheckpointStore:
    """The checkpoints of a held run folder."""
    return CheckpointStore(
        run.paths, compatibility=run.facts.compatibility, fence=run.fence, keep=keep, attempt=run.attempt
    )


def facts_of(package: GamePackage, config: RunConfig, asked: str, *, is_new: bool) -> RunFacts:
    """What the run folder shall say of the run."""
    if is_new:
        package.make_game(config.game)  # whatever is wrong with it shall be said before anything is written
    spec = package.make_spec(config.game)
    return RunFacts(
        game=package.name,
        seed=config.run.seed,
        asked=asked,
        resolved=config.resolved(),
        compatibility=compatibility(package, spec, config),
    )


@contextmanager
def opened_attempt(
    config: RunConfig,
    run: OpenRun,
    solo: Wiring,
    *,
    store: CheckpointStore,
    progress: Progress,
    deadline: Deadline,
    among: Collection[int] | None = None,
) -> Iterator[Attempt]:
    """Restore the wiring where the run goes on (a checkpoint `among` these steps), and open the attempt's files."""
    with ExitStack() as stack:
        deadline.note_save(slowest_save_s(run.paths.events(WRITER)))
        events = stack.enter_context(EventWriter(run.paths.events(WRITER), attempt=run.attempt, fence=run.fence))
        resumed_step = restore(run, solo, store, events, among=among)
        line: dict[str, Any] = {"attempt": run.attempt, "resumed_step": resumed_step, "fence": run.fence}
        metrics = stack.enter_context(MetricsWriter(run.paths.metrics(WRITER), **line))
        visits = stack.enter_context(VisitsWriter(run.paths.visits(WRITER), **line))
        trails, snapshot = observers(config, solo)
        stack.enter_context(shown(config, solo))
        trackers = stack.enter_context(
            mirrors(run, config.trackers, config.resolved(), events, resumed_step=resumed_step)
        )
        announce(run, progress, resumed_step)
        yield Attempt(
            config=config,
            run=run,
            solo=solo,
            store=store,
            metrics=metrics,
            events=events,
            trackers=trackers,
            progress=progress,
            deadline=deadline,
            visits=visits,
            trails=trails,
            snapshot=snapshot,
        )


def announce(run: OpenRun, progress: Progress, resumed_step: int) -> None:
    """Say what became of what was in the folder."""
    if run.set_aside is not None:
        progress.say(f"the run that was here is now {run.set_aside}")
    if resumed_step >= 0:
        progress.say(f"resuming {run.paths.root} at step {resumed_step:,}")


def observers(config: RunConfig, solo: Wiring) -> tuple[Trails, Snapshot]:
    """Let what every run writes down about its players look at each step."""
    trails = Trails(solo.actor.vector.scene)
    snapshot = Snapshot(solo.actor, RecentPlay(solo.actor, describers(config)))
    for observer in (trails, snapshot):
        solo.actor.attach(observer)
    return trails, snapshot


@contextmanager
def shown(config: RunConfig, solo: Wiring) -> Iterator[None]:
    """Show the games to people who watch, if the settings say so; nothing of that is imported otherwise."""
    if not config.streaming.enabled:
        yield
        return
    from gamefleet.topologies.streaming.wiring import streamed_run

    with streamed_run(config, solo.actor):
        yield


def carry_out(attempt: Attempt) -> Outcome:
    """Rounds until the end; the last checkpoint is written whatever ends the attempt."""
    solo, settings = attempt.solo, attempt.config.run
    schedule = CheckpointSchedule(
        interval_steps=settings.checkpoint_interval_steps, interval_s=settings.checkpoint_interval_s, step=solo.steps
    )
    rows, pace = Rows(attempt), Pace(attempt.config.actors.max_steps_per_s, solo.steps)
    reason = ""
    while not is_done(attempt) and not (reason := attempt.deadline.reason()):
        if (left_s := pace.left_s()) > 0:
            time.sleep(min(left_s, NAP_S))
            continue
        played = timed_round(attempt)
        tell_events(attempt, played)
        rows.observe(played)
        pace.note(solo.steps)
        if schedule.is_due(solo.steps) or solo.must_save:
            schedule.note_save(solo.steps, save(attempt, status="running", reason=""))
    status: Literal["finished", "stopped"] = "stopped" if reason else "finished"
    reason = reason or ("all steps are done" if settings.num_iterations is None else "all iterations are done")
    rows.write()
    save(attempt, status=status, reason=reason)
    attempt.events.write("attempt_ended", step=solo.steps, outcome=status, reason=reason, **attempt.times.as_json())
    paths = attempt.run.paths
    return Outcome(
        status=status, reason=reason, step=solo.steps, folder=paths.root, checkpoint=paths.checkpoint(solo.steps)
    )


def is_done(attempt: Attempt) -> bool:
    """Whether the run has come to its end."""
    solo = attempt.solo
    return attempt.config.run.is_done(steps=solo.steps, episodes=solo.actor.total_episodes)


def timed_round(attempt: Attempt) -> Round:
    """Play and learn one round; the first one of the attempt is an event, which tells what the start cost."""
    started = time.monotonic()
    played = attempt.solo.run_round()
    if attempt.times.note_round(time.monotonic() - started):
        facts = {"seconds": round(process_age_s(), 3), "first_round_at": attempt.times.first_round_at}
        attempt.events.write("training_began", step=attempt.solo.steps, **facts)
    return played


def save(attempt: Attempt, *, status: str, reason: str) -> float:
    """Write a checkpoint and `state.json`.

    Returns:
        Seconds that it took.
    """
    started = time.monotonic()
    solo = attempt.solo
    parts = checkpoint_parts(solo)  # first: a remote learner has then made all updates that were ordered
    summary = {
        "updates": solo.updates,
        "episodes": solo.actor.total_episodes,
        "milestones": dict(solo.actor.firsts.steps),
    }
    checkpoint = attempt.store.save(solo.steps, parts, state=summary, replay=solo.save_replay)
    seconds = time.monotonic() - started
    attempt.deadline.note_save(seconds)
    attempt.times.note_save(seconds)
    attempt.events.write(
        "checkpoint_saved",
        step=solo.steps,
        seconds=round(seconds, 3),
        bytes=sum(int(file["bytes"]) for file in checkpoint.manifest["files"].values()),
        trained_s=round(attempt.times.trained_s, 3),
    )
    write_states(attempt, {"status": status, "reason": reason, "step": solo.steps, **summary})
    return seconds


def write_states(attempt: Attempt, state: Mapping[str, Any]) -> None:
    """Replace both small readable summaries: the run folder's, and the one beside the checkpoints."""
    games = int(state["episodes"])
    shown = {name: state[name] for name in ("status", "reason", "step", "updates")}
    write_training_state(attempt.run, attempt.config, games=games, **shown)
    total_steps = attempt.config.run.expected_steps(steps=int(state["step"]), episodes=games)
    attempt.run.write_state(total_steps=total_steps, **state)
