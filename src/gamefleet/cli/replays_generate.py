"""`gamefleet replays generate`: battles for learning, played here.

Job: options in, progress and a summary out. Place in the data flow: `games.showdown.replays.generate` does the work;
`gamefleet replays parse` goes on with its files. Left out: downloading.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gamefleet.games.showdown.replays.generate import Estimate, GenerateSettings

DEFAULT_FORMATS = ("gen1ou", "gen2ou", "gen3ou", "gen4ou", "gen9ou")
DEFAULT_POLICIES = ("heuristic",)


FormatsOption = Annotated[
    list[str] | None,
    typer.Option("--format", metavar="FORMAT", help="A singles format, e.g. gen9ou; may be repeated."),
]
PoliciesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        metavar="POLICY",
        help="random, max-power, max-damage or heuristic; may be repeated: each side draws one per battle.",
    ),
]
StrengthsOption = Annotated[
    list[float] | None,
    typer.Option(
        "--strength",
        metavar="CHANCE",
        help="How often a policy makes its own choice instead of a random one; may be repeated: each policy plays in"
        " each strength.",
    ),
]


def generate(
    output_dir: Annotated[Path, typer.Option(help="Battles are written to its folder raw.")],
    max_games: Annotated[int, typer.Option(help="Number of battles.")] = 1000,
    formats: FormatsOption = None,
    policies: PoliciesOption = None,
    strengths: StrengthsOption = None,
    seed: Annotated[int, typer.Option(help="Teams, chance and choices follow from it.")] = 0,
    num_workers: Annotated[int, typer.Option(help="Simulator processes; 0.3 GB of memory each.")] = 1,
    hide_teams: Annotated[bool, typer.Option("--hide-teams", help="Leave team sheets out of the logs.")] = False,
    with_truth: Annotated[
        bool, typer.Option("--with-truth", help="Add every choice and the exact log, to check a parser with.")
    ] = False,
) -> None:
    """Play battles in the real simulator (`make showdown` installs it). A call that was cut can be repeated."""
    from gamefleet.games.showdown.host.grades import grade
    from gamefleet.games.showdown.replays import generate as generation

    grades = tuple(grade(name, chance) for name in policies or DEFAULT_POLICIES for chance in strengths or (1.0,))
    settings = generation.GenerateSettings(
        output_dir=output_dir,
        max_games=max_games,
        formats=tuple(formats or DEFAULT_FORMATS),
        grades=grades,
        seed=seed,
        num_workers=num_workers,
        hides_teams=hide_teams,
        with_truth=with_truth,
        uploadtime=int(time.time()),
    )
    expected = generation.estimate(settings)
    print(words(expected, settings))
    if expected.battles:
        _show_progress(settings, expected.battles)
    print(f"{max_games} battles are in {output_dir / generation.RAW}. Next: gamefleet replays parse")


def words(expected: Estimate, settings: GenerateSettings) -> str:
    """What will happen, before it does."""
    if not expected.battles:
        return "Everything is there already."
    formats, done = ", ".join(settings.formats), settings.max_games - expected.battles
    rest = f" ({done} are there already)" if done else ""
    size = f"{expected.num_bytes / 1e6:.1f} MB"
    return (
        f"Playing {expected.battles} battles of {formats}{rest}:"
        f" about {clock(expected.seconds)} and {size} of disk, by a sample played just now."
    )


def clock(seconds: float) -> str:
    """A duration for people."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _show_progress(settings: GenerateSettings, battles: int) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from gamefleet.games.showdown.replays.generate import generate as play

    columns = (TextColumn("battles"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("battles", total=battles)
        for played in play(settings):
            progress.update(task, completed=played)
