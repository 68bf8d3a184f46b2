"""The files of a service: systemd units of a user or of the whole machine, launchd agents, and their settings.

Job: say what a service is, and write it as text. Place in the data flow: `services` puts the text into its place, and
`deploy/systemd/` holds the same text for those who install by hand. Left out: which services there are
(`remote_services`, `cli.sync_service`).

What people may change lies in a file of settings beside the unit (`NAME=value` lines), which only its owner can read:
it may hold a token.
"""

from __future__ import annotations

import plistlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Flavour = Literal["systemd", "system", "launchd"]
"""`systemd` is a user's own unit; `system` one of the whole machine, an instance of which runs as the user it names."""

RESTART_S = 10
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A line of a file of settings.

    Args:
        name: Of the environment variable.
        value: As long as nobody writes another one.
        meaning: For whoever edits the file.
        is_set: Otherwise the line is there to be uncommented, and the variable is empty.
        is_list: Several words may stand there.
    """

    name: str
    value: str
    meaning: str
    is_set: bool = True
    is_list: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A command to be kept running.

    Args:
        name: Lower-case words with hyphens.
        description: One line for people.
        command: Its words; the first is a path. A `Setting` stands for its value.
        environment: Variables it needs: services begin with almost none.
        log: File for its output where the system keeps none (launchd).
        settings: What people may change, in the order of the file.
        settings_file: Where the file lies; None for a service without.
        folder: Where the command begins; empty leaves it to the system, `~` is the home of a unit's user.
        directives: Further lines of `[Service]`.
        has_an_end: One that ends without an error is not started again.
    """

    name: str
    description: str
    command: Sequence[str | Setting]
    environment: Mapping[str, str]
    log: Path
    settings: Sequence[Setting] = ()
    settings_file: Path | None = None
    folder: str = ""
    directives: Sequence[str] = ("Restart=always", f"RestartSec={RESTART_S}", "Nice=10")
    has_an_end: bool = False

    @property
    def label(self) -> str:
        """Its name for launchd."""
        return f"io.gamefleet.{self.name.removeprefix('gamefleet-')}"


def render(service: Service, flavour: Flavour) -> bytes:
    """The service's file."""
    return launchd_plist(service) if flavour == "launchd" else systemd_unit(service, flavour).encode()


def systemd_unit(service: Service, flavour: Flavour = "systemd") -> str:
    """A systemd unit."""
    is_system = flavour == "system"
    return "\n".join(
        [
            "[Unit]",
            f"Description={service.description}" + (" (%i)" if is_system else ""),
            *(["Wants=network-online.target", "After=network-online.target"] if is_system else []),
            # Without a limit: a laptop may be without a network for days.
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            *(["User=%i"] if is_system else []),
            *([f"WorkingDirectory={as_path(service.folder)}"] if service.folder else []),
            *(f"Environment={quoted(f'{name}={value}')}" for name, value in sorted(environment_of(service).items())),
            *([f"EnvironmentFile=-{as_path(service.settings_file)}"] if service.settings_file else []),
            f"ExecStart={' '.join(systemd_word(word) for word in service.command)}",
            *service.directives,
            *(["RestartPreventExitStatus=0"] if service.has_an_end else []),
            "",
            "[Install]",
            f"WantedBy={'multi-user' if is_system else 'default'}.target",
            "",
        ]
    )


def environment_of(service: Service) -> dict[str, str]:
    """Variables of a unit: what the command needs, and the settings as long as nobody has changed them."""
    return {**{one.name: one.value for one in service.settings if one.is_set}, **service.environment}


def systemd_word(word: str | Setting) -> str:
    """A word of `ExecStart`; a setting of several words becomes several words."""
    if isinstance(word, Setting):
        return f"${word.name}" if word.is_list else f"${{{word.name}}}"
    return quoted(word).replace("$", "$$")


def as_path(path: Path | str) -> str:
    """A path as systemd reads it where there can be one only: quotes would belong to it."""
    return str(path).replace("%", "%%")


def quoted(word: str) -> str:
    """A word as systemd reads it: in quotes where needed, with % doubled."""
    word = word.replace("%", "%%")
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./$-]+", word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def launchd_plist(service: Service) -> bytes:
    """A launchd agent."""
    found = {
        "Label": service.label,
        "ProgramArguments": launchd_words(service),
        "EnvironmentVariables": environment_of(service),
        **({"WorkingDirectory": service.folder} if service.folder else {}),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False} if service.has_an_end else True,
        "ThrottleInterval": RESTART_S,
        "ProcessType": "Background",
        "StandardOutPath": str(service.log),
        "StandardErrorPath": str(service.log),
    }
    return plistlib.dumps(found, sort_keys=False)


def launchd_words(service: Service) -> list[str]:
    """The command; launchd reads no files of settings, so that a shell does."""
    if service.settings_file is None:
        return [str(word) for word in service.command]
    path = shlex.quote(str(service.settings_file))
    words = " ".join(shell_word(word) for word in service.command)
    return ["/bin/sh", "-c", f"set -a; if [ -r {path} ]; then . {path}; fi; exec {words}"]


def shell_word(word: str | Setting) -> str:
    """A word of a shell's command."""
    if isinstance(word, Setting):
        return f"${word.name}" if word.is_list else f'"${word.name}"'
    return shlex.quote(word)


def settings_text(service: Service) -> str:
    """The file of settings, as it is before anybody edits it."""
    lines = [f"# Settings of {service.name}; it reads them when it starts. Keep this file readable by its owner alone."]
    for one in service.settings:
        lines += ["", f"# {one.meaning}", f"{'' if one.is_set else '#'}{assignment(one.name, one.value)}"]
    return "\n".join([*lines, ""])


def assignment(name: str, value: str) -> str:
    """A line of a file of settings, as systemd and shells read it."""
    return f'{name}="{value}"' if re.search(r"\s", value) else f"{name}={value}"


def changed(text: str, asked: Mapping[str, str]) -> str:
    """A file of settings with other values; all its other lines stay."""
    lines = text.splitlines()
    for name, value in asked.items():
        line = assignment(name, value)
        places = [at for at, found in enumerate(lines) if re.match(rf"#?{name}=", found)]
        if places:
            lines[places[-1]] = line
        else:
            lines.append(line)
    return "\n".join([*lines, ""])
