"""The options of `gamefleet coordinate`.

Job: declare each once, with its words. Place in the data flow: read by the parser. Left out: what becomes of them
(`coordinate`), and options that other commands have, too (`options`, `secret`).
"""

from __future__ import annotations

from typing import Annotated

import typer

GameArgument = Annotated[str, typer.Argument(metavar="[GAME]", help="What to play; hanabi by default.")]
GameOption = Annotated[str, typer.Option("--game", help="The same.")]
HostOption = Annotated[str | None, typer.Option(help="The machine with the learner; localhost by default.")]
PortOption = Annotated[int | None, typer.Option(help="Of the learner; 5555 by default.")]
RunOption = Annotated[str, typer.Option(help="Name of the run and of its folder; the game's by default.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on with the run; there must be one.")]
AutoResumeOption = Annotated[
    bool, typer.Option("--auto-resume", help="Start the run or go on with it, as without this option.")
]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Start anew; a run of this name is moved aside.")]
IterationsOption = Annotated[int | None, typer.Option(help="Iterations of the run; 1000 by default.")]
GamesOption = Annotated[int | None, typer.Option(help="Games in an iteration; 100 by default.")]
UpdatesOption = Annotated[
    str, typer.Option(metavar="auto|N", help="Updates in an iteration; auto, the default, follows the replay ratio.")
]
BatchOption = Annotated[int | None, typer.Option(help="Sequences in an update; the game's own by default.")]
RateOption = Annotated[float | None, typer.Option(help="Of the optimizer; the game's own by default.")]
WorkersOption = Annotated[
    str, typer.Option(metavar="auto|N", help="Processes that play; auto, the default, is one per CPU.")
]
EnvsOption = Annotated[int | None, typer.Option(help="Games played at the same time.")]
InferenceOption = Annotated[
    str | None, typer.Option(help="Who chooses actions: learner, actor (this machine), or auto, which measures.")
]
WandbOption = Annotated[bool, typer.Option("--use-wandb/--no-use-wandb", help="Mirror the metrics to W&B.")]
SeedOption = Annotated[int | None, typer.Option(help="Of every random stream of the run.")]
RuntimeOption = Annotated[float | None, typer.Option(help="Save and stop after so many seconds.")]
