"""A command that starts by itself: systemd units of a user or of the whole machine, and launchd agents.

Job: put the files of a service into their places, have it started, stop it, and say how it is. Place in the data flow:
`gamefleet sync service` and `gamefleet service`; any command can be given. Left out: the text of the files
(`service_files`).
"""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gamefleet.cluster.checks.programs import Completed, Runner
from gamefleet.cluster.service_files import SYSTEM_PATH, Flavour, Service, changed, render, settings_text
from gamefleet.errors import ClusterError
from gamefleet.files import TEMPORARY_PREFIX, explained, write_bytes

__all__ = [
    "SYSTEM_PATH",
    "Flavour",
    "Place",
    "Service",
    "flavour_of",
    "install",
    "place_of",
    "render",
    "standing",
    "uninstall",
]

TIMEOUT_S = 30.0
PRIVATE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where services are put.

    Args:
        flavour: Which kind they have here.
        environment: Variables of the user, for the home folder.
        user: Whose instance is meant, of a service of the whole machine.
        root: Above the folders of the whole machine; tests have their own.
    """

    flavour: Flavour
    environment: Mapping[str, str]
    user: str = ""
    root: Path = Path("/")

    def file(self, service: Service) -> Path:
        """Where the system looks for the service's file."""
        if self.flavour == "system":
            return self.root / "etc" / "systemd" / "system" / f"{service.name}@.service"
        home = Path(self.environment.get("HOME") or "~").expanduser()
        if self.flavour == "launchd":
            return home / "Library" / "LaunchAgents" / f"{service.label}.plist"
        base = self.environment.get("XDG_CONFIG_HOME")
        return (Path(base) if base else home / ".config") / "systemd" / "user" / f"{service.name}.service"

    def unit(self, service: Service) -> str:
        """The service's name for `systemctl`."""
        return f"{service.name}@{self.user}.service" if self.flavour == "system" else f"{service.name}.service"

    def settings_file(self, service: Service) -> Path:
        """Where the file of settings lies."""
        named = service.settings_file or Path(service.name)
        return self.root / named.relative_to("/") if self.flavour == "system" else named

    @property
    def systemctl(self) -> list[str]:
        """The words with which its commands begin."""
        return ["systemctl"] if self.flavour == "system" else ["systemctl", "--user"]


def flavour_of(platform: str) -> Flavour:
    """Which kind of service of a user `sys.platform` has.

    Raises:
        ClusterError: None that is known.
    """
    if platform == "darwin":
        return "launchd"
    if platform.startswith("linux"):
        return "systemd"
    remedy = "On Windows, work within WSL2. Elsewhere, start the command yourself, for example within tmux."
    raise ClusterError("There are no services for this system", value=platform, remedy=remedy)


def place_of(service: Service, flavour: Flavour, environment: Mapping[str, str]) -> Path:
    """Where the system looks for the file of a user's service."""
    return Place(flavour=flavour, environment=environment).file(service)


def start_commands(service: Service, place: Place) -> list[list[str]]:
    """What makes the system see the file and start it now and ever after; a running one starts afresh."""
    if place.flavour == "launchd":
        path = str(place.file(service))
        return [["launchctl", "unload", path], ["launchctl", "load", "-w", path]]
    unit = place.unit(service)
    return [
        [*place.systemctl, "daemon-reload"],
        [*place.systemctl, "enable", unit],
        [*place.systemctl, "restart", unit],
    ]


def stop_commands(service: Service, place: Place) -> list[list[str]]:
    """What ends it, before its file is removed."""
    if place.flavour == "launchd":
        return [["launchctl", "unload", "-w", str(place.file(service))]]
    return [[*place.systemctl, "disable", "--now", place.unit(service)]]


