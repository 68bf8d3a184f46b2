"""Ranks of runs on the recorded toy, as processes of a test.

Job: start them with the environment that a launcher makes. Left out: what a rank does (`ddp_ranks_of_toys`).
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from gamefleet.topologies.ddp.local import free_port, rank_environment

PROGRAM = Path(__file__).with_name("ddp_ranks_of_toys.py")


def start_ranks(runs: list[dict[str, Any]], world: int) -> list[subprocess.Popen[str]]:
    """One process per rank; each carries out all runs."""
    met = [{**run, "port": free_port()} for run in runs]
    command = [sys.executable, str(PROGRAM), json.dumps(met)]
    environments = [rank_environment(rank, world, met[0]["port"], os.environ) for rank in range(world)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return [subprocess.Popen(command, env=environment, text=True, **pipes) for environment in environments]
