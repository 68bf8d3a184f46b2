"""What SLURM says of jobs, read.

Job: turn the output of `squeue`, `sacct` and `scontrol show job` into `Job` and `EndedJob`. Place in the data flow:
`executor` runs the commands and hands their text over. Left out: running anything; what a site offers (`site`); what
is submitted (`script`); words for people (`words`).

Text that cannot be understood raises `SchedulerSilentError`: dropping a line would read as "that job is gone". JSON
output is not used: in SLURM 22.05 it ignores filters, and its fields differ in every release.

Times are seconds since 1970, because the commands run with `SLURM_TIME_FORMAT=%s`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from gamefleet.cluster.jobs import EndedJob, Ending, Job, JobState
from gamefleet.errors import SchedulerSilentError

QUEUE_FORMAT = "%i|%T|%r|%S|%e|%N|%j"
"""For `squeue -o`: id, state, reason, start, end, node, name. The name comes last because it may contain anything."""

ACCOUNTING_FORMAT = "JobID,State,ExitCode,Start,End,NodeList,JobName"
"""For `sacct -o`."""

LINE = re.compile(r"\d+(?:[_+]\S+?)?\|[A-Z_]+(?: by \S+)?\|")
"""How a job's line begins; another line continues a name that contains a line break."""

STATES: Mapping[str, JobState] = {
    "PENDING": "pending",
    "REQUEUED": "pending",
    "REQUEUE_HOLD": "pending",
    "REQUEUE_FED": "pending",
    "RESV_DEL_HOLD": "pending",
    "SPECIAL_EXIT": "pending",
    "COMPLETING": "ending",
    "STAGE_OUT": "ending",
}
"""Of jobs that have not ended; every other word that is no ending counts as running."""

ENDINGS: Mapping[str, Ending] = {
    "COMPLETED": "completed",
    "FAILED": "failed",
    "LAUNCH_FAILED": "failed",
    "RECONFIG_FAIL": "failed",
    "CANCELLED": "cancelled",
    "REVOKED": "cancelled",
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "NODE_FAIL": "node_fail",
    "BOOT_FAIL": "node_fail",
    "PREEMPTED": "preempted",
    "OUT_OF_MEMORY": "out_of_memory",
}
"""Source: "JOB STATE CODES" of the manual of squeue. The golden files hold all but the rarer ones."""


def parse_queue(text: str) -> list[Job]:
    """Jobs that have not ended.

    Args:
        text: Of `squeue -h -r -o QUEUE_FORMAT`; ended jobs in it (`-t all`) are passed over.

    Raises:
        SchedulerSilentError: A line is not understood.
    """
    return [
        Job(
            id=job,
            name=name,
            state=STATES.get(state, "running"),
            reason="" if reason in ("None", "(null)") else reason,
            started=seconds(start),
            ends=seconds(end),
            node=node,
        )
        for job, state, reason, start, end, node, name in table(text, source="squeue")
        if state not in ENDINGS
    ]


def parse_ended_queue(text: str) -> dict[str, EndedJob]:
    """Ended jobs that the controller still remembers (`MinJobAge`, by default 5 minutes), by id.

    Args:
        text: Of `squeue -h -r -t all -o QUEUE_FORMAT`; jobs in it that have not ended are passed over.

    Raises:
        SchedulerSilentError: A line is not understood.
    """
    return {
        job: EndedJob(
            id=job, how=ENDINGS[state], name=name, started=started(start, node), ended=seconds(end), node=node
        )
        for job, state, _, start, end, node, name in table(text, source="squeue")
        if state in ENDINGS
    }


def parse_accounting(text: str) -> dict[str, EndedJob]:
    """Ended jobs that accounting knows, by id.

    Args:
        text: Of `sacct -X -n -P -o ACCOUNTING_FORMAT`; jobs in it that have not ended are passed over.

    Raises:
        SchedulerSilentError: A line is not understood.
    """
    found = {}
    for job, state, code, start, end, node, name in table(text, source="sacct"):
        how = ENDINGS.get(state.split(" ")[0])  # accounting adds who did it: CANCELLED by 1000
        if how is not None:
            place = "" if node == "None assigned" else node
            found[job] = EndedJob(
                id=job,
                how=how,
                name=name,
                exit_code=exit_code(code),
                started=started(start, place),
                ended=seconds(end),
                node=place,
            )
    return found


def parse_job(text: str) -> EndedJob | None:
    """One ended job.

    Args:
        text: Of `scontrol show job ID`.

    Returns:
        None when it has not ended.

    Raises:
        SchedulerSilentError: The text is not understood.
    """
    head = re.search(r"^JobId=(\d+)(?: \S+=\S+)*? JobName=(.*)$", text, re.MULTILINE)
    rest = text[head.end() :] if head else ""
    # A comment further down may look like any of these: the first of each counts.
    facts = dict(re.findall(r"\b(JobState|ExitCode|StartTime|EndTime|NodeList)=(\S+)", rest)[::-1])
    if head is None or "JobState" not in facts:
        raise not_understood("scontrol show job", text)
    how = ENDINGS.get(facts["JobState"])
    if how is None:
        return None
    node = facts.get("NodeList", "(null)").replace("(null)", "")
    return EndedJob(
        id=head[1],
        how=how,
        name=head[2],
        exit_code=exit_code(facts.get("ExitCode", "")),
        started=started(facts.get("StartTime", ""), node),
        ended=seconds(facts.get("EndTime", "")),
        node=node,
    )


def table(text: str, *, source: str) -> Iterator[list[str]]:
    """Lines of seven fields, of which the last may contain bars and line breaks.

    Raises:
        SchedulerSilentError: A line is not understood.
    """
    row = ""
    for line in text.splitlines():
        if LINE.match(line):
            yield from fields(row, source)
            row = line
        elif row:
            row += f"\n{line}"
        elif line.strip():
            raise not_understood(source, line)
    yield from fields(row, source)


def fields(row: str, source: str) -> Iterator[list[str]]:
    """The fields of a row; none for an empty one."""
    if row:
        parts = row.split("|", 6)
        if len(parts) != 7:
            raise not_understood(source, row)
        yield parts


def not_understood(source: str, text: str) -> SchedulerSilentError:
    """The error about an answer in another form than expected."""
    return SchedulerSilentError(
        f"The answer of {source} is not understood",
        value=text[:200],
        remedy="Nothing is concluded from it. If it stays so, report it together with the output of `sinfo --version`.",
    )


def seconds(text: str) -> float | None:
    """A time as SLURM prints it; None for N/A, None, Unknown and the like."""
    return float(text) if re.fullmatch(r"\d+", text) and text != "0" else None


def started(text: str, node: str) -> float | None:
    """When an ended job started; None for one that never did: SLURM then repeats the time of its end."""
    return seconds(text) if node else None


def exit_code(text: str) -> int | None:
    """`3:0` is 3; `0:11` is -11, ended by signal 11; None when it says nothing."""
    match = re.fullmatch(r"(\d+):(\d+)", text)
    if match is None:
        return None
    return -int(match[2]) if int(match[2]) else int(match[1])