def install(service: Service, place: Place, runner: Runner, *, asked: Mapping[str, str] | None = None) -> list[str]:
    """Write the files and start the service. Settings that are there already are kept, but for those asked for.

    Args:
        service: What to install.
        place: Where.
        runner: Runs `systemctl` or `launchctl`.
        asked: Settings that shall be changed in a file that is there.

    Returns:
        Lines for the user: what was done, and what to type where it could not be done.

    Raises:
        RunFolderError: A file cannot be written.
    """
    path = place.file(service)
    lines = []
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if place.flavour == "launchd":
            service.log.parent.mkdir(parents=True, exist_ok=True)
    if service.settings_file is not None:
        lines.append(keep_settings(service, place.settings_file(service), asked or {}))
    write_bytes(path, render(service, place.flavour))
    started = call_all(start_commands(service, place), runner, may_fail="unload")
    return [*lines, f"wrote {path}", *started, *hints(service, place)]


def keep_settings(service: Service, path: Path, asked: Mapping[str, str]) -> str:
    """Write the file of settings, or change in it what is asked for; either way its owner alone can read it then."""
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        is_there = path.exists()
        write_private(path, changed(path.read_text(), asked) if is_there else settings_text(service))
    return f"{'kept' if is_there else 'wrote'} {path}; its owner alone can read it"


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read from its first moment on."""
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{secrets.token_hex(6)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
        with open(descriptor, "w") as stream:
            stream.write(text)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def hints(service: Service, place: Place) -> list[str]:
    """What to type for its words, and to have it outlive a login."""
    if place.flavour == "launchd":
        return [f"its words: {service.log}"]
    unit = place.unit(service)
    if place.flavour == "system":
        return [f"its words: journalctl -u {unit} -f"]
    user = place.environment.get("USER", "$USER")
    return [
        f"to let it run while you are logged out: loginctl enable-linger {user}",
        f"its words: journalctl --user -u {unit}",
    ]


def uninstall(service: Service, place: Place, runner: Runner) -> list[str]:
    """Stop the service and remove its file, not its settings; returns lines for the user."""
    path = place.file(service)
    if not path.exists():
        return [f"there is no {path}: nothing to do"]
    lines = call_all(stop_commands(service, place), runner)
    with explained(path):
        path.unlink()
    if service.settings_file is not None:
        lines.append(f"kept {service.settings_file}")
    return [*lines, f"removed {path}"]


def standing(service: Service, place: Place, runner: Runner) -> str:
    """How the service is, in one line."""
    if not place.file(service).exists():
        return f"{service.name}: not installed"
    if place.flavour == "launchd":
        answer = runner(["launchctl", "list", service.label], TIMEOUT_S)
        return f"{service.name}: {'loaded' if answer.status == 0 else 'not loaded'}; its words: {service.log}"
    unit = place.unit(service)
    asked = "ActiveState,SubState,NRestarts,MainPID,ActiveEnterTimestamp"
    answer = runner([*place.systemctl, "show", unit, f"--property={asked}"], TIMEOUT_S)
    if answer.status:
        return f"{service.name}: installed, but systemctl does not work here ({answer.last_words})"
    return f"{service.name}: {judge(dict(line.split('=', 1) for line in answer.out.splitlines() if '=' in line))}"


def judge(facts: Mapping[str, str]) -> str:
    """What systemd says of a unit, in words."""
    state = f"{facts.get('ActiveState', 'unknown')} ({facts.get('SubState', '?')})"
    since = f" since {facts['ActiveEnterTimestamp']}" if facts.get("ActiveEnterTimestamp") else ""
    pid = f", process {facts['MainPID']}" if facts.get("MainPID", "0") != "0" else ""
    again = f", started again {facts['NRestarts']} times" if facts.get("NRestarts", "0") != "0" else ""
    return f"{state}{since}{pid}{again}"


def call_all(commands: Sequence[Sequence[str]], runner: Runner, *, may_fail: str = "") -> list[str]:
    """Run commands up to the first that fails; returns lines for the user, with what is left to type.

    Args:
        commands: In order.
        runner: Runs them.
        may_fail: A word; commands that hold it may fail.
    """
    for done, words in enumerate(commands):
        answer: Completed = runner(words, TIMEOUT_S)
        if answer.status and not (may_fail and may_fail in words):
            left = [f"  {shlex.join(command)}" for command in commands[done:]]
            return [f"{words[0]} did not work here ({answer.last_words}); to do it by hand:", *left]
    return [f"{commands[-1][0]}: done"] if commands else []
