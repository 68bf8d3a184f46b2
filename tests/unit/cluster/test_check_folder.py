"""A folder for runs: permissions, space, quota, a real write, each refusal with what mends it."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gamefleet.cluster.checks.base import Result, run_checks
from gamefleet.cluster.checks.folder import (
    existing,
    judge_quota,
    judge_space,
    judge_write,
    refused,
    scratch,
    storage_checks,
)
from gamefleet.cluster.checks.programs import Completed, Programs

QUOTA = """Disk quotas for user someone (uid 1000):
     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace
server:/home 5000000  10000000 12000000              900   0       0
"""


def found_in(folder: Path, **changes: int) -> dict[str, Result]:
    with Programs(os.environ) as programs:
        checks = storage_checks(folder, programs, write_bytes=changes.get("write_bytes", 4 << 20))
        return {check.name: result for check, result in run_checks(checks)}


def test_a_writable_folder_passes_and_nothing_stays_in_it(tmp_path: Path) -> None:
    found = found_in(tmp_path)
    assert {name: result.status for name, result in found.items() if name in ("folder", "disk-write")} == {
        "folder": "ok",
        "disk-write": "ok",
    }
    assert "4 MB written" in found["disk-write"].found
    assert list(tmp_path.iterdir()) == []


def test_for_a_folder_that_does_not_exist_the_nearest_one_above_is_looked_at(tmp_path: Path) -> None:
    found = found_in(tmp_path / "runs" / "deep")
    assert found["folder"].status == "ok"
    assert f"can be made in {tmp_path}" in found["folder"].found
    assert existing(tmp_path / "runs" / "deep") == tmp_path
    assert not (tmp_path / "runs").exists()


def test_a_file_in_the_place_of_the_folder_fails(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    found = found_in(tmp_path / "runs")
    assert found["folder"].status == "failed"
    assert "not a folder" in found["folder"].found
    assert found["disk-write"].found == "not looked at, because of folder"


def test_a_refused_permission_says_whose_folder_it_is() -> None:
    result = refused(PermissionError(errno.EACCES, os.strerror(errno.EACCES)), Path("/data/runs"))
    assert result.found == "cannot write in /data/runs: Permission denied"
    assert "ls -ld /data/runs" in result.remedy
    assert "--runs-folder" in result.remedy


@pytest.fixture
def mounted(tmp_path: Path) -> Callable[[str], Path]:
    """Call with mount options: a small file system of its own, gone after the test."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "mounted"
    folder.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mounting is not possible here: {done.stderr.strip()}")
        return folder

    yield mount  # type: ignore[misc]
    subprocess.run(["umount", str(folder)], capture_output=True)


def test_a_full_disk_fails_with_how_to_make_room(mounted: Callable[[str], Path]) -> None:
    found = found_in(mounted("size=2m"))
    assert [found[name].status for name in ("folder", "disk-space", "disk-write")] == ["ok", "failed", "failed"]
    assert "No space left" in found["disk-write"].found
    for name in ("disk-space", "disk-write"):
        assert "gamefleet runs rm" in found[name].remedy


def test_a_file_system_without_free_names_fails(mounted: Callable[[str], Path]) -> None:
    found = found_in(mounted("size=64m,nr_inodes=50"))["disk-space"]
    assert found.status == "failed"
    assert "more files" in found.found


def test_a_read_only_mount_fails_with_another_folder_as_remedy(mounted: Callable[[str], Path]) -> None:
    found = found_in(mounted("ro"))
    assert found["folder"].status == "failed"
    assert "Read-only" in found["folder"].found
    assert "--runs-folder" in found["folder"].remedy


@pytest.mark.parametrize(("free", "status"), [(1 << 30, "failed"), (10 << 30, "warning"), (100 << 30, "ok")])
def test_free_space_is_judged_by_what_checkpoints_take(free: int, status: str) -> None:
    result = judge_space(free, 200 << 30, None, Path("runs"))
    assert result.status == status
    assert bool(result.remedy) == (status != "ok")


def test_an_exceeded_quota_says_so_when_writing() -> None:
    result = refused(OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), Path("runs"))
    assert "quota" in result.found.lower()
    assert "runs rm" in result.remedy


def test_data_that_comes_back_changed_fails_and_a_slow_disk_is_a_warning() -> None:
    assert judge_write(64 << 20, 1.0, False, Path("runs")).status == "failed"
    assert judge_write(64 << 20, 60.0, True, Path("runs")).status == "warning"


def test_a_quota_is_told_with_its_limit() -> None:
    result = judge_quota(QUOTA, "")
    assert result.status == "ok"
    assert result.found == "5.1 of 10.2 GB used on server:/home"


def test_a_quota_over_its_limit_fails() -> None:
    result = judge_quota(QUOTA.replace("5000000 ", "11000000*"), "exit status 1")
    assert result.status == "failed"
    assert "server:/home" in result.found


def test_no_quota_is_well_and_a_quota_program_that_fails_is_skipped() -> None:
    assert judge_quota("Disk quotas for user root (uid 0): none\n", "").status == "ok"
    assert judge_quota("", "quota: error while getting quota").status == "skipped"


def test_a_missing_quota_program_is_skipped(tmp_path: Path) -> None:
    checks = storage_checks(tmp_path, lambda command, timeout_s: Completed(status=127, out="", err="quota: not found"))
    quota = next(check for check in checks if check.name == "quota")
    assert quota.run().status == "skipped"


def test_a_probe_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail_within(folder: Path) -> None:
        with scratch(folder) as inner:
            (inner / "file").touch()
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail_within(tmp_path)
    assert list(tmp_path.iterdir()) == []
