"""Options that several sub-commands share, and the way from them to a `RunConfig`.

Job: declare each shared option once. Place in the data flow: command line -> `topologies.config`. Left out: options of
single commands.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gamefleet.topologies.config import Asked

GameArgument = Annotated[str, typer.Argument(metavar="GAME", help="What to play, for example pokemon_red.")]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings: a TOML, YAML or JSON file.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="One setting, for example actors.num_envs=4; may be repeated."),
]
RunsFolderOption = Annotated[Path, typer.Option("--runs-folder", help="The folder that holds the run folders.")]

ProfileOption = Annotated[
    Path | None, typer.Option("--profile", metavar="FILE", help="Limits of the cluster; `gamefleet fleet profile`.")
]


def ask_for(
    config: Path | None,
    assignments: list[str] | None,
    flags: dict[str, Any] | None = None,
    base: dict[str, Any] | None = None,
) -> Asked:
    """Gather settings from a file, `--set` and flags."""
    from gamefleet.topologies.config import ask

    return ask(file=config, assignments=assignments or [], flags=flags or {}, base=base)
