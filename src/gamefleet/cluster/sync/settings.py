"""Where the shared folder is, and where its copy: from the command line, the environment, a file.

Job: put together what a sync needs, and say what is missing. Place in the data flow: `cli.sync` -> `SyncSettings` ->
`copying`. Left out: asking a person (`cli.sync_setup`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from gamefleet.cluster.ssh import Remote, make_remote, parse_remote
from gamefleet.errors import ConfigError, nearest
from gamefleet.files import write_bytes

DEFAULT_LOCAL = "~/shared_weights"
NAMES = {
    "user": "SYNC_CLUSTER_USER",
    "host": "SYNC_CLUSTER_HOST",
    "remote_dir": "SYNC_REMOTE_DIR",
    "local_dir": "SYNC_LOCAL_DIR",
    "interval_s": "SYNC_INTERVAL",
}
"""Keys of the settings file, and the variables that overrule them."""

KEYS = (*NAMES, "ssh_config")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSettings:
    """What one sync is about.

    Args:
        remote: The shared folder.
        local: The copy.
        interval_s: 0 syncs once.
        ssh_config: File for `ssh -F`; None for the user's own.
    """

    remote: Remote
    local: Path
    interval_s: float
    ssh_config: Path | None = None


def settings_path(environment: Mapping[str, str]) -> Path:
    """Where `gamefleet sync setup` keeps what it was told."""
    base = environment.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "gamefleet" / "sync.toml"


def read_defaults(environment: Mapping[str, str]) -> dict[str, Any]:
    """What the file and the environment say, under the keys of the file.

    Raises:
        ConfigError: The file is not TOML, or has a key that is not known.
    """
    path = settings_path(environment)
    found: dict[str, Any] = {}
    if path.is_file():
        try:
            found = tomllib.loads(path.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            remedy = "Mend it, or remove it and run `gamefleet sync setup`."
            raise ConfigError(f"This file is not TOML: {error}", where=path, remedy=remedy) from error
    if unknown := sorted(set(found) - set(KEYS)):
        raise ConfigError("Unknown key", value=unknown[0], where=path, remedy=nearest(unknown[0], KEYS))
    return found | {key: environment[name] for key, name in NAMES.items() if environment.get(name)}


def write_settings(path: Path, values: Mapping[str, Any]) -> None:
    """Keep what a user was asked, for the next time.

    Raises:
        RunFolderError: The file cannot be written.
    """
    document = tomlkit.document()
    document.add(tomlkit.comment("Written by `gamefleet sync setup`; SYNC_* variables and arguments overrule it."))
    for key in KEYS:
        if values.get(key):
            document.add(key, values[key])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, tomlkit.dumps(document).encode())


def resolve(
    remote: str, local: str, interval: str, *, environment: Mapping[str, str], ssh_config: Path | None = None
) -> SyncSettings:
    """Settings from the three arguments, each of which may be empty.

    Raises:
        ConfigError: Something is missing or malformed.
    """
    defaults = read_defaults(environment)
    config = ssh_config or (Path(str(defaults["ssh_config"])).expanduser() if "ssh_config" in defaults else None)
    return SyncSettings(
        remote=resolve_remote(remote, defaults, settings_path(environment)),
        local=Path(local or str(defaults.get("local_dir", DEFAULT_LOCAL))).expanduser().absolute(),
        interval_s=read_interval(interval or defaults.get("interval_s", "0")),
        ssh_config=config,
    )


def resolve_remote(text: str, defaults: Mapping[str, Any], path: Path) -> Remote:
    """The shared folder.

    Raises:
        ConfigError: It is not known, or not what it can be.
    """
    user = str(defaults.get("user", ""))
    if text:
        return parse_remote(text, user=user)
    missing = [NAMES[key] for key in ("host", "remote_dir") if not defaults.get(key)]
    if missing:
        raise ConfigError(
            "It is not known where the shared folder is",
            value=" and ".join(f"{name} not set" for name in missing),
            where=path,
            remedy="Run `gamefleet sync setup`, or set SYNC_CLUSTER_USER, SYNC_CLUSTER_HOST and SYNC_REMOTE_DIR, or "
            "name it: `gamefleet sync pull USER@login.cluster.example.edu:shared_weights`.",
        )
    return make_remote(user=user, host=str(defaults["host"]), folder=str(defaults["remote_dir"]))


def read_interval(value: object) -> float:
    """Seconds between two cycles.

    Raises:
        ConfigError: It is not a number of seconds.
    """
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86400:
        remedy = "Seconds from start to start, for example 5; 0 syncs once."
        raise ConfigError("This cannot be an interval", value=value, where="INTERVAL or SYNC_INTERVAL", remedy=remedy)
    return seconds
