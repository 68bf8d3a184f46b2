"""The batch script of a job, and how it is handed over.

Job: write what `sbatch` reads. Place in the data flow: `executor` saves the script and runs the words. Left out: which
resources a site has (`detect`), what is submitted when (`chain`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from gamefleet.cluster.jobs import JobRequest

STARTED_VARIABLE = "GAMEFLEET_SCRIPT_STARTED"
"""Seconds since 1970 at which the set-up was done and the command was about to start."""


def batch_script(request: JobRequest) -> str:
    """A script that people can read and submit by hand.

    Its first line ignores the signals that SLURM sends before the limit: they may arrive before the command can handle
    them, and would end it. What is ignored stays so across `exec` until the command installs its own handlers. `exec`
    makes the command the very process that SLURM signals; bash would hold a signal back until its child has ended.
    """
    return "\n".join(
        [
            "#!/bin/bash",
            *(f"#SBATCH {option}" for option in header(request)),
            "",
            "trap '' USR1 TERM",
            *request.setup,
            f"export {STARTED_VARIABLE}=$(date +%s.%N)",
            f"cd {shlex.quote(str(request.work_folder))} || exit",
            f"exec {shlex.join(request.command)}",
            "",
        ]
    )


def header(request: JobRequest) -> Iterator[str]:
    """The options of the job, as the script's first lines hold them."""
    asked = request.resources
    yield f"--job-name={quoted(request.name)}"
    if request.comment:
        yield f"--comment={quoted(request.comment)}"
    for option, value in (("partition", asked.partition), ("account", asked.account), ("qos", asked.qos)):
        if value:
            yield f"--{option}={quoted(value)}"
    yield f"--time={minutes(asked.time_limit_s)}"
    yield f"--signal=B:USR1@{asked.signal_s}"
    if asked.is_spread:
        yield f"--nodes={asked.nodes}"
        yield f"--ntasks-per-node={asked.tasks_per_node}"
    yield f"--cpus-per-task={asked.cpus}"
    if asked.gpus:
        # --gpus counts those of all nodes together, and may be given out unevenly.
        yield f"--gpus-per-node={asked.gpus}" if asked.is_spread else f"--gpus={asked.gpus}"
    if asked.gres:
        yield f"--gres={quoted(','.join(asked.gres))}"
    if asked.memory:
        yield f"--mem={quoted(asked.memory)}"
    if asked.exclusive:
        yield "--exclusive"
    outputs = (("output", "out"),) if request.has_one_output else (("output", "out"), ("error", "err"))
    for option, suffix in outputs:
        yield f"--{option}={quoted(str(request.log_folder).replace('%', '%%'))}/slurm-%j.{suffix}"
    yield "--open-mode=append"
    # Only one mechanism starts jobs again, and that is the chain.
    yield "--no-requeue"
    yield from (quoted(option) for option in asked.options)


def quoted(text: str) -> str:
    """A value as sbatch reads it from a script: like a shell, but it sees backslashes within quotes; one line only."""
    return shlex.quote(re.sub(r"\s*[\r\n]+\s*", " ", text).replace("\\", "\\\\"))


def minutes(time_limit_s: float) -> int:
    """SLURM counts whole minutes; a part of one counts as one."""
    return max(1, int(-(-time_limit_s // 60)))


def submit_words(script: Path, *, after: str = "") -> list[str]:
    """The command that hands a script over.

    Args:
        script: Where it was saved.
        after: Job that must have ended first, however it ended; empty for none.
    """
    dependency = [f"--dependency=afterany:{after}"] if after else []
    return ["sbatch", "--parsable", *dependency, str(script)]


def parse_submitted(text: str) -> str:
    """The job id in sbatch's answer (`1234` or `1234;cluster`); empty when there is none."""
    match = re.search(r"^(\d+)(?:;\S+)?$", text.strip(), re.MULTILINE)
    return match[1] if match else ""
