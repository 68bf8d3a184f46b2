"""TOML, YAML and JSON files are read, the guides' flat and sectioned keys among them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gamefleet.errors import ConfigError
from gamefleet.games import open_game
from gamefleet.topologies.config import RunConfig, ask, make_config
from gamefleet.topologies.foreign_config import SettingsFile, line_of, read_secret, read_settings_file
from gamefleet.topologies.sequence.config import SequenceConfig, make_sequence_config

OURS = {"run": {"seed": 4, "name": "x"}, "learner": {"batch_size": 16}}

CLUSTER = """{
  "run_name": "slim_run",
  "run_dir": "runs/slim_run",

  "training": {
    "total_steps": 5000000,
    "num_envs": 8,
    "batch_size": 64,
    "device": "cuda",
    "stream": true,
    "stream_port": 9999
  },

  "collaboration": {
    "enabled": true,
    "shared_dir": "/shared/weights"
  }
}
"""
"""As guide 1 has it."""

FLAT = """
total_steps: 5000000
num_envs: 8
checkpoint_interval: 10000
batch_size: 64
max_runtime_seconds: 13500
stream_port: 9999
stream_top_k: 2
"""


def read(tmp_path: Path, name: str, text: str) -> SettingsFile:
    path = tmp_path / name
    path.write_text(text)
    return read_settings_file(path)


def config_of(file: Path) -> RunConfig | SequenceConfig:
    game = "hanabi" if file.name.startswith("hanabi") else "pokemon_red"
    asked = ask(file=file, assignments=[], flags={})
    package = open_game(asked.game_name or game)
    return make_sequence_config(package, asked) if package.recorded else make_config(package, asked)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", '[run]\nseed = 4\nname = "x"\n[learner]\nbatch_size = 16\n'),
        ("a.yaml", "run:\n  seed: 4\n  name: x\nlearner: {batch_size: 16}\n"),
        ("a.yml", json.dumps(OURS)),
        ("a.json", json.dumps(OURS, indent=4)),
    ],
)
def test_the_same_settings_in_each_format(tmp_path: Path, name: str, text: str) -> None:
    assert read(tmp_path, name, text).settings == OURS


def test_an_empty_file_asks_for_nothing(tmp_path: Path) -> None:
    for name in ("a.yaml", "a.toml"):
        assert read(tmp_path, name, "# nothing\n").settings == {}


def test_the_cluster_file_of_the_guide_is_understood(tmp_path: Path) -> None:
    found = read(tmp_path, "cluster_config.json", CLUSTER)

    assert found.settings == {
        "run": {"name": "slim_run", "runs_folder": "runs", "total_steps": 5_000_000, "device": "cuda"},
        "actors": {"num_envs": 8},
        "learner": {"batch_size": 64},
        "collaboration": {"enabled": True, "shared_dir": "/shared/weights"},
        "streaming": {"enabled": True, "port": 9999},
    }
    assert found.origins["learner.batch_size"].endswith("cluster_config.json, line 8")


def test_flat_keys_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "flat.yaml"
    path.write_text(FLAT)

    config = config_of(path)

    assert (config.run.total_steps, config.run.checkpoint_interval_steps) == (5_000_000, 10_000)
    assert (config.actors.num_envs, config.learner.batch_size, config.run.max_runtime_s) == (8, 64, 13_500)
    assert (config.streaming.enabled, config.streaming.port, config.streaming.top_k) == ("auto", 9999, 2)


def test_flat_keys_and_our_sections_may_be_mixed(tmp_path: Path) -> None:
    found = read(tmp_path, "a.yaml", "num_envs: 4\nactors:\n  num_workers: 2\nrun: {seed: 3}\n")

    assert found.settings == {"actors": {"num_envs": 4, "num_workers": 2}, "run": {"seed": 3}}


def test_two_keys_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"learner\.batch_size to different values: 16 \(.*line 3\)\. See .*line 1"):
        read(tmp_path, "a.yaml", "batch_size: 64\nlearner:\n  batch_size: 16\n")


def test_saying_the_same_twice_is_no_contradiction(tmp_path: Path) -> None:
    found = read(tmp_path, "a.yaml", "batch_size: 64\ntraining:\n  batch_size: 64\n")

    assert found.settings == {"learner": {"batch_size": 64}}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.toml", "[run\n", r"malformed.*line 1"),
        ("a.yaml", "a: b: c\n", r"malformed.*line 1"),
        ("a.json", '{"a": 1,}', r"malformed.*line 1"),
        ("a.json", "[1, 2]", r"holds sections: 'list'"),
        ("a.yaml", "training: 3\n", r"section, not a value: 3"),
        ("a.ini", "[run]\n", r"Unknown kind of settings file.*\.toml"),
    ],
)
def test_what_cannot_be_read_is_explained(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(tmp_path, name, text)


def test_a_missing_file_is_explained() -> None:
    with pytest.raises(ConfigError, match=r"No such file or directory: 'nowhere\.toml'"):
        read_settings_file(Path("nowhere.toml"))


def test_numbers_that_yaml_takes_for_words_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("learner:\n  learning_rate: 1e-4\n")  # YAML 1.1 wants 1.0e-4

    assert config_of(path).learner.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("text", "keys", "line"),
    [
        ("[run]\nseed = 1\n[learner]\nseed = 2\n", ("learner", "seed"), 4),
        ("run:\n  seed: 1\nlearner:\n  seed: 2\n", ("learner", "seed"), 4),
        ('{"run": {"seed": 1},\n "learner": {\n  "seed": 2}}', ("learner", "seed"), 3),
        ("run.seed = 1\n", ("run", "seed"), 1),
        ("[game.rewards]\nbadges = 1\n", ("game", "rewards", "badges"), 2),
        ("run = {seed = 1}\n", ("run", "seed"), 1),
        ("a = 1\n", ("b",), 0),
    ],
)
def test_the_line_of_a_key_is_found(text: str, keys: tuple[str, ...], line: int) -> None:
    assert line_of(text, keys) == line


@pytest.mark.parametrize(("name", "batch_size"), [("slim.yaml", 64), ("slim_cpu.yaml", 16)])
def test_the_guides_configurations_have_the_guides_values(repository: Path, name: str, batch_size: int) -> None:
    config = config_of(repository / "configs" / name)

    assert config.run.total_steps == 5_000_000
    assert config.actors.num_envs == 8
    assert config.run.checkpoint_interval_steps == 10_000
    assert config.learner.batch_size == batch_size, "smaller on a CPU, which the guide leaves open"


def test_every_committed_configuration_is_valid(repository: Path) -> None:
    files = [path for path in (repository / "configs").iterdir() if path.suffix in (".toml", ".yaml", ".json")]

    assert len(files) >= 3
    for path in files:
        config_of(path)


SPLIT = """
[network]
gpu_host = "192.0.2.7"
gpu_port = 5556
auth_token = "a token that is long enough to be one"
hidden_size = 64

