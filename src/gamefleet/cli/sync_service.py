"""`gamefleet sync service`: a sync that starts by itself at login.

Job: make a service of a sync's arguments. Place in the data flow: `cluster.services` renders and installs it. Left out:
everything about syncing; the service runs `gamefleet sync` with the arguments written out in full.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamefleet.errors import ConfigError, nearest

if TYPE_CHECKING:
    from gamefleet.cluster.services import Service

NAME = "gamefleet-sync"
DEFAULT_INTERVAL = "5"
MODES = ("pull", "push", "bidirectional")

app = typer.Typer(help="Start syncing at each login, by systemd or launchd.", no_args_is_help=True)

ModeArgument = Annotated[str, typer.Argument(metavar="[MODE]", help="pull, push or bidirectional.")]
RemoteArgument = Annotated[str, typer.Argument(metavar="[REMOTE]", help="As for `gamefleet sync pull`.")]
LocalArgument = Annotated[str, typer.Argument(metavar="[LOCAL]", help="As for `gamefleet sync pull`.")]
IntervalArgument = Annotated[str, typer.Argument(metavar="[INTERVAL]", help="Seconds; 5 by default.")]
SshOption = Annotated[Path | None, typer.Option("--ssh-config", metavar="FILE", help="As for `ssh -F`.")]


@app.command()
def show(
    mode: ModeArgument = "pull",
    remote: RemoteArgument = "",
    local: LocalArgument = "",
    interval: IntervalArgument = "",
    ssh_config: SshOption = None,
) -> None:
    """Print the file that `install` would write, and where."""
    from gamefleet.cluster.services import flavour_of, place_of, render

    flavour = flavour_of(sys.platform)
    wanted = service(mode, remote, local, interval, ssh_config=ssh_config)
    print(f"# {place_of(wanted, flavour, os.environ)}", file=sys.stderr)
    print(render(wanted, flavour).decode(), end="")


@app.command()
def install(
    mode: ModeArgument = "pull",
    remote: RemoteArgument = "",
    local: LocalArgument = "",
    interval: IntervalArgument = "",
    ssh_config: SshOption = None,
) -> None:
    """Write the service's file, and start it now and at each login."""
    from gamefleet.cluster.checks.programs import Programs
    from gamefleet.cluster.services import Place, flavour_of, install

    wanted = service(mode, remote, local, interval, ssh_config=ssh_config)
    place = Place(flavour=flavour_of(sys.platform), environment=os.environ)
    with Programs(os.environ) as programs:
        print("\n".join(install(wanted, place, programs)))


@app.command()
def uninstall() -> None:
    """Stop the service, and remove its file."""
    from gamefleet.cluster.checks.programs import Programs
    from gamefleet.cluster.services import Place, flavour_of, uninstall

    place = Place(flavour=flavour_of(sys.platform), environment=os.environ)
    with Programs(os.environ) as programs:
        print("\n".join(uninstall(described([]), place, programs)))


def service(mode: str, remote: str, local: str, interval: str, *, ssh_config: Path | None) -> Service:
    """The service of one sync, with everything written out: it will not see the variables of this shell.

    Raises:
        ConfigError: There is no such mode, or the sync's settings are not complete.
    """
    from gamefleet.cluster.sync.settings import resolve

    if mode not in MODES:
        raise ConfigError("There is no such direction", value=mode, where="MODE", remedy=nearest(mode, MODES))
    settings = resolve(remote, local, interval, environment=os.environ, ssh_config=ssh_config)
    seconds = f"{settings.interval_s:g}" if settings.interval_s else DEFAULT_INTERVAL
    config = ["--ssh-config", str(settings.ssh_config.absolute())] if settings.ssh_config else []
    return described([*program(), "sync", mode, str(settings.remote), str(settings.local), seconds, *config])


def described(command: list[str]) -> Service:
    """The service with its name, whatever it runs."""
    from gamefleet.cluster.services import SYSTEM_PATH, Service

    return Service(
        name=NAME,
        description="gamefleet: keep a copy of the shared folder",
        command=command,
        environment={"PATH": os.environ.get("PATH", SYSTEM_PATH)},
        log=Path.home() / ".cache" / "gamefleet" / "sync.log",
    )


def program() -> list[str]:
    """How this program is started again."""
    beside = Path(sys.executable).with_name("gamefleet")
    found = str(beside) if beside.exists() else shutil.which("gamefleet")
    return [found] if found else [sys.executable, "-P", "-m", "gamefleet.cli.main"]
