"""`gamefleet view`: watch agents play.

Job: find the token, listen for players, show them in a browser, a window or as numbers; hold the tunnel to a cluster.
Place in the data flow: a person's own machine. Left out: everything that shows (`watch`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamefleet.cli.watching import LOOPBACK, has_display, listening, machine_label, open_page
from gamefleet.errors import ConfigError
from gamefleet.topologies.streaming.settings import DEFAULT_PORT

if TYPE_CHECKING:
    from gamefleet.cluster.ssh import Remote
    from gamefleet.cluster.tunnel import ReverseTunnel
    from gamefleet.transport.token import Token
    from gamefleet.watch.hub import Hub

REPORT_INTERVAL_S = 5.0
LOOK_INTERVAL_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks for.

    Args:
        top_k: Agents that are shown.
        size: Width and height of a picture, or of the window.
        frames_per_s: Of each agent.
        page_port: Of the page; 0 for any.
    """

    top_k: int
    size: tuple[int, int]
    frames_per_s: float
    page_port: int


def view(
    port: Annotated[int, typer.Option(help="Where players, or the tunnel to them, connect.")] = DEFAULT_PORT,
    top_k: Annotated[int, typer.Option(help="Agents that are shown: the best.")] = 2,
    width: Annotated[int, typer.Option(help="Of a picture on the page, or of the window; pixels.")] = 800,
    height: Annotated[int, typer.Option(help="Likewise.")] = 600,
    headless: Annotated[bool, typer.Option("--headless", help="Print statistics, show nothing.")] = False,
    window: Annotated[bool, typer.Option("--window", help="A window of its own in place of the page.")] = False,
    via: Annotated[
        str | None, typer.Option(metavar="USER@HOST:DIR", help="Hold a tunnel to the login node; DIR: run or fleet.")
    ] = None,
    fps: Annotated[float, typer.Option(help="Pictures per agent and second at most.")] = 15.0,
    page_port: Annotated[int, typer.Option(help="Of the page on this machine; 0 for any that is free.")] = 0,
    auth_token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The token; by default as `gamefleet token` says.")
    ] = None,
    ssh_config: Annotated[Path | None, typer.Option("--ssh-config", metavar="FILE", help="As for `ssh -F`.")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page where there is one.")] = True,
) -> None:
    """Watch the best agents play, on this machine or on a cluster; training does not wait for it."""
    if top_k < 1 or width < 1 or height < 1 or not 0 < fps <= 60:
        raise ConfigError(
            "These are no sizes", value=(top_k, width, height, fps), where="--top-k, --width, --height, --fps"
        )
    wishes = Wishes(top_k=top_k, size=(width, height), frames_per_s=fps, page_port=page_port)
    with ExitStack() as stack:
        token, remote = token_for(via, auth_token_file, ssh_config)
        hub, link_port = stack.enter_context(listening(port, token))
        tunnel = None
        if remote is not None:
            tunnel = stack.enter_context(held_tunnel(remote, link_port, ssh_config))
        try:
            show = show_numbers if headless else show_window if window else show_page
            show(hub, tunnel, wishes, opens=browser)
        except KeyboardInterrupt:
            print()


def token_for(via: str | None, file: Path | None, ssh_config: Path | None) -> tuple[Token, Remote | None]:
    """The token: that of the folder on the login node, or this user's own, which is made when there is none.

    Raises:
        ConfigError: The token is unusable, or `via` is no folder of another machine.
        ClusterError: The login node cannot be reached.
    """
    from gamefleet.transport.token import Token, find_token, usual_place, write_token

    is_missing = file is None and not any(os.environ.get(name) for name in TOKEN_VARIABLES)
    if is_missing and not usual_place(os.environ).exists():
        own = write_token(usual_place(os.environ))
        print(f"made a token: {usual_place(os.environ)}. Players on other machines need it, too: gamefleet token send")
    else:
        own = find_token(file, os.environ)
    if via is None:
        return own, None
    from gamefleet.cluster.checks.host import Host
    from gamefleet.cluster.ssh import parse_remote, ssh_words
    from gamefleet.cluster.tunnel import agree_on_token

    remote = parse_remote(via)
    ssh = ssh_words(Host(name=remote.login, ssh_config=ssh_config))
    return Token(agree_on_token(remote, own.text, ssh=ssh)), remote


TOKEN_VARIABLES = ("GAMEFLEET_AUTH_TOKEN_FILE", "GAMEFLEET_AUTH_TOKEN")


