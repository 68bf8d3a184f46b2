"""`gamefleet learner`: learn on this machine for a coordinator on another one.

Job: gather what the learner needs and start it. Place in the data flow: the machine with the GPU; `gamefleet
coordinate` is the other end. Left out: learning, and the link.
"""

from __future__ import annotations

import errno
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamefleet.cli.options import ConfigOption, SetOption, ask_for
from gamefleet.cli.secret import Secret, TokenFileOption, TokenOption, TokenVariableOption, token_of
from gamefleet.errors import ConfigError, RunFolderError, nearest

if TYPE_CHECKING:
    from gamefleet.topologies.config import RunConfig
    from gamefleet.transport.token import Token

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 5555
DEFAULT_FOLDER = Path("runs/learner")
DEVICES = ("auto", "cpu", "cuda", "mps")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HIGHEST_PORT = 65_535

app = typer.Typer(help="Learn on this machine for a coordinator on another one.", no_args_is_help=True)


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Where to listen; 0.0.0.0 is every network of this machine.")
    ] = DEFAULT_HOST,
    port: Annotated[int, typer.Option(help="Where to listen.")] = DEFAULT_PORT,
    auth_token: TokenOption = None,
    auth_token_file: TokenFileOption = None,
    auth_token_env: TokenVariableOption = "",
    device: Annotated[str, typer.Option(help="auto (CUDA, then MPS, then the CPU), cpu, cuda or mps.")] = "auto",
    folder: Annotated[
        Path, typer.Option(help="Holds the learner's side of each run: its checkpoints.")
    ] = DEFAULT_FOLDER,
    config: ConfigOption = None,
    assignments: SetOption = None,
    game: Annotated[str, typer.Option(help="Whose settings --config holds, when it does not say.")] = "",
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Move a run of the same name that is another coordinator's aside.")
    ] = False,
    max_runtime_seconds: Annotated[float | None, typer.Option(help="Save and end after so many seconds.")] = None,
) -> None:
    """Hold the network, learn from what a coordinator sends, and keep checkpoints, until Ctrl-C.

    The coordinator brings the settings. With --config (the same file on both machines), one that differs is refused.
    """
    secret = Secret(text=auth_token, file=auth_token_file, variable=auth_token_env, config=config)
    token = token_of(secret)
    check_place(port, device)
    own = own_settings(game, config, assignments)
    tell_who_reaches(host, port, token)
    start(host, port, device, folder, own, adopt=adopt, token=token, max_runtime_s=max_runtime_seconds)


def start(
    host: str,
    port: int,
    device: str,
    folder: Path,
    own: RunConfig | None,
    *,
    adopt: bool,
    token: Token,
    max_runtime_s: float | None,
) -> None:
    """Serve until somebody or something ends it."""
    import importlib.util

    from gamefleet.errors import MissingDependencyError
    from gamefleet.runs.deadline import Deadline
    from gamefleet.runs.progress import progress_on
    from gamefleet.topologies.remote_learner.server import ServeSettings, serve

    if importlib.util.find_spec("torch") is None:
        raise MissingDependencyError("Learning needs PyTorch", remedy="pip install 'gamefleet[torch]'")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # the loop listens; before and after it there is nothing to save
    settings = ServeSettings(host=host, port=port, folder=folder, device=device, config=own, adopt=adopt)
    print(f"This side of each run is kept below {folder}.", file=sys.stderr)
    with progress_on() as progress, advised():
        serve(settings, token, deadline=Deadline(max_runtime_s=max_runtime_s), progress=progress)


@contextmanager
def advised() -> Iterator[None]:
    """Let errors name the options of this command, which are not those of a run.

    Raises:
        ConfigError: The address is none of this machine.
        RunFolderError: Another learner has the folder.
    """
    from gamefleet.runs.claim import ANOTHER_NAME

    try:
        yield
    except ConfigError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.EADDRNOTAVAIL:
            raise
        remedy = "Name an address of this machine with --host; 0.0.0.0 is all of them."
        raise ConfigError(error.what, value=error.value, where=error.where, remedy=remedy) from error
    except RunFolderError as error:
        if ANOTHER_NAME not in error.remedy:
            raise
        remedy = error.remedy.replace(ANOTHER_NAME, "Name another folder with --folder.")
        raise RunFolderError(error.what, value=error.value, where=error.where, remedy=remedy) from error


def own_settings(game: str, config: Path | None, assignments: list[str] | None) -> RunConfig | None:
    """The settings that a coordinator must have, too; None when none were given here.

    Raises:
        ConfigError: A setting does not exist, or nothing says which game they are for.
    """
    if config is None and not assignments:
        return None
    from gamefleet.games import open_game
    from gamefleet.topologies.config import make_config

    asked = ask_for(config, assignments)
    named = game or asked.game_name
    if not named:
        raise ConfigError("Which game are these settings for?", remedy="Name it with --game.")
    return make_config(open_game(named), asked)


def check_place(port: int, device: str) -> None:
    """Refuse what is neither a port nor a device, before anything slow is loaded.

    Raises:
        ConfigError: It is none.
    """
    if not 0 <= port <= HIGHEST_PORT:
        raise ConfigError("This is no port", value=port, where="--port", remedy=f"Choose 1 to {HIGHEST_PORT}.")
    if device.split(":")[0] not in DEVICES:
        raise ConfigError("There is no such device", value=device, where="--device", remedy=nearest(device, DEVICES))


def tell_who_reaches(host: str, port: int, token: Token) -> None:
    """Say who can connect, and with which token."""
    who = (
        f"only this machine and ssh tunnels reach it (`ssh -R {port}:localhost:{port} USER@SERVER` from here; "
        "--host 0.0.0.0 opens it to the network)"
        if host in LOOPBACK
        else "whoever reaches this machine and holds the token can connect"
    )
    print(f"Token {token.fingerprint}; {who}.", file=sys.stderr)
