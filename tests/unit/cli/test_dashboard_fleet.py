"""What the dashboard says of a shared folder equals its manifests."""

import time
from pathlib import Path

import numpy as np
import pytest
from tests.unit.weights.conftest import Fleet

from gamefleet.cli.dashboard_fleet import Averaging, Machines
from gamefleet.cli.members import members
from gamefleet.files import write_json
from gamefleet.weights.content import Content
from gamefleet.weights.manifests import Card, Heartbeat, Rejection, as_json
from gamefleet.weights.shared_paths import SharedPaths


@pytest.fixture
def shared(tmp_path: Path) -> SharedPaths:
    """Two members that gave work twice; one contribution was refused, and one stranger is in quarantine."""
    fleet = Fleet(tmp_path / "shared")
    first = Content(arrays={"network/w": np.zeros(8, np.float32)})
    ann, bob = fleet.joined(["ann", "bob"], first)
    for change in (0.5, 0.25):
        for learner in (ann, bob):
            learner.learn({"network/w": change})
            learner.sync()
    store = fleet.store()
    store.introduce("bob", Card(kind="learner", token="t", host="laptop"))
    store.heartbeat("bob", Heartbeat(at=time.time(), step=50, version=1, steps_per_s=33.0))
    refusal = Rejection(member="bob", seq=9, reason="is not finite", rejected_by="ann", rejected_at=time.time())
    write_json(make(fleet.paths.rejection("bob", 9)), as_json(refusal))
    whole = Rejection(member="eve", seq=0, reason="five contributions in a row were refused")
    write_json(make(fleet.paths.quarantine("eve")), as_json(whole))
    return fleet.paths


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_members_are_shown_with_their_lag_their_share_and_what_was_refused(shared: SharedPaths) -> None:
    found = Machines()([shared.root])
    rows = {row["member"]: row for row in found["members"]}
    averaging = Averaging()([shared.root])

    assert found["available"] is True
    assert sorted(rows) == ["ann", "bob", "eve"]
    bob = rows["bob"]
    assert (bob["host"], bob["steps_per_s"], bob["version"]) == ("laptop", 33.0, 1)
    assert (bob["head_version"], bob["lag"]) == (averaging["head"], averaging["head"] - 1)
    assert (bob["rejected"], bob["last_reason"], bob["is_quarantined"]) == (1, "is not finite", False)
    assert rows["eve"]["is_quarantined"] is True
    assert rows["eve"]["reason"] == "five contributions in a row were refused"
    assert sum(row["weight"] or 0.0 for row in rows.values()) == pytest.approx(1.0)


def test_a_member_whose_play_is_refused_is_shut_out_with_the_reason_and_its_weights_are_not_meant(
    shared: SharedPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(shared.experience_quarantine("bob"), {"member": "bob", "reason": "other pictures"})
    rows = {row["member"]: row for row in Machines()([shared.root])["members"]}

    assert rows["bob"]["is_quarantined"] is True
    assert rows["bob"]["reason"] == "is not finite; its play is refused: other pictures"
    assert {one["member"] for one in Averaging()([shared.root])["rejected"]} == {"bob", "eve"}

    members(shared_dir=shared.root)
    assert "bob: its play is refused: other pictures." in capsys.readouterr().out


def test_a_shared_folder_of_another_machine_is_named(tmp_path: Path) -> None:
    found = Machines()([tmp_path / "elsewhere"])

    assert found["available"] is False
    assert str(tmp_path / "elsewhere") in found["why"]


def test_versions_are_shown_with_what_they_were_made_of(shared: SharedPaths) -> None:
    found = Averaging()([shared.root])
    newest, *_, first = found["versions"]

    assert (first["version"], first["kind"], first["inputs"]) == (0, "first", [])
    assert newest["version"] == found["head"] == len(found["versions"]) - 1
    assert newest["kind"] == "merge"
    assert {one["member"] for one in newest["inputs"]} <= {"ann", "bob"}
    assert sum(one["share"] for one in newest["inputs"]) == pytest.approx(1.0)
    assert [one["reason"] for one in found["rejected"]] == [
        "is not finite",
        "five contributions in a row were refused",
    ]


def test_damaged_manifests_are_named_and_the_others_are_shown(shared: SharedPaths) -> None:
    shared.version(1).write_text("{")
    shared.rejection("bob", 9).write_text("not json")
    found = Averaging()([shared.root])

    assert found["unreadable"] == [1]
    assert 0 in [version["version"] for version in found["versions"]]
    assert any("damaged" in one["reason"] for one in found["rejected"])


def test_a_folder_without_a_fleet_is_not_available(tmp_path: Path) -> None:
    assert Machines()([tmp_path])["available"] is False
    assert Averaging()([tmp_path])["available"] is False


def test_looking_writes_nothing(shared: SharedPaths) -> None:
    before = {path: path.stat().st_mtime_ns for path in sorted(shared.root.rglob("*"))}
    Machines()([shared.root])
    Averaging()([shared.root])

    assert {path: path.stat().st_mtime_ns for path in sorted(shared.root.rglob("*"))} == before
