"""Opening a run folder: first start, resume, or fresh start, by one process at a time.

Job: decide whether this process may use the folder, claim it, and write what a run says of itself. Place in the data
flow: the first thing that training does; checkpoints, metrics and events then live in the folder. Left out: the claim's
rules (`claim`), the checkpoint format (`checkpoint`).

Nothing is ever overwritten silently: a run that exists is only continued with `resume`, and `fresh` moves it aside,
unless the jobs of a fleet are at work in it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from gamefleet.errors import RunFolderError, nearest
from gamefleet.files import TEMPORARY_PREFIX, explained, read_json, write_bytes, write_json
from gamefleet.identity import Identity
from gamefleet.runs.carried import refuse_if_carried
from gamefleet.runs.claim import Claim, claim, refuse_if_held
from gamefleet.runs.leg import Leg
from gamefleet.runs.manifest import RunFacts, check_compatible, describe_run, provenance, read_manifest
from gamefleet.runs.paths import RunPaths

Start = Literal["first", "resume", "fresh"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """A run folder that this process holds.

    Args:
        paths: Where things lie.
        facts: What the run is, under the present settings.
        manifest: The content of `manifest.json`.
        held: The claim.
        is_resumed: Whether the run existed before.
        changed_settings: On a resume, dotted key -> [old, new].
        set_aside: Where `fresh` moved the run that was there, None when there was none.
        job: The scheduler's id of the job around this process, empty outside of one.
    """

    paths: RunPaths
    facts: RunFacts
    manifest: Mapping[str, Any]
    held: Claim
    is_resumed: bool
    changed_settings: Mapping[str, list[Any]]
    set_aside: Path | None
    job: str = ""

    @property
    def attempt(self) -> int:
        """Number of this start of the run, from 1."""
        return self.held.number

    @property
    def identity(self) -> Identity:
        """This run and attempt, for metrics, logs and errors."""
        return Identity(run=self.paths.name, attempt=self.attempt)

    def fence(self) -> None:
        """Fail when another process or a later leg took the folder over; pass it wherever files are written."""
        self.held.fence()

    def adopt_settings(self) -> None:
        """Write down the present settings; on a resume only once the last checkpoint has been opened with them.

        Settings that turn out not to fit it would otherwise stay, and the next resume would fail like this one.
        """
        write_bytes(self.paths.asked, self.facts.asked.encode(), fence=self.fence)
        write_json(self.paths.resolved, self.facts.resolved, fence=self.fence)

    def write_state(self, **values: Any) -> None:
        """Replace `state.json`, the small readable summary.

        Args:
            values: JSON values: `status` (`running`, `finished`, `stopped`, `failed`), `step`, `total_steps`, `reason`
                and what else a person wants to see first.
        """
        content = {**values, "name": self.paths.name, "attempt": self.attempt, "updated_at": time.time()}
        write_json(self.paths.state, content, fence=self.fence)


@contextmanager
def open_run(
    root: Path, facts: RunFacts, *, start: Start = "first", leg: Leg | None = None, job: str = ""
) -> Iterator[OpenRun]:
    """Claim a run folder for the length of the block.

    Args:
        root: The folder `runs/NAME`.
        facts: What the run is, under the present settings.
        start: `first` creates the run, `resume` continues it, `fresh` moves what is there aside and creates it.
        leg: The chain's leg that this process belongs to; it takes the run over from earlier legs.
        job: The scheduler's id of the job around this process, for the claim and the events.

    Yields:
        The held folder. When the block ends, the claim says how.

    Raises:
        RunFolderError: The run exists (first), does not exist (resume), is in use, not writable, of another version.
        IncompatibleError: The run to resume has another game version, observation, reward or architecture.
    """
    paths = RunPaths(root)
    if start == "resume":
        run = _resume(paths, facts, leg, job)
    else:
        set_aside = _make_room(paths, start, leg)
        run = replace(_create(paths, facts, leg, job), set_aside=set_aside)
    outcome = "failed"
    try:
        yield run
        outcome = "ended"
    finally:
        # A full disk or a lost claim must not hide why the block ended; an unmarked claim of a dead process is free.
        with suppress(RunFolderError):
            run.held.release(outcome=outcome)


def is_run(paths: RunPaths) -> bool:
    """Whether there is a run in the folder."""
    return paths.manifest.exists()


def has_begun(paths: RunPaths) -> bool:
    """Whether anything was played: a start whose settings were refused leaves claims, settings and logs only."""
    return paths.state.exists() or bool(paths.found_checkpoints()) or any(paths.metrics_folder.glob("*"))


def read_state(paths: RunPaths) -> dict[str, Any]:
    """The content of `state.json`; empty where there is none or it is not readable, as nothing depends on it."""
    try:
        return read_json(paths.state)
    except (OSError, ValueError):
        return {}


def read_resolved(paths: RunPaths) -> dict[str, Any]:
    """The settings under which a run last started.

    Raises:
        RunFolderError: There is no such run, or its files are of another version or damaged.
    """
    _require_run(paths)
    read_manifest(paths)
    try:
        with explained(paths.resolved):
            return read_json(paths.resolved)
    except ValueError as error:
        raise RunFolderError(
            "The run's settings are damaged", where=paths.resolved, remedy="Restore the file, or use --fresh."
        ) from error


def _require_run(paths: RunPaths) -> None:
    if is_run(paths):
        return
    siblings = [path.parent.name for path in paths.root.parent.glob("*/manifest.json")]
    raise RunFolderError(
        "There is no run to resume",
        where=paths.root,
        remedy=f"Leave out --resume to start it. {nearest(paths.name, siblings) if siblings else ''}".strip(),
    )


def _resume(paths: RunPaths, facts: RunFacts, leg: Leg | None, job: str) -> OpenRun:
    before = read_resolved(paths)
    manifest = read_manifest(paths)
    check_compatible(facts.compatibility, manifest["compatibility"], where=paths.root)
    changes = changed_settings(before, facts.resolved)
    held = claim(paths, {**provenance(), "changed_settings": changes, "job": job}, leg=leg)
    return OpenRun(
        paths=paths,
        facts=facts,
        manifest=manifest,
        held=held,
        is_resumed=True,
        changed_settings=changes,
        set_aside=None,
        job=job,
    )


def _create(paths: RunPaths, facts: RunFacts, leg: Leg | None, job: str) -> OpenRun:
    with explained(paths.root):
        paths.root.mkdir(parents=True, exist_ok=True)
    held = claim(paths, {**provenance(), "job": job}, leg=leg)
    for folder in (paths.checkpoints, paths.metrics_folder, paths.events_folder, paths.media):
        folder.mkdir(exist_ok=True)
    manifest = describe_run(paths.name, facts)
    run = OpenRun(
        paths=paths,
        facts=facts,
        manifest=manifest,
        held=held,
        is_resumed=False,
        changed_settings={},
        set_aside=None,
        job=job,
    )
    run.adopt_settings()
    write_json(paths.manifest, manifest, fence=held.fence)  # last: from here on the folder is a run
    return run


def _make_room(paths: RunPaths, start: Start, leg: Leg | None) -> Path | None:
    """Leave the folder absent, empty, or with no more than what a fleet or a start left behind that never played."""
    if paths.root.is_dir():
        refuse_if_held(paths, leg=leg)
    if not is_run(paths):
        _refuse_foreign_folder(paths)
        return None
    if start == "first" and not has_begun(paths):
        return None
    if start == "first":
        raise RunFolderError(
            f"The run {paths.name!r} exists",
            where=paths.root,
            remedy="Continue it with --resume, or start anew with --fresh (which moves the old one aside).",
        )
    refuse_if_carried(paths)
    aside = paths.root.with_name(f"{paths.name}.before-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}")
    held = claim(paths, {"purpose": "moving this run aside"})  # so that nobody starts in it meanwhile
    with explained(paths.root):
        os.rename(paths.root, aside)
    held.follow(RunPaths(aside))
    held.release(outcome="set aside")
    return aside


def _refuse_foreign_folder(paths: RunPaths) -> None:
    if not paths.root.exists():
        return
    if not paths.root.is_dir():
        raise RunFolderError("This is not a folder", where=paths.root, remedy="Give the run another name with --run.")
    records = (paths.metrics_folder, paths.events_folder, paths.visits_folder)
    ours = (paths.attempts, paths.checkpoints, *records, paths.media, paths.logs, paths.stream)
    allowed = {path.name for path in (*ours, paths.fleet, paths.asked, paths.resolved)}
    names = (path.name for path in paths.root.iterdir() if not path.name.startswith(TEMPORARY_PREFIX))
    foreign = sorted(name for name in names if name not in allowed)
    if foreign or paths.found_checkpoints():
        raise RunFolderError(
            "The folder is not empty and is not a run",
            value=(foreign or ["checkpoints"])[0],
            where=paths.root,
            remedy="Give the run another name with --run NAME; nothing was touched.",
        )


def changed_settings(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> dict[str, list[Any]]:
    """Dotted key -> [old, new] for every setting that differs; None stands for absent."""
    changes: dict[str, list[Any]] = {}
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changes.update(changed_settings(old, new, f"{prefix}{key}."))
        elif old != new:
            changes[f"{prefix}{key}"] = [old, new]
    return changes
