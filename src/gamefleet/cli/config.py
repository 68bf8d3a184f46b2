"""`gamefleet config`: show the settings that a command would use, and what can be set.

Job: print. Left out: what settings do.
"""

from __future__ import annotations

import json

import typer

from gamefleet.cli.options import ConfigOption, GameArgument, SetOption, ask_for

app = typer.Typer(help="Show the settings that a command would use, and what can be set.", no_args_is_help=True)


@app.command()
def show(game: GameArgument = "pokemon_red", config: ConfigOption = None, assignments: SetOption = None) -> None:
    """Print all settings, defaults included, as TOML."""
    from gamefleet.games import open_game
    from gamefleet.topologies.config import GAME_NAME, make_config, to_toml

    resolved = make_config(open_game(game), ask_for(config, assignments).settings).resolved()
    print(f"# game: {resolved.pop(GAME_NAME)}")
    print(to_toml(resolved))


@app.command()
def schema(game: GameArgument = "pokemon_red") -> None:
    """Print the JSON schema of all settings, for editors that complete and check TOML, YAML or JSON."""
    from gamefleet.games import open_game
    from gamefleet.topologies.config import schema as schema_of

    print(json.dumps(schema_of(open_game(game)), indent=2))
