"""`gamefleet ladder`: players of a recorded game against each other, and how strong that shows them to be.

Job: parse, call, print. Place in the data flow: a game's matches -> `rating`. Left out: playing (`ladder_matches`),
tables (`ladder_table`), statistics.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamefleet.cli.options import RunsFolderOption

if TYPE_CHECKING:
    from gamefleet.cli.ladder_matches import LadderRequest

DEFAULT_GAME = "showdown"
DEFAULT_FOLDER = Path("ladder")
DEFAULT_BLOCKS = 50
PROMOTION_BLOCKS = 400
"""At most: the gate needs about 140 where a candidate is as much better as is asked for, or no better."""

EXIT_CODES = {"better": 0, "not better": 1, "play on": 3}
"""Of `--promote`."""


app = typer.Typer(help="Rate players by mirrored matches.", no_args_is_help=True)

FolderOption = Annotated[Path, typer.Option("--folder", metavar="FOLDER", help="Results are kept and added to here.")]
PlayersOption = Annotated[
    list[str] | None,
    typer.Option(
        "--player",
        metavar="PLAYER",
        help="A scripted player, a run, or a checkpoint folder; may be repeated. Default: all scripted players.",
    ),
]
TemperatureOption = Annotated[float, typer.Option("--temperature", min=0, help="Of networks; 0 takes the likeliest.")]
ServerOption = Annotated[
    bool, typer.Option("--server", help="Through a real server that is started for it; for networks and poke-env.")
]
AnchorOption = Annotated[
    str,
    typer.Option("--anchor", help="Whose rating is fixed; default: the weakest scripted player who wins some games."),
]
AnchorEloOption = Annotated[float, typer.Option("--anchor-elo", help="At which.")]
BlocksOption = Annotated[
    int | None,
    typer.Option(
        "--blocks",
        min=1,
        help=f"Per pair, two games each with the sides exchanged; default {DEFAULT_BLOCKS}, or with --promote at most "
        f"{PROMOTION_BLOCKS}.",
    ),
]
AgainstOption = Annotated[
    list[str] | None, typer.Option("--against", help="Only pairs with this player; may be repeated.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("run")
def run(
    players: PlayersOption = None,
    game: Annotated[str, typer.Option("--game", help="What is played.")] = DEFAULT_GAME,
    format: Annotated[str, typer.Option("--format", help="Of the games; default: the game's first.")] = "",
    blocks: BlocksOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Of teams and chance.")] = 0,
    folder: FolderOption = DEFAULT_FOLDER,
    runs_folder: RunsFolderOption = Path("runs"),
    against: AgainstOption = None,
    temperature: TemperatureOption = 0.0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    server: ServerOption = False,
    promote: Annotated[
        str, typer.Option("--promote", metavar="PLAYER", help="Play only until it is clear whether it is better.")
    ] = "",
    best: Annotated[
        str, typer.Option("--best", metavar="PLAYER", help="Than this one; default: the last promoted.")
    ] = "",
    elo: Annotated[float, typer.Option("--promote-elo", help="So much better is surely promoted.")] = 50.0,
    anchor: AnchorOption = "",
    anchor_elo: AnchorEloOption = 0.0,
) -> None:
    """Play what is missing of a ladder, and show it; calling it again goes on where it stopped."""
    from gamefleet.cli.ladder_matches import LadderRequest, open_ladder

    request = LadderRequest(
        game=game,
        format=format,
        seed=seed,
        folder=folder,
        runs_folder=runs_folder,
        players=tuple(players or ()),
        temperature=temperature,
        device=device,
        on_server=server,
    )
    if promote:
        raise typer.Exit(decide(request, promote, best, blocks=blocks, elo=elo))
    open_ladder(request).play(DEFAULT_BLOCKS if blocks is None else blocks, against=tuple(against or ()), say=print)
    tell(folder, anchor, anchor_elo, as_json=False)


@app.command("show")
def show(
    folder: FolderOption = DEFAULT_FOLDER,
    anchor: AnchorOption = "",
    anchor_elo: AnchorEloOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Show the ratings that the results so far give."""
    tell(folder, anchor, anchor_elo, as_json=as_json)


def tell(folder: Path, anchor: str, anchor_elo: float, *, as_json: bool) -> None:
    """Print the table of a ladder folder."""
    import json

    from gamefleet.cli.ladder_matches import RESULTS, kept_anchor
    from gamefleet.cli.ladder_table import as_object, lines
    from gamefleet.rating.ladder import ladder_of
    from gamefleet.rating.results import read_results

    anchor = anchor or kept_anchor(folder)
    ladder = ladder_of(read_results(folder / RESULTS), anchor=anchor, anchor_elo=anchor_elo)
    if as_json:
        print(json.dumps(as_object(ladder), indent=2))
    else:
        print("\n".join(lines(ladder)))


def decide(request: LadderRequest, candidate: str, best: str, *, blocks: int | None, elo: float) -> int:
    """Let a candidate play against the best until it is clear; returns one of `EXIT_CODES`."""
    from gamefleet.cli.ladder_promoted import promotion
    from gamefleet.rating.sprt import Gate

    most = PROMOTION_BLOCKS if blocks is None else blocks
    verdict = promotion(request, candidate, best, gate=Gate(elo_high=elo), blocks=most, say=print)
    return EXIT_CODES[verdict]
