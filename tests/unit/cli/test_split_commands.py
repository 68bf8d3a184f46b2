"""The commands of a learner on another machine: one real learner, and everything that is typed at it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.waiting import PATIENCE_S, until_said

from gamefleet.cli.coordinate import count_or_auto, introduced
from gamefleet.errors import ConfigError
from gamefleet.files import read_json
from gamefleet.games import open_game
from gamefleet.runs.folder import read_resolved
from gamefleet.runs.paths import RunPaths
from gamefleet.testing.local_ssh import free_port
from gamefleet.topologies.config import make_config
from gamefleet.transport.token import new_token, write_token

SMALL = """
game_name = "hanabi"

[network]
gpu_host = "127.0.0.1"
gpu_port = PORT
inference = "actor"

[model]
d_model = 16
num_heads = 2
num_layers = 1

[training]
batch_size = 8
num_iterations = 3
games_per_iteration = 6
num_workers = 0
num_envs = 6

[game]
variant = "mini"

[learner]
learning_starts_steps = 64

[replay]
capacity_steps = 600

[run]
device = "cpu"
checkpoint_interval_steps = 240

[actors]
device = "cpu"
"""


@dataclass(frozen=True)
class Learner:
    port: int
    folder: Path
    log: Path
    config: Path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_token(folder / ".config" / "gamefleet" / "token")
    return folder


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Iterator[Learner]:
    """`gamefleet run CONFIG --laptop`, in a process of its own."""
    folder, port = tmp_path_factory.mktemp("laptop"), free_port()
    config, log = folder / "split.toml", folder / "log"
    config.write_text(SMALL.replace("PORT", str(port)))
    words = [sys.executable, "-m", "gamefleet.cli.main", "run", str(config), "--laptop", "--folder", str(folder / "l")]
    environment = {name: value for name, value in os.environ.items() if "AUTH_TOKEN" not in name}
    with open(log, "wb") as output:
        process = subprocess.Popen(words, env={**environment, "HOME": str(home)}, stdout=output, stderr=output)
    until_said("learner at", log, process)
    yield Learner(port=port, folder=folder / "l", log=log, config=config)
    process.terminate()
    assert process.wait(PATIENCE_S) == 0, log.read_text()
    assert "the learner ends" in log.read_text()


@pytest.fixture
def here(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The server: a user with the same token, in an empty folder."""
    monkeypatch.setenv("HOME", str(home))
    for name in ("GAMEFLEET_AUTH_TOKEN", "GAMEFLEET_AUTH_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_is_started_watched_found_finished_and_prolonged(
    gamefleet: Callable, learner: Learner, here: Path
) -> None:
    before = gamefleet("monitor", "--gpu-host", "127.0.0.1", "--gpu-port", learner.port)
    done = gamefleet("run", learner.config, "--server")
    assert done.status == 0, done.err
    assert "all iterations are done. Run folder: runs/hanabi" in done.out
    assert f"hanabi in runs/hanabi, 3 iterations of 6 games; learner at 127.0.0.1:{learner.port}." in done.err
    assert before.status == 0, before.err
    assert "no coordinator has come yet" in before.out

    settings = read_resolved(RunPaths(here / "runs" / "hanabi"))
    assert (settings["run"]["num_iterations"], settings["network"]["encoder"]["d_model"]) == (3, 16)
    asked = gamefleet("monitor", "--gpu-host", "127.0.0.1", "--gpu-port", learner.port)
    local = gamefleet("monitor", "--local")
    state = json.loads(gamefleet("monitor", "--local", "--json").out)
    assert re.search(r"run +hanabi \(hanabi\)", asked.out), asked.out
    assert re.search(r"iteration 3, \d\d games", local.out), local.out
    assert f"127.0.0.1:{learner.port}" in local.out
    assert state["status"] == "finished"
    assert (learner.folder / "hanabi").is_dir()

    path = here / "runs" / "hanabi" / "checkpoints" / "training_state.json"
    written = path.read_text()
    path.write_text(json.dumps({**state, "status": "running", "reason": ""}))
    assert "interrupted: running when it was written" in gamefleet("monitor", "--local").out, "killed without a word"
    path.write_text(written)

    again = gamefleet("coordinate", "--config", learner.config)
    assert (again.status, "has finished already" in again.out) == (0, True), again.err
    more = gamefleet("coordinate", "hanabi", "--config", learner.config, "--num-iterations", 4, "--batch-size", 16)
    assert more.status == 0, more.err
    assert read_json(here / "runs" / "hanabi" / "checkpoints" / "training_state.json")["iteration"] >= 4
    assert read_resolved(RunPaths(here / "runs" / "hanabi"))["learner"]["batch_size"] == 16


def test_settings_that_differ_are_named_with_both_values_by_doctor_and_by_the_learner(
    gamefleet: Callable, learner: Learner, here: Path
) -> None:
    other = here / "other.toml"
    other.write_text(learner.config.read_text().replace("d_model = 16", "d_model = 32"))

    refused = gamefleet("coordinate", "--config", other, "--run", "other")

    assert refused.status in (5, 9), refused.err
    assert "d_model" in refused.err
    assert {"16", "32"} <= set(re.findall(r"\d+", refused.err)), refused.err


