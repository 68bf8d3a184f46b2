"""`gamefleet service`: a learner or a coordinator that starts by itself, and again when it ends.

Job: make a service of options. Place in the data flow: `cluster.remote_services` says what it runs, `cluster.services`
installs it. Left out: learning and playing.
"""

from __future__ import annotations

import getpass
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamefleet.cli.options import ConfigOption, ask_for
from gamefleet.errors import ClusterError, ConfigError

if TYPE_CHECKING:
    from gamefleet.cluster.services import Place, Service

BY_HAND = "/opt/gamefleet/.venv/bin/gamefleet"

app = typer.Typer(help="Keep a learner or a coordinator running, by systemd or launchd.", no_args_is_help=True)

KindArgument = Annotated[str, typer.Argument(metavar="NAME", help="learner or coordinator.")]
SystemOption = Annotated[
    bool, typer.Option("--system/--user", help="Of the whole machine (as root, systemd only), or of this user.")
]
ForOption = Annotated[
    str, typer.Option("--for", metavar="USER", help="With --system: as whom it runs; by default whoever typed sudo.")
]

DryOption = Annotated[bool, typer.Option("--dry-run", help="Print the files; write and start nothing.")]
DirectoryOption = Annotated[
    str, typer.Option(help="Where it works; by default this folder, with --system the user's home.")
]
NAMES = ("HOST", "PORT", "DEVICE", "FOLDER", "GPU_HOST", "GPU_PORT", "GAME", "RUN", "OPTIONS")
"""Settings of the services, in the order of the options of `install`."""


@app.command()
def install(
    kind: KindArgument,
    system: SystemOption = False,
    user: ForOption = "",
    dry_run: DryOption = False,
    directory: DirectoryOption = "",
    host: Annotated[str, typer.Option(help="Learner: where to listen; 127.0.0.1 by default.")] = "",
    port: Annotated[str, typer.Option(help="Learner: the port; 5555 by default.")] = "",
    device: Annotated[str, typer.Option(help="Learner: auto, cpu, cuda or mps.")] = "",
    folder: Annotated[str, typer.Option(help="Learner: its checkpoints; runs/learner by default.")] = "",
    gpu_host: Annotated[str, typer.Option(help="Coordinator: the machine with the GPU.")] = "",
    gpu_port: Annotated[str, typer.Option(help="Coordinator: the learner's port; 5555 by default.")] = "",
    game: Annotated[str, typer.Option(help="Coordinator: what is played.")] = "",
    run: Annotated[str, typer.Option(help="Coordinator: name of the run.")] = "",
    config: ConfigOption = None,
    options: Annotated[str, typer.Option(help="Further options of the command, in one word.")] = "",
) -> None:
    """Write the service's file and its file of settings, and start it now and ever after.

    Settings that are there already are kept, but for those named here. Only their owner can read them.
    """
    from gamefleet.cluster.checks.programs import Programs
    from gamefleet.cluster.services import install

    given = (host, port, device, folder, gpu_host, gpu_port, game, run, options)
    asked = of_file(kind, config) | {name: value for name, value in zip(NAMES, given, strict=True) if value}
    if config is not None:
        asked["OPTIONS"] = f"--config {shlex.quote(str(config.absolute()))} {options}".strip()
    place = place_for(user, is_system=system)
    service = service_for(kind, place, directory, asked)
    if dry_run:
        show(service, place)
        return
    refuse_without_rights(place)
    with Programs(os.environ) as programs:
        print("\n".join(install(service, place, programs, asked=asked)))


def of_file(kind: str, config: Path | None) -> dict[str, str]:
    """What a file of settings says of the learner's place: the service's own options would hide it.

    Raises:
        ConfigError: The file cannot be read, or its path cannot stand in a file of settings.
    """
    if config is None:
        return {}
    if any(letter in str(config.absolute()) for letter in " \t\"'\\$"):
        raise ConfigError("A service needs a plain path", value=str(config.absolute()), remedy="Copy the file.")
    remote = ask_for(config, None).settings.get("remote", {})
    names = {"gpu_port": "PORT"} if kind == "learner" else {"gpu_host": "GPU_HOST", "gpu_port": "GPU_PORT"}
    return {name: str(remote[key]) for key, name in names.items() if key in remote}


