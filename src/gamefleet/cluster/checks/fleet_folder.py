"""Who may read and write a fleet's shared folder: its group, and what lies in it.

Job: the check `fleet-folder` of group `fleet`. Place in the data flow: `gamefleet doctor` names the folder. Left out:
what the files say (`topologies.shared_folder.check`), and what the file system promises (`shared`).

Several users share a folder through a Unix group: the folder is the group's, its members may write, and the setgid bit
gives new files the folder's group. `files` then makes everything new readable for the group.
"""

from __future__ import annotations

import grp
import os
import pwd
import secrets
import shlex
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gamefleet.cluster.checks.base import Check, Result, failed, ok, warning
from gamefleet.files import OPEN_TO_GROUP, TEMPORARY_PREFIX, make_folder, write_json

MOST_ENTRIES = 20_000
"""Of a folder so many files are looked at: those of a fleet are alike."""

SHARED_BITS = stat.S_ISGID | stat.S_IWGRP


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Whose a folder is, and what this user may do with it.

    Args:
        folder: The folder.
        mode: Its permissions.
        owner: Name of its owner.
        group: Name of its group.
        user: Name of this user.
        is_private_group: Whether the group is the owner's own, and nobody else is in it.
        can_use: Whether this user may list it and write in it.
    """

    folder: Path
    mode: int
    owner: str
    group: str
    user: str
    is_private_group: bool
    can_use: bool

    @property
    def is_for_group(self) -> bool:
        """Whether the folder is set up for a group."""
        return self.mode & SHARED_BITS == SHARED_BITS

    @property
    def opening(self) -> str:
        """What its owner types to open it to a group."""
        group = "GROUP" if self.is_private_group else self.group
        return OPEN_TO_GROUP.format(group=group, folder=shlex.quote(str(self.folder)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A file or folder that the group cannot use.

    Args:
        path: Which.
        owner: Whose.
        why: In words.
    """

    path: Path
    owner: str
    why: str


def folder_checks(folder: Path) -> list[Check]:
    """The check of a shared folder that exists."""
    return [Check(name="fleet-folder", group="fleet", run=lambda: check_access(folder))]


def check_access(folder: Path) -> Result:
    """See who may use the folder, look through it, and write in it as members do."""
    try:
        access = look(folder)
    except PermissionError:
        way = f"`namei -l {shlex.quote(str(folder))}` shows which folder on the way is closed; its owner opens it"
        return failed(f"{folder} cannot be reached by this user", f"{way} with `chmod g+x` or `chmod o+x`.")
    wrong = judge_access(access)
    if wrong is not None:
        return wrong
    closed = list(closed_entries(folder))
    return judge_entries(access, closed) if closed else judge_probe(access, *probe(folder))


def look(folder: Path) -> Access:
    """Whose the folder is.

    Raises:
        OSError: It is missing, or hidden from this user.
    """
    facts = folder.stat()
    return Access(
        folder=folder,
        mode=stat.S_IMODE(facts.st_mode),
        owner=user_name(facts.st_uid),
        group=group_name(facts.st_gid),
        user=user_name(os.geteuid()),
        is_private_group=is_private(facts.st_uid, facts.st_gid),
        can_use=os.access(folder, os.R_OK | os.W_OK | os.X_OK),
    )


def user_name(number: int) -> str:
    """A user's name, or the number where it has none here."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def group_name(number: int) -> str:
    """A group's name, or the number where it has none here."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def is_private(owner: int, group: int) -> bool:
    """Whether a group is a user's own, as far as this machine lists its members."""
    try:
        user = pwd.getpwuid(owner)
        return user.pw_gid == group and set(grp.getgrgid(group).gr_mem) <= {user.pw_name}
    except KeyError:
        return False


