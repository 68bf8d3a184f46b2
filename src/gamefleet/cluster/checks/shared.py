"""Does a folder keep the promises on which runs and fleets build, between processes and between machines.

Job: the checks of group `shared-folder` that need one machine. Place in the data flow: `gamefleet doctor` names the
folder; `peer` is the second process. Left out: the view from another machine (`host`).

What is relied on: a rename replaces a file at once and whole; of several processes one makes a name; a new file is seen
by others soon. What is only used where it is there: hard links, the syncing of folders, fine times.
"""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from gamefleet.cluster.checks.base import Check, Result, failed, ok, warning
from gamefleet.cluster.checks.folder import existing, refused, scratch
from gamefleet.cluster.checks.peer import peer, take_names

NUM_NAMES = 200
NUM_REPLACEMENTS = 200
NUM_LINES = 4_000
"""Of a replaced file: 64 kB, more than one block."""

VISIBLE_WITHIN_S = 65.0
"""NFS clients may remember for a minute that a name does not exist."""

SOON_S = 5.0
COARSE_TIME_NS = 1_000_000_000
CLOCK_WARNING_S = 5.0
CLOCK_FAILURE_S = 60.0

OTHER_FOLDER = "Use a folder that does, for example on the site's project or scratch file system, or a local disk."


def shared_checks(folder: Path) -> list[Check]:
    """Checks of a folder that several processes or machines use.

    Args:
        folder: It need not exist yet; then the folder in which it will be made is looked at.
    """
    place = existing(folder)

    def check(name: str, run: Callable[[Path], Result]) -> Check:
        def in_scratch() -> Result:
            try:
                with scratch(place) as inner:
                    return run(inner)
            except OSError as error:
                return refused(error, place)

        return Check(name=name, group="shared-folder", run=in_scratch, timeout_s=90.0)

    return [
        check("rename", check_rename),
        check("exclusive-file", lambda inner: check_exclusive(inner, "file")),
        check("exclusive-folder", lambda inner: check_exclusive(inner, "folder")),
        check("hard-link", check_link),
        check("sync", check_sync),
        check("visibility", lambda inner: check_visibility(inner, VISIBLE_WITHIN_S)),
        check("file-times", check_times),
        check("letter-case", check_case),
        check("clock", lambda inner: check_clock(inner, time.time)),
    ]


def check_rename(folder: Path) -> Result:
    """Replace a file many times while another process reads it."""
    path = folder / "replaced"
    path.write_text("first\n" * NUM_LINES)
    with peer() as other:
        other.ask(do="read", folder=str(folder), name=path.name, stop="stop")
        for number in range(NUM_REPLACEMENTS):
            next_one = folder / "next"
            next_one.write_text(f"{number:5}\n" * NUM_LINES)
            os.replace(next_one, path)
        (folder / "stop").touch()
        counts = other.result()
    return judge_rename(counts["reads"], counts["missing"], counts["torn"])


def judge_rename(reads: int, missing: int, torn: int) -> Result:
    """Whether a reader ever saw anything but a whole file."""
    if missing or torn:
        return failed(
            f"while a file was replaced, {missing} of {reads} reads found none and {torn} found half of one",
            f"Renames are not atomic here, so checkpoints and weights could be read half. {OTHER_FOLDER}",
        )
    return ok(f"{reads} reads during {NUM_REPLACEMENTS} replacements always found a whole file")


def check_exclusive(folder: Path, kind: str) -> Result:
    """Let two processes try to make the same names at the same time."""
    with peer() as other:
        other.ask(do="take", folder=str(folder), kind=kind, count=NUM_NAMES)
        mine = take_names(folder, kind, NUM_NAMES)
        return judge_exclusive(kind, set(mine), set(other.result()))


def judge_exclusive(kind: str, mine: set[int], others: set[int]) -> Result:
    """Whether each name was made by exactly one of two processes."""
    both, neither = mine & others, set(range(NUM_NAMES)) - mine - others
    if both or neither:
        return failed(
            f"of {NUM_NAMES} names (kind: {kind}) two processes both made {len(both)}, and neither made {len(neither)}",
            f"Two jobs could both take one run here. {OTHER_FOLDER}",
        )
    return ok(f"two processes made {NUM_NAMES} names, each by one of them ({len(mine)} and {len(others)})")


