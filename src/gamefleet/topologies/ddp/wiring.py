"""ddp: many ranks learn from recorded play as one.

Job: open an attempt at every rank: rank 0 holds the run folder and tells the others where to go on, each builds the
same network, gradients are averaged. Place in the data flow: dataset -> ranks -> weights in the run folder. Left out:
the loop (`sequence.training`), and who starts ranks (`ranks`, the command line, the cluster).

A rank that dies ends all of them, and the run goes on from its last checkpoint, with as many ranks or others. The order
of the data and the size of a step do not depend on how many there are; with the same number the result is bit-equal to
that of a run that was never cut (on CPUs; accelerators add up in varying order).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from gamefleet.errors import GamefleetError
from gamefleet.games.base import GamePackage
from gamefleet.learners.sequence import SequenceLearner
from gamefleet.runs.checkpoint import CheckpointStore, Loaded
from gamefleet.runs.deadline import Deadline
from gamefleet.runs.folder import OpenRun, Start, open_run
from gamefleet.runs.leg import Leg
from gamefleet.runs.logs import logging_to
from gamefleet.runs.manifest import Compatibility, RunFacts
from gamefleet.runs.metrics import FROM_START
from gamefleet.runs.paths import RunPaths
from gamefleet.runs.progress import Progress
from gamefleet.topologies.ddp.build import device_of, make_learner, make_network, work_of
from gamefleet.topologies.ddp.group import Group, exchanging
from gamefleet.topologies.ddp.watch import Watch, watched
from gamefleet.topologies.recorded.data import recorded_of
from gamefleet.topologies.sequence.aside import aside_batches
from gamefleet.topologies.sequence.config import SequenceConfig, rate_jump
from gamefleet.topologies.sequence.data import divide, open_corpus, open_loader, prepare
from gamefleet.topologies.sequence.saving import TRAINER_PART, Standing
from gamefleet.topologies.sequence.shown import show_record
from gamefleet.topologies.sequence.speed import Speed
from gamefleet.topologies.sequence.training import SequenceAttempt, carry_out
from gamefleet.topologies.sequence.writer import ROLE, Writer, opened_writer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """What a run on recorded play is asked for.

    Args:
        package: The game.
        config: All settings, settled; see `settled`.
        asked: What the user asked for, as TOML.
        start: Whether the run is new, resumed or started over.
        leg: The chain's leg that this process belongs to.
        job: The scheduler's id of the job around this process.
    """

    package: GamePackage
    config: SequenceConfig
    asked: str
    start: Start
    leg: Leg | None = None
    job: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedOutcome:
    """How an attempt ended.

    Args:
        status: `finished` when all steps are done, `stopped` when a deadline or signal came first.
        reason: In words.
        step: Updates of the run so far.
        folder: The run folder.
    """

    status: Literal["finished", "stopped"]
    reason: str
    step: int
    folder: Path


def train_recorded(
    wanted: RecordedRun, group: Group, *, deadline: Deadline, progress: Progress, end: Callable[[str], None]
) -> RecordedOutcome:
    """Train at one rank until all steps are done or one of them has to stop.

    Args:
        wanted: The run; the same at all ranks.
        group: The ranks.
        deadline: When to stop.
        progress: Whoever watches.
        end: Ends the process when its loop is stuck; see `watch.watched`.

    Raises:
        RunFolderError: The run folder cannot be used.
        CheckpointError: There is no checkpoint that can be resumed.
        RankLostError: Another rank is gone.
    """
    watch = Watch()
    device = device_of(wanted.config, group.place)
    timeout_s = wanted.config.trainer.hang_timeout_s
    with ExitStack() as stack:
        opening = Opening(wanted=wanted, group=group, stack=stack, deadline=deadline, progress=progress)
        note = group.from_first(opening.open_folder, name="start")
        if not group.place.is_first:
            path = Path(note["log"]).with_name(f"{ROLE}-rank{group.place.rank}.log")
            stack.enter_context(logging_to(path, identity=f"{wanted.config.run.name}/{group.place}"))
        stack.enter_context(watched(group, watch, timeout_s=timeout_s, end=logged(end)))
        # Exchanges give up only after the watch has said who is silent.
        stack.enter_context(exchanging(group, device=device, timeout_s=1.5 * timeout_s))
        stack.enter_context(deadline.listening())
        try:
            attempt = stack.enter_context(opened_attempt(opening, note, watch=watch, device=device))
            return concluded(attempt, Path(note["folder"]))
        except GamefleetError as error:
            log.error("%s: %s", group.place, error)
            raise


def logged(end: Callable[[str], None]) -> Callable[[str], None]:
    """The same, after a line in the log."""

    def log_and_end(sentence: str) -> None:
        log.error("%s", sentence)
        end(sentence)

    return log_and_end


def concluded(attempt: SequenceAttempt, folder: Path) -> RecordedOutcome:
    """Carry the attempt out and save; the last checkpoint is written whatever ends it."""
    reason = carry_out(attempt)
    status: Literal["finished", "stopped"] = "stopped" if reason else "finished"
    reason = reason or "all steps are done"
    attempt.watch.note(attempt.step, "saving")
    if attempt.writer is not None:
        attempt.writer.save_last(attempt, status=status, reason=reason)
    return RecordedOutcome(status=status, reason=reason, step=attempt.step, folder=folder)


@dataclass(kw_only=True)
class Opening:
    """What rank 0 finds in the run folder while an attempt is opened.

    Args:
        wanted: The run.
        group: The ranks.
        stack: Closes what was opened.
        deadline: When to stop.
        progress: Whoever watches.
        loaded: The checkpoint to go on from; only at rank 0.
        writer: The run's files; only at rank 0.
    """

    wanted: RecordedRun
    group: Group
    stack: ExitStack
    deadline: Deadline
    progress: Progress
    loaded: Loaded | None = None
    writer: Writer | None = None

    def open_folder(self) -> Mapping[str, Any]:
        """Hold the run folder, find the checkpoint and the data, and say all of it to the other ranks."""
        config = self.wanted.config
        root = Path(config.run.runs_folder) / config.run.name
        run = self.stack.enter_context(
            open_run(root, facts_of(self.wanted), start=self.wanted.start, leg=self.wanted.leg, job=self.wanted.job)
        )
        path = run.paths.log(run.attempt, ROLE)
        self.stack.enter_context(logging_to(path, identity=str(run.identity)))
        standing = self._open_files(run, config)
        data = prepare(self.wanted.package, config.data, run.paths.root)
        return {"folder": str(run.paths.root), "log": str(path), "data": str(data), "standing": standing}

    def _open_files(self, run: OpenRun, config: SequenceConfig) -> dict[str, Any] | None:
        store = CheckpointStore(
            run.paths,
            compatibility=run.facts.compatibility,
            fence=run.fence,
            keep=config.run.keep_checkpoints,
            attempt=run.attempt,
        )
        self.loaded = store.load_newest() if run.is_resumed else None
        checkpoint = None if self.loaded is None else self.loaded.checkpoint
        resumed_step = FROM_START if checkpoint is None else checkpoint.step
        if run.is_resumed:
            run.adopt_settings()
        world = self.group.place.world
        self.writer = self.stack.enter_context(
            opened_writer(config, run, store, resumed_step=resumed_step, deadline=self.deadline, facts={"ranks": world})
        )
        for folder, reason in () if self.loaded is None else self.loaded.rejected:
            log.warning("set aside an unreadable checkpoint: %s", reason)
            self.writer.events.write("checkpoint_rejected", folder=str(folder), reason=reason)
        if run.set_aside is not None:
            self.progress.say(f"the run that was here is now {run.set_aside}")
        if checkpoint is None:
            return None
        self.progress.say(f"resuming {run.paths.root} at step {checkpoint.step:,} with {world} ranks")
        if jump := rate_jump(config, run.changed_settings, checkpoint.step):
            log.warning("%s", jump)
            self.progress.say(jump)
        return checkpoint.part(TRAINER_PART)


def facts_of(wanted: RecordedRun) -> RunFacts:
    """What the run folder shall say of the run."""
    config, recorded = wanted.config, recorded_of(wanted.package)
    return RunFacts(
        game=wanted.package.name,
        seed=config.run.seed,
        asked=wanted.asked,
        resolved=config.resolved(),
        compatibility=Compatibility(
            game=f"{wanted.package.name} {recorded.version}",
            observation=recorded.observation_json(),
            reward={},
            architecture=config.network_json(),
        ),
    )


@contextmanager
def opened_attempt(
    opening: Opening, note: Mapping[str, Any], *, watch: Watch, device: torch.device
) -> Iterator[SequenceAttempt]:
    """Build network, learner and loader as rank 0 says, with its weights."""
    wanted, group, config = opening.wanted, opening.group, opening.wanted.config
    batches = divide(config, group.place.world)
    standing = Standing.from_json(note["standing"]) if note["standing"] else None
    corpus = open_corpus(wanted.package, Path(note["data"]), config.data)
    network = make_network(wanted.package, config, device)
    loaded = None if opening.loaded is None else opening.loaded.checkpoint
    learner = make_learner(config, group, network, standing=standing, loaded=loaded)
    cursor = None if standing is None else standing.cursor
    with (
        closing(corpus.dataset),
        open_loader(corpus, wanted.package, config, place=group.place, batches=batches, cursor=cursor) as loader,
    ):
        tell_plan(opening, learner, [corpus.describe(), batches.describe(group.place.world)])
        media = RunPaths(Path(config.run.runs_folder) / config.run.name).media
        shape = (batches.rows_per_batch(group.place.world), batches.row_decisions)
        yield SequenceAttempt(
            config=config,
            group=group,
            learner=learner,
            loader=loader,
            speed=Speed(work_of(network, device, group.place.world)),
            watch=watch,
            deadline=opening.deadline,
            progress=opening.progress,
            aside=lambda: aside_batches(corpus, wanted.package, config, place=group.place, batches=batches),
            writer=opening.writer,
            cursor=cursor,
            decisions=0 if standing is None else standing.decisions,
            global_batch_size=batches.global_size,
            profile=Path(note["log"]).parent if group.place.is_first else None,
            show=partial(show_record, recorded_of(wanted.package), corpus, media, shape=shape),
        )


def tell_plan(opening: Opening, learner: SequenceLearner, sentences: list[str]) -> None:
    """Say what is about to happen: size, data, batches, step sizes."""
    if not opening.group.place.is_first:
        return
    count = sum(parameter.numel() for parameter in learner.network.parameters())
    size = opening.wanted.config.network.size
    for sentence in (f"network {size}: {count:,} parameters on {learner.device}", *sentences, learner.sizes.sentence):
        log.info("%s", sentence)
        opening.progress.say(sentence)