def judge_access(access: Access) -> Result | None:
    """What is wrong with the folder itself; None when files in it decide."""
    if not access.can_use:
        return judge_refusal(access)
    if access.mode & stat.S_IWOTH:
        everybody = f"everybody on this machine may write in {access.folder}"
        return warning(everybody, f"chmod -R o-rwx {shlex.quote(str(access.folder))}")
    if access.is_for_group:
        return None
    if access.mode & stat.S_IWGRP and not access.is_private_group:
        return failed(
            f"group {access.group} may write in {access.folder}, but the setgid bit is not set: what one user writes "
            "there, others cannot always read",
            f"{access.owner} types: {access.opening}",
        )
    return ok(f"only {access.owner} may write in {access.folder}; to share it with a group: {access.opening}")


def judge_refusal(access: Access) -> Result:
    """Why this user may not use the folder, and who opens it how."""
    if access.is_for_group:
        join = f"sudo usermod -aG {access.group} {access.user}"
        return failed(
            f"{access.folder} is for group {access.group}, and {access.user} is no member (or was not at login)",
            f"Ask those who run the machine for `{join}`, then log in again; `id` shows your groups.",
        )
    return failed(
        f"{access.folder} is {access.owner}'s, and {access.user} may not read and write in it",
        f"With a group that both are in, {access.owner} types: {access.opening}",
    )


def closed_entries(folder: Path) -> Iterator[Closed]:
    """Files and folders that are not the group's as the folder is; unfinished ones do not count."""
    group, count = folder.stat().st_gid, 0
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            count += 1
            if count > MOST_ENTRIES:
                return
            found = None if name.startswith(".") else closed(Path(place, name), group)
            if found is not None:
                yield found


def closed(path: Path, group: int) -> Closed | None:
    """What keeps a group from a file or folder; None when nothing does, or it has just gone."""
    try:
        facts = path.lstat()
    except OSError:
        return None
    needed = stat.S_IRGRP | (SHARED_BITS if stat.S_ISDIR(facts.st_mode) else 0)
    owner = user_name(facts.st_uid)
    if facts.st_gid != group:
        return Closed(path=path, owner=owner, why=f"is of group {group_name(facts.st_gid)}")
    if facts.st_mode & needed != needed:
        return Closed(path=path, owner=owner, why=f"has the permissions {stat.filemode(facts.st_mode)}")
    return None


def judge_entries(access: Access, found: Sequence[Closed]) -> Result:
    """Say which files the group cannot use.

    Args:
        access: The folder.
        found: One or more.
    """
    first = found[0]
    owners = ", ".join(sorted({one.owner for one in found}))
    return failed(
        f"{len(found)} files or folders are closed to group {access.group}: {first.path} of {first.owner} {first.why}",
        f"{owners} (each for what is theirs): {access.opening}",
    )


def probe(folder: Path) -> tuple[int, int]:
    """Make a folder and a file as members do.

    Returns:
        Permissions and group of the file.
    """
    inner = folder / f"{TEMPORARY_PREFIX}doctor-{secrets.token_hex(6)}"
    try:
        make_folder(inner)
        write_json(inner / "probe.json", {})
        facts = (inner / "probe.json").stat()
    finally:
        shutil.rmtree(inner, ignore_errors=True)
    return stat.S_IMODE(facts.st_mode), facts.st_gid


def judge_probe(access: Access, mode: int, group: int) -> Result:
    """Whether the others can read what this user writes."""
    if group_name(group) != access.group or not mode & stat.S_IRGRP:
        found = f"what {access.user} writes in {access.folder} gets the permissions {mode:o} and group"
        acl = f"setfacl -R -m g:{access.group}:rwX -d -m g:{access.group}:rwX {shlex.quote(str(access.folder))}"
        return failed(f"{found} {group_name(group)}: the file system ignores the setgid bit", f"Try: {acl}")
    others = "everybody else may read it" if access.mode & stat.S_IROTH else "nobody else may read it"
    return ok(f"group {access.group} shares {access.folder}, whatever the umask of its members; {others}")
