"""The other host: does SSH get there without a password, does rsync carry files, do clocks and folders agree.

Job: the checks of groups `ssh` and `rsync`, with `USER@HOST` as a user would write it. Place in the data flow:
`gamefleet doctor --host`. Left out: mending anything; known hosts and keys are the user's own.

What is asked goes through the user's own SSH settings, so that aliases, jump hosts and agents count.
"""

from __future__ import annotations

import re
import secrets
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gamefleet.cluster.checks.base import Check, Result, failed, not_asked, ok, one_line, warning
from gamefleet.cluster.checks.folder import scratch
from gamefleet.cluster.checks.programs import NOT_FOUND_STATUS, Completed, Runner
from gamefleet.cluster.checks.shared import judge_clock, judge_visibility

CONNECT_TIMEOUT_S = 15
ANSWER_TIMEOUT_S = 40.0
FILE_BYTES = 1 << 20
GREETING = "gamefleet-is-here"
NO_HOST = "no host was named: --host USER@HOST"
NO_HOST_FOLDER = "no folder of the host was named: --host-dir DIR"

SSH_CHECKS = ("ssh-key", "ssh-connection", "ssh-clock")
RSYNC_CHECKS = ("rsync-here", "rsync-there", "rsync-round-trip")
HOST_FOLDER_CHECKS = ("host-folder", "host-visibility")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Another machine.

    Args:
        name: As for `ssh`: `USER@HOST` or an alias.
        ssh_config: File for `ssh -F`; None for the user's own.
    """

    name: str
    ssh_config: Path | None = None

    @property
    def ssh(self) -> list[str]:
        """`ssh` with options, without the host: it never asks, and never waits long."""
        config = ["-F", str(self.ssh_config)] if self.ssh_config else []
        # ControlMaster: a connection that is there already is used, but none is left behind.
        options = ("BatchMode=yes", f"ConnectTimeout={CONNECT_TIMEOUT_S}", "ControlMaster=no", "LogLevel=ERROR")
        return ["ssh", *config, *(word for option in options for word in ("-o", option))]

    def command(self, *words: str) -> list[str]:
        """Run something there; whatever the login shell is, it only has to start `sh`."""
        return [*self.ssh, self.name, f"sh -c {shlex.quote(shlex.join(words) if len(words) > 1 else words[0])}"]


def host_checks(host: Host | None, runner: Runner, *, folder: Path, host_folder: str) -> list[Check]:
    """Checks of another machine.

    Args:
        host: None has every check say that none was named.
        runner: Runs `ssh` and `rsync`.
        folder: The shared folder as this machine sees it.
        host_folder: The same folder as the other machine names it; empty when it has none in common.
    """
    if host is None:
        return [
            *not_asked(SSH_CHECKS, "ssh", NO_HOST),
            *not_asked(RSYNC_CHECKS, "rsync", NO_HOST),
            *not_asked(HOST_FOLDER_CHECKS, "shared-folder", NO_HOST),
        ]

    def check(name: str, group: str, run: Callable[[Host, Runner], Result], *needs: str) -> Check:
        return Check(name=name, group=group, run=lambda: run(host, runner), needs=needs, timeout_s=100.0)

    def see(to: Host, run: Runner) -> Result:
        return check_host_visibility(to, run, folder, host_folder)

    checks = [
        check("ssh-key", "ssh", check_key),
        check("ssh-connection", "ssh", check_connection),
        check("ssh-clock", "ssh", check_host_clock, "ssh-connection"),
        check("rsync-here", "rsync", check_rsync_here),
        check("rsync-there", "rsync", check_rsync_there, "ssh-connection"),
        check("rsync-round-trip", "rsync", check_round_trip, "rsync-here", "rsync-there"),
    ]
    if not host_folder:
        return [*checks, *not_asked(HOST_FOLDER_CHECKS, "shared-folder", NO_HOST_FOLDER)]
    find = check("host-folder", "shared-folder", lambda to, run: check_host_folder(to, run, host_folder), SSH_CHECKS[1])
    return [*checks, find, check("host-visibility", "shared-folder", see, "host-folder")]


def check_key(host: Host, runner: Runner) -> Result:
    """Whether there is a key that SSH would offer to this host."""
    settings = runner([*host.ssh, "-G", host.name], ANSWER_TIMEOUT_S)
    if settings.status:
        return explain(settings, host)
    agent = runner(["ssh-add", "-l"], ANSWER_TIMEOUT_S)
    held = len(agent.out.splitlines()) if agent.status == 0 else 0
    files = [Path(name).expanduser() for name in re.findall(r"^identityfile (.+)$", settings.out, re.MULTILINE)]
    return judge_key([path for path in files if path.is_file()], files, held, host.name)


def judge_key(keys: Sequence[Path], looked_at: Sequence[Path], held_by_agent: int, name: str) -> Result:
    """Whether a key is there, and only its owner can read it.

    Args:
        keys: Private keys that exist.
        looked_at: Private keys that SSH would use.
        held_by_agent: Keys in the running agent.
        name: The host.
    """
    open_keys = [path for path in keys if path.stat().st_mode & 0o077]
    if open_keys:
        return failed(
            f"others may read the private key {open_keys[0]}, so SSH does not use it", f"chmod 600 {open_keys[0]}"
        )
    if keys or held_by_agent:
        agent = f"{held_by_agent} in the agent" if held_by_agent else ""
        return ok(", ".join([*map(str, keys), *([agent] if agent else [])]))
    path = looked_at[-1] if len(looked_at) == 1 else "~/.ssh/id_ed25519"
    return failed(
        f"there is no SSH key ({', '.join(map(str, looked_at))})",
        f'ssh-keygen -t ed25519 -f {path} -N "" && ssh-copy-id -i {path}.pub {name}',
    )


def check_connection(host: Host, runner: Runner) -> Result:
    """Log in without a password."""
    began = time.monotonic()
    answer = runner(host.command(f"echo {GREETING}"), ANSWER_TIMEOUT_S)
    if answer.status:
        return explain(answer, host)
    if answer.out.strip() != GREETING:
        said = one_line(answer.out.replace(GREETING, ""))[:80]
        return warning(
            f"{host.name} answers, but its shell says more than it was asked: {said!r}",
            "rsync breaks on that. In the start-up file of the shell there, print only for people:"
            " `[[ $- == *i* ]] && echo ...`.",
        )
    return ok(f"{host.name} answers without a password, in {time.monotonic() - began:.1f} s")


def explain(answer: Completed, host: Host) -> Result:
    """Why SSH failed, from its message."""
    name = host.name
    remedies = (
        ("ssh: not found", "Install OpenSSH: `sudo apt-get install openssh-client`, or `brew install openssh`."),
        ("REMOTE HOST IDENTIFICATION HAS CHANGED", f"If the host was set up anew: `ssh-keygen -R {plain(name)}`."),
        ("Host key verification failed", f"Log in once by hand and compare the fingerprint: `ssh {name}`."),
        ("bad permissions", "Let only yourself read the private key: `chmod 600 ~/.ssh/id_*`."),
        ("Too many authentication failures", f"Name the key for {name} in ~/.ssh/config, with `IdentitiesOnly yes`."),
        ("Permission denied", f"Copy your key there, which asks for the password once: `ssh-copy-id {name}`."),
        ("Could not resolve hostname", "Check the spelling of the host; many need the site's VPN."),
        ("Connection refused", f"Nothing listens there. Check host and port: `ssh -v {name}`; try again later."),
        ("timed out", f"A firewall, or the VPN is off: connect to it, then `ssh -v {name}`."),
        ("No route to host", f"The network does not lead there: is the VPN on? `ssh -v {name}` shows more."),
        ("Network is unreachable", "This machine is offline."),
        ("Connection closed", f"The host hung up; after many logins it may refuse more for a while: `ssh -v {name}`."),
    )
    remedy = next((text for sign, text in remedies if sign in answer.err), f"`ssh -v {name}` shows where it stops.")
    return failed(f"cannot log in to {name}: {answer.last_words}", remedy)


def plain(name: str) -> str:
    """A host's name without the user."""
    return name.rpartition("@")[2]


