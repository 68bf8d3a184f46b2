"""Is a shared folder a fleet that this installation can join, and are its members well.

Job: the checks of group `fleet` that read what members wrote. Place in the data flow: `gamefleet doctor --shared-dir`.
Left out: who may read and write (`cluster.checks.fleet_folder`), and mending anything.
"""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gamefleet import __version__
from gamefleet.cluster.checks.base import Check, Result, described, failed, not_asked, ok, skipped, warning
from gamefleet.cluster.checks.fleet_folder import folder_checks
from gamefleet.cluster.checks.folder import scratch
from gamefleet.cluster.checks.shared import CLOCK_FAILURE_S, CLOCK_WARNING_S
from gamefleet.cluster.checks.sync import duration
from gamefleet.cluster.sync.presence import sync_state
from gamefleet.errors import CheckpointError, CorruptCheckpointError, IncompatibleError
from gamefleet.games import open_game
from gamefleet.topologies.actors_only.player import settings_of
from gamefleet.weights.manifests import Heartbeat, Rejection, read
from gamefleet.weights.members import MemberRow, look
from gamefleet.weights.settings import MergeSettings
from gamefleet.weights.shared_paths import SharedPaths, numbered
from gamefleet.weights.store import SharedStore

NAMES = ("fleet-folder", "fleet-facts", "fleet-weights", "fleet-members")
DEEPEST_LOOK = 10
"""Damaged versions that are passed over before none is taken for whole."""

READING_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A member's last sign of life.

    Args:
        member: Its id.
        host: Its machine, empty when unknown.
        ahead_s: How far in the future it lies by the folder's clock, seconds; negative for the past.
        own_ahead_s: How far the member's own clock was ahead of the folder's when it gave the sign, seconds.
    """

    member: str
    host: str
    ahead_s: float
    own_ahead_s: float


def fleet_checks(folder: Path | None) -> list[Check]:
    """Checks of a shared folder.

    Args:
        folder: It, or a copy; None when none was named and none lies at the usual place.
    """
    if folder is None:
        return not_asked(NAMES, "fleet", "no shared folder was named: --shared-dir DIR")
    place = folder.expanduser().absolute()
    if not place.exists():
        return not_asked(NAMES, "fleet", f"there is no folder {place} yet: `gamefleet sync pull` fetches it")
    store = SharedStore(SharedPaths(place), clock=time.time)
    facts, weights, members = NAMES[1:]
    return [
        *folder_checks(place),
        Check(name=facts, group="fleet", run=lambda: check_facts(store)),
        Check(
            name=weights, group="fleet", run=lambda: check_weights(store), needs=(facts,), timeout_s=READING_TIMEOUT_S
        ),
        Check(name=members, group="fleet", run=lambda: check_members(store), needs=(facts,)),
    ]


def check_facts(store: SharedStore) -> Result:
    """Whether there is a fleet, and this installation plays and learns as it does."""
    facts = store.facts()
    if facts is None:
        start = "a learner with `--set collaboration.enabled=true` makes one, `gamefleet sync pull` fetches one"
        return skipped(f"there is no fleet in {store.paths.root} yet: {start}")
    try:
        settings_of(open_game(facts.game_name), facts, {})
    except IncompatibleError as error:
        return judge_difference(described(error), versions_of(store), __version__)
    return ok(f"fleet {facts.fleet!r} plays {facts.game_name}, as this installation does (gamefleet {__version__})")


def versions_of(store: SharedStore) -> list[str]:
    """Versions of gamefleet that members have, the most frequent first."""
    cards = [store.card(member) for member in store.paths.member_ids()]
    return [name for name, _ in Counter(card.version for card in cards if card and card.version).most_common()]


def judge_difference(difference: str, theirs: Sequence[str], ours: str) -> Result:
    """What to do when this installation differs from the fleet's."""
    if theirs and ours not in theirs:
        return failed(difference, f"pip install 'gamefleet=={theirs[0]}'  # the members' version; this one is {ours}")
    return failed(difference, "Use the fleet's code: `pip install --upgrade 'gamefleet[all]'`, or its git commit.")


def check_weights(store: SharedStore) -> Result:
    """Read the newest version, or the newest that can be read, with every byte."""
    numbers = numbered(store.paths.merged)
    damaged: list[str] = []
    for number in reversed(numbers[-DEEPEST_LOOK:]):
        try:
            store.content(number)
        except CorruptCheckpointError as error:
            damaged.append(described(error))
        except CheckpointError as error:
            damaged.append(f"version {number}: {error.what}")
        else:
            return judge_weights(number, damaged, len(numbers), is_copy=is_copy(store))
    return judge_weights(None, damaged, len(numbers), is_copy=is_copy(store))


def is_copy(store: SharedStore) -> bool:
    """Whether the folder is one that a sync keeps."""
    return sync_state(store.paths.root) is not None


