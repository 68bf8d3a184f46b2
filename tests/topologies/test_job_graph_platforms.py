"""A scheduler that verifies proposals with JAX leaves the GPUs to its jobs, whose variables are those of the user."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.topologies.graph_cases import words

WORLD = """
import atexit, dataclasses, json, os, pathlib, sys
from gamefleet.testing.orchard import WORLD as ORCHARD

IS_JOB = "train" in sys.argv
VARIABLE = os.environ.get("JAX_PLATFORMS")

def tell():
    jax, bridge = sys.modules.get("jax"), sys.modules.get("jax._src.xla_bridge")
    told = {
        "is_job": IS_JOB,
        "variable": VARIABLE,
        "allowed": jax.config.jax_platforms if jax else None,
        "initialised": sorted(bridge._backends) if bridge else [],
    }
    pathlib.Path(os.environ["TOLD"], f"{os.getpid()}.json").write_text(json.dumps(told))

def random_pairs(seed, num):
    import jax  # what is registered after it is called before it forgets its platforms

    atexit.register(tell)
    return ORCHARD.random_pairs(seed, num)

WORLD = dataclasses.replace(ORCHARD, random_pairs=random_pairs)
if IS_JOB:
    tell()
    sys.exit(2)  # wrong settings, which are not tried again: nothing has to be trained here
"""


def what_processes_tell(folder: Path, more: dict[str, str]) -> list[dict[str, Any]]:
    """Run a scheduler whose one job ends at once; what each process says of its platforms."""
    (folder / "told").mkdir()
    (folder / "telling_world.py").write_text(WORLD)
    environment = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    environment |= {"PYTHONPATH": str(folder), "TOLD": str(folder / "told"), **more}
    line = words(
        folder / "graph", "--env_name", "telling_world:WORLD", "--max_nodes", "1", "--proposer", "catalogue",
        "--executor", "local", "--scheduler_poll_interval", "1",
    )  # fmt: skip
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return [json.loads(path.read_text()) for path in (folder / "told").iterdir()]


@pytest.mark.parametrize("variables", [{}, {"JAX_PLATFORMS": "cuda,cpu"}], ids=["unset", "set"])
def test_a_scheduler_computes_on_the_cpu_and_its_jobs_where_the_user_wants(
    variables: dict[str, str], tmp_path: Path, require_module: Callable[[str, str], None]
) -> None:
    require_module("jax", "make craftax")
    told = what_processes_tell(tmp_path, variables)

    (scheduler,) = (one for one in told if not one["is_job"])
    jobs = [one["variable"] for one in told if one["is_job"]]
    assert (scheduler["allowed"], scheduler["initialised"]) == ("cpu", ["cpu"]), "it verified with JAX, on the CPU"
    assert set(jobs) == {variables.get("JAX_PLATFORMS")}
