"""The `gamefleet` command: one name, one table of sub-commands.

Job: put the sub-commands together, and turn errors into a paragraph and an exit code. Place in the data flow: where
every run begins. Left out: everything else; sub-commands import what they need when they are called, so that
`gamefleet --help` starts without torch or an emulator.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import Annotated

import typer

from gamefleet import __version__
from gamefleet.cli import (
    actors,
    autotune,
    bench,
    check,
    config,
    coordinate,
    dashboard,
    demo,
    doctor,
    evaluate,
    export,
    fleet,
    ladder,
    launch,
    learner,
    members,
    monitor,
    play,
    replays,
    report,
    rollout,
    run,
    runs,
    service,
    skills,
    status,
    sync,
    token,
    train,
    view,
)
from gamefleet.cli.errors import run_and_explain
from gamefleet.cli.threads import settle_threads

DEBUG_FLAG = "--debug"

app = typer.Typer(
    name="gamefleet",
    help="Train game-playing agents on the machines you can borrow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("rollout")(rollout.rollout)
app.command("coordinate")(coordinate.coordinate)
app.command("run")(run.run)
app.command("monitor")(monitor.monitor)
app.command("play")(play.play)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("actors")(actors.actors)
app.command("autotune")(autotune.autotune)
app.command("members")(members.members)
app.command("bench")(bench.bench)
app.command("view")(view.view)
app.command("dashboard")(dashboard.dashboard)
app.command("check")(check.check)
app.command("launch")(launch.launch)
app.command("status")(status.status)
app.command("export")(export.export)
app.command("report")(report.report)
app.command("members")(members.members)
app.add_typer(config.app, name="config")
app.add_typer(runs.app, name="runs")
app.add_typer(replays.app, name="replays")
app.add_typer(fleet.app, name="fleet")
app.add_typer(ladder.app, name="ladder")
app.add_typer(sync.app, name="sync")
app.add_typer(token.app, name="token")
app.add_typer(learner.app, name="learner")
app.add_typer(service.app, name="service")
app.add_typer(skills.app, name="skills")


def show_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        print(f"gamefleet {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and end.")
    ] = False,
    debug: Annotated[
        bool, typer.Option(DEBUG_FLAG, help="Show tracebacks; may stand anywhere in the command line.")
    ] = False,
) -> None:
    """Train game-playing agents on the machines you can borrow."""


def main() -> None:
    """Run the command line and exit."""
    settle_threads(os.environ)
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG_FLAG]
    debug = len(arguments) < len(sys.argv) - 1
    # Commands that start this program elsewhere pass the flag on.
    run = partial(app, args=arguments, prog_name="gamefleet", standalone_mode=False, obj=debug)
    sys.exit(run_and_explain(run, debug=debug))


if __name__ == "__main__":
    main()
