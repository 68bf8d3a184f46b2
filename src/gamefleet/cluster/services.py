"""A command that starts by itself when its user logs in: systemd user units and launchd agents.

Job: render the file of a service, put it in its place, and have it started. Place in the data flow: `gamefleet sync
service`; any command can be given. Left out: services of the whole machine, which need an administrator.
"""

from __future__ import annotations

import os
import plistlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gamefleet.cluster.check_programs import Completed, Runner
from gamefleet.errors import ClusterError
from gamefleet.files import write_bytes

Flavour = Literal["systemd", "launchd"]

RESTART_S = 10
TIMEOUT_S = 30.0
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A command to be kept running.

    Args:
        name: Lower-case words with hyphens.
        description: One line for people.
        command: Its words; the first is a path.
        environment: Variables it needs: services begin with almost none.
        log: File for its output where the system keeps none (launchd).
    """

    name: str
    description: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path

    @property
    def label(self) -> str:
        """Its name for launchd."""
        return f"io.gamefleet.{self.name.removeprefix('gamefleet-')}"


def flavour_of(platform: str) -> Flavour:
    """Which kind of service `sys.platform` has.

    Raises:
        ClusterError: None that is known.
    """
    if platform == "darwin":
        return "launchd"
    if platform.startswith("linux"):
        return "systemd"
    remedy = "On Windows, work within WSL2. Elsewhere, start `gamefleet sync pull` yourself, with an interval."
    raise ClusterError("There are no services for this system", value=platform, remedy=remedy)


def render(service: Service, flavour: Flavour) -> bytes:
    """The service's file."""
    return systemd_unit(service).encode() if flavour == "systemd" else launchd_plist(service)


def systemd_unit(service: Service) -> str:
    """A systemd user unit."""
    return "\n".join(
        [
            "[Unit]",
            f"Description={service.description}",
            # Without a limit: a laptop may be without a network for days.
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            *(f"Environment={quoted(f'{name}={value}')}" for name, value in sorted(service.environment.items())),
            f"ExecStart={' '.join(quoted(word).replace('$', '$$') for word in service.command)}",
            "Restart=always",
            f"RestartSec={RESTART_S}",
            "Nice=10",
            "",
            "[Install]",
            "WantedBy=default.target",
            "",
        ]
    )


def quoted(word: str) -> str:
    """A word as systemd reads it: in quotes where needed, with % doubled."""
    word = word.replace("%", "%%")
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./$-]+", word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def launchd_plist(service: Service) -> bytes:
    """A launchd agent."""
    return plistlib.dumps(
        {
            "Label": service.label,
            "ProgramArguments": list(service.command),
            "EnvironmentVariables": dict(service.environment),
            "RunAtLoad": True,
            "KeepAlive": True,
            "ThrottleInterval": RESTART_S,
            "ProcessType": "Background",
            "StandardOutPath": str(service.log),
            "StandardErrorPath": str(service.log),
        },
        sort_keys=False,
    )


def place_of(service: Service, flavour: Flavour, environment: Mapping[str, str]) -> Path:
    """Where the system looks for the file."""
    home = Path(environment.get("HOME") or "~").expanduser()
    if flavour == "launchd":
        return home / "Library" / "LaunchAgents" / f"{service.label}.plist"
    base = environment.get("XDG_CONFIG_HOME")
    return (Path(base) if base else home / ".config") / "systemd" / "user" / f"{service.name}.service"


def start_commands(service: Service, flavour: Flavour, path: Path) -> list[list[str]]:
    """What makes the system see the file and start it now and at each login; a running one starts afresh."""
    if flavour == "launchd":
        return [["launchctl", "unload", str(path)], ["launchctl", "load", "-w", str(path)]]
    unit = path.name
    return [
        ["systemctl", "--user", "daemon-reload"],
        ["systemctl", "--user", "enable", unit],
        ["systemctl", "--user", "restart", unit],
    ]


def stop_commands(service: Service, flavour: Flavour, path: Path) -> list[list[str]]:
    """What ends it, before its file is removed."""
    if flavour == "launchd":
        return [["launchctl", "unload", "-w", str(path)]]
    return [["systemctl", "--user", "disable", "--now", path.name]]


def install(service: Service, flavour: Flavour, environment: Mapping[str, str], runner: Runner) -> list[str]:
    """Write the file and start the service.

    Returns:
        Lines for the user: what was done, and what to type where it could not be done.

    Raises:
        RunFolderError: The file cannot be written.
    """
    path = place_of(service, flavour, environment)
    path.parent.mkdir(parents=True, exist_ok=True)
    service.log.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, render(service, flavour))
    lines = [f"wrote {path}", *call_all(start_commands(service, flavour, path), runner, may_fail="unload")]
    if flavour == "systemd":
        lines.append(
            f"to let it run while you are logged out: loginctl enable-linger {environment.get('USER', '$USER')}"
        )
        lines.append(f"its words: journalctl --user -u {path.name}")
    else:
        lines.append(f"its words: {service.log}")
    return lines


def uninstall(service: Service, flavour: Flavour, environment: Mapping[str, str], runner: Runner) -> list[str]:
    """Stop the service and remove its file; returns lines for the user."""
    path = place_of(service, flavour, environment)
    if not path.exists():
        return [f"there is no {path}: nothing to do"]
    lines = call_all(stop_commands(service, flavour, path), runner)
    os.unlink(path)
    return [*lines, f"removed {path}"]


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
