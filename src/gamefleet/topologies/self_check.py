"""Does what matters most work on this machine: the GPU, one game, one save and resume.

Job: the checks that need PyTorch or a game. Place in the data flow: after those of `cluster` in `gamefleet doctor`.
Left out: how well anything learns, and runs that exist (`run_check`).

All of it is tried in processes of their own (`python -m gamefleet.topologies.self_check`): a driver that
hangs or a library that was built for another processor makes one line of the report, whatever it does to its process.
"""

from __future__ import annotations

import io
import json
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gamefleet.cluster.checks.base import Check, Result, described, failed, ok, skipped, warning
from gamefleet.cluster.checks.folder import existing, scratch
from gamefleet.cluster.checks.programs import Completed, Runner
from gamefleet.errors import GamefleetError, MissingDependencyError

CHILD_TIMEOUT_S = 240.0
"""PyTorch alone takes a minute to import from some file servers."""

NUM_STEPS = 40
LEAST_FREE_GPU_BYTES = 2 << 30
SIZE_TOLERANCE = 0.9
"""A card of 20 GB tells 19-point-something: a part of the memory is the driver's own."""

TINY: Mapping[str, Mapping[str, Any]] = {
    "run": {"name": "doctor", "device": "cpu", "checkpoint_interval_steps": 1_000, "metrics_interval_steps": 1_000},
    "network": {"hidden_size": 8, "head_size": 8},
    "learner": {"batch_size": 2, "learning_starts_steps": 48},
    "curiosity": {"enabled": False},
    "replay": {"capacity_steps": 500, "unroll": 5, "burn_in": 2},
    "actors": {"num_envs": 2, "num_workers": 0, "refresh_every_steps": 4},
}
"""Settings of a run that lasts a second."""

CUT_STEP, LAST_STEP = 96, 160


def self_checks(game: str, folder: Path, runner: Runner, *, gpu_memory_bytes: int = 0) -> list[Check]:
    """Checks that try things out.

    Args:
        game: Name of the game.
        folder: The folder that holds the runs; the tiny run is made there, under a name that lists of runs ignore.
        runner: Runs the processes.
        gpu_memory_bytes: Memory that a job's GPU is expected to have; 0 for no expectation.
    """

    def check(name: str, group: str, *words: str, by_hand: str) -> Check:
        def run() -> Result:
            command = [sys.executable, "-P", "-m", __name__, name, game, *words]
            return judge_child(runner(command, CHILD_TIMEOUT_S), by_hand)

        return Check(name=name, group=group, run=run, timeout_s=CHILD_TIMEOUT_S + 10)

    place = str(existing(folder))
    by_hand = f"gamefleet train {game} --fresh --run doctor --total-steps 1000 --debug"
    return [
        check("gpu", "gpu", str(gpu_memory_bytes), by_hand='python -c "import torch; print(torch.ones(1).cuda())"'),
        check("environment", "game", place, by_hand=f"gamefleet rollout {game} --steps 200 --debug"),
        check("save-and-resume", "run", place, by_hand=by_hand),
    ]


def judge_child(answer: Completed, by_hand: str) -> Result:
    """The result that a process printed, or how it died.

    Args:
        answer: Of `main`.
        by_hand: A command that shows the same failure with all its words.
    """
    if answer.status == 0:
        return Result(**json.loads(answer.out.splitlines()[-1]))
    if answer.status < 0:
        name = signal.Signals(-answer.status).name
        return failed(f"the process that tried it died of {name}", f"A library does not fit this machine. {by_hand}")
    return failed(answer.last_words, by_hand)


def check_gpu(wanted_bytes: int) -> Result:
    """Find the GPU, compute something on it, and compare its memory with what is expected."""
    try:
        import torch
    except ImportError as error:
        return skipped(f"PyTorch is not installed here ({error})")
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        ones = torch.ones(64, 64, device="cuda")
        if float((ones @ ones).sum()) != 64.0**3:
            return failed("the GPU computes wrong results", "Use another node, and tell those who run this one.")
        return judge_gpu(torch.cuda.get_device_name(), total, free, wanted_bytes)
    if torch.backends.mps.is_available():
        return ok("Apple GPU (mps)")
    return judge_no_gpu(bool(shutil.which("nvidia-smi")), torch.__version__, torch.version.cuda)


def judge_gpu(name: str, total_bytes: int, free_bytes: int, wanted_bytes: int) -> Result:
    """Whether a GPU has the memory that one counts on."""
    found = f"{name}, {free_bytes / 1e9:.1f} of {total_bytes / 1e9:.1f} GB free"
    smaller = "--set learner.batch_size=32"
    if free_bytes < LEAST_FREE_GPU_BYTES:
        return warning(found, f"`nvidia-smi` shows who uses it. End that, take another GPU, or use less: `{smaller}`.")
    if total_bytes < wanted_bytes * SIZE_TOLERANCE:
        wanted = f"; {wanted_bytes / 1e9:.0f} GB are expected of a job's GPU"
        return warning(found + wanted, f"Ask for a larger one (`--gres=gpu:1,gpumem:...`), or use less: `{smaller}`.")
    return ok(found)


