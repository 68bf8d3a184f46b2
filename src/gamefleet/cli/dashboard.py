"""`gamefleet dashboard`: the pages of a run, a fleet, a folder of runs, or a shared folder.

Job: parse, put the readers and what they are told together, serve. Place in the data flow: folders -> `watch` ->
browser. Left out: reading, and everything that writes.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamefleet.cli.watching import has_display, open_page
from gamefleet.errors import ConfigError, RunFolderError

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from gamefleet.cli.dashboard_stream import LivePictures
    from gamefleet.watch.answers import Answers
    from gamefleet.watch.providers import Providers
    from gamefleet.watch.serving import Place
    from gamefleet.watch.site import Site

PORT = 8080

FoldersArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN_DIR|SHARED_DIR|HOST:DIR]...",
        help="What to show; default: the folder of the runs.",
        show_default=False,
    ),
]
PortOption = Annotated[int | None, typer.Option("--port", help="Of the pages; default: 8080, or any that is free.")]
ListenOption = Annotated[str, typer.Option("--listen", metavar="HOST", help="Address of this machine to serve on.")]
OpenOption = Annotated[
    bool | None,
    typer.Option(
        "--open/--no-open", help="Open a browser; default: where there is one and the address holds no token."
    ),
]
StreamOption = Annotated[
    int | None,
    typer.Option("--stream-port", metavar="N", help="Take live pictures of players on this port; default: any."),
]
LiveOption = Annotated[bool, typer.Option("--live/--no-live", help="Show live pictures of runs that play.")]
SshOption = Annotated[Path | None, typer.Option("--ssh-config", metavar="FILE", help="As for `ssh -F`.")]


def dashboard(
    folders: FoldersArgument = None,
    port: PortOption = None,
    listen: ListenOption = "127.0.0.1",
    open_browser: OpenOption = None,
    stream_port: StreamOption = None,
    live: LiveOption = True,
    ssh_config: SshOption = None,
) -> None:
    """Show runs in the browser: state, curves, map, jobs, machines, averaging, checks.

    Reads only; no run waits for it, needs it or notices it.
    """
    from gamefleet.watch.answers import Answers
    from gamefleet.watch.serving import needed_token, take_place

    with ExitStack() as stack:
        place = take_place(listen, port, usual_port=PORT, token=needed_token(listen, os.environ))
        stack.callback(place.socket.close)
        site = site_of(folders or ["runs"], ssh_config, stack)
        answers = Answers(site, providers_for(site))
        if live:
            answers.pictures = pictures = live_pictures_of(folders or ["runs"], stream_port or 0, ssh_config)
            stack.callback(pictures.close)
        serve(answers, place, opens=open_browser)


def site_of(folders: list[str], ssh_config: Path | None, stack: ExitStack) -> Site:
    """What is shown; a copy of another machine's folder is kept fresh until `stack` is left.

    Raises:
        RunFolderError: A folder does not exist.
        ConfigError: A folder of another machine is one of several.
    """
    from gamefleet.cli.dashboard_copy import copy_of, is_remote
    from gamefleet.watch.site import Site

    if any(map(is_remote, folders)):
        if len(folders) > 1:
            raise ConfigError("One folder of another machine is shown by itself", value=folders, remedy="Name one.")
        copying = copy_of(folders[0], ssh_config=ssh_config)
        stack.callback(copying.close)
        copying.start()
        return Site(folders=[copying.mirror.local], copy=copying.state)
    paths = [Path(folder).expanduser() for folder in folders]
    for path in paths:
        if not path.is_dir():
            raise RunFolderError(
                "There is no such folder",
                value=str(path),
                remedy="Name a run folder, a folder of runs, a shared folder, or HOST:DIR.",
            )
    return Site(folders=paths)


def live_pictures_of(folders: list[str], port: int, ssh_config: Path | None) -> LivePictures:
    """Live pictures of the runs of some folders; the folders are told where their runs find us."""
    from gamefleet.cli.dashboard_copy import is_remote
    from gamefleet.cli.dashboard_stream import LivePictures, live_pictures, pictures_through
    from gamefleet.cluster.ssh import parse_remote

    if is_remote(folders[0]):
        remote = parse_remote(folders[0])
        return LivePictures(lambda: pictures_through(remote, port, ssh_config))
    paths = [Path(folder).expanduser() for folder in folders]
    return LivePictures(lambda: live_pictures(port, paths))


def providers_for(site: Site) -> Providers:
    """What is told besides run folders."""
    from gamefleet.cli.dashboard_chains import Chains
    from gamefleet.cli.dashboard_checks import DoctorChecks, meanings, num_milestones, panels
    from gamefleet.cli.dashboard_fleet import Averaging, Machines
    from gamefleet.watch.providers import Providers
    from gamefleet.watch.site import kind_of

    first = site.folders[0]
    is_run = kind_of(first) in ("run", "fleet")
    checks = DoctorChecks(
        runs_folder=first.absolute().parent if is_run else first,
        run=first.absolute().name if kind_of(first) == "run" else "",
        shared=first if kind_of(first) == "shared" else None,
    )
    return Providers(
        chain=Chains(environment=os.environ, is_copy=site.copy is not None),
        machines=Machines(),
        averaging=Averaging(),
        checks=None if site.copy else checks,
        meanings=meanings,
        panels=panels,
        milestones=num_milestones,
    )


def serve(answers: Answers, place: Place, *, opens: bool | None) -> None:
    """Serve until Ctrl-C."""
    from gamefleet.cli.dashboard_stream import LivePictures
    from gamefleet.watch.server import make_app
    from gamefleet.watch.serving import Serving

    serving = Serving(make_app(answers, more=frames_of(answers)), place)
    answers.freshness.start()
    print(f"The dashboard is at {place.address} (Ctrl-C ends it; no run notices).", flush=True)
    # A token in the browser's arguments could be read by everybody on this machine.
    if place.token is None and (opens or (opens is None and has_display(os.environ))):
        open_page(place.address)
    if isinstance(answers.pictures, LivePictures):
        answers.pictures.start()
    try:
        serving.run()
    finally:
        answers.freshness.close()


def frames_of(answers: Answers) -> list[BaseRoute]:
    """The address of live pictures, where there are any; without them nothing heavy is imported."""
    if answers.pictures is None:
        return []
    from gamefleet.cli.dashboard_stream import LivePictures

    if isinstance(answers.pictures, LivePictures):
        return [answers.pictures.route()]
    from gamefleet.watch.frames_socket import FramesSocket
    from gamefleet.watch.hub import Hub

    return [FramesSocket(answers.pictures).route()] if isinstance(answers.pictures, Hub) else []
