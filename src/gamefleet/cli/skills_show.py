"""Showing a graph of skills: its state as lines, its logs.

Job: read `scheduler_state.json` and print what people ask of it. Place in the data flow: below `skills`; reads files
only, so that it works while a scheduler runs, after it ended, and on another machine that sees the folder. Left out:
changing anything.
"""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gamefleet.errors import ConfigError, RunFolderError, nearest

Json = dict[str, Any]

STATE = "scheduler_state.json"


def text_of_state(root: Path) -> str:
    """The state's file as it is.

    Raises:
        RunFolderError: There is none.
    """
    try:
        return (root / STATE).read_text().rstrip()
    except OSError as error:
        raise RunFolderError(
            f"There is no graph of skills here: {error.strerror}",
            where=root,
            remedy="Name its folder with --graph-path, or start one with `gamefleet skills run`.",
        ) from error


def read_graph(root: Path) -> Json:
    """The state, for showing.

    Raises:
        RunFolderError: There is none, or it cannot be read.
    """
    try:
        content = json.loads(text_of_state(root))
    except ValueError as error:
        raise RunFolderError("The scheduler state is damaged", where=root / STATE, remedy=str(error)) from error
    if not isinstance(content, dict):
        raise RunFolderError("The scheduler state is damaged", where=root / STATE, remedy="It is no JSON object.")
    return readable(content)


def readable(content: Json) -> Json:
    """A state that can be shown: what is missing or odd, as after an edit by hand, is shown as not known."""
    listed = content.get("skills")
    skills = [as_object(skill) for skill in listed] if isinstance(listed, list) else []
    for place, skill in enumerate(skills):
        name, status, needed = (skill.get(key) for key in ("skill_name", "status", "dependencies"))
        skill |= {
            "index": skill.get("index", place),
            "skill_name": str(name or "?"),
            "status": str(status or "?"),
            "dependencies": [str(one) for one in needed] if isinstance(needed, list) else [],
            "progress": numbers(as_object(skill.get("progress"))),
        } | numbers({key: skill.get(key) for key in NUMBERS})
    usage = dict.fromkeys(USAGE, 0) | numbers(as_object(content.get("usage")))
    others = {key: as_object(content.get(key)) for key in ("frontier", "settings")}
    return {**content, "skills": skills, "usage": usage, **others}


NUMBERS = ("attempts", "frames", "success_rate", "seconds")
USAGE = ("calls", "tokens_in", "tokens_out")


def as_object(value: object) -> Json:
    """A JSON object; empty where something else stands."""
    return dict(value) if isinstance(value, dict) else {}


def numbers(values: Mapping[str, Any]) -> Json:
    """The values that are numbers; None in the place of others."""
    return {key: value if isinstance(value, int | float) else None for key, value in values.items()}


def command(name: str, root: Path, skill: str = "") -> str:
    """A command on a graph, to be pasted into a shell."""
    return " ".join(["gamefleet", "skills", name, *([skill] if skill else []), "--graph-path", shlex.quote(str(root))])


def find_skill(graph: Mapping[str, Any], asked: str) -> Json:
    """A skill by name or index.

    Raises:
        ConfigError: There is none.
    """
    skills: list[Json] = graph.get("skills", [])
    for skill in skills:
        if asked in (skill["skill_name"], str(skill["index"])):
            return skill
    names = [skill["skill_name"] for skill in skills]
    remedy = nearest(asked, names) if names else "The graph has no skills yet."
    raise ConfigError("There is no such skill", value=asked, remedy=remedy)