@contextmanager
def held_tunnel(remote: Remote, port: int, ssh_config: Path | None) -> Iterator[ReverseTunnel]:
    """A tunnel that leads from the login node to the hub."""
    from gamefleet.cluster.checks.host import Host
    from gamefleet.cluster.tunnel import ReverseTunnel, tunnel_words

    name = machine_label("viewer")
    ssh = tunnel_words(Host(name=remote.login, ssh_config=ssh_config))
    tunnel = ReverseTunnel(remote, port=port, viewer=name, ssh=ssh)
    try:
        yield tunnel
    finally:
        tunnel.close()


def show_page(hub: Hub, tunnel: ReverseTunnel | None, wishes: Wishes, *, opens: bool) -> None:
    """Serve the page until the user ends it."""
    from gamefleet.watch.serving import Serving, needed_token, take_place
    from gamefleet.watch.viewer import viewer_app

    def more() -> dict[str, Any]:
        return {} if tunnel is None or tunnel.state.kind == "open" else {"why": f"Tunnel: {tunnel.state.why}"}

    width, height = wishes.size
    look = {"top_k": wishes.top_k, "width": width, "height": height, "fps": wishes.frames_per_s}
    place = take_place(LOOPBACK, wishes.page_port, usual_port=0, token=needed_token(LOOPBACK, os.environ))
    serving = Serving(viewer_app(hub, view=look, extra=more), place)
    serving.start()
    print(f"the best agents: {place.address}", flush=True)
    if opens and place.token is None and has_display(os.environ):
        open_page(place.address)
    try:
        report_until(lambda: False, hub, tunnel)
    finally:
        serving.close()


def show_window(hub: Hub, tunnel: ReverseTunnel | None, wishes: Wishes, *, opens: bool) -> None:
    """Show a window until it is closed."""
    from gamefleet.watch.subscription import Wish
    from gamefleet.watch.window import Window

    if not has_screen(os.environ):
        raise ConfigError("There is no screen here for a window", value="--window", remedy="Leave it out for a page.")
    subscription = hub.watch()
    subscription.wish(Wish(agents="best", top_k=wishes.top_k, frames_per_s=wishes.frames_per_s))
    window = Window(subscription, size=wishes.size, title="gamefleet: the best agents")
    try:
        while window.turn():
            pass
    finally:
        window.close()


def show_numbers(hub: Hub, tunnel: ReverseTunnel | None, wishes: Wishes, *, opens: bool) -> None:
    """Print who plays and how much comes, until the user ends it."""
    from gamefleet.watch.subscription import Wish

    subscription = hub.watch()
    subscription.wish(Wish(agents="best", top_k=wishes.top_k, frames_per_s=wishes.frames_per_s))
    next_at = time.monotonic() + REPORT_INTERVAL_S

    def turn() -> bool:
        nonlocal next_at
        subscription.next(LOOK_INTERVAL_S)
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + REPORT_INTERVAL_S
            print(summary(hub, wishes.top_k), flush=True)
        return False

    report_until(turn, hub, tunnel, pause_s=0.0)


def summary(hub: Hub, top_k: int) -> str:
    """One line of numbers."""
    numbers = hub.statistics()
    known = {agent["id"]: agent for agent in hub.agents()}
    best = [
        f"{agent} (progress {known[agent]['progress']:g}, reward {known[agent]['reward']:.1f})"
        for agent in hub.best(top_k)
        if agent in known
    ]
    flow = f"{numbers['frames_per_s']:.1f} pictures/s, {numbers['bytes_per_s'] / 1000:.1f} kB/s"
    return f"{numbers['players']} players, {numbers['agents']} agents, {flow}; best: {', '.join(best) or 'none'}"


def report_until(
    is_over: Callable[[], bool], hub: Hub, tunnel: ReverseTunnel | None, *, pause_s: float = LOOK_INTERVAL_S
) -> None:
    """Say what changes: players that come and go, and how the tunnel is."""
    told: tuple[Any, ...] = ()
    while not is_over():
        streaming = hub.as_json()["streaming"]
        state = "" if tunnel is None else f"; tunnel {tunnel.state.kind}: {tunnel.state.why}"
        now = (streaming["producers"], streaming["why"], state)
        if now != told:
            told = now
            who = f"{streaming['producers']} players" if streaming["producers"] else streaming["why"]
            print(f"{who}{state}", file=sys.stderr, flush=True)
        time.sleep(pause_s)


def has_screen(environ: Mapping[str, str]) -> bool:
    """Whether a window could open here, also one that shows itself where the user logged in from.

    SDL draws where nobody sees it when there is none.
    """
    names = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    return sys.platform in ("darwin", "win32") or any(environ.get(name) for name in names)
