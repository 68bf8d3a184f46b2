"""`gamefleet config`: show the settings that a command would use, and what can be set.

Job: print. Left out: what settings do.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from gamefleet.cli.options import ConfigOption, SetOption, ask_for

if TYPE_CHECKING:
    from gamefleet.games.base import GamePackage
app = typer.Typer(help="Show the settings that a command would use, and what can be set.", no_args_is_help=True)
OptionalGame = Annotated[str | None, typer.Argument(metavar="GAME", help="Whose settings; by default the first game.")]


@app.command()
def show(
    game: OptionalGame = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as in resolved.json.")] = False,
) -> None:
    """Print all settings, defaults included, as TOML that `--config` takes."""
    from gamefleet.topologies.config import make_config, to_toml
    from gamefleet.topologies.sequence.config import make_sequence_config

    package = find_game(game)
    make = make_config if package.recorded is None else make_sequence_config
    resolved = make(package, ask_for(config, assignments)).resolved()
    print(json.dumps(resolved, indent=2) if as_json else to_toml(resolved).rstrip())


@app.command()
def schema(game: OptionalGame = None) -> None:
    """Print the JSON schema of all settings, for editors that complete and check TOML, YAML or JSON."""
    from gamefleet.topologies.config import section_types
    from gamefleet.topologies.sequence.config import sequence_section_types
    from gamefleet.topologies.settings_text import make_schema

    package = find_game(game)
    types = section_types(package) if package.recorded is None else sequence_section_types(package)
    print(json.dumps(make_schema(types), indent=2))


def find_game(name: str | None) -> GamePackage:
    """The game of that name, or the first one that there is."""
    from gamefleet.games import GAMES, open_game

    return open_game(name or next(iter(GAMES)))
