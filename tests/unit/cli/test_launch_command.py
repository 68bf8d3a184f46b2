"""`gamefleet launch` where there is no cluster: plans, refusals, and which run goes on."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gamefleet.cli.fleet_report import report_lines
from gamefleet.cli.launch_plan import MAX_JOBS
from gamefleet.cli.launch_runs import link_checkpoints, run_of
from gamefleet.errors import RunFolderError
from gamefleet.files import write_json
from gamefleet.games import open_game
from gamefleet.topologies.recorded.data import own_dataset

Call = Callable[..., Any]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, on a machine without SLURM."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nonexistent")
    return tmp_path


def command_in(text: str) -> list[str]:
    """The command that each leg would run."""
    return shlex.split(text.strip().splitlines()[-1])


def test_a_dry_run_shows_plan_script_and_command_and_writes_nothing(gamefleet: Call, nowhere: Path) -> None:
    said = gamefleet("launch", 2, 4, 6, "--dry-run", "--test-mode", "--mock-data", "--run", "first")

    assert said.status == 0, said.err
    assert "first: 6 h on 2 node(s) x 4 GPU(s), 1 job(s) of up to 6 h" in said.out
    assert "nothing was asked of a cluster" in said.out
    assert "Network: 200M on a GPU, tiny on a CPU." in said.out
    assert "Data: 512 invented records." in said.out
    assert "1,000 steps, 2,048 decisions per step = 8 ranks x 256" in said.out
    for line in ("--nodes=2", "--ntasks-per-node=4", "--gpus-per-node=4", "--time=360", "--mem=128G", "--no-requeue"):
        assert f"#SBATCH {line}\n" in said.out
    words = command_in(said.out)
    assert words[0] == "srun"
    assert "--ntasks=8" in words
    assert {"train", "showdown", "--auto-resume", "--test-mode", "--mock-data"} <= set(words)
    assert list(nowhere.iterdir()) == []


def test_positions_and_options_mean_the_same(gamefleet: Call) -> None:
    by_place = gamefleet("launch", 1, 4, 0.5, 512, "--dry-run", "--run", "r")
    options = ("--nodes", 1, "--gpus-per-node", 4, "--time-limit-hours", 0.5, "--batch-size-per-gpu", 512)
    by_name = gamefleet("launch", *options, "--dry-run", "--run", "r")

    assert command_in(by_place.out) == command_in(by_name.out)
    assert "--time=30\n" in by_name.out
    assert "512" in command_in(by_place.out)


def test_what_was_said_about_training_reaches_every_rank(gamefleet: Call, nowhere: Path) -> None:
    own_dataset(open_game("showdown"), nowhere, num_mock=8).rename(nowhere / "data")
    flags = ["--max-steps", "200000", "--learning-rate", "3e-4", "--checkpoint-minutes", "15", "--eval-every", "5000"]
    flags += ["--data-dir", "data", "--max-samples", "1000000", "--min-elo", "1200", "--set", "trainer.compile=off"]
    words = command_in(gamefleet("launch", 1, 1, 1, "--dry-run", "--debug", *flags).out)

    assert words[words.index("--data-dir") + 1] == str(nowhere / "data"), "jobs start elsewhere"
    assert words[words.index("--learning-rate") + 1] == "0.0003"
    assert words[words.index("--eval-every") + 1] == "5000"
    assert "trainer.compile=off" in words
    assert "--debug" in words


def test_an_exclusive_job_with_so_much_memory_in_a_partition(gamefleet: Call) -> None:
    options = ("--partition", "gpu-large", "--account", "lab", "--qos", "long", "--exclusive", "--memory", 256)
    said = gamefleet("launch", 4, 4, 8, 256, *options, "--dry-run")

    for line in ("--partition=gpu-large", "--account=lab", "--qos=long", "--exclusive", "--mem=256G"):
        assert f"#SBATCH {line}\n" in said.out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((0, 4, 6), "NODES is at least 1"),
        ((2, 4, 0), "HOURS is at least"),
        ((2, 4, 6, "--nodes", 3), "NODES was given twice"),
        ((1, 1, 1, "--data-dir", "nowhere"), "There is no such data folder"),
        ((1, 1, 1, "--data-dir", "."), "There are no parsed games in a folder"),
        ((1, 1, 1, "--min-elo", 9999), "asked for: a rating of at least 9999 (the records that come with gamefleet)"),
        ((1, 1, 1, "--size", "tyni", "--mock-data"), "There is no such size: 'tyni'"),
        ((1, 1, 1, "--run", "a/b"), "plain folder name"),
        ((1, 1, 1, "--game", "hanabi"), "learned by playing"),
        ((1, 1, 1, "--set", "trainer.copmile=off"), "compile"),
        ((2, 1, 1, "--batch-size-per-gpu", 100), "multiple of data.row_decisions = 64"),
        ((1, 1, 1, "--data-dir", ".", "--mock-data"), "exclude each other"),
        ((2, 1, 1, "--executor", "local"), "there is one node"),
        ((1, 1, 1, "--executor", "lokal"), "No such executor"),
        ((1, 1, 1, "--executor", "local", "--memory", 8), "8 (--memory with --executor local)"),
        ((1, 1, 1, "--executor", "local", "--qos", "long"), "'long' (--qos with --executor local)"),
        ((1, 1, 1, "--executor", "local", "--exclusive"), "--exclusive with --executor local"),
        ((1, 1, 1, "--resume"), "no run of showdown that could go on"),
    ],
)
def test_what_cannot_be_is_refused(gamefleet: Call, words: tuple[object, ...], error: str) -> None:
    said = gamefleet("launch", *words, "--dry-run")

    assert said.status != 0
    assert error in said.err
    assert "Traceback" not in said.err


def test_without_slurm_a_launch_says_how_to_train_here(gamefleet: Call, nowhere: Path) -> None:
    said = gamefleet("launch", 1, 1, 1, "--mock-data")

    assert said.status == 3
    assert "--executor local" in said.err
    assert list(nowhere.iterdir()) == []


def launched(folder: Path, name: str, at: float, *, status: str = "stopped", step: int = 10) -> Path:
    root = folder / "runs" / name
    (root / "fleet" / "m0").mkdir(parents=True)
    write_json(root / "fleet" / "launch.json", {"game": "showdown", "gpus": 8})
    write_json(root / "state.json", {"status": status, "step": step})
    for path in root.rglob("*.json"):
        os.utime(path, (at, at))
    return root


def test_a_bare_resume_takes_the_newest_run_at_any_number_of_gpus(nowhere: Path) -> None:
    launched(nowhere, "older", 1000.0)
    launched(nowhere, "newer", 2000.0)
    launched(nowhere, "oldest", 500.0)

    assert run_of("showdown", "", nowhere / "runs", is_resumed=True) == "newer"
    write_json(nowhere / "runs" / "older" / "manifest.json", {})
    assert run_of("showdown", "older", nowhere / "runs", is_resumed=True) == "older"


def test_a_bare_resume_passes_over_starts_that_failed_and_names_them(
    nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    launched(nowhere, "trained", 1000.0)
    write_json(launched(nowhere, "failed", 2000.0, step=0) / "fleet" / "m0" / "failed.json", {})

    assert run_of("showdown", "", nowhere / "runs", is_resumed=True) == "trained"
    assert "passed over failed, which never saved anything" in capsys.readouterr().out
    launched(nowhere, "waiting", 3000.0, step=0)
    assert run_of("showdown", "", nowhere / "runs", is_resumed=True) == "waiting", "its jobs are still to come"
    shutil.rmtree(nowhere / "runs" / "trained")
    shutil.rmtree(nowhere / "runs" / "waiting")
    with pytest.raises(RunFolderError, match="failed never saved anything"):
        run_of("showdown", "", nowhere / "runs", is_resumed=True)


def test_the_state_of_a_launch_names_no_limit_that_nobody_set() -> None:
    found = {"fleet": "f", "executor": "slurm", "folder": "runs/f", "scheduler": "answers", "chains": []}

    assert next(report_lines({**found, "max_jobs": MAX_JOBS})) == "f (slurm) in runs/f"
    assert next(report_lines({**found, "max_jobs": 3})) == "f (slurm, at most 3 jobs at once) in runs/f"


def test_a_new_run_does_not_take_the_name_of_one_that_is_there(nowhere: Path) -> None:
    write_json(launched(nowhere, "taken", 1000.0) / "manifest.json", {})

    with pytest.raises(RunFolderError, match="exists already"):
        run_of("showdown", "taken", nowhere / "runs", is_resumed=False)


def test_a_finished_run_goes_on_only_with_more_steps(gamefleet: Call, nowhere: Path) -> None:
    launched(nowhere, "done", 1000.0, status="finished", step=100)

    assert "--max-steps" in gamefleet("launch", 1, 1, 1, "--resume", "--dry-run").err
    assert gamefleet("launch", 1, 1, 1, "--resume", "--max-steps", 200, "--dry-run").status == 0


def test_the_link_to_the_checkpoints_follows_the_run_launched_last(nowhere: Path) -> None:
    for name in ("one", "two"):
        link_checkpoints(nowhere / "runs" / name, 8, nowhere)

    assert (nowhere / "checkpoints_8gpu").resolve() == nowhere / "runs" / "two" / "checkpoints"


def test_a_folder_of_that_name_is_not_touched(nowhere: Path) -> None:
    (nowhere / "checkpoints_8gpu").mkdir()

    assert "no link of ours" in link_checkpoints(nowhere / "runs" / "one", 8, nowhere)
    assert not (nowhere / "checkpoints_8gpu").is_symlink()


def test_the_script_of_the_guide_is_the_same_command(repository: Path, nowhere: Path, gamefleet: Call) -> None:
    script = repository / "scripts" / "launch_training.sh"
    (nowhere / "bin").mkdir()
    (nowhere / "bin" / "dirname").symlink_to(shutil.which("dirname", path=os.defpath) or "")
    done = subprocess.run(
        ["/bin/bash", str(script), "1", "1", "0.5", "--mock-data", "--test-mode", "--dry-run", "--run", "r"],
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{nowhere / 'bin'}",
        },  # SLURM's programs are elsewhere
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    ours = gamefleet("launch", 1, 1, 0.5, "--mock-data", "--test-mode", "--dry-run", "--run", "r")
    python = Path(sys.executable).resolve()  # which has several names
    words, expected = (
        [Path(word).resolve() == python or word for word in command_in(out)] for out in (done.stdout, ours.out)
    )
    assert words == expected


def test_a_local_launch_starts_ranks_without_srun(gamefleet: Call) -> None:
    words = command_in(gamefleet("launch", 1, 2, 1, "--executor", "local", "--dry-run").out)

    assert "srun" not in words
    assert words[words.index("--gpus-per-node") + 1] == "2"


def test_train_on_several_nodes_hands_its_options_on(gamefleet: Call) -> None:
    options = ("--mock-data", "--max-runtime-seconds", 1800, "--size", "tiny", "--seed", 7, "--run", "r")
    said = gamefleet("train", "showdown", "--nodes", 2, "--gpus-per-node", 1, "--dry-run", *options)

    assert said.status == 0, said.err
    assert "--time=30\n" in said.out
    text = " ".join(command_in(said.out))
    assert "--size tiny" in text
    assert "--set run.seed=7" in text


@pytest.mark.parametrize("words", [("launch", 2, 1), ("train", "showdown", "--nodes", 2)])
def test_a_launch_honours_the_run_s_name_and_folder_among_the_settings(
    gamefleet: Call, nowhere: Path, words: tuple[object, ...]
) -> None:
    settings = ("--mock-data", "--set", "run.runs_folder=elsewhere", "--set", "run.name=there")
    said = gamefleet(*words, *settings, "--dry-run")
    flagged = gamefleet("launch", *settings, "--runs-folder", "flagged", "--run", "here", "--dry-run")

    folders = [word for word in command_in(said.out) if word.startswith("run.runs_folder=")]
    assert folders[-1] == f"run.runs_folder={nowhere / 'elsewhere'}", said.err
    assert "there: 6 h on 2 node(s)" in said.out
    assert f"run.runs_folder={nowhere / 'flagged'}" in command_in(flagged.out), "options come after settings"
    assert "here: 6 h on" in flagged.out


def test_a_launch_goes_on_with_the_newest_run_of_the_folder_in_the_settings(gamefleet: Call, nowhere: Path) -> None:
    launched(nowhere, "not-this-one", 2000.0)
    launched(nowhere / "elsewhere", "newest", 1000.0)
    said = gamefleet("launch", 1, 1, 1, "--resume", "--set", "run.runs_folder=elsewhere/runs", "--dry-run")

    assert "newest: 1 h on" in said.out, said.err


def test_train_takes_the_number_of_nodes_from_the_settings_too(gamefleet: Call) -> None:
    said = gamefleet("train", "showdown", "--mock-data", "--set", "trainer.nodes=3", "--dry-run")

    assert "6 h on 3 node(s)" in said.out, said.err


def test_a_run_goes_on_on_any_number_of_gpus(gamefleet: Call) -> None:
    small = ("--mock-data", "--size", "tiny", "--set", "data.mock_records=16", "--set", "data.workers=0")
    begun = gamefleet("train", "showdown", *small, "--max-steps", 1, "--batch-size-per-gpu", 256, "--eval-every", 0)

    assert begun.status == 0, begun.err
    for gpus in (1, 3, 8, 32):
        said = gamefleet("launch", 1, gpus, 1, "--resume", "--max-steps", 9, "--dry-run")
        assert f"9 steps, 256 decisions per step = {gpus} ranks x " in said.out, said.err


def test_train_on_several_nodes_refuses_what_jobs_decide(gamefleet: Call) -> None:
    said = gamefleet("train", "showdown", "--nodes", 2, "--mock-data", "--dry-run", "--device", "cpu")

    assert said.status == 2
    assert "--device are not for runs that jobs carry" in said.err