[model]
max_players = 4
d_model = 64
num_layers = 2

[training]
num_iterations = 20
games_per_iteration = 10
train_steps_per_iteration = 500
use_wandb = true
"""
"""As guide 3 names its settings: `network` is the computers' there, and the agent's network here."""


def test_the_guides_network_is_told_from_ours(tmp_path: Path) -> None:
    found = read(tmp_path, "distributed_config.toml", SPLIT)

    assert found.settings == {
        "remote": {"gpu_host": "192.0.2.7", "gpu_port": 5556},
        "network": {"hidden_size": 64, "encoder": {"max_players": 4, "d_model": 64, "num_layers": 2}},
        "run": {"num_iterations": 20, "games_per_iteration": 10, "updates_per_iteration": 500},
        "trackers": {"wandb": "online"},
    }
    assert found.origins["remote.gpu_port"].endswith("distributed_config.toml, line 4")
    assert found.origins["network.encoder.d_model"].endswith("line 10")


def test_a_token_in_a_settings_file_is_found_and_is_no_setting(tmp_path: Path) -> None:
    found = read(tmp_path, "distributed_config.toml", SPLIT)
    flat = tmp_path / "flat.json"
    flat.write_text('{"auth_token": "of the top level"}')

    assert "long enough" not in str(found)
    assert read_secret(tmp_path / "distributed_config.toml") == "a token that is long enough to be one"
    assert read_secret(flat) == "of the top level"
    assert read_settings_file(flat).settings == {}
    flat.write_text('{"run": {"seed": 3}}')
    assert read_secret(flat) == ""


def test_updates_per_iteration_may_be_left_to_the_replay_ratio(tmp_path: Path) -> None:
    found = read(tmp_path, "auto.toml", '[training]\ntrain_steps_per_iteration = "auto"\nuse_wandb = false\n')

    assert found.settings == {"run": {"updates_per_iteration": None}, "trackers": {"wandb": "off"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[model]\nd_modell = 64\n", r"\[model\] has no such setting: 'd_modell' .*line 2\)\. Did you mean 'd_model'"),
        ("[modell]\nd_model = 64\n", r"no such section: 'modell' .*line 1\)\. Did you mean 'model'"),
        ("[trainings]\nseed = 1\n", "Did you mean 'training'"),
    ],
)
def test_what_is_misspelt_in_the_guides_own_sections_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, "a.toml", text)


def test_updates_may_be_left_to_the_program_under_our_own_name() -> None:
    asked = ask(file=None, assignments=["run.updates_per_iteration=auto"], flags={})

    assert make_config(open_game("hanabi"), asked).run.updates_per_iteration is None
