"""Commands end in time, in an environment of their own."""

from __future__ import annotations

import os
import sys
import time

import pytest

from gamefleet.cluster.commands import CommandRunner, clean
from gamefleet.errors import MissingDependencyError, SchedulerSilentError


def test_a_command_s_words_and_status_are_handed_over() -> None:
    done = CommandRunner(os.environ)(["bash", "-c", "echo out; echo err >&2; exit 3"])

    assert (done.status, done.out, done.err) == (3, "out\n", "err\n")


def test_a_missing_program_is_named_with_what_to_do() -> None:
    with pytest.raises(MissingDependencyError, match=r"'squeue-of-nowhere'.*login node"):
        CommandRunner(os.environ)(["squeue-of-nowhere"])


def test_a_command_that_does_not_answer_is_killed_with_what_it_started() -> None:
    began = time.monotonic()
    with pytest.raises(SchedulerSilentError, match="did not answer within"):
        CommandRunner(os.environ)(["bash", "-c", "sleep 600 & sleep 600"], timeout_s=0.3)

    assert time.monotonic() - began < 300


def test_an_answer_with_unreadable_bytes_is_read_all_the_same() -> None:
    done = CommandRunner(os.environ)([sys.executable, "-c", r"import os; os.write(1, b'\xff|x')"])

    assert done.out.endswith("|x")


def test_the_job_around_and_the_user_s_habits_stay_outside() -> None:
    around = {
        "PATH": "/bin",
        "SLURM_CONF": "/etc/slurm.conf",
        "SLURM_MEM_PER_CPU": "500",
        "SBATCH_PARTITION": "x",
        "SQUEUE_PARTITION": "other",
        "SCANCEL_INTERACTIVE": "1",
    }

    assert clean(around) == {
        "PATH": "/bin",
        "SLURM_CONF": "/etc/slurm.conf",
        "LC_MESSAGES": "C",
        "SLURM_TIME_FORMAT": "%s",
    }


def test_jobs_keep_the_user_s_character_encoding() -> None:
    variables = clean({"LC_ALL": "de_DE.UTF-8", "LANG": "C"})

    assert "LC_ALL" not in variables
    assert (variables["LC_CTYPE"], variables["LC_MESSAGES"]) == ("de_DE.UTF-8", "C")
