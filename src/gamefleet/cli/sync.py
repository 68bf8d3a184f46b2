"""`gamefleet sync`: keep a copy of the shared folder on a machine that sees the cluster by SSH only.

Job: the commands `pull`, `push`, `bidirectional`, `setup` and `service`. Place in the data flow: the user's own
machine; `gamefleet actors` plays beside it. Left out: what is moved (`cluster.sync`) and when (`cluster.sync.loop`).
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from gamefleet.cli import sync_service, sync_setup
from gamefleet.errors import MissingDependencyError

if TYPE_CHECKING:
    from gamefleet.cluster.sync.copying import Link
    from gamefleet.cluster.sync.loop import Outcome
    from gamefleet.cluster.sync.presence import Presence
    from gamefleet.cluster.sync.settings import SyncSettings

Mode = Literal["pull", "push", "bidirectional"]

app = typer.Typer(
    help="Keep a copy of the shared folder, by rsync over SSH.", no_args_is_help=True, rich_markup_mode="markdown"
)
app.command("setup")(sync_setup.setup)
app.add_typer(sync_service.app, name="service")

RemoteArgument = Annotated[
    str,
    typer.Argument(metavar="[REMOTE]", help='The shared folder, [USER@]HOST:DIR; "" for the one of `sync setup`.'),
]
LocalArgument = Annotated[str, typer.Argument(metavar="[LOCAL]", help="The copy; ~/shared_weights by default.")]
IntervalArgument = Annotated[
    str, typer.Argument(metavar="[INTERVAL]", help="Seconds from one sync to the next; without it, once.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Tell failures only.")]
EverythingOption = Annotated[
    bool, typer.Option("--everything", help="Pull others' weights and experience, too; nothing of it is removed here.")
]
MemberOption = Annotated[
    list[str] | None, typer.Option("--member", metavar="ID", help="Push this member, too; may be repeated.")
]
SshOption = Annotated[Path | None, typer.Option("--ssh-config", metavar="FILE", help="As for `ssh -F`.")]


@app.command()
def pull(
    remote: RemoteArgument = "",
    local: LocalArgument = "",
    interval: IntervalArgument = "",
    quiet: QuietOption = False,
    everything: EverythingOption = False,
    ssh_config: SshOption = None,
) -> None:
    """Fetch the merged weights, and who takes part."""
    sync("pull", settings_of(remote, local, interval, ssh_config), Wishes(quiet=quiet, everything=everything))


@app.command()
def push(
    remote: RemoteArgument = "",
    local: LocalArgument = "",
    interval: IntervalArgument = "",
    quiet: QuietOption = False,
    member: MemberOption = None,
    ssh_config: SshOption = None,
) -> None:
    """Send what this machine's members made."""
    sync("push", settings_of(remote, local, interval, ssh_config), Wishes(quiet=quiet, members=tuple(member or ())))


@app.command()
def bidirectional(
    remote: RemoteArgument = "",
    local: LocalArgument = "",
    interval: IntervalArgument = "",
    quiet: QuietOption = False,
    everything: EverythingOption = False,
    member: MemberOption = None,
    ssh_config: SshOption = None,
) -> None:
    """Push, then pull."""
    wishes = Wishes(quiet=quiet, everything=everything, members=tuple(member or ()))
    sync("bidirectional", settings_of(remote, local, interval, ssh_config), wishes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Options of a sync.

    Args:
        quiet: Tell failures only.
        everything: Pull others' weights and experience as well.
        members: Ids of members that are pushed whatever the list of this machine's own says.
    """

    quiet: bool = False
    everything: bool = False
    members: tuple[str, ...] = ()


def settings_of(remote: str, local: str, interval: str, ssh_config: Path | None) -> SyncSettings:
    """Arguments, environment and settings file, put together."""
    from gamefleet.cluster.sync.settings import resolve

    if os.name == "nt":
        remedy = "Work within WSL2: Windows itself has no rsync, and its ssh cannot share a connection."
        raise MissingDependencyError("gamefleet sync does not work on Windows itself", remedy=remedy)
    return resolve(remote, local, interval, environment=os.environ, ssh_config=ssh_config)


def sync(mode: Mode, settings: SyncSettings, wishes: Wishes) -> None:
    """Sync once, or until somebody ends it."""
    from gamefleet.cluster.ssh import LongPrograms
    from gamefleet.cluster.sync.copying import open_link
    from gamefleet.cluster.sync.loop import Journal, Pace, cycles, tell
    from gamefleet.cluster.sync.presence import Presence

    signal.signal(signal.SIGTERM, leave)  # what is open is closed, and a half-sent file is kept, before this ends
    make_copy(settings.local)
    facts = {"mode": mode, "remote": str(settings.remote), "interval_s": settings.interval_s}
    journal, runner = Journal(), LongPrograms(os.environ)
    with (
        Presence(settings.local, facts) as presence,
        open_link(settings.remote, settings.local, runner, ssh_config=settings.ssh_config) as link,
    ):
        once = cycle(mode, link, presence, wishes)
        pace = Pace(interval_s=settings.interval_s)
        for outcome in cycles(once, pace, clock=time.time, sleep=time.sleep, chance=random.random):
            presence.update(fault=str(outcome.fault or ""), skipped=outcome.skipped)
            journal, line = tell(journal, outcome)
            show(mode, settings, outcome, line, quiet=wishes.quiet)


def leave(number: int, frame: object) -> NoReturn:
    """End as asked by a signal."""
    raise SystemExit(0)


def make_copy(local: Path) -> None:
    """Make the folder of the copy."""
    from gamefleet.files import explained

    with explained(local / "copy"):
        local.mkdir(parents=True, exist_ok=True)


def cycle(mode: Mode, link: Link, presence: Presence, wishes: Wishes) -> Callable[[], None]:
    """One cycle, to be called again and again."""
    from gamefleet.cluster.sync import copying as moving
    from gamefleet.cluster.sync.members import own_members
    from gamefleet.cluster.sync.rsync import SyncError

    def once() -> None:
        presence.check()
        owned = own_members(link.local, wishes.members)
        if mode == "push" and not owned:
            remedy = "`gamefleet actors` makes members; --member ID names one that is there."
            raise SyncError(
                "nothing", "No member of this machine is here to be pushed", where=link.local, remedy=remedy
            )
        if mode != "pull" and owned:
            moving.push(link, owned)
            presence.update(pushed_at=time.time())
        if mode != "push":
            moving.pull(link, owned, everything=wishes.everything)
            presence.update(pulled_at=time.time())

    return once


def show(mode: Mode, settings: SyncSettings, outcome: Outcome, line: str, *, quiet: bool) -> None:
    """Print what changed."""
    if not line or (quiet and outcome.fault is None):
        return
    stream = sys.stderr if outcome.fault else sys.stdout
    if settings.interval_s == 0:
        print(f"{mode}: {summary(settings.local)} ({settings.remote}), {outcome.seconds:.1f} s", flush=True)
    else:
        clock = time.strftime("%H:%M:%S", time.localtime(outcome.at))
        print(f"{clock} {mode} {settings.remote}: {line}", file=stream, flush=True)


def summary(local: Path) -> str:
    """What is in the copy now."""
    versions = [path.stem for path in (local / "merged").glob("*.json") if path.stem.isdigit()]
    members = len(list((local / "members").glob("*/member.json")))
    newest = f"version {int(max(versions, key=int))}" if versions else "no merged version yet"
    return f"{newest}, {members} member{'' if members == 1 else 's'}, in {local}"
