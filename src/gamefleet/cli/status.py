"""`gamefleet status`: the dashboard's first page for those who only have a terminal.

Job: read the same files by the same readers and print the sentence, numbers, curves, milestones and alarms. Place in
the data flow: run folders -> `watch` -> terminal. Left out: pages; moving a fleet on (`gamefleet fleet status`).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamefleet.cli.options import RunsFolderOption

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gamefleet.watch.answers import Answers
    from gamefleet.watch.run_view import RunView

READING_S = 5.0
"""Longer files are shown as far as they were read; the newest numbers are those of their end."""

WATCH_INTERVAL_S = 2.0
PLAIN_INTERVAL_S = 60.0
SPARK_POINTS = 48
BLOCKS = "▁▂▃▄▅▆▇█"
SHOWN_MILESTONES = 12
SHOWN_NAMES = 6

Json = dict[str, Any]


def status(
    run: Annotated[
        str, typer.Argument(metavar="[RUN|RUN_DIR]", help="A run's name or folder; default: all runs of the folder.")
    ] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    runs_folder: RunsFolderOption = Path("runs"),
) -> None:
    """Say where runs stand: state, numbers, curves, milestones, alarms. Reads only."""
    answers = answers_for(folder_of(run, runs_folder))
    refresh(answers, READING_S)
    if as_json:
        print(json.dumps([account(answers, view) for view in answers.site.views], indent=2))
    elif watch:
        keep_showing(answers)
    else:
        from rich.console import Console

        Console().print(picture(answers))


def folder_of(run: str, runs_folder: Path) -> Path:
    """The folder that is meant.

    Raises:
        RunFolderError: There is none.
    """
    from gamefleet.errors import RunFolderError, nearest

    place = Path(run).expanduser() if run else runs_folder
    for folder in (runs_folder / run, place) if run else (place,):
        if folder.is_dir():
            return folder
    known = [path.parent.name for path in runs_folder.glob("*/manifest.json")]
    remedy = nearest(run, known) if known and run else "Name a run's folder, or its folder with --runs-folder."
    raise RunFolderError("There is no such run", value=run or str(runs_folder), where=runs_folder, remedy=remedy)


def answers_for(folder: Path) -> Answers:
    """The same readers and providers as the dashboard's."""
    from gamefleet.cli.dashboard import providers_for
    from gamefleet.watch.answers import Answers
    from gamefleet.watch.site import Site

    site = Site(folders=[folder])
    return Answers(site, providers_for(site))


def refresh(answers: Answers, patience_s: float) -> None:
    """Look at all runs, and read for a while; then ask for their jobs."""
    end = time.monotonic() + patience_s
    answers.site.scan()
    views = answers.site.views
    for view in views:
        view.look()
    while sum(view.read_on() for view in views) and time.monotonic() < end:
        pass
    if answers.chains is not None and answers.site.fleets:
        answers.chains.latest(wait_s=patience_s)
    if answers.machines_source is not None and answers.site.shared:
        answers.machines_source.latest(wait_s=patience_s)


