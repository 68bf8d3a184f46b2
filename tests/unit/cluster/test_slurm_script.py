"""The batch script: what people read in it, and what sbatch does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gamefleet.cluster.jobs import JobRequest, Resources
from gamefleet.cluster.slurm.script import batch_script, minutes, parse_submitted, submit_words

GUIDE = Resources(partition="gpu-linuxlab", gres=("gpumem:20G",))


def request(folder: Path, resources: Resources = GUIDE, **changes: object) -> JobRequest:
    settings: dict[str, object] = {
        "name": "slim_run-m0-0001",
        "command": ["python", "-m", "gamefleet", "--name", "two words"],
        "work_folder": folder,
        "log_folder": folder / "logs",
    }
    return JobRequest(resources=resources, **{**settings, **changes})  # type: ignore[arg-type]


def test_the_script_of_the_guide_s_gpu_job_reads_as_expected() -> None:
    script = batch_script(
        request(Path("/project/x"), setup=["source ~/.bashrc", "conda activate slim"], comment="m0 of slim_run")
    )

    assert script == (
        "#!/bin/bash\n"
        "#SBATCH --job-name=slim_run-m0-0001\n"
        "#SBATCH --comment='m0 of slim_run'\n"
        "#SBATCH --partition=gpu-linuxlab\n"
        "#SBATCH --time=240\n"
        "#SBATCH --signal=B:USR1@180\n"
        "#SBATCH --cpus-per-task=8\n"
        "#SBATCH --gpus=1\n"
        "#SBATCH --gres=gpumem:20G\n"
        "#SBATCH --output=/project/x/logs/slurm-%j.out\n"
        "#SBATCH --error=/project/x/logs/slurm-%j.err\n"
        "#SBATCH --open-mode=append\n"
        "#SBATCH --no-requeue\n"
        "\n"
        "trap '' USR1 TERM\n"
        "source ~/.bashrc\n"
        "conda activate slim\n"
        "export GAMEFLEET_SCRIPT_STARTED=$(date +%s.%N)\n"
        "cd /project/x || exit\n"
        "exec python -m gamefleet --name 'two words'\n"
    )


def test_what_is_not_asked_for_is_not_in_the_script() -> None:
    script = batch_script(request(Path("/x"), Resources(gpus=0)))

    assert not any(word in script for word in ("--gpus", "--gres", "--mem", "--partition", "--account", "--qos"))


def test_account_qos_memory_and_further_options_are_passed_on() -> None:
    asked = Resources(account="lab", qos="long", memory="16G", options=("--exclude=n3", "--constraint=a&b"))
    script = batch_script(request(Path("/x"), asked))

    assert "#SBATCH --account=lab\n#SBATCH --qos=long\n" in script
    assert "#SBATCH --mem=16G\n" in script
    assert "#SBATCH --exclude=n3\n#SBATCH '--constraint=a&b'\n" in script


@pytest.mark.parametrize(("time_limit_s", "expected"), [(14400, 240), (60, 1), (61, 2), (1, 1), (3599.5, 60)])
def test_a_part_of_a_minute_counts_as_a_minute(time_limit_s: float, expected: int) -> None:
    assert minutes(time_limit_s) == expected


def test_a_percent_sign_in_a_folder_s_name_is_not_taken_for_a_pattern() -> None:
    assert "--output='/x/100%% sure/logs'/slurm-%j.out" in batch_script(request(Path("/x/100% sure")))


def test_a_comment_stays_on_its_line() -> None:
    script = batch_script(request(Path("/x"), comment="first\n#SBATCH --exclusive"))

    assert "#SBATCH --comment='first #SBATCH --exclusive'\n" in script


def test_the_script_runs_the_command_as_its_own_process_with_the_signals_ignored(tmp_path: Path) -> None:
    command = [
        "bash",
        "-c",
        'kill -USR1 $$; kill -TERM $$; echo "$1" $PPID "$PWD" ${GAMEFLEET_SCRIPT_STARTED%.*}',
        "-",
        "it's",
    ]
    script = batch_script(request(tmp_path, command=command, setup=["cd /"]))

    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, check=True)
    word, parent, folder, started = done.stdout.split()

    assert (word, folder) == ("it's", str(tmp_path))
    assert int(parent) > 0
    assert int(started) > 1_000_000_000


def test_a_missing_folder_ends_the_script_before_the_command(tmp_path: Path) -> None:
    script = batch_script(request(tmp_path / "gone", command=["echo", "ran"]))
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (1, "")


def test_the_job_waits_for_its_parent_however_that_ends() -> None:
    assert submit_words(Path("/x/a.sh")) == ["sbatch", "--parsable", "/x/a.sh"]
    assert submit_words(Path("/x/a.sh"), after="12")[2] == "--dependency=afterany:12"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1234\n", "1234"), ("1234;cluster\n", "1234"), ("Welcome!\n1234\n", "1234"), ("", ""), ("no\n", "")],
)
def test_the_id_is_read_from_sbatch_s_answer(text: str, expected: str) -> None:
    assert parse_submitted(text) == expected
