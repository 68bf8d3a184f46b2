"""Does training from records work on this machine: the data, ranks that meet, one save and resume.

Job: the checks that need a game's records or PyTorch's ranks. Place in the data flow: `gamefleet check` and `gamefleet
doctor` put them into their lists. Left out: the cluster (`cluster.checks.nodes`), how well anything learns.

Everything is tried in processes of their own, as in `self_check`: what hangs or dies there is one line of the report.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from gamefleet.cluster.checks.base import Check, Result, described, failed, ok, skipped, warning
from gamefleet.cluster.checks.folder import existing, scratch
from gamefleet.cluster.checks.programs import Runner
from gamefleet.errors import ConfigError, GamefleetError, MissingDependencyError
from gamefleet.topologies.self_check import CHILD_TIMEOUT_S, judge_child

MODULE = "gamefleet.topologies.recorded.check"
"""This one; its own name when it runs as a program is another."""

SLOW_TIMEOUT_S = 1800.0
"""Checking every byte of a large dataset, or a first run on a busy machine."""

READ_RECORDS = 20
EXCHANGED = 4 << 20
"""Numbers in one measured all-reduce: 16 MB, about what one bucket of gradients has."""

RANKS_ON_CPU = 2
GLANCE, WHOLE = "glance", "whole"


def recorded_checks(
    game: str, data_dir: str, folder: Path, runner: Runner, *, is_comprehensive: bool, ranks: int = 0
) -> list[Check]:
    """Checks of data, ranks and a tiny run.

    Args:
        game: Name of the game.
        data_dir: Parsed games; empty takes those that come with it.
        folder: The folder that holds the runs; the tiny run is made there, under a name that lists of runs ignore.
        runner: Runs the processes.
        is_comprehensive: Whether to read all data, let ranks meet and train; a glance takes seconds.
        ranks: So many meet; 0 takes one per GPU here, two where there is none.
    """
    amount = WHOLE if is_comprehensive else GLANCE

    def check(name: str, run: Callable[[], Result], *, timeout_s: float = SLOW_TIMEOUT_S) -> Check:
        return Check(name=name, group="recorded", run=run, timeout_s=timeout_s)

    def child(name: str, *words: str, by_hand: str) -> Callable[[], Result]:
        command = [sys.executable, "-P", "-m", MODULE, name, game, *words]
        return lambda: judge_child(runner(command, SLOW_TIMEOUT_S), by_hand)

    train = f"gamefleet train {game} --run check --mock-data --max-steps 4 --debug"
    slow = {
        "all-reduce": child("all-reduce", str(ranks), by_hand=f"python -m {MODULE} all-reduce {game} {ranks}"),
        "train-and-resume": child("train-and-resume", str(existing(folder)), by_hand=train),
    }
    return [
        check("data", child("data", data_dir, amount, by_hand="gamefleet replays show --help")),
        *(
            check(name, run if is_comprehensive else not_now, timeout_s=SLOW_TIMEOUT_S if is_comprehensive else 10.0)
            for name, run in slow.items()
        ),
    ]


def checks_from_records(game: str, folder: Path, runner: Runner) -> list[Check]:
    """All of them for a game that is learned from records, none for others."""
    from gamefleet.games import open_game

    is_recorded = open_game(game).recorded is not None
    return recorded_checks(game, "", folder, runner, is_comprehensive=True) if is_recorded else []


def not_now() -> Result:
    """What takes a minute is left to the comprehensive look."""
    return skipped("takes a minute or more: --comprehensive")


def check_data(game: str, data_dir: str, amount: str) -> Result:
    """Open the records that training would read, and turn some, or all bytes of all, into decisions."""
    from gamefleet.experience.dataset import Dataset
    from gamefleet.games import open_game
    from gamefleet.topologies.recorded.data import dataset_folder, kind_of

    package = open_game(game)
    recorded = package.recorded
    if recorded is None:
        return skipped(f"{game} is not learned from records")
    read_view = imported(recorded.read_view)
    if not data_dir:
        own = recorded.embedded_records() if recorded.embedded_records else recorded.mock(READ_RECORDS, 0)
        lengths = [len(read_view(one.data, 0)["action"]) for one in islice(own, limit(amount))]
        if not sum(lengths):
            return failed(f"no decisions come with {game}", "Name parsed records with --data-dir.")
        which = f"all {len(lengths)}" if amount == WHOLE else f"a sample of {len(lengths)}"
        said = f"{which} of the records that come with {game} can be read, {sum(lengths):,} decisions among them"
        return ok(f"{said}; --data-dir names others")
    dataset = Dataset(dataset_folder(data_dir), kind=kind_of(package))
    if not len(dataset):
        return failed(f"{dataset.folder} holds no records", "Parse with a lower --min-elo, or download more.")
    if amount == WHOLE:
        dataset.verify()
    decisions = 0
    for number in range(0, len(dataset), max(1, len(dataset) // READ_RECORDS)):
        data = dataset.read(number)
        decisions += sum(len(read_view(data, view)["action"]) for view in range(recorded.num_views))
    if not decisions:
        return failed(f"the records in {dataset.folder} hold no decisions", "Parse again with this version.")
    seen = "every byte is as it was written" if amount == WHOLE else "samples can be read"
    return ok(f"{len(dataset):,} records in {dataset.folder}, {seen}, {decisions:,} decisions among them")


def limit(amount: str) -> int | None:
    """How many records are looked at; None for all."""
    return None if amount == WHOLE else READ_RECORDS


def imported(path: str) -> Callable[..., Any]:
    """A function by its import path, `module:function`."""
    import importlib

    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def check_ranks(game: str, ranks: int) -> Result:
    """Start ranks on this machine and let them exchange numbers as gradients are exchanged."""
    try:
        import torch
    except ImportError as error:
        return skipped(f"PyTorch is not installed here ({error})")
    count = ranks or torch.cuda.device_count() or RANKS_ON_CPU
    command = [sys.executable, "-P", "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    command += ["-m", MODULE, "rank", game, ""]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CHILD_TIMEOUT_S)
    found = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not found:
        return failed(
            f"{count} ranks on this machine could not exchange numbers: {last_error(done)}",
            f"{' '.join(command)}; where ranks cannot reach each other, name the network: GLOO_SOCKET_IFNAME=lo, "
            "NCCL_SOCKET_IFNAME, NCCL_DEBUG=INFO.",
        )
    return Result(**json.loads(found[-1]))


def last_error(done: subprocess.CompletedProcess[str]) -> str:
    """The last line about an error; launchers frame it with lines of their own."""
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line or line.startswith("gamefleet:")]
    return (errors or lines or [f"exit status {done.returncode}"])[-1]


def be_a_rank() -> Result:
    """Meet the other ranks, sum up numbers, and compare the sum with what it must be."""
    import os

    import torch
    import torch.distributed as dist

    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    device = torch.device("cuda" if on_gpu else "cpu")
    dist.init_process_group("nccl" if on_gpu else "gloo")
    world = dist.get_world_size()
    numbers = torch.full((EXCHANGED,), float(dist.get_rank() + 1), device=device)
    dist.all_reduce(numbers.clone())
    if on_gpu:
        torch.cuda.synchronize()
    began = time.perf_counter()
    dist.all_reduce(numbers)
    total = float(numbers[-1])
    seconds = time.perf_counter() - began
    dist.destroy_process_group()
    if total != world * (world + 1) / 2:
        return failed(f"{world} ranks summed up to {total}", "Use other nodes, and tell those who run these.")
    way = "NCCL" if on_gpu else "gloo, no GPU here"
    return ok(f"{world} ranks agree ({way}); 16 MB are summed in {1000 * seconds:.0f} ms")


def check_tiny_run(game: str, folder: Path) -> Result:
    """Train on invented records for a few updates, stop, go on, and compare with a run that was not stopped.

    Both end with the same state bit for bit on a CPU; accelerators add up in varying order, so that the place in the
    data is compared there, and not the weights.
    """
    with scratch(folder) as place:
        began = time.monotonic()
        for name, *more in (("cut", "3"), ("cut", "5", "--resume"), ("whole", "5")):
            words = [*tiny_run(game, place), "--run", name, "--max-steps", *more]
            done = subprocess.run(words, capture_output=True, text=True, timeout=SLOW_TIMEOUT_S)
            if done.returncode:
                return failed(f"a tiny run failed: {last_error(done)}", " ".join(words))
        wrong = difference(place / "cut", place / "whole")
        for name in ("cut", "whole"):
            shutil.rmtree(place / name, ignore_errors=True)
    if wrong:
        return failed(f"a run that was stopped and went on {wrong}", "Do not train here yet, and please report it.")
    return ok(f"a tiny run saved, went on and ended like one without a stop ({time.monotonic() - began:.0f} s)")


def tiny_run(game: str, runs_folder: Path) -> list[str]:
    """The command of a run on invented records, besides its name and length.

    Its learning rate does not follow the length of the run: it could not end like one of another length else.
    """
    words = [sys.executable, "-P", "-m", "gamefleet.cli.main", "train", game]
    words += ["--mock-data", "--batch-size-per-gpu", "128"]
    settings = ("network.size=tiny", "data.workers=0", "data.mock_records=64", "learner.schedule=constant")
    return words + [word for text in (f"run.runs_folder={runs_folder}", *settings) for word in ("--set", text)]


def difference(cut: Path, whole: Path) -> str:
    """What is wrong with a run that was stopped at step 3 and went on to step 5; empty when nothing is.

    Args:
        cut: Its folder.
        whole: Of the same run without a stop.
    """
    import torch

    from gamefleet.runs.checkpoint_reading import find_checkpoint, open_checkpoint
    from gamefleet.runs.events import read_events
    from gamefleet.runs.paths import RunPaths
    from gamefleet.runs.trees import pack

    state = json.loads((cut / "state.json").read_text())
    if state.get("step") != 5 or state.get("status") != "finished":
        return f"ended at {state.get('step')} ({state.get('status')})"
    starts = [row for row in read_events(RunPaths(cut).events("train")).rows if row["kind"] == "attempt_started"]
    if starts[-1].get("resumed_step") != 3:
        return f"began at step {starts[-1].get('resumed_step')} and not at 3"
    parts = ("trainer",) if torch.cuda.is_available() else ("trainer", "model", "optimizer")
    ended, expected = (open_checkpoint(find_checkpoint(folder)) for folder in (cut, whole))
    differing = [part for part in parts if pack(ended.part(part)) != pack(expected.part(part))]
    return f"ended with another {' and '.join(differing)}" if differing else ""


def tried(name: str, game: str, *words: str) -> Result:
    """Try one thing in this process; names as in `recorded_checks`."""
    try:
        if name == "data":
            return check_data(game, *words)
        if name == "all-reduce":
            return check_ranks(game, int(words[0]))
        if name == "rank":
            return be_a_rank()
        if name == "train-and-resume":
            return check_tiny_run(game, Path(words[0]))
        raise ConfigError("There is no such check", value=name)
    except MissingDependencyError as error:
        return warning(described(error), error.remedy)
    except GamefleetError as error:
        return failed(described(error), error.remedy)


def main() -> None:
    """Try what the command line names, and print the result as JSON; of several ranks only the first prints."""
    import os

    result = tried(*sys.argv[1:])
    if os.environ.get("RANK", "0") == "0":
        sys.stdout.write(json.dumps(asdict(result)) + "\n")


if __name__ == "__main__":
    main()
