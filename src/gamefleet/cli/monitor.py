"""`gamefleet monitor`: how a learner on another machine and its coordinator are.

Job: ask the learner, or read what the coordinator wrote last, and print it. Place in the data flow: reads only; anybody
with the token can look, from anywhere. Left out: curves (`gamefleet status`, `gamefleet dashboard`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamefleet.cli.learner import DEFAULT_PORT
from gamefleet.cli.options import RunsFolderOption
from gamefleet.cli.runs import age
from gamefleet.cli.secret import Secret, TokenFileOption, TokenOption, TokenVariableOption, token_of
from gamefleet.cli.status import shown
from gamefleet.errors import ConfigError, GamefleetError, PeerError, RunFolderError, nearest

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gamefleet.transport.token import Token

PATIENCE_S, ASK_TIMEOUT_S = 2.0, 10.0
"""Before it is looked at why there is no answer, and when nothing was found."""

WATCH_INTERVAL_S = 2.0
PLAIN_INTERVAL_S = 30.0
STATE_FILE = Path("checkpoints") / "training_state.json"

AT_WORK = ("running", "paused")
"""What only a coordinator that lives can be."""

Json = Mapping[str, Any]
Ask = Callable[[], Json]


def monitor(
    gpu_host: Annotated[str, typer.Option(metavar="HOST", help="Ask the learner on this machine.")] = "",
    gpu_port: Annotated[int, typer.Option(help="Of the learner.")] = DEFAULT_PORT,
    auth_token: TokenOption = None,
    auth_token_file: TokenFileOption = None,
    auth_token_env: TokenVariableOption = "",
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C.")] = False,
    local: Annotated[bool, typer.Option("--local", help="Ask nobody: read what the coordinator saved here.")] = False,
    run: Annotated[str, typer.Option(help="With --local: the run; by default the one that was saved last.")] = "",
    runs_folder: RunsFolderOption = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say how the learner and its coordinator are. Exits with 0 when there was an answer."""
    if local == bool(gpu_host):
        raise ConfigError(
            "--gpu-host and --local exclude each other" if local else "Nothing says whom to ask",
            remedy="--gpu-host HOST asks a learner, --local reads what the coordinator saved here.",
        )
    if local:
        look(lambda: read_state(run, runs_folder), local_picture, watch=watch, as_json=as_json)
        return
    from gamefleet.topologies.remote_learner.status import ask_status

    token = token_of(Secret(text=auth_token, file=auth_token_file, variable=auth_token_env))

    def ask() -> Json:
        try:
            return ask_status(gpu_host, gpu_port, token, PATIENCE_S)
        except PeerError:
            explain_way(gpu_host, gpu_port)
            return ask_patiently(gpu_host, gpu_port, token)

    look(ask, lambda said: learner_picture(said, gpu_host, gpu_port), watch=watch, as_json=as_json)


def ask_patiently(host: str, port: int, token: Token) -> Json:
    """Ask a learner to which there is a way.

    Raises:
        PeerError: It does not let this machine in, or does not answer.
    """
    from gamefleet.topologies.remote_learner.status import ask_status

    try:
        return ask_status(host, port, token, ASK_TIMEOUT_S)
    except PeerError as error:
        remedy = f"`gamefleet doctor --gpu-host {host} --gpu-port {port} --only learner` looks at each part of the way."
        raise PeerError(error.what, value=error.value, where=error.where, remedy=remedy) from error


def explain_way(host: str, port: int) -> None:
    """Say plainly why a machine cannot be reached, if that is what was wrong.

    Raises:
        PeerError: Its name has no address, or nothing answers there.
    """
    from gamefleet.cluster.checks.learner import check_name, check_port

    for result in (check_name(host), check_port(host, port)):
        if result.status != "ok":
            raise PeerError(result.found[0].upper() + result.found[1:], remedy=result.remedy)


def look(ask: Ask, picture: Callable[[Json], RenderableType], *, watch: bool, as_json: bool) -> None:
    """Show the answer once, or again and again."""
    from rich.console import Console

    if not watch:
        said = ask()
        if as_json:
            print(json.dumps(said, indent=2))
        else:
            Console().print(picture(shown(said)))
        return
    keep_looking(ask, picture, as_json=as_json)