def check_host_clock(host: Host, runner: Runner) -> Result:
    """Compare the clocks of both machines; `date` tells whole seconds."""
    before = time.time()
    answer = runner(host.command("date +%s"), ANSWER_TIMEOUT_S)
    after = time.time()
    told = re.search(r"^\d+$", answer.out, re.MULTILINE)
    if answer.status or told is None:
        return failed(f"{host.name} did not tell the time: {answer.last_words}", f"ssh {host.name} date +%s")
    stamp = int(told.group())
    return judge_clock(stamp - after, stamp + 1 - before, host.name)


def check_rsync_here(_: Host, runner: Runner) -> Result:
    """Whether rsync is installed on this machine."""
    return judge_rsync(runner(["rsync", "--version"], ANSWER_TIMEOUT_S), "this machine", "")


def check_rsync_there(host: Host, runner: Runner) -> Result:
    """Whether rsync is installed on the host."""
    return judge_rsync(runner(host.command("rsync --version"), ANSWER_TIMEOUT_S), host.name, f"On {host.name}: ")


def judge_rsync(answer: Completed, where: str, prefix: str) -> Result:
    """Read what `rsync --version` printed."""
    version = re.search(r"version \S+|openrsync.*", answer.out)
    if answer.status == NOT_FOUND_STATUS:
        return failed(
            f"rsync is not installed on {where}",
            f"{prefix}`sudo apt-get install rsync`, `brew install rsync`, or without rights of an administrator"
            " `conda install -c conda-forge rsync`.",
        )
    if answer.status:
        return failed(f"rsync on {where} does not start: {answer.last_words}", f"{prefix}`rsync --version`")
    return ok(f"rsync {version.group().removeprefix('version ') if version else 'of an unknown version'} on {where}")


