"""Settings come in layers; what is wrong is named with its place and the nearest right name."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gamefleet.errors import ConfigError
from gamefleet.games import open_game
from gamefleet.games.base import GamePackage
from gamefleet.topologies.config import (
    Asked,
    RunConfig,
    ask,
    make_config,
    section_types,
    setting_names,
    to_toml,
)
from gamefleet.topologies.layers import parse_assignment, parse_value
from gamefleet.topologies.settings_text import make_schema

Write = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def package() -> GamePackage:
    return open_game("pokemon_red")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def asked_for(*assignments: str, file: Path | None = None, flags: dict[str, Any] | None = None) -> Asked:
    return ask(file=file, assignments=assignments, flags=flags or {})


def config_of(package: GamePackage, *assignments: str, file: Path | None = None) -> RunConfig:
    return make_config(package, asked_for(*assignments, file=file))


def test_without_any_layer_everything_has_its_default(package: GamePackage) -> None:
    config = config_of(package)

    assert config.game == package.config_type()
    assert (config.run.total_steps, config.actors.num_envs) == (5_000_000, 8)


def test_flags_win_over_assignments_over_the_file_over_a_resumed_run(package: GamePackage, write: Write) -> None:
    file = write("a.toml", "[actors]\nnum_envs = 2\nepsilon_base = 0.2\n[run]\nseed = 2\n")
    base = {"actors": {"num_envs": 1, "epsilon_base": 0.1, "epsilon_alpha": 1.0}, "run": {"seed": 1, "name": "base"}}
    asked = ask(file=file, assignments=["run.seed=3", "actors.num_envs=3"], flags={"actors.num_envs": 4}, base=base)

    config = make_config(package, asked)

    assert config.actors.num_envs == 4
    assert config.run.seed == 3
    assert config.actors.epsilon_base == 0.2
    assert config.actors.epsilon_alpha == 1.0
    assert config.run.name == "base"
    assert base["actors"]["num_envs"] == 1, "layers are not changed"


def test_flags_that_were_not_given_change_nothing(package: GamePackage) -> None:
    asked = ask(file=None, assignments=["run.seed=3"], flags={"run.seed": None})

    assert make_config(package, asked).run.seed == 3


def test_the_resolved_settings_make_the_same_settings_through_json(package: GamePackage) -> None:
    config = config_of(
        package, "run.max_runtime_s=60", "network.encoder.channels=[8, 16]", "game.rewards.badges=0.1", "run.name=x"
    )

    again = make_config(package, json.loads(json.dumps(config.resolved())))

    assert again == config
    assert again.resolved() == config.resolved()


def test_what_config_show_prints_is_a_file_that_asks_for_the_same(package: GamePackage, write: Write) -> None:
    config = config_of(package, "run.name='it''s'", "learner.learning_rate=1e-4", "actors.num_workers=0")

    assert config_of(package, file=write("shown.toml", to_toml(config.resolved()))) == config


def test_run_toml_asks_for_the_same_again(package: GamePackage, write: Write) -> None:
    asked = asked_for("learner.batch_size=16", file=write("a.yaml", "stream: true\ntotal_steps: 99\n"))

    again = asked_for(file=write("run.toml", asked.as_toml()))

    assert make_config(package, again) == make_config(package, asked)
    assert again.settings["streaming"] == {"enabled": True}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1_000", 1000),
        ("1e-4", 1e-4),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ('"7"', "7"),
        ("cpu", "cpu"),
        ("runs/my run", "runs/my run"),
        ("", ""),
        ("null", None),
        ("a = 3", "a = 3"),
    ],
)
def test_values_of_assignments_are_toml_and_plain_words_need_no_quotes(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_none_is_a_word_because_settings_have_choices_of_that_name(package: GamePackage) -> None:
    config = config_of(package, "network.core=none", "curriculum.kind=none")

    assert (config.network.core, config.curriculum.kind) == ("none", "none")


@pytest.mark.parametrize("text", ["run.seed", "=3", "run.=3", ".seed=3", ""])
def test_what_is_no_assignment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--set actors\.num_envs=4"):
        parse_assignment(text)


def test_an_unknown_name_in_a_file_is_named_with_its_line_and_the_nearest_name(
    package: GamePackage, write: Write
) -> None:
    file = write("slim.toml", "[run]\nseed = 1\n\n[learner]\nbatch_size = 4\nbach_size = 5\n")

    with pytest.raises(ConfigError, match=r"'learner\.bach_size' \(.*slim\.toml, line 6\).*Did you mean 'batch_size'"):
        config_of(package, file=file)


def test_an_unknown_section_is_named_with_the_nearest(package: GamePackage) -> None:
    with pytest.raises(ConfigError, match=r"'lerner' \(--set\).*Did you mean 'learner'"):
        config_of(package, "lerner.batch_size=4")


def test_an_unknown_name_within_a_group_is_found(package: GamePackage) -> None:
    with pytest.raises(ConfigError, match=r"game\.rewards\.bagdes.*Did you mean 'badges'"):
        config_of(package, "game.rewards.bagdes=1")


def test_the_keys_of_the_encoder_are_the_games_own_business(package: GamePackage) -> None:
    assert config_of(package, "network.encoder.anything=1").network.encoder == {"anything": 1}


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("learner.batch_size=many", r"valid integer.*'many' \(learner\.batch_size, --set\)"),
        ("actors.num_workers=some", r"'some' \(actors\.num_workers, --set\)"),
        ("run.device=gpu", r"'gpu' \(run\.device, --set\)"),
        ("learner.discount=1.5", r"1\.5 \(learner\.discount, --set\)"),
        ("game.rewards.badges=x", r"'x' \(game\.rewards\.badges, --set\)"),
        ("run=3", r"section, not a value: 3 \(--set\).*run\.NAME"),
    ],
)
def test_bad_values_are_named_with_the_setting_and_its_origin(package: GamePackage, assignment: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        config_of(package, assignment)


def test_a_bad_value_in_a_file_is_named_with_its_line(package: GamePackage, write: Write) -> None:
    file = write("a.yaml", "run:\n  seed: 1\nlearner:\n  discount: 7\n")

    with pytest.raises(ConfigError, match=r"7\.0 \(learner\.discount, .*a\.yaml, line 4\)"):
        config_of(package, file=file)


def test_every_setting_has_a_default_a_name_and_a_description(package: GamePackage) -> None:
    names = list(setting_names(package))
    properties = {}
    schema = make_schema(section_types(package))
    for section, reference in schema["properties"].items():
        if section != "game_name":
            properties[section] = schema["$defs"][reference["$ref"].rpartition("/")[2]]["properties"]

    assert len(names) == len(set(names)) > 50
    undescribed = [
        f"{section}.{name}"
        for section, settings in properties.items()
        for name, value in settings.items()
        if "description" not in value and "$ref" not in value
    ]
    assert undescribed == []


def test_the_schema_refuses_unknown_names_and_knows_ranges_of_words(package: GamePackage) -> None:
    schema = make_schema(section_types(package))

    assert schema["additionalProperties"] is False
    assert all(definition["additionalProperties"] is False for definition in schema["$defs"].values())
    assert schema["$defs"]["RunSettings"]["properties"]["device"]["enum"] == ["auto", "cpu", "cuda", "mps"]
    json.dumps(schema)


def test_settings_are_frozen(package: GamePackage) -> None:
    config = config_of(package)

    with pytest.raises(dataclasses.FrozenInstanceError):
        config.run.seed = 3  # type: ignore[misc]
