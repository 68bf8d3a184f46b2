"""The run around a learner on another machine: what `training` is for one machine.

Job: open the run folder and the link, agree with the learner on a checkpoint, carry the run, and go back to a common
checkpoint when the learner had to. Place in the data flow: the command `coordinate` calls this. Left out: rounds
(`remote_learner`), the link (`client`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gamefleet.errors import PeerAwayError, PeerError, PeerWentBackError
from gamefleet.games.base import GamePackage
from gamefleet.runs.checkpoint import CheckpointStore
from gamefleet.runs.deadline import Deadline
from gamefleet.runs.events import EventWriter
from gamefleet.runs.folder import OpenRun, Start, has_begun, open_run
from gamefleet.runs.logs import logging_to
from gamefleet.runs.paths import RunPaths
from gamefleet.runs.progress import Progress
from gamefleet.topologies.build import (
    import_learning,
    make_actor,
    make_network,
    make_policy,
    make_replay,
    make_schedule,
    make_training_vector,
)
from gamefleet.topologies.config import RunConfig
from gamefleet.topologies.remote_learner import messages as say
from gamefleet.topologies.remote_learner.client import LearnerClient
from gamefleet.topologies.remote_learner.inference import Agreed, choose_mind
from gamefleet.topologies.remote_learner.wiring import RemoteLearner
from gamefleet.topologies.training import WRITER, Outcome, carry_out, facts_of, opened_attempt, store_of
from gamefleet.topologies.training_state import write_training_state
from gamefleet.transport.link import Stream
from gamefleet.transport.link_settings import LinkSettings
from gamefleet.transport.token import Token

log = logging.getLogger(__name__)


def coordinate(
    package: GamePackage,
    config: RunConfig,
    *,
    asked: str,
    start: Start,
    deadline: Deadline,
    progress: Progress,
    token: Token | Callable[[], Token],
    link: LinkSettings | None = None,
) -> Outcome:
    """Carry a run whose learner is on another machine, until it is finished or the deadline comes.

    Args:
        package: The game.
        config: All settings; `config.run.name` is the run's name.
        asked: What the user asked for, as TOML.
        start: Whether the run is new, resumed or started over.
        deadline: When to stop.
        progress: Whoever watches.
        token: The secret, or how to look it up.
        link: Bounds and times of the line.

    Raises:
        RunFolderError: The run folder cannot be used.
        CheckpointError: There is no checkpoint that can be resumed, or the learner's model differs.
        PeerError: The learner refuses, or cannot go on.
    """
    import_learning()
    while True:
        try:
            return _attempt(
                package, config, asked=asked, start=start, deadline=deadline, progress=progress, token=token, link=link
            )
        except PeerWentBackError as error:
            progress.say(f"{error.what}; going back to what both have")
            start = "resume"


def _attempt(
    package: GamePackage,
    config: RunConfig,
    *,
    asked: str,
    start: Start,
    deadline: Deadline,
    progress: Progress,
    token: Token | Callable[[], Token],
    link: LinkSettings | None,
) -> Outcome:
    root = Path(config.run.runs_folder) / config.run.name
    if start == "resume" and not has_begun(RunPaths(root)):
        start = "first"  # a start that was refused before anything was played binds nobody to its settings
    facts = facts_of(package, config, asked, is_new=start != "resume")
    # What is wrong with it is said before anybody waits.
    network = make_network(package, package.make_spec(config.game), config)
    with (
        open_run(root, facts, start=start) as run,
        logging_to(run.paths.log(run.attempt, WRITER), identity=str(run.identity)),
        deadline.listening(),
        _client(run, config, token, deadline, link) as client,
        EventWriter(run.paths.events(WRITER), attempt=run.attempt, fence=run.fence) as events,
    ):
        watcher = Watcher(run, config, events=events, progress=progress, where=client.where)
        client.watcher = watcher
        store = store_of(run, keep=config.run.keep_checkpoints)
        client.saved_steps = store.steps
        try:
            agreed = _agree(client, run, store, config, is_fresh=start == "fresh")
            logs = run.paths.log(run.attempt, WRITER).parent
            with _wiring(package, config, client, agreed, network=network, log_folder=logs) as (wiring, sentence):
                progress.say(f"run folder {root}: {config.game_name}, {_length(config)}; {sentence}")
                return _carry(wiring, config, run, store=store, progress=progress, deadline=deadline, agreed=agreed)
        except PeerAwayError as error:
            return _stopped(run, store, watcher, error)


def _length(config: RunConfig) -> str:
    run = config.run
    if run.num_iterations is None:
        return f"{run.total_steps:,} steps"
    return f"{run.num_iterations:,} iterations of {run.games_per_iteration:,} games"


def _carry(
    wiring: RemoteLearner,
    config: RunConfig,
    run: OpenRun,
    *,
    store: CheckpointStore,
    progress: Progress,
    deadline: Deadline,
    agreed: Agreed,
) -> Outcome:
    among = None if agreed.step < 0 else [agreed.step]
    with opened_attempt(config, run, wiring, store=store, progress=progress, deadline=deadline, among=among) as attempt:
        wiring.begin(agreed.step)
        state = {"step": wiring.steps, "games": wiring.actor.total_episodes, "updates": wiring.updates}
        write_training_state(run, config, status="running", reason="", **state)
        return carry_out(attempt)


@contextmanager
def _client(
    run: OpenRun,
    config: RunConfig,
    token: Token | Callable[[], Token],
    deadline: Deadline,
    link: LinkSettings | None,
) -> Iterator[LearnerClient]:
    client = LearnerClient(
        config.remote,
        token,
        run=run.paths.name,
        identity=_identity(run),
        epoch=run.attempt,
        reason_to_end=deadline.reason,
        link=link,
    )
    try:
        yield client
    finally:
        client.close()


def _identity(run: OpenRun) -> str:
    """The same for all attempts of a run, another one for a run of the same name that was started anew."""
    return f"{run.paths.name} of {run.manifest['host']} at {run.manifest['created_at']:.6f}"


def _agree(client: LearnerClient, run: OpenRun, store: CheckpointStore, config: RunConfig, *, is_fresh: bool) -> Agreed:
    """Say which run this is and which checkpoints there are; hear where the learner can go on."""
    client.send(
        say.OPEN,
        {
            "run": run.paths.name,
            "identity": _identity(run),
            "attempt": run.attempt,
            "game": config.game_name,
            "resolved": dict(run.facts.resolved),
            "compatibility": run.facts.compatibility.as_json(),
            "steps": store.steps() if run.is_resumed else [],
            "is_fresh": is_fresh,
        },
    )
    message = client.wait(Stream.BATCHES)
    if message.kind != say.OPENED:
        raise PeerError("The learner does not greet back", value=message.kind, where=client.where)
    told = message.header
    return Agreed(
        step=int(told["step"]),
        updates=int(told["updates"]),
        version=int(told["version"]),
        state_size=int(told["state_size"]),
        device=str(told["device"]),
    )


@contextmanager
def _wiring(
    package: GamePackage, config: RunConfig, client: LearnerClient, agreed: Agreed, *, network: Any, log_folder: Path
) -> Iterator[tuple[RemoteLearner, str]]:
    with ExitStack() as stack:
        vector = make_training_vector(package, config, log_folder=log_folder)
        stack.callback(vector.close)
        mind, sentence = choose_mind(network, vector.spec, config, client, agreed)
        policy = make_policy(config, vector.spec, mind)
        wiring = RemoteLearner(
            actor=make_actor(package, config, vector, policy),
            policy=policy,
            replay=make_replay(vector.spec, config, state_size=agreed.state_size),
            client=client,
            schedule=make_schedule(config),
            config=config,
        )
        stack.pop_all()
        stack.callback(wiring.close)
        yield wiring, sentence


class Watcher:
    """Tells files and people that the run pauses and goes on.

    Args:
        run: The held folder.
        config: All settings.
        events: Of this attempt.
        progress: Whoever watches.
        where: Of the learner.
    """

    def __init__(self, run: OpenRun, config: RunConfig, *, events: EventWriter, progress: Progress, where: str) -> None:
        self._run = run
        self._config = config
        self._events = events
        self._progress = progress
        self._where = where

    def paused(self, why: str) -> None:
        """See `PauseWatcher.paused`."""
        self._events.write("learner_lost", where=self._where, reason=why)
        log.warning("paused: the learner at %s is out of reach: %s", self._where, why)
        self._progress.say(f"paused: the learner at {self._where} is out of reach ({why}); trying again")
        self.write("paused", reason=why)

    def resumed(self, seconds: float) -> None:
        """See `PauseWatcher.resumed`."""
        self._events.write("learner_back", where=self._where, seconds=round(seconds, 3))
        log.info("the learner at %s is back after %.1f s", self._where, seconds)
        self._progress.say(f"the learner at {self._where} is back after {seconds:.1f} s")
        self.write("running", reason="")

    def write(self, status: str, *, reason: str) -> None:
        """Replace the summary that people and `gamefleet monitor --local` read."""
        write_training_state(self._run, self._config, status=status, reason=reason, learner={"where": self._where})


def _stopped(run: OpenRun, store: CheckpointStore, watcher: Watcher, error: PeerAwayError) -> Outcome:
    """The learner is away and this process must end: what was done since the last joint checkpoint is played again."""
    steps = store.steps()
    step = steps[-1] if steps else 0
    watcher.write("stopped", reason=str(error))
    run.write_state(status="stopped", reason=error.what, step=step)
    return Outcome(
        status="stopped", reason=error.what, step=step, folder=run.paths.root, checkpoint=run.paths.checkpoint(step)
    )