def check_round_trip(host: Host, runner: Runner) -> Result:
    """Send a file there and back."""
    made = runner(host.command("mktemp -d"), ANSWER_TIMEOUT_S)
    if made.status or not made.out.startswith("/"):
        return failed(f"no temporary folder on {host.name}: {made.last_words}", f"ssh {host.name} df -h /tmp")
    there = made.out.splitlines()[0]
    try:
        return round_trip(host, runner, there)
    finally:
        runner(host.command(f"rm -r {shlex.quote(there)}"), ANSWER_TIMEOUT_S)


def round_trip(host: Host, runner: Runner, there: str) -> Result:
    """Send a file to a folder of the host and fetch it."""
    with scratch(Path.home()) as folder:
        sent, fetched = folder / "sent", folder / "fetched"
        sent.write_bytes(secrets.token_bytes(FILE_BYTES))
        remote = f"{host.name}:{there}/file"
        began = time.monotonic()
        for source, target in ((str(sent), remote), (remote, str(fetched))):
            answer = runner(["rsync", "-az", "-e", shlex.join(host.ssh), source, target], ANSWER_TIMEOUT_S)
            if answer.status:
                by_hand = f"rsync -avz FILE {host.name}:"
                return failed(f"rsync with {host.name} failed: {answer.last_words}", f"Try it by hand: `{by_hand}`.")
        seconds = time.monotonic() - began
        if sent.read_bytes() != fetched.read_bytes():
            return failed(f"a file came back from {host.name} changed", "Tell those who run the host: data is damaged.")
    return ok(f"{FILE_BYTES / 1e6:.0f} MB to {host.name} and back in {seconds:.1f} s, unchanged")


def check_host_folder(host: Host, runner: Runner, host_folder: str) -> Result:
    """Whether the folder is there, can be written, and has room."""
    where = shlex.quote(host_folder)
    script = f"cd {where} && probe=$(mktemp -d ./.tmp-doctor-XXXXXX) && rmdir $probe && df -Pk . | tail -n 1"
    answer = runner(host.command(script), ANSWER_TIMEOUT_S)
    if answer.status:
        return failed(
            f"{host_folder} on {host.name} cannot be used: {answer.last_words}",
            f"ssh {host.name} {shlex.quote(f'mkdir -p {where} && ls -ld {where}')}",
        )
    columns = answer.out.split()
    room = f", {int(columns[3]) * 1024 / 1e9:.1f} GB free" if len(columns) > 3 and columns[3].isdigit() else ""
    return ok(f"{host_folder} on {host.name} can be written{room}")


def check_host_visibility(host: Host, runner: Runner, folder: Path, host_folder: str, *, wait_s: int = 65) -> Result:
    """Whether each machine sees what the other one writes; only when both have the same folder."""
    if not folder.is_dir():
        return failed(f"{folder} does not exist on this machine", f"mkdir -p {shlex.quote(str(folder))}")
    with scratch(folder) as here:
        there = shlex.quote(f"{host_folder.rstrip('/')}/{here.name}")
        content = secrets.token_hex(8)
        (here / "from-here").write_text(content)
        began = time.monotonic()
        until = f"until grep -qs {content} {there}/from-here"
        look = f"i=0; {until}; do i=$((i+1)); [ $i -gt {wait_s} ] && exit 9; sleep 1; done"
        seen = runner(host.command(look), ANSWER_TIMEOUT_S + wait_s)
        found = judge_visibility(time.monotonic() - began if seen.status == 0 else -1.0, wait_s, host.name)
        if found.status == "failed":
            return found
        written = runner(host.command(f"echo {content} > {there}/from-there"), ANSWER_TIMEOUT_S)
        if written.status:
            return failed(f"{host.name} cannot write in the shared folder: {written.last_words}", f"ls -ld {folder}")
        return worse(found, judge_visibility(seconds_until(here / "from-there", wait_s), wait_s, "this machine"))


def seconds_until(path: Path, wait_s: float) -> float:
    """Wait for a file: seconds until it was there, -1 when it did not come."""
    began = time.monotonic()
    while not path.exists():
        if time.monotonic() - began > wait_s:
            return -1.0
        time.sleep(0.1)
    return time.monotonic() - began


def worse(first: Result, second: Result) -> Result:
    """Both findings as one, with the more serious status and its remedy."""
    order = ("ok", "skipped", "warning", "failed")
    graver = max(first, second, key=lambda result: order.index(result.status))
    return Result(status=graver.status, found=f"{first.found}; {second.found}", remedy=graver.remedy)
