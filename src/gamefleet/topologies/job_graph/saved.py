"""What earlier schedulers of a skill graph wrote down, read back with distrust: people edit and lose files.

Job: the settings and the state of a folder, or an error that says which file is wrong and how. Place in the data flow:
`settings.json` and `scheduler_state.json` -> here -> `settings` and `start`. Left out: checking
values of settings, and writing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gamefleet.cluster.graph.state import GraphState
from gamefleet.errors import ConfigError, RunFolderError
from gamefleet.files import read_json
from gamefleet.topologies.job_graph.paths import GraphPaths

FROM_A_COPY = "Restore it from a copy, or move the folder away and start again."


def saved_settings(paths: GraphPaths) -> dict[str, Any]:
    """The settings of earlier starts; none before the first.

    Where the file of the settings is lost, the state's copy is taken: defaults would turn the graph into another one.

    Raises:
        ConfigError: They cannot be read, or are lost although skills are there.
        RunFolderError: The folder, or the state that is left, cannot be read.
    """
    try:
        found = read(paths, paths.settings)
    except ValueError as error:
        raise ConfigError("The graph's settings cannot be read", where=paths.settings, remedy=str(error)) from error
    if found is not None:
        return found
    state = saved_state(paths)
    if state is None:
        return {}
    graph_of(state, paths.state)  # one that cannot be read at all is the greater trouble
    told = state.get("settings")
    if not isinstance(told, dict):
        raise ConfigError("The graph's settings are lost", where=paths.settings, remedy=FROM_A_COPY)
    return told


def saved_state(paths: GraphPaths) -> dict[str, Any] | None:
    """The content of the state's file; None before the first start.

    Raises:
        RunFolderError: It is damaged, or cannot be read.
    """
    try:
        return read(paths, paths.state)
    except ValueError as error:
        raise RunFolderError("The scheduler state is damaged", where=paths.state, remedy=FROM_A_COPY) from error


def read(paths: GraphPaths, path: Path) -> dict[str, Any] | None:
    """A JSON object of a graph's folder; None where there is none.

    Raises:
        ValueError: It is no JSON object.
        RunFolderError: The folder or the file cannot be read.
    """
    try:
        return read_json(path)
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        remedy = "Name a folder with --graph-path; it is made when it is not there."
        raise RunFolderError("The graph's folder is a file", where=paths.root, remedy=remedy) from error
    except OSError as error:
        remedy = "Mend its permissions, or choose another --graph-path."
        raise RunFolderError(f"Cannot read {path.name}: {error.strerror}", where=paths.root, remedy=remedy) from error


def graph_of(content: dict[str, Any], where: Path) -> GraphState:
    """The scheduler's state from the content of its file.

    Raises:
        RunFolderError: It is damaged, or of a later version.
    """
    state = GraphState.from_json(content, where=where)
    earlier: set[str] = set()
    for place, node in enumerate(state.skills):
        wrong = [name for name in node.dependencies if name not in earlier]
        if node.index != place or node.skill_name in earlier or wrong:
            reason = (
                f"{node.skill_name} builds on {wrong[0]}, which is not before it" if wrong else "skills are missing"
            )
            raise RunFolderError(f"The scheduler state is damaged: {reason}", where=where, remedy=FROM_A_COPY)
        earlier.add(node.skill_name)
    return state
