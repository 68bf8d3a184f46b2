"""The run that a learner is working on: its folder, its checkpoints, and how far the coordinator's messages are in it.

Job: open the run that a coordinator names, agree on a checkpoint that both have, save, and find all of it again after a
crash. Place in the data flow: between a session with a coordinator and the run folder on this machine. Left out: the
messages (`session`), what is computed (`work`).

    FOLDER/serving.json           which run was worked on last
    FOLDER/<run>/                 a run folder; its checkpoints have the coordinator's step numbers
    FOLDER/<run>/coordinator.json which run of which coordinator it belongs to

The number of the last message of each stream lies in the same checkpoint as the weights that it led to. A learner that
starts again therefore knows what it need not hear again, and nothing is applied twice.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gamefleet.errors import ConfigError, IncompatibleError, PeerError
from gamefleet.files import read_json, write_json
from gamefleet.games import open_game
from gamefleet.identity import first_difference
from gamefleet.runs.checkpoint import Checkpoint, CheckpointStore
from gamefleet.runs.events import EventWriter
from gamefleet.runs.folder import OpenRun, Start, has_begun, is_run, open_run, read_resolved
from gamefleet.runs.logs import logging_to
from gamefleet.runs.manifest import RunFacts
from gamefleet.runs.paths import RunPaths
from gamefleet.topologies.config import RunConfig, make_config, to_toml
from gamefleet.topologies.remote_learner.work import PART, Work, with_device
from gamefleet.topologies.training import facts_of

SERVING, COORDINATOR_FILE = "serving.json", "coordinator.json"
WRITER = "learner"
"""Name of this role's events and log files."""

Position = Mapping[str, Mapping[int, int]]
"""Session -> stream -> number of the last message whose effect is held."""


class Standing:
    """A run that is being worked on; close it before another one is opened.

    Args:
        run: Its held folder on this machine.
        work: What is computed.
        identity: Of the run at the coordinator.
    """

    def __init__(self, run: OpenRun, work: Work, *, identity: str) -> None:
        self.run = run
        self.work = work
        self.identity = identity
        self.step = -1
        self.applied: dict[str, dict[int, int]] = {}
        self.epochs: dict[str, int] = {}
        self.store = CheckpointStore(
            run.paths,
            compatibility=run.facts.compatibility,
            fence=run.fence,
            keep=work.config.run.keep_checkpoints,
            attempt=run.attempt,
        )
        self._exit = ExitStack()
        self.events = self._exit.enter_context(
            EventWriter(run.paths.events(WRITER), attempt=run.attempt, fence=run.fence)
        )

    def hold(self, stack: ExitStack) -> None:
        """Take over what must be ended with it."""
        self._exit.push(stack.pop_all().__exit__)

    def close(self) -> None:
        """Give the folder back; nobody waits for its work any more."""
        self.work.stop()
        self._exit.close()

    def load(self, steps: list[int]) -> int:
        """Go to the newest checkpoint that the coordinator has, too.

        Args:
            steps: Those of the coordinator.

        Returns:
            Its step, or -1 when both begin.

        Raises:
            PeerError: There is none although one of the two has been further.
            CorruptCheckpointError: Those that both have cannot be read.
        """
        ours = self.store.steps()
        if not steps:
            return -1  # it never saved: nothing that this side has belongs to what it begins now
        found = self.store.load_newest(among=steps).checkpoint
        if found is None:
            raise PeerError(
                f"The coordinator has checkpoints at steps {_listed(steps)} and this learner at {_listed(ours)}: "
                "they have none in common",
                where=self.run.paths.root,
                remedy="Bring the learner's run folder back, or start the run anew with --fresh on the coordinator.",
            )
        self.take(found)
        self.store.drop(step for step in ours if step not in steps)  # halves whose other half was never written
        return self.step

    def take(self, checkpoint: Checkpoint) -> None:
        """Become what a checkpoint holds."""
        self.work.load(checkpoint)
        part = checkpoint.part(PART)
        self.step = checkpoint.step
        self.applied = {name: {int(k): int(v) for k, v in at.items()} for name, at in part["applied"].items()}
        self.epochs = {str(scope): int(epoch) for scope, epoch in part["epochs"].items()}

    def save(self, step: int, applied: Position, epochs: Mapping[str, int], *, partner: Collection[int]) -> Checkpoint:
        """Write a checkpoint that holds the effect of all messages up to a position.

        Args:
            step: Of the coordinator.
            applied: The position.
            epochs: Of the listener.
            partner: Steps of the checkpoints that the coordinator has; the newest of them is kept whatever is pruned.

        Raises:
            StorageFullError: No space; the older ones are untouched.
        """
        work, started = self.work, time.monotonic()
        is_there = step == self.step and step in self.store.steps()
        self.store.protected = frozenset([max(partner)] if partner else [])
        sides = {"applied": {s: {str(k): v for k, v in at.items()} for s, at in applied.items()}}
        remote = {**sides, "epochs": dict(epochs), "version": work.version, "identity": self.identity}
        saved = self.store.save(
            step,
            {**work.parts(), PART: remote},
            state={"updates": work.learner.num_updates},
            replay=work.save_replay,
        )
        self.step = step
        if not is_there:
            self.applied = {session: dict(at) for session, at in applied.items()}
        size = sum(int(file["bytes"]) for file in saved.manifest["files"].values())
        seconds = round(time.monotonic() - started, 3)
        self.events.write("checkpoint_saved", step=step, seconds=seconds, bytes=size, trained_s=round(work.busy_s, 3))
        self.run.write_state(status="running", reason="", step=step, updates=work.learner.num_updates)
        return saved


