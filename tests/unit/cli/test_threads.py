"""How many threads compute, and how they wait: read back from processes, as the libraries themselves understood it."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import psutil
import pytest

from gamefleet.actors.shared import SharedMemoryVector
from gamefleet.actors.steps import Restart
from gamefleet.cli.threads import SETTLED, settle_threads

AS_A_COMMAND = """
import contextlib, io, sys
from gamefleet.cli.main import main

sys.argv = ["gamefleet", "--version"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
import torch
print(torch.get_num_threads())
"""


def as_understood(**own: str) -> tuple[int, dict[str, str]]:
    """Torch's threads in a process of the command line, and what its OpenMP says of itself."""
    kept = {name: value for name, value in os.environ.items() if "_NUM_THREADS" not in name}
    done = subprocess.run(
        [sys.executable, "-c", AS_A_COMMAND],
        env={**kept, "OMP_DISPLAY_ENV": "TRUE", **own},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return int(done.stdout), dict(re.findall(r"(OMP_\w+) ?= ?'(.*?)'", done.stderr))


def test_every_command_computes_with_one_thread_and_waits_asleep() -> None:
    threads, said = as_understood()

    assert threads == 1
    assert said["OMP_WAIT_POLICY"] == "PASSIVE"
    assert said["OMP_NUM_THREADS"] == "1"


def test_what_the_user_has_set_is_kept() -> None:
    threads, said = as_understood(OMP_NUM_THREADS="2", OMP_WAIT_POLICY="ACTIVE")

    assert threads == 2
    assert said["OMP_WAIT_POLICY"] == "ACTIVE"
    mine = {"OMP_NUM_THREADS": "3"}
    settle_threads(mine)
    assert mine == {**SETTLED, "OMP_NUM_THREADS": "3"}


@pytest.mark.parametrize(("mine", "theirs"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_workers_have_one_thread_each_and_wait_asleep(
    monkeypatch: pytest.MonkeyPatch, mine: str | None, theirs: str
) -> None:
    from gamefleet.testing.toys.corridor import PACKAGE, CorridorConfig

    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    if mine is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", mine)
    vector = SharedMemoryVector(PACKAGE, CorridorConfig(), num_envs=1, num_workers=1)
    try:
        vector.send(np.zeros(1, np.int16), {0: Restart(seed=1)})
        vector.receive()
        settings = psutil.Process(vector._workers[0].pid).environ()
    finally:
        vector.close()
    assert [settings[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")] == ["1", "1"]
    assert settings["OMP_WAIT_POLICY"] == theirs