def check_link(folder: Path) -> Result:
    """Hard links: whether there are any, and whether one process alone gets each name."""
    source = folder / "source"
    source.touch()
    try:
        os.link(source, folder / "link")
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES):
            raise
        return warning(
            f"no hard links here ({error.strerror}): files are copied instead",
            "Checkpoints take more room and time; keep fewer: `--set run.keep_checkpoints=1`.",
        )
    return check_exclusive(folder, "link")


def check_sync(folder: Path) -> Result:
    """Sync a file and the folder that holds it."""
    with open(folder / "synced", "xb") as stream:
        stream.write(b"data")
        stream.flush()
        began = time.monotonic()
        os.fsync(stream.fileno())
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
        return warning(
            f"files can be synced, folders cannot ({error.strerror})",
            "Nothing to do: after a power cut the newest checkpoint may be missing, and the one before it is used.",
        )
    finally:
        os.close(descriptor)
    return ok(f"files and folders can be synced ({(time.monotonic() - began) * 1e3:.1f} ms)")


def check_visibility(folder: Path, wait_s: float) -> Result:
    """Make a file that another process waits for."""
    content = secrets.token_hex(8)
    with peer() as other:
        other.ask(do="look", folder=str(folder), name="seen", content=content, wait_s=wait_s)
        time.sleep(0.05)  # so that it has looked in vain once: that is what file servers remember
        temporary = folder / "unseen"
        temporary.write_text(content)
        os.replace(temporary, folder / "seen")
        return judge_visibility(other.result(), wait_s, "another process")


def judge_visibility(seconds: float, wait_s: float, who: str) -> Result:
    """Whether a new file was seen soon enough.

    Args:
        seconds: After which it was seen, negative when it was not.
        wait_s: How long it was looked for.
        who: Who looked.
    """
    if seconds < 0:
        return failed(
            f"{who} did not see a new file within {wait_s:.0f} s",
            "Make sure that both look at the same folder (`df DIR` names the server); then tell those who run it.",
        )
    if seconds > SOON_S:
        return warning(
            f"{who} saw a new file after {seconds:.0f} s",
            "It works; averages and take-overs wait that long. Mount options that help: acdirmax=5,lookupcache=none.",
        )
    return ok(f"{who} saw a new file after {seconds:.2f} s")


def check_times(folder: Path) -> Result:
    """How finely modification times are told."""
    stamps = []
    for number in range(5):
        (folder / f"time-{number}").touch()
        stamps.append((folder / f"time-{number}").stat().st_mtime_ns)
        time.sleep(0.003)
    return judge_times(stamps)


def judge_times(stamps: list[int]) -> Result:
    """Whether times are finer than a second.

    Args:
        stamps: Modification times of files made at different moments, in nanoseconds.
    """
    if all(stamp % COARSE_TIME_NS == 0 for stamp in stamps):
        return warning(
            "modification times are told in whole seconds",
            "Nothing to do: signs of life are judged after minutes. Lists of runs may show two in the wrong order.",
        )
    return ok(f"modification times are finer than a second, {len(set(stamps))} of {len(stamps)} differ within 15 ms")


def check_case(folder: Path) -> Result:
    """Whether names that differ in capitals are different."""
    (folder / "name").touch()
    if (folder / "NAME").exists():
        return warning(
            "capital and small letters are the same in names here",
            "Do not name two runs alike but for capitals: they would be one folder.",
        )
    return ok("capital and small letters differ in names")


def check_clock(folder: Path, now: Callable[[], float]) -> Result:
    """Compare this machine's clock with that of whoever stores the folder."""
    before = now()
    probe = folder / "clock"
    probe.write_bytes(b"x")
    stored = probe.stat().st_mtime
    return judge_clock(stored - now(), stored - before, "the folder's file server")


def judge_clock(least_s: float, most_s: float, whose: str) -> Result:
    """Whether two clocks agree.

    Args:
        least_s: The other clock is ahead of ours by at least this, seconds.
        most_s: And by at most this.
        whose: The other clock.
    """
    offset = 0.0 if least_s <= 0 <= most_s else min(least_s, most_s, key=abs)
    if abs(offset) <= CLOCK_WARNING_S:
        return ok(f"this clock and that of {whose} agree to within {max(abs(least_s), abs(most_s)):.1f} s")
    found = f"the clock of {whose} is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} this one"
    mend = "`timedatectl` shows whether this clock is set by the network; `sudo timedatectl set-ntp true` lets it be."
    if abs(offset) > CLOCK_FAILURE_S:
        return failed(found, f"{mend} Jobs would save too late, and a living run could be taken for dead.")
    return warning(found, mend)
