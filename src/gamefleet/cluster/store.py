"""The records of a fleet: read as facts, written once.

Job: turn the folder into views for `chain`, and write marks, submissions, legs and places so that of several processes
exactly one succeeds. Place in the data flow: between `chain` and the file system. Left out: what follows from facts.

Nothing here is ever changed in place or deleted: a record is created once, and what a later start forgives is renamed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gamefleet.cluster.chain_view import ChainView, Leg, Submission, Submit
from gamefleet.cluster.fleet_paths import ChainPaths, FleetPaths
from gamefleet.errors import RunFolderError
from gamefleet.files import create_once, explained, read_json, write_json

ENDINGS = ("done", "failed", "held")
"""Marks of a chain, the strongest first."""

RECENT = 8
"""So many of the newest submissions and legs are read: older ones decide nothing, and a chain may have hundreds."""

ALIVE_FILE = "alive"


def read_record(path: Path) -> dict[str, Any]:
    """A record, or nothing where there is none (yet).

    Raises:
        RunFolderError: It is there and damaged.
    """
    try:
        return read_json(path)
    except FileNotFoundError:
        return {}
    except (ValueError, NotADirectoryError) as error:
        raise RunFolderError(
            "A record of the fleet is damaged", where=path, remedy="Restore it, or start the fleet under another name."
        ) from error


def read_chain(paths: ChainPaths, *, step: int, is_stopped: bool, has_place: bool, job_name: str) -> ChainView:
    """One chain's facts.

    Args:
        paths: Where it lies.
        step: Of the run's newest checkpoint, -1 for none.
        is_stopped: Whether the fleet's stop mark is there.
        has_place: Whether the chain holds a place under the job cap.
        job_name: Name of its jobs without the submission's number.
    """
    present = frozenset(os.listdir(paths.submissions)) if paths.submissions.is_dir() else frozenset()
    ending = next((kind for kind in ENDINGS if paths.mark(kind).exists()), "stopped" if is_stopped else "")
    numbers = paths.numbers(paths.submissions, ".json")
    return ChainView(
        member=paths.member,
        job_name=job_name,
        submissions=tuple(read_submission(paths, number, job_name, present=present) for number in numbers[-RECENT:]),
        legs=tuple(read_leg(paths, number) for number in paths.numbers(paths.legs)[-RECENT:]),
        step=step,
        counts_from=counts_from(paths),
        ending=ending,
        has_place=has_place,
    )


def counts_from(paths: ChainPaths) -> int:
    """The newest submission that a later start forgave."""
    forgiven = [number for kind in (*ENDINGS, "stopped") for number in _numbers_after(paths, f"{kind}-")]
    return max(forgiven, default=0)


def _numbers_after(paths: ChainPaths, prefix: str) -> list[int]:
    names = (path.name for path in paths.root.glob(f"{prefix}*.json"))
    stems = (name.removeprefix(prefix).removesuffix(".json") for name in names)
    return [int(stem) for stem in stems if stem.isdigit()]


def read_submission(paths: ChainPaths, number: int, job_name: str, *, present: Collection[str]) -> Submission:
    """One submission's facts.

    Args:
        paths: Of the chain.
        number: Of the submission.
        job_name: Name of the chain's jobs without the number.
        present: Names in the folder: most records of most submissions do not exist, and asking a file server for each
            would take longer than all the rest.
    """

    def read(path: Path) -> dict[str, Any]:
        return read_record(path) if path.name in present else {}

    tries = 1
    asked = read(paths.submission(number))
    while retry := read(paths.retry(number, tries)):
        asked, tries = retry, tries + 1
    accepted = read(paths.accepted(number))
    return Submission(
        number=number,
        name=f"{job_name}.{number}",
        asked_at=float(asked.get("asked_at", 0.0)),
        after=str(asked.get("after", "")),
        tries=tries,
        job=str(accepted.get("job", "")),
        accepted_at=float(accepted.get("accepted_at", 0.0)),
        outcome=str(read(paths.ended(number)).get("outcome", "")),
        refusal=str(read(paths.refused(number, tries)).get("reason", "")),
    )


def read_leg(paths: ChainPaths, number: int) -> Leg:
    """One leg's facts; a leg whose process died before it could say anything has no submission."""
    content = read_record(paths.leg(number) / "leg.json")
    return Leg(
        number=number,
        submission=int(content.get("submission", 0)),
        step=int(content.get("step", -1)),
        has_ended=(paths.leg(number) / "end.json").exists(),
    )


