"""A fleet: what was started, as it is written down and read again.

Job: the facts that every leg, `status` and `stop` share. Place in the data flow: `start` writes them, everybody else
reads. Left out: what happens (`store`), and what follows (`chain`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from gamefleet.cluster.budget import Budget, next_limit_s, with_limit
from gamefleet.cluster.fleet_paths import FleetPaths
from gamefleet.cluster.jobs import Executor, JobRequest, Resources
from gamefleet.cluster.records import Records
from gamefleet.errors import RunFolderError, nearest
from gamefleet.files import create_once, explained, read_json, write_json

FORMAT_VERSION = 1
STEPS_NONE = -1
"""Step of a run that has no checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts:
    """One chain.

    Args:
        member: `m0`, `m1`, ...
        run_folder: The run that it carries, absolute.
        command: What each leg runs, program first; the same for every leg: it starts the run or goes on with it.
    """

    member: str
    run_folder: str
    command: tuple[str, ...]

    @property
    def run_path(self) -> Path:
        """The run folder."""
        return Path(self.run_folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetFacts:
    """What was started.

    Args:
        name: Of the fleet and its folder.
        id: Tells two fleets of one name apart, in job names.
        executor: `slurm`, `local` or `tmux`.
        chains: In order.
        resources: Of each job.
        setup: Shell lines before each job's command.
        max_jobs: Jobs of the user that may run at the same time.
        leg_command: What a job runs; folder, member and submission are appended.
        work_folder: Where jobs start, absolute.
        notify: Shell command that is run when a chain finishes, stops or fails; empty for none.
        budget_s: Time that a chain's legs may take together, seconds; 0 for no limit.
        budget_from: What a chain's legs did before this moment does not count, seconds since 1970.
        shows_output: Each job's whole output is one file, with a link to it where the fleet was started.
        created_at: Seconds since 1970.
        format_version: Of this file.
    """

    name: str
    id: str
    executor: str
    chains: tuple[ChainFacts, ...]
    resources: Resources
    max_jobs: int
    leg_command: tuple[str, ...]
    work_folder: str
    created_at: float
    setup: tuple[str, ...] = ()
    notify: str = ""
    budget_s: float = 0.0
    budget_from: float = 0.0
    shows_output: bool = False
    format_version: int = FORMAT_VERSION

    def chain(self, member: str) -> ChainFacts:
        """One chain.

        Raises:
            RunFolderError: There is none of that name.
        """
        for chain in self.chains:
            if chain.member == member:
                return chain
        raise RunFolderError(
            f"The fleet {self.name!r} has no such chain",
            value=member,
            remedy=nearest(member, [chain.member for chain in self.chains]),
        )

    @property
    def job_prefix(self) -> str:
        """How the names of all its jobs begin."""
        return f"{self.name}.{self.id}."

    def job_name(self, member: str) -> str:
        """Name of a chain's jobs without the submission's number."""
        return f"{self.job_prefix}{member}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProbe:
    """What a chain must know of the run that it carries; this package cannot look into runs itself.

    Args:
        step: Run folder -> step of its newest checkpoint, `STEPS_NONE` without one.
        is_finished: Run folder -> whether all of its steps are done.
    """

    step: Callable[[Path], int]
    is_finished: Callable[[Path], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A fleet and what is needed to move it on.

    Args:
        paths: Where it lies.
        facts: What was started.
        executor: Where its jobs run.
        probe: Looks into runs.
        clock: Seconds since 1970.
        who: This process, for people.
        never_starts: Why a pending job with this reason can never start; empty when it can.
        records: What this process has read of the fleet.
    """

    paths: FleetPaths
    facts: FleetFacts
    executor: Executor
    probe: RunProbe
    clock: Callable[[], float]
    who: str
    never_starts: Callable[[str], str]
    records: Records = field(default_factory=Records)

    def request(self, member: str, submission: int, after: str) -> JobRequest:
        """The job that carries a chain's next leg."""
        facts = self.facts
        limit_s = next_limit_s(self.paths.chain(member), self.budget, facts.resources.time_limit_s, now=self.clock())
        return JobRequest(
            name=f"{facts.job_name(member)}.{submission}",
            command=(*facts.leg_command, str(self.paths.root), member, str(submission)),
            resources=with_limit(facts.resources, limit_s),
            work_folder=Path(facts.work_folder),
            log_folder=self.paths.logs,
            setup=facts.setup,
            after=after,
            comment=f"gamefleet {facts.name} {member} job {submission}",
            has_one_output=facts.shows_output,
        )

    @property
    def budget(self) -> Budget:
        """How long each chain's legs may take together."""
        return Budget(total_s=self.facts.budget_s, since=self.facts.budget_from)


def write_facts(paths: FleetPaths, facts: FleetFacts) -> FleetFacts:
    """Write `fleet.json`, and make the folders of what follows.

    Two that start one fleet at the same moment must agree on its id, or one would not know the other's jobs: the id is
    written once, by whoever comes first.

    Returns:
        The facts as they were written.

    Raises:
        RunFolderError: The folder cannot be made or written.
    """
    with explained(paths.folder):
        paths.folder.mkdir(parents=True, exist_ok=True)
        paths.logs.mkdir(exist_ok=True)
        for chain in facts.chains:
            paths.chain(chain.member).root.mkdir(exist_ok=True)
    create_once(paths.identity, {"id": facts.id, "created_at": facts.created_at})
    first = read_json(paths.identity)
    settled = replace(facts, id=str(first["id"]), created_at=float(first["created_at"]))
    content: dict[str, Any] = msgspec.to_builtins(settled)
    write_json(paths.facts, content)
    return settled


def read_facts(paths: FleetPaths) -> FleetFacts:
    """Read `fleet.json`.

    Raises:
        RunFolderError: There is no fleet, or its file is damaged or of another version.
    """
    try:
        content = read_json(paths.facts)
    except FileNotFoundError as error:
        siblings = [path.parent.parent.name for path in paths.root.parent.glob("*/fleet/fleet.json")]
        raise RunFolderError(
            "There is no fleet",
            where=paths.root,
            remedy=f"Start one with `gamefleet fleet start`. {nearest(paths.root.name, siblings) if siblings else ''}",
        ) from error
    except ValueError as error:
        raise RunFolderError("The fleet's file is damaged", where=paths.facts, remedy="Restore it.") from error
    if content.get("format_version") != FORMAT_VERSION:
        raise RunFolderError(
            "The fleet was started by another version of gamefleet",
            value=content.get("format_version"),
            where=paths.facts,
            remedy="Use that version, or start the fleet under another name.",
        )
    try:
        return msgspec.convert(content, FleetFacts)
    except msgspec.ValidationError as error:
        raise RunFolderError(
            f"The fleet's file is damaged: {error}", where=paths.facts, remedy="Restore it."
        ) from error
