"""Settings that the pages name exist, and their defaults are what the pages say."""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from gamefleet.actors.settings import ActorSettings, CurriculumSettings
from gamefleet.cli.coordinate import DEFAULT_NUM_ITERATIONS
from gamefleet.experience.settings import ReplaySettings
from gamefleet.games import open_game
from gamefleet.games.hanabi.model_settings import EncoderSettings
from gamefleet.learners.sequence_settings import SequenceSettings
from gamefleet.learners.settings import CuriositySettings, ValueSettings
from gamefleet.models.settings import NetworkSettings
from gamefleet.runs.settings import RunSettings, TrackerSettings
from gamefleet.topologies.config import RunConfig, ask, make_config
from gamefleet.topologies.remote_learner.settings import RemoteSettings
from gamefleet.topologies.sequence.settings import (
    DataSettings,
    EvaluationSettings,
    SequenceNetworkSettings,
    TrainerSettings,
)

SECTIONS = {
    "run": (RunSettings,),
    "game": (open_game("pokemon_red").config_type,),
    "network": (NetworkSettings, SequenceNetworkSettings),
    "learner": (ValueSettings, SequenceSettings),
    "curiosity": (CuriositySettings,),
    "replay": (ReplaySettings,),
    "actors": (ActorSettings,),
    "curriculum": (CurriculumSettings,),
    "trackers": (TrackerSettings,),
    "remote": (RemoteSettings,),
    "data": (DataSettings,),
    "trainer": (TrainerSettings,),
    "evaluation": (EvaluationSettings,),
}
"""Of runs that play, and of runs that learn from records."""

SETTING = re.compile(rf"\b({'|'.join(SECTIONS)})\.([a-z_]+(?:\.[a-z_]+)*)")


def exists(section: type[Any], path: str) -> bool:
    """Whether `path` names a field of the dataclass, or of one within it; mappings may hold any key."""
    name, _, rest = path.partition(".")
    known = get_type_hints(section)
    if name not in {field.name for field in fields(section)}:
        return False
    if not rest:
        return True
    inner = known[name]
    return exists(inner, rest) if is_dataclass(inner) else issubclass(getattr(inner, "__origin__", inner), Mapping)


def test_every_setting_in_a_command_exists(pages: dict[str, str]) -> None:
    named = {
        (path, section, name)
        for path, page in pages.items()
        for section, name in re.findall(r"--set ([a-z]+)\.([a-z_.]+)=", page)
    }

    assert named
    assert [entry for entry in sorted(named) if not any(exists(one, entry[2]) for one in SECTIONS[entry[1]])] == []


def test_every_setting_in_running_text_exists(pages: dict[str, str]) -> None:
    quoted = {(path, text) for path, page in pages.items() for text in re.findall(r"`([a-z_.]+)`", page)}
    named = {
        (path, *match.groups())
        for path, text in quoted
        if not text.endswith(".py") and (match := SETTING.fullmatch(text))
    }

    assert [entry for entry in sorted(named) if not any(exists(one, entry[2]) for one in SECTIONS[entry[1]])] == []


@pytest.mark.parametrize(
    ("setting", "default"),
    [("run.total_steps", 5_000_000), ("actors.num_envs", 8), ("run.checkpoint_interval_steps", 10_000)],
)
def test_the_defaults_are_those_of_the_guides(setting: str, default: int) -> None:
    section, name = setting.split(".")

    assert getattr(SECTIONS[section][0](), name) == default


def test_defaults_in_the_guide_are_the_real_ones(repository: Path) -> None:
    page = (repository / "docs" / "guides" / "red-agent.md").read_text()
    rows = re.findall(r"^\| `\w+` \| `(\w+)\.(\w+)`.*? \| (.+?) \|$", page, re.MULTILINE)

    def as_written(value: object) -> str:
        return f"{value:,}" if isinstance(value, int) else {None: "none"}.get(value, f"`{value}`")  # type: ignore[arg-type]

    found = {f"{section}.{name}": text.split(" sequences")[0] for section, name, text in rows}
    real = {key: as_written(getattr(SECTIONS[key.split(".")[0]][0](), key.split(".")[1])) for key in found}
    assert len(found) > 4
    assert found == real


def test_the_defaults_in_the_guide_to_the_split_are_the_real_ones(repository: Path) -> None:
    page = (repository / "docs" / "guides" / "hanabi-split.md").read_text()
    rows = re.findall(r"^\| `\[\w+\] (\w+)` \|.*?\| `(\w+)\.(\w+)` \| `(.+?)` \|$", page, re.MULTILINE)
    package = open_game("hanabi")
    asked = ask(file=repository / "configs" / "hanabi_distributed.toml", assignments=[], flags={})
    plain, example = make_config(package, {}), make_config(package, asked)
    encoder = {field.name: field.default for field in fields(EncoderSettings)}

    def real(key: str, section: str, name: str, config: RunConfig) -> object:
        value = getattr(getattr(config, section), name)
        if name == "encoder":
            return value.get(key, encoder[key])
        if key == "num_iterations" and value is None:
            return DEFAULT_NUM_ITERATIONS  # of `coordinate`; other runs are counted in steps
        return "auto" if value is None else value

    def said(text: str) -> object:
        return text if text in ("auto", "localhost", "bfloat16") else float(text)

    assert len(rows) > 12
    for config in (plain, example):
        found = {key: real(key, section, name, config) for key, section, name, _ in rows}
        assert found == {key: said(text) for key, _, _, text in rows}
