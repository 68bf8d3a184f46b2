"""The `gamefleet` command: one name, one table of sub-commands.

Job: put the sub-commands together, and turn errors into a paragraph and an exit code. Place in the data flow: where
every run begins. Left out: everything else; sub-commands import what they need when they are called, so that
`gamefleet --help` starts without torch or an emulator.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from typing import Annotated, Final

import typer

from gamefleet import __version__
from gamefleet.cli.errors import run_and_explain
from gamefleet.cli.threads import settle_threads

DEBUG_FLAG = "--debug"

COMMANDS: Final = (
    "train",
    "evaluate",
    "rollout",
    "coordinate",
    "run",
    "monitor",
    "play",
    "demo",
    "doctor",
    "actors",
    "autotune",
    "members",
    "bench",
    "view",
    "dashboard",
    "check",
    "launch",
    "status",
    "export",
    "report",
)
"""Each is the function of this name in the module of this name, in the order of the help."""

GROUPS: Final = ("config", "runs", "replays", "fleet", "ladder", "sync", "token", "learner", "service", "skills")
"""Each is the `app` of the module of this name."""


def make_app(names: Iterable[str] = (*COMMANDS, *GROUPS)) -> typer.Typer:
    """The command line with some of its sub-commands, whose modules are imported now.

    Args:
        names: Which; a command line needs one, and building all of them would be most of its start.
    """
    app = typer.Typer(
        name="gamefleet",
        help="Train game-playing agents on the machines you can borrow.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    app.callback()(options)
    for name in names:
        module = import_module(f"gamefleet.cli.{name}")
        if name in COMMANDS:
            app.command(name)(getattr(module, name))
        else:
            app.add_typer(module.app, name=name)
    return app


def needed(arguments: Sequence[str]) -> tuple[str, ...]:
    """The one sub-command that a command line begins with, or all: help lists them, an error names the likely ones."""
    return (arguments[0],) if arguments and arguments[0] in (*COMMANDS, *GROUPS) else (*COMMANDS, *GROUPS)


def show_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        print(f"gamefleet {__version__}")
        raise typer.Exit


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
    run = partial(make_app(needed(arguments)), args=arguments, prog_name="gamefleet", standalone_mode=False, obj=debug)
    sys.exit(run_and_explain(run, debug=debug))


if __name__ == "__main__":
    main()