def judge_no_gpu(has_driver: bool, version: str, cuda: str | None) -> Result:
    """Why PyTorch sees no GPU."""
    if not has_driver:
        return skipped("no GPU on this machine: training uses the processor")
    if cuda is None:
        return warning(
            f"there is an NVIDIA driver, but PyTorch {version} was made without CUDA",
            "pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu128",
        )
    return warning(
        f"there is an NVIDIA driver, but PyTorch {version} (CUDA {cuda}) finds no GPU",
        "`nvidia-smi` shows whether there is one and for which CUDA its driver is. A job asks for one: `--gres=gpu:1`.",
    )


def check_environment(game: str) -> Result:
    """Open a game, play some steps, save and restore it."""
    from gamefleet.games import open_game

    package = open_game(game)
    environment = package.make_game(package.config_type())
    environment.reset(seed=0)
    began = time.monotonic()
    for number in range(NUM_STEPS):
        step = environment.step(number % environment.spec.num_actions)
        if step.terminated or step.truncated:
            environment.reset(seed=number)
    seconds = time.monotonic() - began
    saved = environment.save_state()
    environment.restore_state(saved, new_episode=False)
    if environment.save_state() != saved:
        return failed(f"{game}: a restored game differs from the saved one", "pip install --upgrade 'gamefleet[all]'")
    return ok(f"{game} {environment.spec.version} plays {NUM_STEPS / seconds:,.0f} steps/s, saves and restores")


def check_save_and_resume(game: str, folder: Path) -> Result:
    """Train a tiny run at one go, and once more with a stop and a resume: both must end in the same bytes."""
    try:
        import torch  # noqa: F401 - its absence is no failure of saving
    except ImportError as error:
        return skipped(f"PyTorch is not installed here ({error})")
    began = time.monotonic()
    with scratch(folder) as inner:
        uncut = train_tiny(game, inner / "uncut", LAST_STEP, "first")
        train_tiny(game, inner / "cut", CUT_STEP, "first")
        resumed = train_tiny(game, inner / "cut", LAST_STEP, "resume")
    different = sorted(name for name in {*uncut, *resumed} if uncut.get(name) != resumed.get(name))
    if different:
        return failed(
            f"a run that was stopped and resumed at step {CUT_STEP} differs in {', '.join(different)}",
            "Do not trust resumed runs on this machine; please report it with the output of `gamefleet doctor --json`.",
        )
    seconds = time.monotonic() - began
    return ok(f"stopped at step {CUT_STEP} and resumed, equal to an uncut run at step {LAST_STEP} ({seconds:.1f} s)")


def train_tiny(game: str, folder: Path, total_steps: int, start: Any) -> dict[str, str]:
    """Train for a moment.

    Returns:
        Checksum of each file of state in the last checkpoint.
    """
    from gamefleet.games import open_game
    from gamefleet.runs.checkpoint import open_checkpoint
    from gamefleet.runs.deadline import Deadline
    from gamefleet.runs.progress import PlainProgress
    from gamefleet.topologies.config import make_config
    from gamefleet.topologies.training import train

    package = open_game(game)
    settings = {**TINY, "run": {**TINY["run"], "runs_folder": str(folder), "total_steps": total_steps}}
    outcome = train(
        package,
        make_config(package, settings),
        asked="",
        start=start,
        deadline=Deadline(max_runtime_s=None),
        progress=PlainProgress(io.StringIO()),
    )
    files = open_checkpoint(outcome.checkpoint).manifest["files"]
    return {name: str(facts["xxh3"]) for name, facts in files.items() if name.endswith(".safetensors")}


def tried(name: str, game: str, word: str) -> Result:
    """Try one thing in this process.

    Args:
        name: Of the check.
        game: Of the game.
        word: A number of bytes for `gpu`, a folder for the others.
    """
    try:
        if name == "gpu":
            return check_gpu(int(word))
        return check_environment(game) if name == "environment" else check_save_and_resume(game, Path(word))
    except MissingDependencyError as error:
        return warning(described(error), error.remedy)
    except GamefleetError as error:
        return failed(described(error), error.remedy)


def main() -> None:
    """Try what the command line names, and print the result as JSON."""
    result = tried(*sys.argv[1:4])
    sys.stdout.write(json.dumps(asdict(result)) + "\n")


if __name__ == "__main__":
    main()