def judge_weights(whole: int | None, damaged: Sequence[str], count: int, *, is_copy: bool) -> Result:
    """Whether there are weights to go on with.

    Args:
        whole: Newest version that is whole; None without one.
        damaged: What is wrong with newer ones, newest first.
        count: Versions that are there.
        is_copy: Whether a sync can fetch them anew.
    """
    again = "Remove that file, then `gamefleet sync pull` fetches it anew."
    if whole is None and not damaged:
        return failed("there is no merged version here", "gamefleet sync pull" if is_copy else "Start a learner again.")
    if whole is None:
        restore = "Restore merged/ from a backup, or begin another fleet in another folder (`--shared-dir DIR`)."
        return failed(f"no version can be read; the newest: {damaged[0]}", again if is_copy else restore)
    if damaged:
        found = f"{len(damaged)} newer than version {whole} cannot be read: {damaged[0]}"
        passed = f"Members pass over it and go on from version {whole}; have the disk looked at."
        return warning(found, again if is_copy else passed)
    return ok(f"version {whole}, the newest of {count} here, is whole")


def check_members(store: SharedStore) -> Result:
    """Who lives, who is in quarantine, and whose clock is wrong."""
    now = folder_time(store.paths.root)
    rows = look(store, now=now)
    held = [found for row in rows if row.is_quarantined and (found := quarantine_of(store, row.member))]
    signs = [sign for row in rows if (sign := sign_of(store, row, now))]
    return judge_members(rows, held, signs, folder=store.paths.root)


def folder_time(folder: Path) -> float:
    """The time of whoever stores the folder; this machine's where nothing may be written."""
    with suppress(OSError), scratch(folder) as inner:
        return inner.stat().st_mtime
    return time.time()


def quarantine_of(store: SharedStore, member: str) -> Rejection | None:
    """Why nothing of a member is merged; None when it has just been released."""
    try:
        return read(store.paths.quarantine(member), Rejection)
    except FileNotFoundError:
        return None
    except CorruptCheckpointError as error:
        return Rejection(member=member, seq=0, reason=f"the record of why is damaged: {error.what}")


def sign_of(store: SharedStore, row: MemberRow, now: float) -> Sign | None:
    """A member's last sign of life with its clocks; None without one."""
    path = store.paths.heartbeat(row.member)
    try:
        stored = path.stat().st_mtime
        told = read(path, Heartbeat).at
    except (OSError, CorruptCheckpointError):
        return None
    return Sign(member=row.member, host=row.host, ahead_s=stored - now, own_ahead_s=told - stored)


def judge_members(
    rows: Sequence[MemberRow], held: Sequence[Rejection], signs: Sequence[Sign], *, folder: Path
) -> Result:
    """Whether all members are well; the gravest trouble is told.

    Args:
        rows: All members.
        held: Members in quarantine.
        signs: Last signs of life.
        folder: The shared folder, for commands.
    """
    wrong = judge_signs(signs)
    if wrong is not None and wrong.status == "failed":
        return wrong
    if held:
        names = "; ".join(f"{one.member} is in quarantine: {one.reason}" for one in held)
        release = f"gamefleet members --shared-dir {shlex.quote(str(folder))} --release {held[0].member}"
        return warning(names, f"Once its cause is mended: {release}")
    if wrong is not None:
        return wrong
    ages = [row.heartbeat_age_s for row in rows if row.heartbeat_age_s is not None]
    live_s = MergeSettings().live_s
    live = [row for row in rows if row.heartbeat_age_s is not None and row.heartbeat_age_s < live_s]
    if not live:
        last = f", the last sign of life is {duration(min(ages))} old" if ages else ""
        return ok(f"nobody is at work now{last}; {len(rows)} known")
    kinds = Counter(row.kind for row in live)
    return ok(f"{', '.join(f'{kinds[kind]} {kind}' for kind in sorted(kinds))} at work, {len(rows)} known")


def judge_signs(signs: Sequence[Sign]) -> Result | None:
    """Whether a clock is wrong; None when none is."""
    mend = "On that machine: `sudo timedatectl set-ntp true`."
    future = [sign for sign in signs if sign.ahead_s > CLOCK_WARNING_S]
    if future:
        worst = max(future, key=lambda sign: sign.ahead_s)
        found = f"the heartbeat of {worst.member} ({worst.host or 'unknown host'}) lies {worst.ahead_s:.0f} s in the"
        remedy = f"A clock was wrong when it was written: it counts as alive until then. {mend}"
        return (failed if worst.ahead_s > CLOCK_FAILURE_S else warning)(f"{found} future", remedy)
    # In a copy a heartbeat is as old as its way is long: only what is ahead is a clock's fault everywhere.
    ahead = [sign for sign in signs if sign.own_ahead_s > CLOCK_WARNING_S]
    if ahead:
        worst = max(ahead, key=lambda sign: sign.own_ahead_s)
        name = f"{worst.member} ({worst.host or 'unknown host'})"
        return warning(f"the clock of {name} is {worst.own_ahead_s:.0f} s ahead of the folder's", mend)
    return None
