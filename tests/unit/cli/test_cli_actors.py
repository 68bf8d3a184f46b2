"""`gamefleet actors`: what its words mean, and what it says before it plays."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gamefleet.cli.actors import (
    Wishes,
    contribution_of,
    kept_in_sync,
    learning_settings,
    machine_settings,
    own_settings,
)
from gamefleet.errors import ConfigError
from gamefleet.games import open_game
from gamefleet.topologies.actors_only.plan import Fleet
from gamefleet.topologies.config import make_config
from gamefleet.weights.manifests import SharedFacts
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.store import SharedStore


def wishes(**changes: Any) -> Wishes:
    asked: dict[str, Any] = {"user_id": "Laptop-A", "num_envs": "auto", "measures": False, "device": "auto"}
    return Wishes(**{**asked, "max_runtime_s": None, "assignments": [], **changes})


@pytest.mark.parametrize(
    ("contribute", "what", "meaning"),
    [
        (False, None, "experience"),
        (True, None, "both"),
        (True, "both", "both"),
        (True, "weights", "weights"),
        (True, "experience", "experience"),
    ],
)
def test_bare_contribute_means_both(contribute: bool, what: str | None, meaning: str) -> None:
    assert contribution_of(contribute, what) == meaning


@pytest.mark.parametrize(("contribute", "what"), [(True, "money"), (False, "weights")])
def test_other_words_are_refused(contribute: bool, what: str) -> None:
    with pytest.raises(ConfigError, match=r"Choose|Say --contribute weights"):
        contribution_of(contribute, what)


def copy_of(folder: Path, *, mode: str, is_running: bool) -> None:
    """What `gamefleet sync` leaves beside a copy."""
    who = {"nonce": "n", "pid": os.getpid(), "host": os.uname().nodename}
    facts = {"mode": mode, "remote": "host:dir", "interval_s": 5, **who}
    (folder / ".sync.json").write_text(json.dumps({**facts, "is_ended": not is_running}))
    os.utime(folder / ".sync.json", (time.time(), time.time()))


@pytest.mark.parametrize(
    ("mode", "is_running", "warning"),
    [("pull", True, "its sync only pulls"), ("bidirectional", False, "no sync of it is running"), ("push", True, "")],
)
def test_contributing_to_a_copy_that_nobody_pushes_warns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str, is_running: bool, warning: str
) -> None:
    copy_of(tmp_path, mode=mode, is_running=is_running)

    with kept_in_sync(tmp_path, None):
        pass

    said = capsys.readouterr().err
    assert (warning in said) if warning else not said
    assert ("gamefleet sync bidirectional" in said) == bool(warning)


def test_a_sync_that_only_pulls_is_not_taken_for_one_that_delivers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_of(tmp_path, mode="pull", is_running=True)

    with kept_in_sync(tmp_path, ""):
        pass

    assert "End that sync" in capsys.readouterr().err


def test_the_shared_folder_itself_needs_no_sync(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with kept_in_sync(tmp_path, None):
        pass

    assert not capsys.readouterr().err


def test_a_number_of_games_is_taken_as_it_is_and_auto_follows_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    package = open_game("pokemon_red")
    config = make_config(package, {})

    assert machine_settings(package, config, wishes(num_envs="3"))["actors.num_envs"] == 3
    chosen = machine_settings(package, config, wishes(device="cpu"))
    assert chosen["actors.num_envs"] >= 1
    assert chosen["actors.device"] == "cpu"
    with pytest.raises(ConfigError, match="no number of games"):
        machine_settings(package, config, wishes(num_envs="many"))


def test_what_is_set_on_the_command_line_beats_what_was_chosen() -> None:
    asked = wishes(assignments=["actors.num_envs=5", "game.rom=my.gb"])

    assert own_settings(asked, {"actors.num_envs": 2, "actors.device": "cpu"}) == {
        "actors": {"num_envs": 5, "device": "cpu"},
        "game": {"rom": "my.gb"},
    }


def test_a_machine_that_learns_too_never_merges(tmp_path: Path) -> None:
    facts = SharedFacts(fleet="f", game_name="pokemon_red", settings={}, compatibility={}, seed=1)
    fleet = Fleet(store=SharedStore(SharedPaths(tmp_path), clock=time.time), facts=facts)

    sections = learning_settings(tmp_path, wishes(), fleet, shares_play=True)
    config = make_config(open_game("pokemon_red"), sections)

    assert config.run.name == config.collaboration.member == "laptop-a"
    assert config.collaboration.enabled
    assert config.collaboration.share_experience
    assert not config.collaboration.may_merge


def test_a_folder_without_a_fleet_is_said_in_one_paragraph(gamefleet: Callable[..., Any], tmp_path: Path) -> None:
    answer = gamefleet("actors", "--shared-dir", tmp_path, "--stream", "--contribute", "experience")

    assert answer.status == 4
    assert "gamefleet sync pull" in answer.err