def test_doctor_finds_the_learner_and_nothing_else_wrong(gamefleet: Callable, learner: Learner, here: Path) -> None:
    found = gamefleet("doctor", "--gpu-host", "127.0.0.1", "--gpu-port", learner.port, "--only", "learner", "--json")
    checks = {check["name"]: check["status"] for check in json.loads(found.out)["checks"]}

    assert found.status == 0, found.out
    assert checks["learner-answer"] == checks["learner-port"] == checks["learner-token"] == "ok"
    assert checks["learner-listens"] == "warning", "it listens on the loopback address only"


def test_doctor_compares_a_file_that_names_no_game_with_the_one_that_the_learner_works_on(
    gamefleet: Callable, learner: Learner, here: Path
) -> None:
    words = ("doctor", "--gpu-host", "127.0.0.1", "--gpu-port", learner.port, "--only", "learner", "--config")
    same, other = here / "same.toml", here / "other.toml"
    same.write_text(learner.config.read_text().replace('game_name = "hanabi"', ""))
    other.write_text(same.read_text().replace("d_model = 16", "d_model = 32"))

    brought = gamefleet("run", learner.config, "--server", "--run", "compared", "--gpu-port", learner.port)
    assert "Run folder: runs/compared" in brought.out, brought.err

    assert "ok    learner-model" in gamefleet(*words, same).out
    assert "network.encoder.d_model is 32 here and 16 at the learner" in gamefleet(*words, other).out
    write_token(here / "token", new_token())
    stranger = gamefleet(*words[:-1], "--auth-token-file", here / "token")
    assert "FAIL  learner-answer" in stranger.out
    assert "gamefleet doctor --gpu-host" not in stranger.out.split("learner-answer")[1], "this is the doctor"


def test_another_token_is_refused_with_a_sentence(gamefleet: Callable, learner: Learner, here: Path) -> None:
    write_token(here / "token", new_token())
    way = ("--gpu-host", "127.0.0.1", "--gpu-port", learner.port, "--auth-token-file", here / "token")

    answer = gamefleet("monitor", *way)

    assert answer.status == 9, answer.out
    assert "token" in answer.err


def test_nobody_there_is_a_sentence_that_names_the_command_and_a_status(gamefleet: Callable, here: Path) -> None:
    port = free_port()
    answer = gamefleet("monitor", "--gpu-host", "127.0.0.1", "--gpu-port", port)

    assert answer.status == 9
    assert "refuses port" in answer.err
    assert f"gamefleet learner serve --host 0.0.0.0 --port {port}" in answer.err
    assert gamefleet("monitor", "--local").status == 4
    assert gamefleet("monitor").status == 2
    assert gamefleet("monitor", "--local", "--gpu-host", "x").status == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("learner", "serve", "--auth-token", "mysecrettoken"), "`gamefleet token` makes one"),
        (("learner", "serve", "--port", "99999"), "no port"),
        (("learner", "serve", "--device", "gpu"), "Did you mean 'cpu'"),
        (("learner", "serve", "--set", "learner.batch_size=3"), "--game"),
        (("coordinate", "--resume", "--fresh"), "exclude each other"),
        (("coordinate", "--train-steps-per-iteration", "many"), "neither a number nor auto"),
        (("coordinate", "--resume", "--run", "nothing"), "nothing"),
        (("coordinate", "--inference", "both"), "learner"),
        (("coordinate", "nothing"), "No such game"),
        (("run", "missing.toml", "--server"), "missing.toml"),
        (("run", "missing.toml"), "which side"),
        (("run", "missing.toml", "--server", "--laptop"), "both were named"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_started(
    gamefleet: Callable, here: Path, words: tuple[str, ...], said: str
) -> None:
    answer = gamefleet(*words)

    assert answer.status in (2, 4), answer.err
    assert said in answer.err
    assert not (here / "runs").exists()


def test_a_number_of_updates_is_warned_of_before_the_first_game() -> None:
    package, plain = open_game("hanabi"), make_config(open_game("hanabi"), {})
    risky = make_config(package, {"run": {"updates_per_iteration": 500}})
    steps = 500 * risky.learner.batch_size * risky.replay.unroll / 100 / 4

    assert len(introduced(plain)) == 1
    assert (
        f"train_steps_per_iteration = 500 is a number of its own: unless games last {steps:,.0f} steps"
        in (introduced(risky)[1])
    )


def test_an_address_of_another_machine_and_a_folder_in_use_name_the_learners_own_options(
    gamefleet: Callable, learner: Learner, here: Path
) -> None:
    served = gamefleet("run", learner.config, "--server", "--run", "served", "--gpu-port", learner.port)
    assert served.status == 0, served.err
    away = gamefleet("learner", "serve", "--host", "203.0.113.7", "--folder", here / "own")
    busy = gamefleet("learner", "serve", "--port", free_port(), "--folder", learner.folder)

    assert away.status != 0
    assert "with --host" in away.err
    assert busy.status == 4, busy.err
    assert "Name another folder with --folder" in busy.err
    assert "--run" not in busy.err


def test_counts_may_be_left_to_the_program() -> None:
    assert [count_or_auto("--x", text) for text in ("", "auto", "12")] == [None, "auto", 12]
    with pytest.raises(ConfigError):
        count_or_auto("--x", "-1")
