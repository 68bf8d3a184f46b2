"""`gamefleet evaluate`: how well an agent plays, beside random and scripted players, over fixed seeds.

Job: name the players, print the table, keep the results. Left out: playing and statistics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamefleet.cli.options import ConfigOption, GameArgument, RunsFolderOption, SetOption, ask_for
from gamefleet.errors import ConfigError

if TYPE_CHECKING:
    from gamefleet.actors.compare import Table
    from gamefleet.actors.evaluate import EpisodeResult


def evaluate(
    game: GameArgument,
    run: Annotated[str | None, typer.Option(help="A run; its newest checkpoint plays.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="A run folder or checkpoint folder.")] = None,
    compare: Annotated[
        str, typer.Option(help="Other players, separated by commas: random, scripted or checkpoint folders.")
    ] = "random",
    episodes: Annotated[int, typer.Option(min=1, help="Fixed seeds that every player plays once.")] = 10,
    max_steps: Annotated[int, typer.Option(min=1, help="Episodes are cut after so many steps.")] = 1024,
    epsilon: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Chance of a random action of a network; the game's own if left out."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Also write the results to this JSON file.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    runs_folder: RunsFolderOption = Path("runs"),
) -> None:
    """Play fixed seeds from the game's beginning and print a table with 95 % intervals."""
    if run is not None and checkpoint is not None:
        raise ConfigError("--run and --checkpoint exclude each other", remedy="Leave one of them out.")
    first = str(runs_folder / run) if run is not None else str(checkpoint) if checkpoint is not None else ""
    names = [name for name in [first, *compare.split(",")] if name.strip()]
    changes = ask_for(config, assignments).settings
    results = play_all(names, game, changes, episodes=episodes, max_steps=max_steps, epsilon=epsilon)
    print_table(compare_results(game, results))
    if output is not None:
        write_results(output, results, max_steps=max_steps, epsilon=epsilon)
        print(f"Results: {output}")


def play_all(
    names: Sequence[str],
    game: str,
    changes: Mapping[str, Any],
    *,
    episodes: int,
    max_steps: int,
    epsilon: float | None,
) -> dict[str, list[EpisodeResult]]:
    """Let every player play the same seeds.

    Args:
        names: Players; see `topologies.evaluation.load_player`.
        game: The game.
        changes: Settings asked for; all players play under those of the first checkpoint with these on top.
        episodes: Number of seeds.
        max_steps: Length of an episode.
        epsilon: Chance of a random action of a network.

    Returns:
        Results by a short name of the player.
    """
    from gamefleet.games import open_game
    from gamefleet.topologies.config import make_config
    from gamefleet.topologies.evaluation import evaluation_seeds, load_player, play_seeds

    config = make_config(open_game(game), settings_of_first_checkpoint(names, game, changes))
    results = {}
    for name in names:
        player = load_player(name, game=game, config=config)
        results[short_name(name)] = play_seeds(
            player, seeds=evaluation_seeds(episodes), max_steps=max_steps, epsilon=epsilon
        )
    return results


def settings_of_first_checkpoint(names: Sequence[str], game: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for all players: a checkpoint's, so that all play the same game, with the changes on top."""
    from gamefleet.topologies.evaluation import RANDOM, SCRIPTED, load_player
    from gamefleet.topologies.layers import merge

    checkpoints = (name for name in names if name not in (RANDOM, SCRIPTED))
    first = next(checkpoints, None)
    settings = {} if first is None else load_player(first, game=game).config.resolved()
    merge(settings, changes)
    return settings


def short_name(name: str) -> str:
    """A player's name for a table's heading."""
    return name if len(name) < 24 else f"...{name[-20:]}"


def compare_results(game: str, results: Mapping[str, Sequence[EpisodeResult]]) -> Table:
    """The table of all players."""
    from gamefleet.actors.compare import compare
    from gamefleet.games import open_game

    package = open_game(game)
    return compare(results, package.make_game(package.config_type()).spec.milestones)


def print_table(table: Table) -> None:
    """Print a table to the terminal."""
    from rich.console import Console
    from rich.table import Table as RichTable

    shown = RichTable(caption="means over the seeds with 95 % intervals; differences are paired by seed")
    for column in table.columns:
        shown.add_column(column, overflow="fold")
    for row in table.rows:
        shown.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(shown)


def write_results(
    path: Path, results: Mapping[str, Sequence[EpisodeResult]], *, max_steps: int, epsilon: float | None
) -> None:
    """Write all results as JSON."""
    from dataclasses import asdict

    from gamefleet.files import write_json

    players = {name: [asdict(result) for result in episodes] for name, episodes in results.items()}
    write_json(path, {"max_steps": max_steps, "epsilon": epsilon, "players": players})