def open_for(folder: Path, header: Mapping[str, Any], *, device: str, own: RunConfig | None, adopt: bool) -> Standing:
    """Open the run that a coordinator names, or begin it.

    Args:
        folder: Of this learner.
        header: Of the coordinator's message `OPEN`.
        device: Of this machine.
        own: Settings that this learner was started with; None takes the coordinator's.
        adopt: Move a run of the same name that belongs to somebody else aside.

    Raises:
        IncompatibleError: Model or game differ; the first difference is named with both values.
        PeerError: The name is taken by another run.
        ConfigError: The settings cannot be used here.
    """
    package = open_game(str(header["game"]))
    asked = make_config(package, settings_of(header))
    if own is not None:
        check_models(own, asked)
    # Not the name that the greeting gives: this one was checked to be a plain folder name.
    name, identity = asked.run.name, str(header["identity"])
    if not name:
        raise PeerError("The coordinator's run has no name", remedy="Name it with --run on the coordinator.")
    paths = RunPaths(folder / name)
    start = _start_of(paths, identity, adopt=adopt)
    config = with_device(asked, device)
    facts = facts_of(package, config, to_toml(config.resolved()), is_new=False)
    _check_same(facts.compatibility.as_json()["parts"], header["compatibility"]["parts"])
    standing = _opened(paths, facts, start, Work(package, config), identity)
    write_json(paths.root / COORDINATOR_FILE, {"identity": identity})
    write_json(folder / SERVING, {"run": name})
    standing.events.write("attempt_started", step=max(standing.step, 0), resumed_step=standing.step)
    return standing


def open_again(folder: Path, *, device: str) -> Standing | None:
    """The run that this learner was working on when it ended, with its newest checkpoint; None when there is none."""
    try:
        name = str(read_json(folder / SERVING)["run"])
        identity = str(read_json(folder / name / COORDINATOR_FILE)["identity"])
    except (OSError, ValueError, KeyError):
        return None
    paths = RunPaths(folder / name)
    if not is_run(paths) or not paths.found_checkpoints():
        return None
    resolved = read_resolved(paths)
    package = open_game(str(resolved["game_name"]))
    config = with_device(make_config(package, resolved), device)
    facts = facts_of(package, config, to_toml(config.resolved()), is_new=False)
    standing = _opened(paths, facts, "resume", Work(package, config), identity)
    found = standing.store.load_newest().checkpoint
    if found is not None:
        standing.take(found)
    standing.events.write("attempt_started", step=max(standing.step, 0), resumed_step=standing.step)
    return standing


def check_models(ours: RunConfig, theirs: RunConfig) -> None:
    """Fail unless both sides were told the same game and network.

    Raises:
        IncompatibleError: Names the first difference and both values.
    """
    mine, other = ours.resolved(), theirs.resolved()
    for section in ("game_name", "game", "network"):
        _check_same({section: mine[section]}, {section: other[section]})


def _check_same(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    difference = first_difference(dict(ours), dict(theirs))
    if difference:
        raise IncompatibleError(
            f"The model settings of learner and coordinator differ: {difference} (learner first)",
            remedy="Give both the same settings file, or start the learner without one: it takes the coordinator's.",
        )


def _opened(paths: RunPaths, facts: RunFacts, start: Start, work: Work, identity: str) -> Standing:
    with ExitStack() as stack:
        run = stack.enter_context(open_run(paths.root, facts, start=start))
        stack.enter_context(logging_to(run.paths.log(run.attempt, WRITER), identity=str(run.identity)))
        run.adopt_settings()
        standing = Standing(run, work, identity=identity)
        standing.hold(stack)
    return standing


def _start_of(paths: RunPaths, identity: str, *, adopt: bool) -> Start:
    if not is_run(paths):
        return "first"
    try:
        held = str(read_json(paths.root / COORDINATOR_FILE)["identity"])
    except (OSError, ValueError, KeyError):
        held = ""
    if held == identity:
        return "resume"
    if not has_begun(paths):  # a start that was refused or cut off before it came to anything
        return "first"
    if adopt:
        return "fresh"
    raise PeerError(
        f"This learner holds another run of the name {paths.name!r}",
        where=paths.root,
        remedy="Give the coordinator's run another name with --run, or let the learner move the old one aside with "
        "--adopt.",
    )


def _listed(steps: list[int]) -> str:
    return ", ".join(f"{step:,}" for step in sorted(steps)[-5:]) or "none"


def settings_of(header: Mapping[str, Any]) -> Mapping[str, Any]:
    """The coordinator's settings in its greeting.

    Raises:
        ConfigError: It sent none.
    """
    resolved = header.get("resolved")
    if not isinstance(resolved, Mapping):
        raise ConfigError("The coordinator sent no settings", remedy="Install the same version on both machines.")
    return resolved