@app.command()
def uninstall(kind: KindArgument, system: SystemOption = False, user: ForOption = "") -> None:
    """Stop a service and remove its file; its settings and its runs stay."""
    from gamefleet.cluster.checks.programs import Programs
    from gamefleet.cluster.services import uninstall

    place = place_for(user, is_system=system)
    refuse_without_rights(place)
    with Programs(os.environ) as programs:
        print("\n".join(uninstall(service_for(kind, place, "", {}), place, programs)))


@app.command()
def status(
    kind: Annotated[str, typer.Argument(metavar="[NAME]", help="learner or coordinator; both by default.")] = "",
    system: SystemOption = False,
    user: ForOption = "",
) -> None:
    """Say how the services are."""
    from gamefleet.cluster.checks.programs import Programs
    from gamefleet.cluster.remote_services import KINDS
    from gamefleet.cluster.services import standing

    place = place_for(user, is_system=system)
    with Programs(os.environ) as programs:
        for each in (kind,) if kind else KINDS:
            print(standing(service_for(each, place, "", {}), place, programs))


@app.command()
def files(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write them.")],
    program: Annotated[str, typer.Option(help="Path of `gamefleet` in the units of the whole machine.")] = BY_HAND,
) -> None:
    """Write units and examples of settings into a folder, for those who install by hand."""
    from gamefleet.cluster.remote_services import files_by_hand
    from gamefleet.files import make_folder, write_bytes

    for name, text in files_by_hand(program).items():
        path = folder / name
        make_folder(path.parent)
        write_bytes(path, text.encode())
        print(f"wrote {path}")


def place_for(user: str, *, is_system: bool) -> Place:
    """Where services are put here.

    Raises:
        ClusterError: This system has none of that kind.
    """
    from gamefleet.cluster.services import Place, flavour_of

    flavour = flavour_of(sys.platform)
    if not is_system:
        return Place(flavour=flavour, environment=os.environ)
    if flavour != "systemd":
        raise ClusterError(
            "Services of the whole machine need systemd", value=sys.platform, remedy="Leave --system out."
        )
    named = user or os.environ.get("SUDO_USER") or getpass.getuser()
    return Place(flavour="system", environment=os.environ, user=named)


def service_for(kind: str, place: Place, directory: str, asked: dict[str, str]) -> Service:
    """The service with its settings.

    Raises:
        ConfigError: There is no such service, or it has no such setting.
    """
    from gamefleet.cli.sync_service import program
    from gamefleet.cluster.remote_services import remote_service

    usual = "~" if place.flavour == "system" else os.getcwd()
    folder = directory if directory in ("", "~") else str(Path(directory).expanduser().absolute())
    return remote_service(
        kind, place.flavour, program=program(), home=Path.home(), folder=folder or usual, values=asked
    )


def show(service: Service, place: Place) -> None:
    """Print the files and where they would lie."""
    from gamefleet.cluster.service_files import render, settings_text

    print(f"# {place.file(service)}\n{render(service, place.flavour).decode()}")
    print(f"# {place.settings_file(service)} (mode 600)\n{settings_text(service)}", end="")


def refuse_without_rights(place: Place) -> None:
    """Only root may write units of the whole machine.

    Raises:
        ClusterError: This user is not root.
    """
    if place.flavour == "system" and os.geteuid() != 0:
        again = f"sudo {shlex.join([str(Path(sys.argv[0]).absolute()), *sys.argv[1:]])}"
        raise ClusterError(
            "Services of the whole machine are root's", value=getpass.getuser(), remedy=f"Type: {again}; or use --user."
        )
