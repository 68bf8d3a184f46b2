"""Does the folder take what a run writes: permissions, space, quota, a real write.

Job: the checks of group `storage`. Place in the data flow: `gamefleet doctor` names the folder that holds the runs.
Left out: what several processes see of it (`shared`).
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gamefleet.cluster.checks.base import Check, Result, failed, ok, skipped, warning
from gamefleet.cluster.checks.programs import NOT_FOUND_STATUS, Runner
from gamefleet.files import TEMPORARY_PREFIX, sync_folder

WRITE_BYTES = 64 << 20
"""As much as a small run's checkpoint: enough to meet a quota, and written within seconds on a slow file server."""

CHUNK_BYTES = 1 << 20
LEAST_FREE_BYTES = 2 << 30
ENOUGH_FREE_BYTES = 20 << 30
"""A run with the default replay keeps three checkpoints of a few gigabytes and writes a fourth."""

LEAST_FREE_NAMES = 10_000
SLOW_BYTES_PER_S = 5e6
QUOTA_TIMEOUT_S = 20.0

MAKE_ROOM = (
    "`gamefleet runs list` shows sizes, `gamefleet runs rm NAME` frees them; `du -xsh ~/* | sort -h` for the rest."
)
OTHER_FOLDER = "Choose a folder that you may write to: `--runs-folder DIR` (for training: `--set run.runs_folder=DIR`)."


def storage_checks(folder: Path, runner: Runner, *, write_bytes: int = WRITE_BYTES) -> list[Check]:
    """Checks of the folder that holds the runs.

    Args:
        folder: It need not exist yet; then the folder in which it will be made is looked at.
        runner: Runs `quota`.
        write_bytes: Size of the file that is written and deleted.
    """
    place = existing(folder)

    def check(name: str, run: Callable[[], Result], *needs: str) -> Check:
        return Check(name=name, group="storage", run=run, needs=needs, timeout_s=120.0)

    return [
        check("folder", lambda: check_writable(folder, place)),
        check("disk-space", lambda: check_space(place)),
        check("disk-write", lambda: check_write(place, write_bytes), "folder"),
        check("quota", lambda: check_quota(runner)),
    ]


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())


@contextmanager
def scratch(place: Path) -> Iterator[Path]:
    """A folder for probes that readers of runs ignore, removed afterwards."""
    folder = place / f"{TEMPORARY_PREFIX}doctor-{secrets.token_hex(6)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_writable(folder: Path, place: Path) -> Result:
    """Make and remove a folder."""
    if not place.is_dir():
        return failed(f"{place} is a file, not a folder", OTHER_FOLDER)
    try:
        with scratch(place):
            pass
    except OSError as error:
        return refused(error, place)
    return ok(f"{folder} can be written" if place == folder.absolute() else f"{folder} can be made in {place}")


def refused(error: OSError, place: Path) -> Result:
    """Why something could not be written, and what to do about it."""
    reason = f"cannot write in {place}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return failed(reason, MAKE_ROOM)
    if error.errno == errno.EROFS:
        return failed(reason, f"The file system is mounted read-only. {OTHER_FOLDER}")
    return failed(reason, f"`ls -ld {place}` shows whose it is. {OTHER_FOLDER}")


def check_space(place: Path) -> Result:
    """Free space and free names (inodes)."""
    facts = os.statvfs(place)
    names = facts.f_favail if facts.f_files else None  # file systems without a fixed number of names report none at all
    return judge_space(facts.f_bavail * facts.f_frsize, facts.f_blocks * facts.f_frsize, names, place)


def judge_space(free_bytes: int, total_bytes: int, free_names: int | None, place: Path) -> Result:
    """Whether runs have room."""
    found = f"{free_bytes / 1e9:.1f} of {total_bytes / 1e9:.1f} GB free where {place} is"
    if free_names is not None and free_names < LEAST_FREE_NAMES:
        return failed(f"{found}, but only {free_names:,} more files can be made", f"Delete files. {MAKE_ROOM}")
    if free_bytes < LEAST_FREE_BYTES:
        return failed(found, MAKE_ROOM)
    if free_bytes < ENOUGH_FREE_BYTES:
        return warning(
            found,
            f"{MAKE_ROOM} Or let runs be smaller: `--set replay.capacity_steps=100000 --set run.keep_checkpoints=1`.",
        )
    return ok(found)


def check_write(place: Path, size_bytes: int) -> Result:
    """Write a file, make it durable, read it back."""
    chunk = os.urandom(CHUNK_BYTES)  # not compressible, so that no file system takes it for less than it is
    try:
        with scratch(place) as folder:
            path = folder / "data"
            began = time.monotonic()
            with open(path, "xb") as stream:
                for _ in range(size_bytes // CHUNK_BYTES):
                    stream.write(chunk)
                stream.flush()
                os.fsync(stream.fileno())
            sync_folder(folder)
            seconds = time.monotonic() - began
            is_same = holds_only(path, chunk)
    except OSError as error:
        return refused(error, place)
    return judge_write(size_bytes, seconds, is_same, place)


def holds_only(path: Path, chunk: bytes) -> bool:
    """Whether a file is one chunk, repeated."""
    with open(path, "rb") as stream:
        return all(read == chunk for read in iter(lambda: stream.read(len(chunk)), b""))


def judge_write(size_bytes: int, seconds: float, is_same: bool, place: Path) -> Result:
    """Whether a write went well."""
    if not is_same:
        return failed(
            f"what was read back from {place} is not what was written",
            f"The disk or the file server loses data: tell those who run it. {OTHER_FOLDER}",
        )
    speed = size_bytes / max(seconds, 1e-6)
    found = f"{size_bytes / 1e6:.0f} MB written, synced and read back, at {speed / 1e6:,.0f} MB/s"
    if speed < SLOW_BYTES_PER_S:
        return warning(
            found,
            "Checkpoints will take long: save less often, `--set run.checkpoint_interval_s=1800`, or use another disk.",
        )
    return ok(found)


def check_quota(runner: Runner) -> Result:
    """Ask the program `quota`, where there is one."""
    answer = runner(["quota", "-w"], QUOTA_TIMEOUT_S)
    if answer.status == NOT_FOUND_STATUS:
        return skipped("there is no `quota` program here; your site may have one of its own")
    return judge_quota(answer.out, answer.last_words if answer.status else "")


def judge_quota(text: str, problem: str) -> Result:
    """Read what `quota -w` prints: one line per file system, a star behind what is over its limit.

    Args:
        text: Its standard output.
        problem: Its last words when it failed; it does so when a quota is exceeded, too.
    """
    rows = [line.split() for line in text.splitlines() if len(line.split()) >= 4]
    limits = [row for row in rows if row[1].rstrip("*").isdigit()]
    over = [row for row in limits if "*" in row[1] or any(word.endswith("*") for word in row[2:])]
    if over:
        return failed(f"the quota is exceeded on {', '.join(row[0] for row in over)}", MAKE_ROOM)
    if not limits:
        return skipped(problem) if problem else ok("no quota for this user")
    return ok("; ".join(map(quota_row, limits)))


def quota_row(row: list[str]) -> str:
    """One file system's use; `quota` counts in KiB, and 0 stands for no limit."""
    used, soft, hard = (int(word.rstrip("*")) for word in row[1:4])
    limit = soft or hard
    of = f" of {limit * 1024 / 1e9:.1f}" if limit else ""
    return f"{used * 1024 / 1e9:.1f}{of} GB used on {row[0]}"
