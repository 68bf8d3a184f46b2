"""`gamefleet doctor` on a fleet's shared folder: sound ones, and each way in which one can be wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gamefleet import __version__
from gamefleet.cluster.checks.base import Result, run_checks
from gamefleet.cluster.checks.fleet_folder import Access, judge_access, judge_probe
from gamefleet.cluster.sync.presence import Presence
from gamefleet.files import write_json
from gamefleet.games import open_game
from gamefleet.topologies.build import compatibility
from gamefleet.topologies.config import make_config
from gamefleet.topologies.shared_folder.check import fleet_checks, judge_difference
from gamefleet.weights.content import Content
from gamefleet.weights.manifests import Card, Heartbeat, Rejection, SharedFacts, as_json
from gamefleet.weights.quarantine import release
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.store import SharedStore

Examine = Callable[[], dict[str, Result]]


def content(value: float) -> Content:
    return Content(arrays={"network/w": np.full(1_000, value, np.float32)})


def facts(**changes: Any) -> SharedFacts:
    package = open_game("pokemon_red")
    config = make_config(package, {"run": {"name": "red1"}, **changes})
    return SharedFacts(
        fleet="red1",
        game_name=package.name,
        settings={name: part for name, part in config.resolved().items() if name not in ("run", "collaboration")},
        compatibility=compatibility(package, package.make_spec(config.game), config).as_json(),
        seed=1,
    )


@pytest.fixture
def store(tmp_path: Path) -> SharedStore:
    """A fleet with two versions and one learner that lives."""
    found = SharedStore(SharedPaths(tmp_path / "shared"), clock=time.time)
    found.begin(facts(), content(0.0))
    first = found.version(0)
    assert first is not None
    found.write_version(replace(first, version=1, parent=0, kind="merge", merged_by="m0", facts=None), content(1.0), {})
    found.introduce("m0", Card(kind="learner", token="t", host="n1", version=__version__))
    found.heartbeat("m0", Heartbeat(at=time.time(), step=100, version=1))
    return found


@pytest.fixture
def examine(store: SharedStore) -> Examine:
    return lambda: found_in(store.paths.root)


def found_in(folder: Path | None) -> dict[str, Result]:
    return {check.name: result for check, result in run_checks(fleet_checks(folder))}


def test_a_sound_fleet_passes_every_check_and_nothing_stays_in_it(examine: Examine, store: SharedStore) -> None:
    before = sorted(store.paths.root.rglob("*"))
    found = examine()
    assert {name: result.status for name, result in found.items()} == dict.fromkeys(found, "ok"), found
    assert "'red1' plays pokemon_red" in found["fleet-facts"].found
    assert "version 1, the newest of 2" in found["fleet-weights"].found
    assert "1 learner at work, 1 known" in found["fleet-members"].found
    assert sorted(store.paths.root.rglob("*")) == before


def test_without_a_folder_or_a_fleet_in_it_nothing_fails_and_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    assert {result.found for result in found_in(None).values()} == {"no shared folder was named: --shared-dir DIR"}
    absent = found_in(tmp_path / "absent")
    assert {result.status for result in absent.values()} == {"skipped"}
    assert "gamefleet sync pull" in absent["fleet-facts"].found
    (tmp_path / "empty").mkdir()
    empty = found_in(tmp_path / "empty")
    assert {empty[name].status for name in ("fleet-facts", "fleet-weights", "fleet-members")} == {"skipped"}
    assert "no fleet" in empty["fleet-members"].found


def test_facts_that_cannot_be_understood_fail(examine: Examine, store: SharedStore) -> None:
    store.paths.shared.write_text('{"fleet": "re')
    found = examine()
    assert found["fleet-facts"].status == "failed"
    assert "cannot be understood" in found["fleet-facts"].found
    assert found["fleet-weights"].found == "not looked at, because of fleet-facts"


def test_a_fleet_that_another_installation_cannot_join_names_the_first_difference(
    examine: Examine, store: SharedStore
) -> None:
    other = facts(network={"hidden_size": 16})
    write_json(store.paths.shared, as_json(replace(facts(), compatibility=other.compatibility)))
    found = examine()["fleet-facts"]
    assert found.status == "failed"
    assert "hidden_size" in found.found
    assert judge_difference("other", ["9.9", "9.8"], "0.1").remedy.startswith("pip install 'gamefleet==9.9'")


def test_a_game_that_is_not_installed_here_fails_with_those_that_are(examine: Examine, store: SharedStore) -> None:
    write_json(store.paths.shared, as_json(replace(facts(), game_name="chess")))
    found = examine()["fleet-facts"]
    assert found.status == "failed"
    assert "pokemon_red" in found.remedy


def blob(store: SharedStore, number: int) -> Path:
    version = store.version(number)
    assert version is not None
    return store.paths.merged / version.blob.name


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_damaged_newest_version_is_a_warning_that_names_the_file_and_the_version_that_is_used(
    examine: Examine, store: SharedStore
) -> None:
    flip(blob(store, 1))
    found = examine()["fleet-weights"]
    assert found.status == "warning"
    assert "newer than version 0" in found.found
    assert blob(store, 1).name in found.found
    assert "go on from version 0" in found.remedy
    with Presence(store.paths.root, {"mode": "pull", "remote": "cluster:x", "interval_s": 5.0}):
        assert "gamefleet sync pull" in examine()["fleet-weights"].remedy


def test_a_version_whose_data_did_not_arrive_is_passed_over_and_without_any_it_fails(
    examine: Examine, store: SharedStore
) -> None:
    blob(store, 1).unlink()
    assert examine()["fleet-weights"].status == "warning"
    flip(blob(store, 0))
    found = examine()["fleet-weights"]
    assert found.status == "failed"
    assert "no version can be read" in found.found
    for path in store.paths.merged.glob("*.json"):
        path.unlink()
    assert "no merged version" in examine()["fleet-weights"].found


def test_a_member_in_quarantine_is_told_with_its_reason_and_the_command_that_releases_it(
    examine: Examine, store: SharedStore
) -> None:
    held = Rejection(member="m7", seq=0, reason="3 contributions in a row were refused, the last one because of NaN")
    write_json(store.paths.quarantine("m7"), as_json(held))
    found = examine()["fleet-members"]
    assert found.status == "warning"
    assert "m7 is in quarantine: 3 contributions in a row" in found.found
    assert f"gamefleet members --shared-dir {store.paths.root} --release m7" in found.remedy
    release(store.paths, "m7")
    assert examine()["fleet-members"].status == "ok"


@pytest.mark.parametrize(("ahead_s", "status"), [(20.0, "warning"), (7_200.0, "failed")])
def test_a_heartbeat_from_the_future_is_told_with_its_machine(
    examine: Examine, store: SharedStore, ahead_s: float, status: str
) -> None:
    future = time.time() + ahead_s
    os.utime(store.paths.heartbeat("m0"), (future, future))
    found = examine()["fleet-members"]
    assert found.status == status
    assert "the heartbeat of m0 (n1) lies" in found.found
    assert "timedatectl" in found.remedy


def test_a_member_s_clock_that_is_ahead_is_a_warning(examine: Examine, store: SharedStore) -> None:
    store.heartbeat("m0", Heartbeat(at=time.time() + 500, version=1))
    found = examine()["fleet-members"]
    assert found.status == "warning"
    assert "the clock of m0 (n1) is 500 s ahead" in found.found


def test_a_fleet_that_sleeps_is_no_fault(examine: Examine, store: SharedStore) -> None:
    past = time.time() - 86_400
    store.heartbeat("m0", Heartbeat(at=past, version=1))
    os.utime(store.paths.heartbeat("m0"), (past, past))
    found = examine()["fleet-members"]
    assert found.status == "ok"
    assert "nobody is at work now, the last sign of life is 24 h old" in found.found


def test_what_a_group_cannot_read_is_told_with_whose_it_is_and_a_repaired_folder_passes(
    examine: Examine, store: SharedStore
) -> None:
    root = store.paths.root
    assert "only" in examine()["fleet-folder"].found
    root.chmod(0o2770)
    for path in root.rglob("*"):
        path.chmod(0o2770 if path.is_dir() else 0o660)
    assert "whatever the umask" in examine()["fleet-folder"].found
    store.paths.shared.chmod(0o600)
    found = examine()["fleet-folder"]
    assert found.status == "failed"
    assert "shared.json" in found.found
    assert f"chmod -R g+rwX,o-rwx {root}" in found.remedy
    store.paths.shared.chmod(0o660)
    store.paths.members.chmod(0o755)
    assert "drwxr-xr-x" in examine()["fleet-folder"].found


def test_a_folder_that_everybody_may_write_is_a_warning(examine: Examine, store: SharedStore) -> None:
    store.paths.root.chmod(0o2777)
    found = examine()["fleet-folder"]
    assert found.status == "warning"
    assert "chmod -R o-rwx" in found.remedy


ACCESS = Access(
    folder=Path("/shared weights"),
    mode=0o2770,
    owner="ann",
    group="lab",
    user="ben",
    is_private_group=False,
    can_use=True,
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"can_use": False}, "sudo usermod -aG lab ben"),
        ({"can_use": False, "mode": 0o755}, "ann types: chgrp -R lab '/shared weights'"),
        ({"mode": 0o770}, "ann types: chgrp -R lab '/shared weights'"),
        ({"mode": 0o755, "can_use": False, "is_private_group": True}, "ann types: chgrp -R GROUP '/shared weights'"),
    ],
)
def test_each_closed_folder_says_who_types_what(changes: dict[str, Any], words: str) -> None:
    result = judge_access(replace(ACCESS, **changes))
    assert result is not None
    assert result.status == "failed"
    assert words in result.remedy


def test_a_folder_of_one_user_alone_is_in_order_and_says_how_to_share_it() -> None:
    result = judge_access(replace(ACCESS, mode=0o775, is_private_group=True, user="ann"))
    assert result is not None
    assert result.status == "ok"
    assert "chgrp -R GROUP" in result.found
    assert judge_access(ACCESS) is None


def test_a_file_system_that_ignores_the_bit_is_found_by_writing_there() -> None:
    result = judge_probe(ACCESS, 0o600, 0)
    assert result.status == "failed"
    assert "setfacl -R -m g:lab:rwX" in result.remedy
    assert "everybody else" in judge_probe(replace(ACCESS, mode=0o2775, group="root"), 0o664, 0).found