def status_lines(graph: Mapping[str, Any]) -> Iterator[str]:
    """The state in lines: a head, how many skills have which status, a table, and what waits for what."""
    skills: list[Json] = graph.get("skills", [])
    counts = Counter(str(skill["status"]) for skill in skills)
    yield f"{graph.get('env_name')}: {graph.get('state')}; {graph.get('proposer')}"
    listed = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    yield f"{len(skills)} skills: {listed or 'none'}"
    frontier = graph.get("frontier", {})
    yield f"generation: {frontier.get('state')}" + (f" ({frontier['why']})" if frontier.get("why") else "")
    yield from table([HEAD, *map(row, skills)]) if skills else ()
    for skill in skills:
        if skill["status"] in ("waiting", "failed", "blocked"):
            yield f"{skill['skill_name']} {explained(skill)}"
    usage = graph.get("usage", {})
    if usage["calls"]:
        yield (
            f"proposals: {usage['calls']} calls, {usage['tokens_in']} tokens in, {usage['tokens_out']} out, "
            f"{usage.get('cost_usd') or 0:.2f} of {usage.get('cap_usd') or 0:.2f} US dollars"
        )
    if graph.get("outcome"):
        yield f"ended: {graph['outcome']}"


def unattended(root: Path, graph: Mapping[str, Any]) -> Iterator[str]:
    """Says so where a graph that has not ended has no scheduler."""
    from gamefleet.runs.claim import holder_alive
    from gamefleet.runs.paths import RunPaths

    if graph.get("state") == "running" and not holder_alive(RunPaths(root.absolute())):
        yield f"no scheduler is running; go on with: {command('run', root)}"


HEAD = ("index", "skill", "status", "attempts", "frames", "success", "seconds", "depends on")


def row(skill: Mapping[str, Any]) -> tuple[str, ...]:
    """One line of the table."""
    found = skill.get("progress") or skill
    frames, rate = found.get("frames"), found.get("success_rate")
    return (
        str(skill["index"]),
        skill["skill_name"],
        skill["status"],
        str(skill.get("attempts") or 0),
        "" if frames is None else f"{frames:,}",
        "" if rate is None else f"{rate:.1%}",
        f"{skill.get('seconds') or 0:.0f}",
        ", ".join(skill["dependencies"]),
    )


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def explained(skill: Mapping[str, Any]) -> str:
    """Why a skill is not under way."""
    if skill["status"] == "waiting":
        return f"waits for {', '.join(skill['dependencies']) or 'its next attempt'}" + because(skill)
    return f"is {skill['status']}" + because(skill)


def because(skill: Mapping[str, Any]) -> str:
    """The reason of a status, where there is one."""
    return f": {skill['reason']}" if skill.get("reason") else ""


def watch_graph(root: Path, interval_s: float) -> None:
    """Print the status again and again until the run has ended."""
    while True:
        graph = read_graph(root)
        print(
            f"\n{time.strftime('%H:%M:%S')}  " + "\n".join([*status_lines(graph), *unattended(root, graph)]), flush=True
        )
        if graph.get("state") != "running":
            return
        time.sleep(interval_s)


def log_of(root: Path, skill: Mapping[str, Any]) -> Path:
    """Where a skill's log is: with its training while that lasts, with the skill afterwards.

    Raises:
        RunFolderError: It has none yet.
    """
    index, name = skill["index"], skill["skill_name"]
    training = root / "training_runs" / f"skill_{index}_{name}"
    places = [training / "training.log", root / "skills" / f"{index}_{name}" / "training.log"]
    for path in (*places, *sorted(training.glob("output/*.err"), reverse=True)):
        if path.is_file() and path.stat().st_size:
            return path
    raise RunFolderError(f"{name} has no log yet: it is {skill['status']}", where=places[0])


def show_log(root: Path, asked: str, *, num_lines: int, follows: bool) -> None:
    """Print the end of a skill's log, and what is added to it until the skill is over."""
    from gamefleet.cluster.graph.state import OVER

    path = log_of(root, find_skill(read_graph(root), asked))
    with open(path, errors="replace") as stream:
        lines = stream.read().splitlines()
        print("\n".join(lines[-num_lines:] if num_lines else lines), flush=True)
        while follows:
            # Asked first: what was written before the skill was over is printed, too. A completed skill's log moves.
            is_over = not path.exists() or find_skill(read_graph(root), asked)["status"] in OVER
            print(stream.read(), end="", flush=True)
            if is_over:
                return
            time.sleep(0.5)
