"""First steps of a sync: a key, a login without a password, a shared connection, the folder there.

Job: each step as a function that does nothing when it was done before. Place in the data flow: `cli.sync_setup` calls
them in order and asks the user in between. Left out: asking, and syncing itself.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from gamefleet.cluster.checks.base import Result
from gamefleet.cluster.checks.host import (
    ANSWER_TIMEOUT_S,
    Host,
    check_connection,
    check_key,
    check_rsync_here,
    check_rsync_there,
)
from gamefleet.cluster.checks.programs import Runner
from gamefleet.cluster.ssh import Remote, has_own_sharing
from gamefleet.cluster.sync.rsync import SyncError
from gamefleet.errors import ClusterError
from gamefleet.files import write_bytes

BEGIN, END = "# >>> gamefleet sync >>>", "# <<< gamefleet sync <<<"


def make_key(home: Path, runner: Runner) -> Path:
    """A new key without a passphrase, unless the file is there; returns the private one's path.

    Raises:
        ClusterError: It cannot be made.
    """
    path = home / ".ssh" / "id_ed25519"
    if path.exists():
        return path
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    answer = runner(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], ANSWER_TIMEOUT_S)
    if answer.status:
        remedy = f'Try it by hand: ssh-keygen -t ed25519 -f {path} -N ""'
        raise ClusterError(f"ssh-keygen failed: {answer.last_words}", where=path, remedy=remedy)
    return path


def has_key(host: Host, runner: Runner) -> bool:
    """Whether there is a key to offer.

    Raises:
        SyncError: There is one that cannot be used, or ssh cannot be asked.
    """
    result = check_key(host, runner)
    if result.status == "failed" and "there is no SSH key" not in result.found:
        raise SyncError("login", result.found, remedy=result.remedy)
    return result.status != "failed"


def copy_key_words(host: Host, key: Path) -> list[str]:
    """The command that puts the public key there; it asks for the password once."""
    config = ["-F", str(host.ssh_config)] if host.ssh_config else []
    return ["ssh-copy-id", "-i", f"{key}.pub", *config, host.name]


def copy_key(host: Host, key: Path, environment: Mapping[str, str]) -> bool:
    """Let the user log in once, in this terminal; returns whether it worked."""
    try:
        return subprocess.run(copy_key_words(host, key), env=dict(environment)).returncode == 0
    except FileNotFoundError:
        return False


def needs_key_there(found: Result) -> bool:
    """Whether a failed login would be mended by a first login by hand, which `ssh-copy-id` is."""
    return "ssh-copy-id" in found.remedy or "by hand" in found.remedy


def examine(host: Host, runner: Runner) -> list[Result]:
    """Both sides' rsync.

    Raises:
        SyncError: One is missing.
    """
    results = []
    for check, kind in ((check_rsync_here, "rsync-here"), (check_rsync_there, "rsync-there")):
        result = check(host, runner)
        if result.status == "failed":
            raise SyncError("rsync-here" if kind == "rsync-here" else "rsync-there", result.found, remedy=result.remedy)
        results.append(result)
    return results


def connection(host: Host, runner: Runner) -> Result:
    """Whether a login works without a password."""
    return check_connection(host, runner)


def sharing_block(remote: Remote) -> str:
    """Lines for `~/.ssh/config` that make later connections quick; what the user wrote above them prevails."""
    return "\n".join(
        [
            BEGIN,
            f"Host {remote.host}",
            "    ControlMaster auto",
            "    ControlPath ~/.ssh/gamefleet-%C",
            "    ControlPersist 60",
            "    ServerAliveInterval 5",
            END,
            "",
        ]
    )


def with_block(text: str, block: str) -> str:
    """An SSH configuration with the marked lines at its end; earlier ones are replaced.

    At the end, because ssh takes the first value that it finds: the user's own lines come first.
    """
    kept = re.sub(rf"\n?^{re.escape(BEGIN)}$.*?^{re.escape(END)}$\n?", "", text, flags=re.MULTILINE | re.DOTALL)
    gap = "" if not kept else "\n" if kept.endswith("\n") else "\n\n"
    return f"{kept}{gap}{block}"


def needs_block(host: Host, runner: Runner) -> bool:
    """Whether connections to this host are not shared yet."""
    return not has_own_sharing(host, runner)


def write_block(path: Path, block: str, host: Host, runner: Runner) -> None:
    """Put the marked lines into an SSH configuration; one that ssh then refuses is put back.

    Raises:
        ClusterError: ssh refuses it.
        RunFolderError: The file cannot be written.
    """
    path = path.resolve()  # where it is a link, the file behind it
    before = path.read_bytes() if path.exists() else None
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if before is not None else 0o600
    replace(path, with_block((before or b"").decode(), block).encode(), mode)
    answer = runner(["ssh", "-F", str(path), "-G", host.name], ANSWER_TIMEOUT_S)
    if answer.status:
        if before is None:
            path.unlink()
        else:
            replace(path, before, mode)
        remedy = "The file is as it was; add the lines by hand."
        raise ClusterError(f"ssh refuses the changed settings: {answer.last_words}", where=path, remedy=remedy)


def replace(path: Path, content: bytes, mode: int) -> None:
    """Replace a file and keep who may read it.

    Raises:
        RunFolderError: It cannot be written.
    """
    write_bytes(path, content)
    path.chmod(mode)


def make_folder(remote: Remote, host: Host, runner: Runner) -> None:
    """Make the shared folder, unless it is there.

    Raises:
        SyncError: It cannot be made or written.
    """
    where = shlex.quote(remote.folder)
    script = f"mkdir -p {where} && cd {where} && probe=$(mktemp -d ./.tmp-setup-XXXXXX) && rmdir $probe"
    answer = runner(host.command(script), ANSWER_TIMEOUT_S)
    if answer.status:
        remedy = f"ssh {remote.login} {shlex.quote(f'ls -ld {where}')}; for a folder of a group, ask who owns it."
        raise SyncError("denied", f"The folder cannot be used: {answer.last_words}", where=remote, remedy=remedy)
