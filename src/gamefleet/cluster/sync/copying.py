"""Keeping a laptop's copy of a shared folder.

Job: say which files move in which direction and in which order, and move them once. Place in the data flow: the shared
folder on a cluster <- rsync over SSH -> a copy on a machine that sees the cluster by SSH only; `loop` repeats it.
Left out: what is in the files, rsync's words (`rsync`), and who else syncs this copy (`presence`).

Nothing here takes a lock. Large files have names that are never used twice and go before the small file that names
them; each machine writes its own members' folders only. So two machines that push at once cannot disturb each other,
and a reader that checks what it reads never meets half a file.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from gamefleet.cluster.checks.host import Host, check_key
from gamefleet.cluster.checks.programs import Completed, Runner
from gamefleet.cluster.ssh import ASK_TIMEOUT_S, Remote, shared_connection
from gamefleet.cluster.sync import rsync
from gamefleet.cluster.sync.members import token_of
from gamefleet.cluster.sync.rsync import DELETE, IMMUTABLE, SMALL, SyncError, Transfer

MERGED_BLOBS = ("/merged/*.safetensors",)
MERGED_SMALL = ("/shared.json", "/merged/*.json", "/merged/rejected/*.json", "/merged/verdicts/*.json")
MEMBER_FACTS = ("member.json", "heartbeat.json", "reading.json")
MEMBER_BLOBS = ("weights/*.safetensors", "experience/*/*.chunk")
MEMBER_MANIFESTS = ("weights/*.json", "experience/*/*.json")

TRANSFER_TIMEOUT_S = 6 * 3600.0
TIDY_INTERVAL_S = 60.0
GRACE_S = 600.0
"""What has gone at home is kept here this long after it came, for a reader that has just chosen it."""

LEFTOVER_AGE_S = 86400.0
LEFTOVER = re.compile(r"\..+\.[A-Za-z0-9]{6}")
"""What an rsync that was killed leaves; after a day nobody writes to it any more."""

MARK = "--gamefleet--"


@dataclass(slots=True, kw_only=True)
class Link:
    """The open way between a copy and the shared folder.

    Args:
        host: As for `ssh`.
        remote: The shared folder.
        local: The copy.
        ssh: `ssh` with its options.
        dialect: Of this machine's rsync.
        runner: Runs programs.
    """

    host: Host
    remote: Remote
    local: Path
    ssh: Sequence[str]
    dialect: rsync.Dialect
    runner: Runner
    is_group: bool = False
    claimed: set[str] = field(default_factory=set)
    pushed: dict[str, frozenset[str]] = field(default_factory=dict)
    tidied_at: float = 0.0

    def ask(self, script: str) -> Completed:
        """Run shell text on the host.

        Raises:
            SyncError: The host cannot be reached.
        """
        answer = self.runner([*self.ssh, self.host.name, f"sh -c {shlex.quote(script)}"], ASK_TIMEOUT_S)
        if answer.status in (255, 124, 127):
            self._accept(answer, self.transfer("", (), pushes=True))
        return answer

    def transfer(
        self,
        below: str,
        patterns: Sequence[str],
        *,
        pushes: bool,
        excluded: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> Transfer:
        """A call of rsync between this copy and the shared folder."""
        return Transfer(
            remote=self.remote,
            below=below,
            local=self.local,
            pushes=pushes,
            patterns=patterns,
            excluded=excluded,
            options=options,
            is_group=self.is_group,
        )

    def move(self, transfer: Transfer) -> None:
        """Call rsync.

        Raises:
            SyncError: Not everything was moved.
        """
        self._accept(self.runner(rsync.command(transfer, self.ssh, self.dialect), TRANSFER_TIMEOUT_S), transfer)

    def _accept(self, answer: Completed, transfer: Transfer) -> None:
        try:
            rsync.check(answer, transfer, self.host)
        except SyncError as error:
            if error.kind == "login" and "Permission denied" in error.what:
                key = check_key(self.host, self.runner)
                if key.status == "failed":  # there is none to offer: that is what to mend first
                    raise SyncError("login", f"{error.what}; {key.found}", remedy=key.remedy) from error
            raise


@contextmanager
def open_link(remote: Remote, local: Path, runner: Runner, *, ssh_config: Path | None = None) -> Iterator[Link]:
    """Look at this machine's rsync and share one connection while the block lasts.

    Raises:
        SyncError: There is no rsync, or no ssh.
    """
    host = Host(name=remote.login, ssh_config=ssh_config)
    version = runner([rsync.PROGRAM, "--version"], ASK_TIMEOUT_S)
    dialect = rsync.read_dialect(version.out)
    with shared_connection(host, runner) as ssh:
        link = Link(host=host, remote=remote, local=local, ssh=ssh, dialect=dialect, runner=runner)
        if version.status:
            rsync.check(version, link.transfer("", (), pushes=False), host)
        yield link


def pull(link: Link, owned: Mapping[str, str], *, everything: bool = False, now: float | None = None) -> None:
    """Fetch what is merged, and who is there.

    Args:
        link: The way.
        owned: This machine's own members: they are never fetched, their newest state is here.
        everything: Others' weights and experience as well.
        now: Seconds since 1970; None for the clock.

    Raises:
        SyncError: Not everything came. What came is whole.
    """
    others = [f"/members/{member}/" for member in owned]
    of_all = "/members/*/"
    blobs = [*MERGED_BLOBS, *(f"{of_all}{name}" for name in MEMBER_BLOBS if everything)]
    small = [*MERGED_SMALL, *(f"{of_all}{name}" for name in MEMBER_FACTS)]
    small += [f"{of_all}{name}" for name in MEMBER_MANIFESTS if everything]
    link.move(link.transfer("", blobs, pushes=False, excluded=others, options=IMMUTABLE))
    link.move(link.transfer("", small, pushes=False, excluded=others, options=SMALL))
    now = time.time() if now is None else now
    if abs(now - link.tidied_at) > TIDY_INTERVAL_S:
        link.tidied_at = now
        tidy(link, now)


def tidy(link: Link, now: float) -> None:
    """Remove merged files that home removed; a listing that looks incomplete removes nothing."""
    answer = link.ask(f"cd {shlex.quote(link.remote.folder)}/merged && find . -type f && echo {MARK}")
    if answer.status or not answer.out.rstrip().endswith(MARK):
        return
    at_home = {name.removeprefix("./") for name in answer.out.splitlines()}
    for path in gone_at_home(link.local / "merged", at_home, now):
        with suppress(OSError):
            path.unlink()


def gone_at_home(merged: Path, at_home: set[str], now: float) -> list[Path]:
    """Files of the copy to remove.

    Args:
        merged: The copy's folder.
        at_home: Names below the same folder at home; without a single version there, nothing is removed.
        now: Seconds since 1970, by this machine's clock, which also gave the files their times.
    """
    if not any(re.fullmatch(r"\d+\.json", name) for name in at_home):
        return []
    doomed = []
    for path in sorted(merged.rglob("*")):
        with suppress(OSError):
            age_s = now - path.stat().st_mtime
            is_gone = is_merged(path) and path.relative_to(merged).as_posix() not in at_home
            if (is_gone and age_s > GRACE_S) or (is_leftover(path) and age_s > LEFTOVER_AGE_S):
                doomed.append(path)
    return doomed


def is_merged(path: Path) -> bool:
    """Whether it is a file that home made, by its name."""
    return path.suffix in (".json", ".safetensors") and not path.name.startswith(".") and path.is_file()


def is_leftover(path: Path) -> bool:
    """Whether an interrupted rsync left it."""
    return path.is_file() and (path.parent.name == rsync.PARTIAL_FOLDER or bool(LEFTOVER.fullmatch(path.name)))


def push(link: Link, owned: Mapping[str, str]) -> None:
    """Send this machine's own members, and remove there what they removed.

    Args:
        link: The way.
        owned: Id and token of each own member.

    Raises:
        SyncError: Not everything arrived, or another machine has a member of this name.
    """
    if not set(owned) <= link.claimed:
        claim(link, owned)
    for member in owned:
        push_member(link, member)


def claim(link: Link, owned: Mapping[str, str]) -> None:
    """Make the folders there, and see that nobody else has these members.

    Raises:
        SyncError: Another machine has one, or the folder cannot be made.
    """
    facts = {member: (link.local / "members" / member / "member.json").read_text() for member in owned}
    answer = link.ask(claim_script(link.remote.folder, facts))
    if answer.status:
        rsync.check(answer, link.transfer("", (), pushes=True), link.host)
    group, *told = answer.out.split(MARK)[1:]
    link.is_group = group.strip() == "group"
    for member, text in zip(owned, told, strict=True):
        if token_of(text) != owned[member]:
            raise SyncError(
                "taken",
                f"Another machine is member {member!r} of this fleet already",
                where=link.remote,
                remedy="Nothing was sent. Start the actors here under another name.",
            )
    link.claimed |= set(owned)


def claim_script(folder: str, facts: Mapping[str, str]) -> str:
    """Shell text: make the folders, print whether a group shares them, and whose each member is.

    Args:
        folder: The shared folder.
        facts: The `member.json` of each member. It is made only where there is none, by `set -C`, which is exclusive:
            of two machines that take one name at the same moment, one sees the other's.
    """
    lines = [
        f"mkdir -p {shlex.quote(folder)} && cd {shlex.quote(folder)} || exit",
        f"case $(ls -ld .) in d????w[sS]*) umask {rsync.GROUP_UMASK}; echo {MARK} group;; *) echo {MARK} own;; esac",
        "mkdir -p members || exit",
    ]
    for member, text in facts.items():
        below = f"members/{member}"
        make = f"( set -C; printf %s {shlex.quote(text)} > {below}/member.json ) 2>/dev/null"
        lines.append(f"mkdir -p {below} || exit; {make}; echo {MARK}; cat {below}/member.json")
        old = f"\\( -name '.*.??????' -o -path '*/{rsync.PARTIAL_FOLDER}/*' \\) -mtime +0"
        lines.append(f"find {below} -type f {old} -exec rm -f {{}} + 2>/dev/null")
    return "\n".join([*lines, "exit 0"])


def push_member(link: Link, member: str) -> None:
    """Send one member's folder: contents, then what names them, then what may go.

    Raises:
        SyncError: Not everything arrived.
    """
    below = f"members/{member}"
    blobs = [f"/{name}" for name in MEMBER_BLOBS]
    small = [f"/{name}" for name in (*MEMBER_FACTS, *MEMBER_MANIFESTS)]
    here = frozenset(path.name for pattern in MEMBER_BLOBS for path in (link.local / below).glob(pattern))
    link.move(link.transfer(below, blobs, pushes=True, options=IMMUTABLE))
    link.move(link.transfer(below, small, pushes=True, options=(*SMALL, DELETE)))
    before = link.pushed.get(member)
    if before is None or before - here:
        link.move(link.transfer(below, blobs, pushes=True, options=(*IMMUTABLE, DELETE)))
    link.pushed[member] = here
