"""`gamefleet doctor` on a laptop's sync: states of real copies, a real host, and what it says of each trouble."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gamefleet.cluster.checks.base import Result, run_checks
from gamefleet.cluster.checks.host import Host
from gamefleet.cluster.checks.programs import NOT_FOUND_STATUS, Completed, Programs
from gamefleet.cluster.checks.sync import NO_FOLDER_STATUS, judge_closed, judge_programs, judge_state, sync_checks
from gamefleet.cluster.sync.members import add_own_token
from gamefleet.cluster.sync.presence import Presence, SyncState
from gamefleet.testing.local_ssh import LocalSsh

NOW = 1_000_000.0
STATE = SyncState(
    mode="bidirectional",
    remote="cluster:shared",
    interval_s=5.0,
    is_running=True,
    pulled_at=NOW - 4,
    pushed_at=NOW - 7,
    fault="",
)
OPENSSH = Completed(status=0, out="", err="OpenSSH_9.2p1 Debian-2, OpenSSL 3.0\n")
RSYNC = Completed(status=0, out="rsync  version 3.2.7  protocol version 31\n", err="")
OPENRSYNC = Completed(status=0, out="openrsync: protocol version 29\nrsync version 2.6.9 compatible\n", err="")
ABSENT = Completed(status=NOT_FOUND_STATUS, out="", err="")


def found_with(environment: Mapping[str, str], folder: Path | None = None) -> dict[str, Result]:
    with Programs(environment) as programs:
        return {check.name: result for check, result in run_checks(sync_checks(environment, programs, folder=folder))}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a user with an empty home."""
    (tmp_path / "copy").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "SYNC_LOCAL_DIR": str(tmp_path / "copy"),
    }


@pytest.fixture
def host(tmp_path: Path, require_program: Callable[[str, str], str]) -> Iterator[LocalSsh]:
    require_program("sshd", "apt-get install openssh-server")
    require_program("rsync", "apt-get install rsync")
    (tmp_path / "ssh").mkdir(mode=0o700)
    with LocalSsh(tmp_path / "ssh") as server:
        yield server


@pytest.fixture
def set_up(environment: dict[str, str], host: LocalSsh, tmp_path: Path) -> dict[str, str]:
    """The same user after `sync setup`; the folder at home is not there yet."""
    settings = tmp_path / "config" / "gamefleet" / "sync.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'host = "{host.host}"\nremote_dir = "{tmp_path}/home"\nssh_config = "{host.config}"\n')
    return environment


def test_without_a_sync_one_sentence_says_how_to_set_one_up(environment: dict[str, str]) -> None:
    found = found_with(environment)
    assert {result.found for result in found.values()} == {"no sync is set up here: `gamefleet sync setup`"}
    assert {result.status for result in found.values()} == {"skipped"}


def test_half_a_setting_fails_with_what_is_missing(environment: dict[str, str]) -> None:
    found = found_with({**environment, "SYNC_CLUSTER_HOST": "login.cluster.example.edu"})
    assert found["sync-settings"].status == "failed"
    assert "SYNC_REMOTE_DIR not set" in found["sync-settings"].found
    assert found["sync-remote"].found == "not looked at, because of sync-settings"


def test_settings_that_are_no_toml_fail_with_what_mends_them(environment: dict[str, str], tmp_path: Path) -> None:
    settings = tmp_path / "config" / "gamefleet" / "sync.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("host = ")
    found = found_with(environment)
    assert found["sync-settings"].status == "failed"
    assert "gamefleet sync setup" in found["sync-settings"].remedy


def test_a_sync_that_works_passes_every_check_and_leaves_nothing_at_home(
    set_up: dict[str, str], tmp_path: Path
) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    home.mkdir()
    (home / "shared.json").write_text("{}")
    with Presence(copy, {"mode": "pull", "remote": "cluster:home", "interval_s": 5.0}) as presence:
        presence.update(pulled_at=time.time())
        found = found_with(set_up)
    assert {name: result.status for name, result in found.items()} == dict.fromkeys(found, "ok"), found
    assert f"{copy} is the copy of" in found["sync-settings"].found
    assert "OpenSSH" in found["sync-programs"].found
    assert [path.name for path in home.iterdir()] == ["shared.json"]


def test_a_folder_at_home_that_is_not_there_or_has_no_fleet_is_told(set_up: dict[str, str], tmp_path: Path) -> None:
    found = found_with(set_up)["sync-remote"]
    assert found.status == "failed"
    assert "gamefleet sync setup" in found.remedy
    (tmp_path / "home").mkdir()
    found = found_with(set_up)["sync-remote"]
    assert found.status == "warning"
    assert "has no fleet yet" in found.found


def test_a_host_that_is_away_fails_with_what_to_try(set_up: dict[str, str], host: LocalSsh) -> None:
    host.stop()
    found = found_with(set_up)["sync-remote"]
    assert found.status == "failed"
    assert "Connection refused" in found.found


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ("drwxr-xr-x 2 ann users 4096 Jan 1 00:00 .\n", "ann types there: chgrp -R GROUP shared"),
        ("drwxrws--- 2 ann lab 4096 Jan 1 00:00 .\n", "put you into group lab"),
        ("", "somebody else types there"),
    ],
)
def test_a_folder_at_home_that_is_closed_says_who_opens_it(listed: str, words: str) -> None:
    result = judge_closed(listed, Host(name="cluster"), "shared")
    assert result.status == "failed"
    assert words in result.remedy
    assert NO_FOLDER_STATUS < 100, "from there on a status may be a signal's"


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({}, "ok", "the last pull went through 4 s ago"),
        ({"fault": "The disk is full"}, "failed", "The disk is full"),
        ({"is_running": False}, "warning", "gamefleet sync service install bidirectional"),
        ({"mode": "pull"}, "warning", "stays here"),
        ({"pulled_at": NOW - 9_000, "pushed_at": 0.0}, "warning", "2 h ago"),
        ({"pulled_at": 0.0, "pushed_at": 0.0}, "warning", "no pull or push ever went through"),
    ],
)
def test_each_state_of_a_copy_is_told(changes: dict[str, Any], status: str, words: str) -> None:
    result = judge_state(replace(STATE, **changes), Path("copy"), has_members=True, now=NOW)
    assert result.status == status
    assert words in f"{result.found} {result.remedy}"


def test_a_copy_whose_sync_died_is_found_by_its_file(set_up: dict[str, str], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    assert "never synced" in found_with(set_up)["sync-state"].found
    with Presence(copy, {"mode": "pull", "remote": "cluster:home", "interval_s": 5.0}):
        pass
    found = found_with(set_up, copy)["sync-state"]
    assert found.status == "warning"
    assert f"nothing syncs {copy} now" in found.found
    assert "install pull" in found.remedy
    add_own_token(copy, "mine")
    assert "install bidirectional" in found_with(set_up, copy)["sync-state"].remedy


def test_programs_are_told_with_their_versions_and_openrsync_is_noticed() -> None:
    assert "rsync 3.2.7" in judge_programs(RSYNC, OPENSSH).found
    assert "OpenSSH_9.2p1" in judge_programs(RSYNC, OPENSSH).found
    assert "this is openrsync" in judge_programs(OPENRSYNC, OPENSSH).found
    assert judge_programs(ABSENT, OPENSSH).status == "failed"
    assert "openssh-client" in judge_programs(RSYNC, ABSENT).remedy
