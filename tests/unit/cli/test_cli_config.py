"""`gamefleet config` shows what a run would use and what can be set."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def test_show_prints_toml_that_config_takes(gamefleet: Run, tmp_path: Path) -> None:
    shown = gamefleet("config", "show", "pokemon_red", "--set", "learner.batch_size=16").out
    file = tmp_path / "shown.toml"
    file.write_text(shown)

    assert tomllib.loads(shown)["learner"]["batch_size"] == 16
    assert gamefleet("config", "show", "--config", file).out == shown


def test_show_prints_json_on_request(gamefleet: Run) -> None:
    resolved = json.loads(gamefleet("config", "show", "--json").out)

    assert resolved["game_name"] == "pokemon_red"
    assert resolved["run"]["max_runtime_s"] is None


def test_the_guides_streaming_keys_are_settings(gamefleet: Run, tmp_path: Path) -> None:
    file = tmp_path / "cluster.json"
    file.write_text('{"run_name": "x", "stream_port": 9998, "training": {"num_envs": 2, "stream": true}}')

    answer = gamefleet("config", "show", "--config", file)

    assert answer.status == 0
    assert answer.err == ""
    shown = tomllib.loads(answer.out)
    assert shown["actors"]["num_envs"] == 2
    assert (shown["streaming"]["enabled"], shown["streaming"]["port"]) == (True, 9998)


def test_schema_is_json(gamefleet: Run) -> None:
    schema = json.loads(gamefleet("config", "schema", "pokemon-red").out)

    assert schema["$defs"]["RunSettings"]["properties"]["total_steps"]["default"] == 5_000_000


def test_an_unknown_game_is_named_with_those_that_exist(gamefleet: Run) -> None:
    answer = gamefleet("config", "show", "pokemon_blue")

    assert answer.status == 2
    assert "Did you mean 'pokemon_red'?" in answer.err