def keep_looking(ask: Ask, picture: Callable[[Json], RenderableType], *, as_json: bool) -> None:
    """Show until Ctrl-C; a learner that is away is a line of text, and is asked again."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def attempt() -> RenderableType:
        try:
            said = ask()
        except GamefleetError as error:
            return Text(f"{time.strftime('%H:%M:%S')} {error}", style="yellow")
        return Text(json.dumps(said)) if as_json else picture(shown(said))

    console = Console()
    if as_json or not console.is_terminal or console.is_dumb_terminal:
        while True:
            console.print(attempt(), soft_wrap=True)
            time.sleep(PLAIN_INTERVAL_S)
    with Live(attempt(), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(WATCH_INTERVAL_S)
            live.update(attempt(), refresh=True)


def learner_picture(said: Json, host: str, port: int) -> RenderableType:
    """What a learner says of itself."""
    lines = [
        ("learner", f"{host}:{port}, gamefleet {said.get('version', '?')}, up {duration(said.get('uptime_s', 0))}"),
        ("state", with_why(said)),
        ("run", f"{said['run']} ({said.get('game') or '?'})" if said.get("run") else "none yet"),
        ("progress", f"{said.get('updates', 0):,} updates; the last checkpoint is of step {said.get('step', 0):,}"),
        ("device", str(said.get("device", "?"))),
    ]
    if said.get("idle_share") is not None:
        lines.append(("idle", f"{100 * said['idle_share']:.0f} % of the time it waited for the coordinator"))
    lines.append(("coordinator", coordinator_words(said.get("coordinator"))))
    lines += [("checkpoint", checkpoint_words(one)) for one in said.get("checkpoints", [])]
    lines += [("refused", f"{clock(at)} {address}: {why}") for at, address, why in said.get("refused", [])]
    return table_of(lines)


def coordinator_words(said: Json | None) -> str:
    """Who plays for the learner, and what has gone over the line."""
    if not said:
        return "none has come yet: the learner waits"
    why = f" ({said['why']})" if said.get("why") else ""
    since = f" since {clock(said['since'])}" if said.get("since") else ""
    sizes = " and ".join(
        f"{said[name] / 1e6:,.1f} MB {word}"
        for name, word in (("received_bytes", "received"), ("sent_bytes", "sent"))
        if name in said
    )
    return f"{said.get('name', '?')}, {said.get('state', '?')}{since}{why}; {sizes}"


def clock(at: float) -> str:
    """A moment as a time of today, or with its date."""
    form = "%H:%M:%S" if time.time() - at < 12 * 3600 else "%Y-%m-%d %H:%M"
    return time.strftime(form, time.localtime(at))


def checkpoint_words(said: Json) -> str:
    """One checkpoint."""
    mark = f", {str(said['hash'])[:8]}" if said.get("hash") else ""
    return f"step {said.get('step', 0):,}, {said.get('updates', 0):,} updates, {age(said.get('age_s', 0.0))}{mark}"


def local_picture(said: Json) -> RenderableType:
    """What the coordinator saved last."""
    learner, written = said.get("learner") or {}, said.get("written_at")
    reason = f": {said['reason']}" if said.get("reason") else ""
    state = f"{said.get('status', '?')}{reason}"
    if said.get("status") in AT_WORK and not said.get("holder"):
        state = f"interrupted: {state} when it was written, and nobody is at work now; type its command again"
    played = f"iteration {said.get('iteration', 0):,}, {said.get('games', 0):,} games"
    return table_of(
        [
            ("run", f"{said.get('run', '?')} ({said.get('game') or '?'})"),
            ("state", state),
            ("progress", f"{played}, step {said.get('step', 0):,}, {said.get('updates', 0):,} updates"),
            ("learner", f"{learner.get('host', '?')}:{learner.get('port', '?')}"),
            ("written", age(time.time() - written) if written else "never"),
            ("at work", said.get("holder") or "no coordinator of this run, as far as can be told from here"),
        ]
    )


def read_state(run: str, runs_folder: Path) -> Json:
    """What the coordinator of a run saved last.

    Raises:
        RunFolderError: There is no such run, or no coordinator has saved anything.
    """
    from gamefleet.files import read_json
    from gamefleet.runs.claim import holder_alive
    from gamefleet.runs.folder import read_resolved
    from gamefleet.runs.paths import RunPaths

    found = {path.parent.parent.name: path for path in runs_folder.glob(f"*/{STATE_FILE}")}
    if run and run not in found:
        remedy = nearest(run, found) if found else "Name the folder of the runs with --runs-folder."
        raise RunFolderError("No coordinator has saved a run of this name", value=run, where=runs_folder, remedy=remedy)
    if not found:
        remedy = (
            "A run is known here from its first checkpoint on; until then, `gamefleet monitor --gpu-host HOST` asks "
            "its learner. `gamefleet coordinate` starts one; --runs-folder names another folder."
        )
        raise RunFolderError("No coordinator has saved anything here", where=runs_folder, remedy=remedy)
    name = run or max(found, key=lambda each: found[each].stat().st_mtime)
    try:
        said = read_json(found[name])
    except ValueError as error:
        raise RunFolderError(f"The state cannot be read: {error}", where=found[name]) from error
    paths = RunPaths(runs_folder / name)
    remote = read_resolved(paths).get("remote", {})
    learner = {"host": remote.get("gpu_host"), "port": remote.get("gpu_port"), **(said.get("learner") or {})}
    return {**said, "run": name, "learner": learner, "holder": holder_alive(paths)}


def with_why(said: Json) -> str:
    """A state and its reason."""
    why = f": {said['why']}" if said.get("why") else ""
    return f"{said.get('state', '?')}{why}"


def duration(seconds: float) -> str:
    """A duration in its largest whole unit."""
    return age(seconds).removesuffix(" ago")


def table_of(lines: list[tuple[str, str]]) -> RenderableType:
    """Names and values below each other."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, value in lines:
        table.add_row(Text(name, style="bold"), Text(value))
    return table