def shown(value: Any) -> Any:
    """JSON values without what a terminal would take for a command: names and reasons are written by others."""
    if isinstance(value, dict):
        return {key: shown(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shown(one) for one in value]
    return "".join(one if one.isprintable() else " " for one in value) if isinstance(value, str) else value


def account(answers: Answers, view: RunView) -> Json:
    """One run as JSON values: what the dashboard says, and its newest events."""
    return {"id": view.id, "folder": str(view.folder), **answers.now(view.id), "events": answers.events(view.id, 20)}


def keep_showing(answers: Answers) -> None:
    """Show until Ctrl-C: drawn anew on a terminal, a line a minute elsewhere."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    if not console.is_terminal or console.is_dumb_terminal:
        while True:
            for view in answers.site.views:
                said = shown([view.paths.name, answers.now(view.id)["sentence"]])
                print(f"{time.strftime('%H:%M:%S')} {said[0]}: {said[1]}", flush=True)
            time.sleep(PLAIN_INTERVAL_S)
            refresh(answers, READING_S)
    with Live(picture(answers), console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(WATCH_INTERVAL_S)
            refresh(answers, WATCH_INTERVAL_S)
            live.update(picture(answers), refresh=True)


def picture(answers: Answers) -> RenderableType:
    """Everything that is shown."""
    from rich.console import Group
    from rich.text import Text

    views = answers.site.views
    if not views:
        return Text(f"There are no runs in {answers.site.folders[0]}.")
    if len(views) == 1:
        return one_run(answers, views[0])
    return Group(*(line for view in views for line in in_short(answers, view)))


def in_short(answers: Answers, view: RunView) -> list[RenderableType]:
    """One of several runs: its sentence, and what is serious."""
    from rich.text import Text

    now = shown(answers.now(view.id))
    lines: list[RenderableType] = [Text.assemble((shown(view.paths.name), "bold"), f"  {now['sentence']}")]
    return [*lines, *(alarm_line(alarm) for alarm in now["alarms"] if alarm["level"] == "serious")]


def one_run(answers: Answers, view: RunView) -> RenderableType:
    """One run in full."""
    from rich.console import Group
    from rich.text import Text

    answer = answers.now(view.id)
    now = shown(answer)
    total = f" of {now['total_steps']:,}" if now["total_steps"] else ""
    share = f" ({100 * now['step'] / now['total_steps']:.1f} %)" if now["total_steps"] else ""
    speed = pace(now) if now["state"] == "training" else ""
    parts: list[RenderableType] = [
        Text.assemble((shown(view.paths.name), "bold"), f"  {shown(view.facts.game)}"),
        Text(now["sentence"], style="bold"),
        Text(f"step {now['step']:,}{total}{share}{speed}"),
        *(alarm_line(alarm) for alarm in now["alarms"]),
        curves(answers, view, answer["curves"]),
    ]
    if now["reading"] < 1:
        parts.append(Text(f"The curves hold {100 * now['reading']:.0f} % of the metrics so far.", style="dim"))
    if reached := now["milestones"]["reached"]:
        newest = ", ".join(f"{one['name']} ({one['step']:,})" for one in reached[-SHOWN_MILESTONES:])
        parts.append(Text(f"{len(reached)} milestone{'' if len(reached) == 1 else 's'}, the last: {newest}"))
    return Group(*parts)


def pace(now: Json) -> str:
    """How fast it is: in steps, or in the decisions that a run learns from where it has records."""
    if now["is_recorded"]:
        return f", {now['steps_per_s']:,.3g} steps/s, {now['values']['speed/decisions_per_s']:,.0f} decisions/s"
    return f", {now['steps_per_s']:,.0f} steps/s"


def alarm_line(alarm: Json) -> RenderableType:
    """One alarm with its remedy."""
    from rich.text import Text

    style = "bold red" if alarm["level"] == "serious" else "yellow"
    return Text.assemble(("! ", style), (alarm["text"], style), f". {alarm['remedy']}.")


def curves(answers: Answers, view: RunView, names: Sequence[str]) -> RenderableType:
    """A line per curve: name, shape, newest value, lowest and highest."""
    from rich.table import Table
    from rich.text import Text

    from gamefleet.runs.progress import number

    table = Table.grid(padding=(0, 2))
    found = answers.curves([view.id], list(names)[:SHOWN_NAMES], points=float(SPARK_POINTS))["curves"]
    for curve in found:
        values = curve["last"]
        lows, highs = min(curve["low"], default=0.0), max(curve["high"], default=0.0)
        cells = (
            curve["name"],
            sparkline(values),
            number(values[-1]) if values else "",
            f"{number(lows)} to {number(highs)}" if len(values) > 1 else "",
        )
        table.add_row(*(Text(cell) for cell in shown(list(cells))))
    return table


def sparkline(values: Sequence[float]) -> str:
    """Values as a row of blocks; plain marks where the terminal cannot show them."""
    if not values:
        return ""
    blocks = BLOCKS if "utf" in (sys.stdout.encoding or "").lower() else "_.-=^"
    low, high = min(values), max(values)
    if high <= low:
        return blocks[0] * len(values)
    return "".join(blocks[int((value - low) / (high - low) * (len(blocks) - 1))] for value in values)
