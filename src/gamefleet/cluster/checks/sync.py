"""Does the copy of a shared folder on this machine keep up with the one at home.

Job: the checks of group `fleet-sync`. Place in the data flow: `gamefleet doctor` on a laptop. Left out: syncing
(`sync`), keys and clocks of any host (`host`).

Where no sync was set up all of them say so in one line.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Mapping
from pathlib import Path

from gamefleet.cluster.checks.base import Check, Result, failed, ok, skipped, warning
from gamefleet.cluster.checks.host import ANSWER_TIMEOUT_S, Host, explain, judge_rsync
from gamefleet.cluster.checks.programs import NOT_FOUND_STATUS, Completed, Runner
from gamefleet.cluster.sync.members import own_tokens
from gamefleet.cluster.sync.presence import PUSHING, SyncState, sync_state
from gamefleet.cluster.sync.rsync import read_dialect
from gamefleet.cluster.sync.settings import DEFAULT_LOCAL, NAMES, SyncSettings, read_defaults, resolve
from gamefleet.files import OPEN_TO_GROUP

NOT_SET_UP = "no sync is set up here: `gamefleet sync setup`"
SILENT_CYCLES = 10
LEAST_SILENCE_S = 120.0
"""A slow line takes a while for one cycle."""

NO_FOLDER_STATUS, NOT_WRITABLE_STATUS = 93, 94
FLEET_MARK = "there-is-a-fleet"


def sync_checks(environment: Mapping[str, str], runner: Runner, *, folder: Path | None = None) -> list[Check]:
    """Checks of this machine's copy.

    Args:
        environment: `SYNC_*` variables, and where settings lie.
        runner: Runs `ssh` and `rsync`.
        folder: A shared folder; where a sync keeps it, it is the copy that is looked at, else that of the settings.
    """
    local = str(folder) if folder is not None and sync_state(folder) is not None else ""

    def settings() -> SyncSettings:
        return resolve("", local, "", environment=environment)

    def state() -> Result:
        copy = Path(local or str(read_defaults(environment).get("local_dir", DEFAULT_LOCAL))).expanduser()
        known = sync_state(copy)
        if known is None and not is_set_up(environment):
            return skipped(NOT_SET_UP)
        return judge_state(known, copy, has_members=bool(own_tokens(copy)), now=time.time())

    first = Check(name="sync-settings", group="fleet-sync", run=lambda: check_settings(environment, local))
    return [
        first,
        Check(name="sync-state", group="fleet-sync", run=state),
        Check(name="sync-programs", group="fleet-sync", run=lambda: check_programs(runner), needs=(first.name,)),
        Check(
            name="sync-remote",
            group="fleet-sync",
            run=lambda: check_remote(settings(), runner),
            needs=(first.name,),
            timeout_s=100.0,
        ),
    ]


def is_set_up(environment: Mapping[str, str]) -> bool:
    """Whether anything says where the shared folder is."""
    return bool({"host", "remote_dir"} & set(read_defaults(environment)))


def check_settings(environment: Mapping[str, str], local: str) -> Result:
    """Whether it is known what is synced with what; what is missing or malformed is raised."""
    if not is_set_up(environment):
        return skipped(NOT_SET_UP)
    found = resolve("", local, "", environment=environment)
    overruled = [name for name in NAMES.values() if environment.get(name)]
    by = f" (by {', '.join(overruled)})" if overruled else ""
    return ok(f"{found.local} is the copy of {found.remote}{by}")


def judge_state(state: SyncState | None, local: Path, *, has_members: bool, now: float) -> Result:
    """Whether the copy is fresh, and what is written there gets anywhere.

    Args:
        state: What the last sync left; None when there was none.
        local: The copy.
        has_members: Whether this machine has members of its own in it.
        now: Seconds since 1970.
    """
    keep = f"gamefleet sync service install {'bidirectional' if has_members else 'pull'}"
    if state is None:
        return warning(f"{local} was never synced", "gamefleet sync pull")
    if state.fault:
        again = f"gamefleet sync {state.mode} {shlex.quote(state.remote)} {shlex.quote(str(local))}"
        return failed(f"the last cycle failed: {state.fault}", f"Try once by hand, which says what mends it: {again}")
    if not state.is_running:
        return warning(f"nothing syncs {local} now; {last_times(state, now)}", f"Start it at each login: {keep}")
    if has_members and state.mode not in PUSHING:
        contributions = f"only pulls are made to {local}: what its members contribute stays here"
        return warning(contributions, f"gamefleet sync service uninstall; {keep}")
    allowed_s = max(LEAST_SILENCE_S, SILENT_CYCLES * state.interval_s)
    if now - max(state.pulled_at, state.pushed_at) > allowed_s:
        return warning(f"it runs, but {last_times(state, now)}", f"`gamefleet sync {state.mode}` by hand shows why.")
    return ok(f"{state.mode} with {state.remote} every {state.interval_s:g} s; {last_times(state, now)}")


def last_times(state: SyncState, now: float) -> str:
    """When pulls and pushes last went through."""
    known = [(name, at) for name, at in (("pull", state.pulled_at), ("push", state.pushed_at)) if at]
    words = [f"the last {name} went through {duration(now - at)} ago" for name, at in known]
    return ", ".join(words) or "no pull or push ever went through"


def duration(seconds: float) -> str:
    """For people."""
    if seconds < 120:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def check_programs(runner: Runner) -> Result:
    """Which rsync and ssh there are."""
    return judge_programs(runner(["rsync", "--version"], ANSWER_TIMEOUT_S), runner(["ssh", "-V"], ANSWER_TIMEOUT_S))


def judge_programs(rsync: Completed, ssh: Completed) -> Result:
    """Whether both are there, and which dialect rsync speaks.

    Args:
        rsync: What `rsync --version` answered.
        ssh: What `ssh -V` answered; it speaks on standard error.
    """
    found = judge_rsync(rsync, "this machine", "")
    if found.status == "failed":
        return found
    if ssh.status == NOT_FOUND_STATUS:
        return failed("ssh is not installed on this machine", "`sudo apt-get install openssh-client`")
    version = re.search(r"OpenSSH_\S+?(?=[,\s]|$)", ssh.err + ssh.out)
    words = f"{found.found}, {version.group() if version else 'an ssh of unknown make'}"
    if read_dialect(rsync.out) == "basic":
        return ok(f"{words}; this is openrsync or an old rsync: only options that it has are used")
    return ok(words)


def check_remote(settings: SyncSettings, runner: Runner) -> Result:
    """Whether the folder at home is there, may be written, and has a fleet."""
    host = Host(name=settings.remote.login, ssh_config=settings.ssh_config)
    folder = settings.remote.folder
    script = (
        f"cd {shlex.quote(folder)} 2>/dev/null || exit {NO_FOLDER_STATUS}; ls -ld . ; "
        f"probe=$(mktemp -d ./.tmp-doctor-XXXXXX) && rmdir $probe || exit {NOT_WRITABLE_STATUS}; "
        f"if [ -r shared.json ]; then echo {FLEET_MARK}; fi"
    )
    return judge_remote(runner(host.command(script), ANSWER_TIMEOUT_S), host, folder)


def judge_remote(answer: Completed, host: Host, folder: str) -> Result:
    """What the host said of the folder."""
    where = f"{host.name}:{folder}"
    if answer.status == NO_FOLDER_STATUS:
        look = f"ssh {host.name} ls -ld {shlex.quote(folder)}"
        return failed(f"there is no folder {where}, or it is closed", f"`gamefleet sync setup` makes it; `{look}`")
    if answer.status == NOT_WRITABLE_STATUS:
        return judge_closed(answer.out, host, folder)
    if answer.status:
        return explain(answer, host)
    if FLEET_MARK not in answer.out:
        start = f"gamefleet train ... --set collaboration.enabled=true --set collaboration.shared_dir={folder}"
        return warning(f"{where} has no fleet yet", f"Start a learner there: {start}")
    return ok(f"{where} has a fleet and can be written")


def judge_closed(listed: str, host: Host, folder: str) -> Result:
    """Who opens a folder at home that this user may not write in.

    Args:
        listed: What `ls -ld` printed of it.
        host: Where it is.
        folder: Its name there.
    """
    told = re.search(r"^(d\S+)\s+\d+\s+(\S+)\s+(\S+)", listed, re.MULTILINE)
    mode, owner, group = told.groups() if told else ("", "somebody else", "GROUP")
    found = f"{host.name}:{folder} is {owner}'s, and you may not write there"
    if re.match(r"d....w[sS]", mode):
        return failed(found, f"Ask those who run {host.name} to put you into group {group}, then log in again.")
    return failed(found, f"{owner} types there: {OPEN_TO_GROUP.format(group='GROUP', folder=shlex.quote(folder))}")
