"""The records of a fleet: read as facts, written once.

Job: turn the folder into views for `chain`, and write marks, submissions, legs and places so that of several processes
exactly one succeeds. Place in the data flow: between `chain` and the file system. Left out: what follows from facts.

Nothing here is ever changed in place or deleted: a record is created once, and what a later start forgives is renamed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gamefleet.cluster.chain_view import ChainView, Leg, Submission, Submit
from gamefleet.cluster.fleet_paths import (
    ACCEPTED,
    ENDED,
    ChainPaths,
    FleetPaths,
    leg_name,
    listed,
    numbers_in,
    refused_kind,
    retry_kind,
    submission_name,
)
from gamefleet.cluster.records import Records, read_record
from gamefleet.files import create_once, explained, write_json

ENDINGS = ("done", "failed", "held")
"""Marks of a chain, the strongest first."""

RECENT = 8
"""So many of the newest submissions and legs are read: older ones decide nothing, and a chain may have hundreds."""

ALIVE_FILE = "alive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place under the job cap.

    Args:
        turn: How often it was taken.
        member: By whom last.
        after: The job of another chain that still had to end then; empty for none.
    """

    turn: int
    member: str
    after: str = ""


def read_chain(
    paths: ChainPaths,
    *,
    step: int,
    is_stopped: bool,
    place: Place | None,
    job_name: str,
    records: Records | None = None,
) -> ChainView:
    """One chain's facts.

    The marks are listed last: a chain that ended while its legs were looked at has ended.

    Args:
        paths: Where it lies.
        step: Of the run's newest checkpoint, -1 for none.
        is_stopped: Whether the fleet's stop mark is there.
        place: That the chain holds under the job cap.
        job_name: Name of its jobs without the submission's number.
        records: What this process has read before.
    """
    records = records or Records()
    submitted, begun = str(paths.submissions), str(paths.legs)
    present = frozenset(listed(submitted))
    numbers = numbers_in(present, ".json")[-RECENT:]
    submissions = [read_submission(submitted, one, job_name, present=present, records=records) for one in numbers]
    legs = [read_leg(begun, number, records) for number in numbers_in(listed(begun))[-RECENT:]]
    marks = frozenset(listed(paths.root))
    return ChainView(
        member=paths.member,
        job_name=job_name,
        submissions=tuple(submissions),
        legs=tuple(legs),
        step=step,
        counts_from=counts_from(marks),
        ending=next((kind for kind in ENDINGS if f"{kind}.json" in marks), "stopped" if is_stopped else ""),
        has_place=place is not None,
        place_after=place.after if place else "",
    )


def counts_from(marks: Iterable[str]) -> int:
    """The newest submission that a later start forgave, by the names in a chain's folder."""
    stems = (name.removesuffix(".json").partition("-") for name in marks if name.endswith(".json"))
    forgiven = (int(number) for kind, _, number in stems if kind in (*ENDINGS, "stopped") and number.isdigit())
    return max(forgiven, default=0)


def read_submission(
    folder: str, number: int, job_name: str, *, present: Collection[str], records: Records
) -> Submission:
    """One submission's facts.

    Args:
        folder: In which the chain's submissions are.
        number: Of the submission.
        job_name: Name of the chain's jobs without the number.
        present: Names in the folder: most records of most submissions do not exist, and asking a file server for each
            would take longer than all the rest.
        records: What this process has read before.
    """

    def read(kind: str = "") -> dict[str, Any]:
        name = submission_name(number, kind)
        return records.read(f"{folder}/{name}") if name in present else {}

    tries = 1
    asked = read()
    while retry := read(retry_kind(tries)):
        asked, tries = retry, tries + 1
    accepted = read(ACCEPTED)
    return Submission(
        number=number,
        name=f"{job_name}.{number}",
        asked_at=float(asked.get("asked_at", 0.0)),
        after=str(asked.get("after", "")),
        tries=tries,
        job=str(accepted.get("job", "")),
        accepted_at=float(accepted.get("accepted_at", 0.0)),
        outcome=str(read(ENDED).get("outcome", "")),
        refusal=str(read(refused_kind(tries)).get("reason", "")),
    )


def read_leg(folder: str, number: int, records: Records) -> Leg:
    """One leg's facts; a leg whose process died before it could say anything has no submission."""
    leg = f"{folder}/{leg_name(number)}"
    content = records.read(f"{leg}/leg.json")
    return Leg(
        number=number,
        submission=int(content.get("submission", 0)),
        step=int(content.get("step", -1)),
        has_ended=records.exists(f"{leg}/end.json"),
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


def places_taken(paths: FleetPaths, records: Records | None = None) -> dict[int, Place]:
    """Every place that was ever taken, as it was taken last."""
    records = records or Records()
    turns: dict[int, int] = {}
    for name in listed(paths.places):
        index, _, turn = name.removesuffix(".json").partition(".")
        if index.isdigit() and turn.isdigit():
            turns[int(index)] = max(turns.get(int(index), 0), int(turn))
    taken = {index: (turn, records.read(str(paths.place(index, turn)))) for index, turn in turns.items()}
    return {
        index: Place(turn=turn, member=str(content["member"]), after=str(content.get("after", "")))
        for index, (turn, content) in taken.items()
    }


def take_place(paths: FleetPaths, index: int, place: Place) -> bool:
    """Take a place under the job cap; of several processes one gets it."""
    with explained(paths.places):
        paths.places.mkdir(parents=True, exist_ok=True)
    facts = {"member": place.member, "after": place.after, "at": time.time()}
    return create_once(paths.place(index, place.turn), facts)
