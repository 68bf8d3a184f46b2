"""A run that counts on many ranks at once: what a launch carries in tests, with gloo between processes on all nodes.

Each rank is one task of `srun`. A step is an all-reduce, in which a rank also says whether it must stop; rank 0 keeps
the run folder, with the machinery of `counting_run`.

    ranks_run.py RUN_FOLDER TOTAL [--step-s S] [--save-every N]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import torch.distributed as dist
from counting_run import Count, Counting, deadline_of, opened
from torch import tensor

from gamefleet.errors import GamefleetError
from gamefleet.runs.deadline import Deadline
from gamefleet.runs.folder import read_state
from gamefleet.runs.paths import RunPaths


def join() -> tuple[int, int]:
    """Meet the other ranks; returns this one's number and how many there are."""
    rank, world = int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_NTASKS"])
    port = 20_000 + int(os.environ["SLURM_JOB_ID"]) % 20_000
    address = f"tcp://{os.environ['SLURM_LAUNCH_NODE_IPADDR']}:{port}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=world, timeout=timedelta(seconds=300))
    return rank, world


def agreed(must_stop: bool, world: int) -> bool:
    """Whether any rank must stop; fails when a rank is missing."""
    facts = tensor([1, int(must_stop)])
    dist.all_reduce(facts)
    assert int(facts[0]) == world
    return bool(facts[1])


def begin_at(counting: Counting | None) -> Count:
    """Where the run stands, by rank 0."""
    facts = tensor([counting.count.step, counting.count.total] if counting else [0, 0])
    dist.broadcast(facts, 0)
    return counting.count if counting else Count(int(facts[0]), int(facts[1]))


def carry_out(counting: Counting | None, deadline: Deadline, world: int, asked: argparse.Namespace) -> None:
    count, stops = begin_at(counting), False
    while count.step < asked.total and not (stops := agreed(bool(deadline.reason()), world)):
        time.sleep(asked.step_s)
        count.play()
        if counting and count.step % asked.save_every == 0:
            counting.save(status="running", reason="")
    if counting:
        reason = deadline.reason() or "another rank must stop"
        counting.save(status="stopped" if stops else "finished", reason=reason if stops else "all steps are done")
        counting.events.write("attempt_ended", step=count.step, reason=reason if stops else "", world=world)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("total", type=int)
    parser.add_argument("--step-s", type=float, default=0.1)
    parser.add_argument("--save-every", type=int, default=5)
    asked = parser.parse_args()
    if read_state(RunPaths(asked.folder)).get("status") == "finished":
        return 0
    rank, world = join()
    where = os.environ.get("SLURMD_NODENAME", "")
    sys.stdout.write(f"rank {rank} of {world} on {where}, GPUs {os.environ.get('CUDA_VISIBLE_DEVICES', '')}\n")
    with ExitStack() as stack:
        counting = stack.enter_context(opened(asked.folder, asked.total)) if rank == 0 else None
        deadline = deadline_of(None, knows_end=True)
        stack.enter_context(deadline.listening())
        carry_out(counting, deadline, world, asked)
    dist.destroy_process_group()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GamefleetError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
