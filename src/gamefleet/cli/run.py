"""`gamefleet run`: one settings file for both machines.

Job: read the file and start the side of this machine. Place in the data flow: in front of `gamefleet coordinate` and
`gamefleet learner serve`, which take the same settings as options. Left out: what they do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gamefleet.cli import coordinate as coordinating
from gamefleet.cli import learner as learning
from gamefleet.cli.options import SetOption, ask_for
from gamefleet.cli.secret import Secret, TokenFileOption, TokenOption, TokenVariableOption, token_of
from gamefleet.errors import ConfigError


def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Settings for both: TOML, YAML or JSON.")],
    server: Annotated[bool, typer.Option("--server", help="Play here: the machine with the CPUs.")] = False,
    coordinator: Annotated[bool, typer.Option("--coordinator", help="The same.")] = False,
    laptop: Annotated[bool, typer.Option("--laptop", help="Learn here: the machine with the GPU.")] = False,
    host: Annotated[str, typer.Option(help="With --laptop: where to listen.")] = learning.DEFAULT_HOST,
    folder: Annotated[Path, typer.Option(help="With --laptop: the learner's checkpoints.")] = learning.DEFAULT_FOLDER,
    assignments: SetOption = None,
    auth_token: TokenOption = None,
    auth_token_file: TokenFileOption = None,
    auth_token_env: TokenVariableOption = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="With --server: start anew.")] = False,
    adopt: Annotated[bool, typer.Option("--adopt", help="With --laptop: move another's run aside.")] = False,
) -> None:
    """Start this machine's side of a run whose settings both machines hold."""
    if (server or coordinator) == laptop:
        raise ConfigError(
            "Which side is this machine?", remedy="--server plays (no GPU needed), --laptop learns (with the GPU)."
        )
    secret = Secret(text=auth_token, file=auth_token_file, variable=auth_token_env, config=config)
    asked = ask_for(config, assignments)
    if not laptop:
        coordinating.carry_on(asked, "", secret, manner="fresh" if fresh else "")
        return
    own = learning.own_settings("" if asked.game_name else coordinating.DEFAULT_GAME, config, assignments)
    if own is None:
        raise AssertionError("settings were given")
    token = token_of(secret)
    learning.tell_who_reaches(host, own.remote.gpu_port, token)
    learning.start(host, own.remote.gpu_port, own.run.device, folder, own, adopt=adopt, token=token, max_runtime_s=None)