def begin_submission(paths: ChainPaths, command: Submit, *, now: float, by: str) -> bool:
    """Take the right to hand over a job; of several processes one gets it.

    Args:
        paths: Of the chain.
        command: Which job.
        now: Seconds since 1970.
        by: Who, for people.

    Returns:
        Whether this process may go on.
    """
    path = paths.retry(command.number, command.retry) if command.retry else paths.submission(command.number)
    with explained(path):
        paths.submissions.mkdir(parents=True, exist_ok=True)
    return create_once(path, {"asked_at": now, "after": command.after, "by": by})


def refuse_submission(paths: ChainPaths, command: Submit, reason: str, *, now: float) -> None:
    """Write down that the scheduler said no: no job exists for this try."""
    create_once(paths.refused(command.number, command.retry + 1), {"reason": reason, "at": now})


def accept_job(paths: ChainPaths, number: int, job: str, *, now: float) -> str:
    """Write down the job that counts for a submission, unless one is written down already.

    Returns:
        The job that counts.
    """
    create_once(paths.accepted(number), {"job": job, "accepted_at": now})
    return str(read_record(paths.accepted(number))["job"])


def end_submission(paths: ChainPaths, number: int, outcome: str) -> None:
    """Say why a job ended without a leg."""
    create_once(paths.ended(number), {"outcome": outcome, "ended_at": time.time()})


def claim_leg(paths: ChainPaths, facts: Mapping[str, Any]) -> int | None:
    """Take the next leg: from here on every older leg is fenced off.

    Args:
        paths: Of the chain.
        facts: What the leg says of itself, JSON values; `submission` and `step` are needed.

    Returns:
        Its number; None when another process took it at the same moment.
    """
    with explained(paths.legs):
        paths.legs.mkdir(parents=True, exist_ok=True)
    number = max(paths.numbers(paths.legs), default=0) + 1
    with explained(paths.leg(number)):
        try:
            paths.leg(number).mkdir()
        except FileExistsError:
            return None
    write_json(paths.leg(number) / "leg.json", {**facts, "number": number})
    return number


def end_leg(paths: ChainPaths, number: int, facts: Mapping[str, Any]) -> None:
    """Say how a leg ended."""
    create_once(paths.leg(number) / "end.json", facts)


def beat(paths: ChainPaths, number: int) -> None:
    """Show that a leg is alive; a file server that is away for a moment is no reason to stop."""
    with suppress(OSError):
        (paths.leg(number) / ALIVE_FILE).touch()


def last_beat(paths: ChainPaths, number: int) -> float:
    """When a leg last showed life by the file server's clock; 0 when it never did. Compare two, never with a clock."""
    try:
        return (paths.leg(number) / ALIVE_FILE).stat().st_mtime
    except OSError:
        return 0.0


def give_mark(paths: ChainPaths, kind: str, facts: Mapping[str, Any]) -> bool:
    """Mark a chain `done`, `failed` or `held`; returns whether it was this call that did."""
    return create_once(paths.mark(kind), {**facts, "at": time.time()})


def forgive(paths: ChainPaths, kinds: Collection[str] = ("failed", "held")) -> list[str]:
    """Take marks away, and let what was submitted so far no longer count.

    Args:
        paths: Of the chain.
        kinds: Which marks; `done` too where a finished run shall go on.

    Returns:
        The marks that were there.
    """
    newest = max(paths.numbers(paths.submissions, ".json"), default=0)
    taken = []
    for kind in kinds:
        with suppress(FileNotFoundError):
            os.replace(paths.mark(kind), paths.set_aside_mark(kind, newest))
            taken.append(kind)
    return taken


def forgive_stop(paths: FleetPaths) -> bool:
    """Take the stop mark away; returns whether there was one."""
    stopped = read_record(paths.stop)
    if not stopped:
        return False
    for chain in paths.found_chains():
        newest = max(chain.numbers(chain.submissions, ".json"), default=0)
        create_once(chain.set_aside_mark("stopped", newest), stopped)
    with suppress(FileNotFoundError):
        paths.stop.unlink()
    return True


def place_holders(paths: FleetPaths) -> dict[int, tuple[int, str]]:
    """Place -> (how often it was taken, by whom last)."""
    turns: dict[int, int] = {}
    for path in paths.places.glob("*.json") if paths.places.is_dir() else ():
        index, _, turn = path.name.removesuffix(".json").partition(".")
        if index.isdigit() and turn.isdigit():
            turns[int(index)] = max(turns.get(int(index), 0), int(turn))
    return {index: (turn, str(read_record(paths.place(index, turn))["member"])) for index, turn in turns.items()}


def take_place(paths: FleetPaths, index: int, turn: int, member: str) -> bool:
    """Take a place under the job cap; of several processes one gets it."""
    with explained(paths.places):
        paths.places.mkdir(parents=True, exist_ok=True)
    return create_once(paths.place(index, turn), {"member": member, "at": time.time()})
