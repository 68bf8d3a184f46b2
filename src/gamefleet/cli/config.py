"""`gamefleet config`: show the settings that a command would use, and what can be set.

Job: print. Left out: what settings do.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from gamefleet.cli.options import ConfigOption, GameArgument, SetOption, ask_for
from gamefleet.games import GAMES

app = typer.Typer(help="Show the settings that a command would use, and what can be set.", no_args_is_help=True)

DEFAULT_GAME = next(iter(GAMES))


@app.command()
def show(
    game: GameArgument = DEFAULT_GAME,
    config: ConfigOption = None,
    assignments: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as in resolved.json.")] = False,
) -> None:
    """Print all settings, defaults included, as TOML that `--config` takes."""
    from gamefleet.games import open_game
    from gamefleet.topologies.config import make_config, to_toml

    resolved = make_config(open_game(game), ask_for(config, assignments)).resolved()
    print(json.dumps(resolved, indent=2) if as_json else to_toml(resolved).rstrip())


@app.command()
def schema(game: GameArgument = DEFAULT_GAME) -> None:
    """Print the JSON schema of all settings, for editors that complete and check TOML, YAML or JSON."""
    from gamefleet.games import open_game
    from gamefleet.topologies.config import section_types
    from gamefleet.topologies.settings_text import make_schema

    print(json.dumps(make_schema(section_types(open_game(game))), indent=2))
