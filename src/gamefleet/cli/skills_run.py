"""Running and stopping a graph of skills, and wishes to it.

Job: from options to `topologies.job_graph.start`, and lines for people. Place in the data flow: below `skills`. Left
out: options (`skills_options`), showing a graph (`skills_show`), being one of its jobs (`skills_train`).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gamefleet.cli.skills_show import as_object, command, find_skill, read_graph
from gamefleet.errors import ConfigError, MissingDependencyError, RunFolderError

if TYPE_CHECKING:
    from gamefleet.cluster.graph.state import GraphState

OTHER_NAMES = {
    "skill_time_limit": "skill_time_limit_s",
    "time_limit": "time_limit_s",
    "retry_pause": "retry_pause_s",
    "settings": "trainer",
}
"""Options that are called otherwise among the settings of a graph."""

NO_SETTINGS = ("graph_path", "max_runtime_seconds")


def asked_for(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a user gave, by the names of `GraphSettings`."""
    from gamefleet.cluster.profile import duration_s

    # An option that may be repeated and is not given at all is an empty list or tuple.
    asked = {name: value for name, value in given.items() if value not in (None, [], ()) and name not in NO_SETTINGS}
    if "time_limit" in asked:
        asked["time_limit"] = int(duration_s(asked["time_limit"], "--time_limit"))
    assignments = asked.pop("settings", None)
    if assignments:
        asked["settings"] = dict(map(assignment, assignments))
    return {OTHER_NAMES.get(name, name): value for name, value in asked.items()}


def assignment(text: str) -> tuple[str, Any]:
    """`NAME=VALUE`, the value as JSON where it is some.

    Raises:
        ConfigError: There is no `=`, or nothing after it.
    """
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ConfigError("This is no setting", value=text, where="--set", remedy="Write NAME=VALUE.")
    if not value:
        raise ConfigError("This setting has no value", value=text, where="--set", remedy='Write NAME="" for no text.')
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def schedule(root: Path, given: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Run the scheduler in this process, with the options that were given, and say how it ended."""
    from gamefleet.topologies.job_graph.machine import this_machine
    from gamefleet.topologies.job_graph.start import GraphRun, run_graph

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    run = GraphRun(
        root=root,
        asked=asked_for(given),
        environment=environment,
        say=lambda line: print(line, flush=True),
        machine=lambda: this_machine(environment),
        max_runtime_s=given.get("max_runtime_seconds"),
    )
    say_end(root, run_graph(run))


def say_end(root: Path, state: GraphState) -> None:
    """The last lines of a scheduler.

    Raises:
        Exit: No skill was completed, with exit code 1.
    """
    from gamefleet.topologies.job_graph.view import run_state

    again = command("run", root)
    if not state.outcome:
        working = [node.skill_name for node in state.skills if node.status in ("launching", "running")]
        print(f"The scheduler ends; {', '.join(working) or 'nothing'} goes on training. Go on with: {again}")
        return
    print(f"The run has ended: {state.outcome.removesuffix('.')}.")
    failed = [node for node in state.skills if node.status == "failed" and node.is_trainable]
    for node in failed:
        print(f"  {node.skill_name} failed: {node.reason}")
    if failed:
        print(f"Try one again with: {command('retry', root, 'SKILL')}")
    if run_state(state) == "failed":
        raise typer.Exit(1)


def ask_for_retry(root: Path, skill: str) -> None:
    """Leave the wish for the scheduler.

    Raises:
        ConfigError: The skill neither failed nor is blocked, or nobody can train it.
    """
    from gamefleet.cluster.graph.state import is_trainable
    from gamefleet.runs.claim import holder_alive
    from gamefleet.runs.paths import RunPaths
    from gamefleet.topologies.job_graph.paths import GraphPaths
    from gamefleet.topologies.job_graph.requests import ask_to_retry

    found = find_skill(read_graph(root), skill)
    name, status = found["skill_name"], found["status"]
    if status not in ("failed", "blocked"):
        raise ConfigError(
            f"{name} is {status}",
            where=root,
            remedy="Only skills that failed or are blocked are tried again; `gamefleet skills status` shows them.",
        )
    if not is_trainable(as_object(found.get("skill"))):
        raise ConfigError(
            f"Nobody can train {name}: {found.get('reason') or 'it does not say what is rewarded'}",
            where=root,
            remedy=f"It keeps its number, and other skills are proposed in its stead: {command('run', root)}",
        )
    paths = GraphPaths(root.absolute())
    ask_to_retry(paths, name)
    if holder_alive(RunPaths(paths.root)):
        print(f"{name} is tried again.")
    else:
        print(f"{name} is tried again as soon as the scheduler runs: {command('run', root)}")


def ask_for_stop(root: Path, environment: Mapping[str, str]) -> None:
    """Have jobs save and end, by the scheduler that runs or by one that starts for it."""
    from gamefleet.topologies.job_graph.start import GraphRun, run_graph, stop_graph

    read_graph(root)
    if stop_graph(root):
        print("The scheduler lets its skills save and end; `gamefleet skills status` shows when they have.")
        return
    run = GraphRun(root=root, asked={}, environment=environment, say=print, is_stopping=True)
    say_end(root, run_graph(run))


def attach_to(root: Path, skill: str, environment: Mapping[str, str]) -> None:
    """Become `tmux attach`.

    Raises:
        RunFolderError: The skill has no session.
        MissingDependencyError: tmux is not installed.
    """
    graph = read_graph(root)
    found = find_skill(graph, skill)
    session = found.get("session") if found.get("status") in ("launching", "running") else ""
    if not session:
        raise RunFolderError(
            f"{found['skill_name']} has no session: it is {found['status']}, its executor is {found.get('executor')}",
            where=root,
            remedy=f"Read its log: {command('logs', root, found['skill_name'])}",
        )
    program = shutil.which("tmux")
    if program is None:
        raise MissingDependencyError("The program tmux is not installed", remedy="apt install tmux, brew install tmux.")
    socket = graph.get("settings", {}).get("tmux_socket", "")
    words = [program, *(["-L", socket] if socket else []), "attach", "-t", f"={session}"]
    os.execve(program, words, dict(environment))


def migrate_run(source: Path, root: Path, env_name: str | None, extract: Path | None) -> None:
    """Make a graph of an older run, and say what became of it."""
    from gamefleet.files import make_folder
    from gamefleet.topologies.job_graph.migrate import migrate_graph
    from gamefleet.weights.experts import ExpertStore

    migration = migrate_graph(source, root, {} if env_name is None else {"env_name": env_name})
    for warning in migration.warnings:
        print(f"note: {warning}")
    for skill in migration.skills:
        print(f"{skill.index} {skill.name}: {skill.frames:,} frames")
        if extract is not None:
            make_folder(extract)
            ExpertStore(root.absolute()).extract(skill.index, extract / f"{skill.index}_{skill.name}.safetensors")
    print(f"{len(migration.skills)} experts are in {root}. Go on with: {command('run', root)}")
