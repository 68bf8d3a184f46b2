"""`gamefleet sync setup`: from nothing to a first pull.

Job: ask what is not known, go through the steps, say what was done. Place in the data flow: once, on the user's own
machine. Left out: the steps themselves (`cluster.sync.setup`).
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamefleet.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from gamefleet.cluster.checks.host import Host
    from gamefleet.cluster.checks.programs import Runner
    from gamefleet.cluster.ssh import Remote

QUESTIONS = {
    "host": "Login node of the cluster, for example login.cluster.example.edu",
    "user": "Your user name there",
    "remote_dir": "Shared folder there, absolute or below your home folder",
}


def setup(
    user: Annotated[str, typer.Option(help="User name on the cluster.")] = "",
    host: Annotated[str, typer.Option(help="Login node of the cluster.")] = "",
    remote_dir: Annotated[str, typer.Option(metavar="DIR", help="The shared folder there.")] = "",
    local_dir: Annotated[str, typer.Option(metavar="DIR", help="The copy; ~/shared_weights by default.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Change ~/.ssh/config without asking.")] = False,
    ssh_config: Annotated[Path | None, typer.Option("--ssh-config", metavar="FILE", help="As for `ssh -F`.")] = None,
) -> None:
    """Make a key, log in, make the folder there, remember it all, pull once.

    Asks for what is missing where there is a terminal. Can be repeated: what was done is left as it is.
    """
    from gamefleet.cluster.checks.host import Host
    from gamefleet.cluster.ssh import LongPrograms, make_remote
    from gamefleet.cluster.sync.settings import settings_path, write_settings
    from gamefleet.cluster.sync.setup import examine, make_folder

    config = {"ssh_config": str(ssh_config.absolute())} if ssh_config else {}
    given = {"user": user, "host": host, "remote_dir": remote_dir, "local_dir": local_dir, **config}
    values = complete({key: value for key, value in given.items() if value})
    remote = make_remote(user=str(values.get("user", "")), host=str(values["host"]), folder=str(values["remote_dir"]))
    runner = LongPrograms(os.environ)
    machine = Host(name=remote.login, ssh_config=ssh_config)
    log_in(machine, runner)
    for result in examine(machine, runner):
        done(result.found)
    share_connections(remote, machine, runner, yes=yes)
    make_folder(remote, machine, runner)
    done(f"{remote} is there and can be written")
    path = settings_path(os.environ)
    write_settings(path, values)
    done(f"wrote {path}")
    first_pull()


def complete(given: dict[str, Any]) -> dict[str, Any]:
    """Settings with what the user is asked for.

    Raises:
        ConfigError: Something is missing, and there is no terminal to ask in.
    """
    from gamefleet.cluster.sync.settings import read_defaults

    values = {**read_defaults({**os.environ, "SYNC_INTERVAL": ""}), **given}  # that one is for this shell only
    missing = [key for key in QUESTIONS if not values.get(key)]
    if missing and not sys.stdin.isatty():
        needed = [f"--{key.replace('_', '-')}" for key in missing if key != "user"]  # ssh knows a user by itself
        if needed:
            remedy = f"Add {' and '.join(needed)}, or run this in a terminal."
            raise ConfigError("There is no terminal to ask in", value=", ".join(needed), remedy=remedy)
        return values
    for key in missing:
        values[key] = typer.prompt(QUESTIONS[key])
    return values


def log_in(host: Host, runner: Runner) -> None:
    """See that a login works without a password, and help where it does not.

    Raises:
        SyncError: It does not work; says what to type.
        MissingDependencyError: ssh is not installed.
    """
    from gamefleet.cluster.sync.rsync import SyncError
    from gamefleet.cluster.sync.setup import connection, copy_key, copy_key_words, has_key, make_key, needs_key_there

    if runner(["ssh", "-V"], 20.0).status:
        remedy = "`sudo apt-get install openssh-client`, or `brew install openssh`."
        raise MissingDependencyError("OpenSSH is not installed on this machine", remedy=remedy)
    key = Path.home() / ".ssh" / "id_ed25519"
    if not has_key(host, runner):
        key = make_key(Path.home(), runner)
        done(f"there is a key, {key}")
    found = connection(host, runner)
    if found.status == "failed" and needs_key_there(found) and sys.stdin.isatty():
        print(f"{shlex.join(copy_key_words(host, key))} asks for your password on {host.name}, once:", flush=True)
        if copy_key(host, key, os.environ):
            found = connection(host, runner)
    if found.status == "failed":
        raise SyncError("login", found.found, remedy=f"{found.remedy} Then run `gamefleet sync setup` again.")
    done(found.found)
    if found.status == "warning":
        done(found.remedy)


def share_connections(remote: Remote, host: Host, runner: Runner, *, yes: bool) -> None:
    """Add lines to the SSH settings that share one connection, if the user agrees."""
    from gamefleet.cluster.sync.setup import needs_block, sharing_block, write_block

    if host.ssh_config:
        done(f"{host.ssh_config} is left as it is; a sync shares a connection of its own")
        return
    path = Path.home() / ".ssh" / "config"
    if not needs_block(host, runner):
        done(f"connections to {host.name} are shared already")
        return
    block = sharing_block(remote)
    print(f"These lines in {path} make every ssh to {remote.host} share one connection:\n{block}")
    agreed = yes or (sys.stdin.isatty() and typer.confirm("Add them?", default=True))
    if not agreed:
        done("not added; a sync shares a connection of its own without them (--yes adds them)")
        return
    write_block(path, block, host, runner)
    done(f"wrote {path}")


def first_pull() -> None:
    """Pull once, with what was just written."""
    from gamefleet.cli import sync

    sync.sync("pull", sync.settings_of("", "", "0", None), sync.Wishes())


def done(line: str) -> None:
    """Say what was done."""
    print(f"ok  {line}", flush=True)
