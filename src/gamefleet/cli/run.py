"""`gamefleet run`: one settings file for both machines.

Job: read the file and start the side of this machine. Place in the data flow: in front of `gamefleet coordinate` and
`gamefleet learner serve`, which take the same settings as options. Left out: what they do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamefleet.cli import coordinate as coordinating
from gamefleet.cli import coordinate_options as options
from gamefleet.cli import learner as learning
from gamefleet.cli.options import SetOption, ask_for
from gamefleet.cli.secret import Secret, TokenFileOption, TokenOption, TokenVariableOption, token_of
from gamefleet.errors import ConfigError

if TYPE_CHECKING:
    from gamefleet.topologies.config import Asked, RunConfig


def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Settings for both: TOML, YAML or JSON.")],
    server: Annotated[bool, typer.Option("--server", help="Play here: the machine with the CPUs.")] = False,
    coordinator: Annotated[bool, typer.Option("--coordinator", help="The same.")] = False,
    laptop: Annotated[bool, typer.Option("--laptop", help="Learn here: the machine with the GPU.")] = False,
    host: Annotated[str, typer.Option(help="With --laptop: where to listen.")] = learning.DEFAULT_HOST,
    folder: Annotated[Path, typer.Option(help="With --laptop: the learner's checkpoints.")] = learning.DEFAULT_FOLDER,
    name: Annotated[str, typer.Option("--run", help="With --server: name of the run and of its folder.")] = "",
    gpu_host: options.HostOption = None,
    gpu_port: Annotated[
        int | None, typer.Option("--gpu-port", "--port", help="Of the learner, on either side; 5555 by default.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    inference: options.InferenceOption = None,
    use_wandb: options.WandbOption = False,
    max_runtime_seconds: options.RuntimeOption = None,
    assignments: SetOption = None,
    auth_token: TokenOption = None,
    auth_token_file: TokenFileOption = None,
    auth_token_env: TokenVariableOption = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="With --server: start anew.")] = False,
    adopt: Annotated[bool, typer.Option("--adopt", help="With --laptop: move another's run aside.")] = False,
) -> None:
    """Start this machine's side of a run whose settings both machines hold."""
    check_side(plays=server or coordinator, learns=laptop)
    flags: dict[str, Any] = {"run.name": name or None, "run.device": device, "remote.inference": inference}
    flags |= {"remote.gpu_host": gpu_host, "remote.gpu_port": gpu_port, "run.max_runtime_s": max_runtime_seconds}
    flags["trackers.wandb"] = "online" if use_wandb else None
    asked = ask_for(config, assignments, flags)
    secret = Secret(text=auth_token, file=auth_token_file, variable=auth_token_env, config=config)
    if not laptop:
        coordinating.carry_on(asked, "", secret, manner="fresh" if fresh else "")
        return
    own = settings_of(asked)
    port, device, token = own.remote.gpu_port, own.run.device, token_of(secret)
    learning.check_place(port, device)
    learning.tell_who_reaches(host, port, token)
    # The file's limit is the coordinator's: only one that was typed here ends the learner.
    learning.start(host, port, device, folder, own, adopt=adopt, token=token, max_runtime_s=max_runtime_seconds)


def settings_of(asked: Asked) -> RunConfig:
    """The settings that a coordinator must have, too."""
    from gamefleet.games import open_game
    from gamefleet.topologies.config import make_config

    return make_config(open_game(asked.game_name or coordinating.DEFAULT_GAME), asked)


def check_side(*, plays: bool, learns: bool) -> None:
    """Refuse both sides, and none.

    Raises:
        ConfigError: It is not exactly one.
    """
    if plays == learns:
        raise ConfigError(
            "One machine is one side, and both were named" if plays else "Nothing says which side this machine is",
            remedy="--server plays (no GPU needed), --laptop learns (with the GPU).",
        )
