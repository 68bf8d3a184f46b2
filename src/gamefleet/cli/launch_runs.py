"""Which run a launch is about, and the names by which people find it where they stand.

Job: find the newest run, invent names, make links. Place in the data flow: `launch_plan` asks. Left out: jobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gamefleet.errors import ConfigError, GamefleetError, RunFolderError

if TYPE_CHECKING:
    from gamefleet.cli.launch_plan import LaunchRequest

WORDS = "launch.json"
"""Beside a fleet's facts: what was launched last."""

RUNS = Path("runs")
"""Where run folders are if nobody says it."""


def completed(request: LaunchRequest) -> LaunchRequest:
    """The same with the run's name and folder from its settings, where the options leave them out.

    Raises:
        ConfigError: The settings cannot be understood.
    """
    said = request.training.asked().settings.get("run", {})
    folder = Path(said["runs_folder"]) if said.get("runs_folder") and request.runs_folder == RUNS else None
    return replace(
        request,
        run=request.run or str(said.get("name") or ""),
        runs_folder=request.runs_folder if folder is None else folder.expanduser(),
    )


def run_of(game: str, name: str, runs_folder: Path, *, is_resumed: bool) -> str:
    """The name of the run.

    Args:
        game: What is trained.
        name: As it was given; empty when it was not.
        runs_folder: Holds the run folders.
        is_resumed: Whether a run that is there shall go on.

    Raises:
        ConfigError: The name is no folder's.
        RunFolderError: Nothing can be resumed, or a new run has the name of one that is there.
    """
    from gamefleet.identity import fresh_run_name

    if name in (".", "..") or any(character in name for character in "/\\\0"):
        raise ConfigError("A run's name must be a plain folder name", value=name, where="--run")
    if not is_resumed:
        chosen = name or fresh_run_name(game)
        if is_there(runs_folder / chosen):
            raise RunFolderError(
                f"The run {chosen!r} exists already",
                where=runs_folder / chosen,
                remedy="Go on with it (--resume), or use another name.",
            )
        return chosen
    if name:
        if not is_there(runs_folder / name):
            raise RunFolderError("There is no such run", value=name, where=runs_folder, remedy="`gamefleet runs list`.")
        return name
    return newest_of(game, runs_folder)


def newest_of(game: str, runs_folder: Path) -> str:
    """The run of a game that was worked at last, and got somewhere; newer ones that did not are named.

    Raises:
        RunFolderError: There is none.
    """
    found = sorted(runs_of(game, runs_folder), key=lambda root: (last_change(root), root.name), reverse=True)
    number = next((number for number, root in enumerate(found) if has_begun(root)), len(found))
    passed = ", ".join(root.name for root in found[:number])
    if number == len(found):
        unsaved = f"{passed} never saved anything: start it again with another name, or remove it. " if passed else ""
        raise RunFolderError(
            f"There is no run of {game} that could go on",
            where=runs_folder.absolute(),
            remedy=f"{unsaved}Leave --resume out to start one, or say where runs lie (--runs-folder).",
        )
    if passed:
        print(f"note: passed over {passed}, which never saved anything; --run names a run to go on with")
    return found[number].name


def has_begun(root: Path) -> bool:
    """Whether a run has something to go on from, or its jobs are still to come.

    A start that failed leaves a folder, too: with a bad setting, for example, or without data.
    """
    from gamefleet.cluster.fleet_paths import FleetPaths
    from gamefleet.runs.folder import read_state
    from gamefleet.runs.paths import RunPaths

    paths, fleet = RunPaths(root), FleetPaths(root)
    chains = list(fleet.found_chains()) if fleet.folder.is_dir() else []
    is_awaited = bool(chains) and not any(chain.mark("failed").exists() for chain in chains)
    has_checkpoint = paths.checkpoints.is_dir() and any(paths.checkpoints.iterdir())
    return is_awaited or has_checkpoint or int(read_state(paths).get("step", 0)) > 0


def is_there(root: Path) -> bool:
    """Whether a run was started or launched in this folder."""
    from gamefleet.runs.paths import RunPaths

    paths = RunPaths(root)
    return paths.manifest.exists() or (paths.fleet / "fleet.json").exists()


def runs_of(game: str, runs_folder: Path) -> Iterator[Path]:
    """Folders of a game's runs: those that were launched, and those that `gamefleet train` began."""
    from gamefleet.files import read_json
    from gamefleet.runs.folder import read_resolved
    from gamefleet.runs.paths import RunPaths

    for root in runs_folder.iterdir() if runs_folder.is_dir() else ():
        paths = RunPaths(root)
        names: list[object] = []
        with suppress(OSError, ValueError):
            names.append(read_json(paths.fleet / WORDS).get("game"))
        with suppress(OSError, ValueError, GamefleetError):
            names.append(read_resolved(paths).get("game_name"))
        if game in names:
            yield root


def last_change(root: Path) -> float:
    """When a run was last worked at or launched, seconds since 1970."""
    from gamefleet.runs.paths import RunPaths

    paths, latest = RunPaths(root), 0.0
    for path in (paths.state, paths.fleet / WORDS, paths.manifest):
        with suppress(OSError):
            latest = max(latest, path.stat().st_mtime)
    return latest


def is_finished(root: Path, max_steps: int | None) -> str:
    """Why a run cannot go on because all is done; empty when it can."""
    from gamefleet.runs.folder import read_state
    from gamefleet.runs.paths import RunPaths

    state = read_state(RunPaths(root))
    step = int(state.get("step", 0))
    if state.get("status") != "finished" or (max_steps is not None and max_steps > step):
        return ""
    return f"The run {root.name!r} has finished, at step {step:,}"


def link_checkpoints(root: Path, num_gpus: int, folder: Path) -> str:
    """Let `checkpoints_8gpu/` in the folder where people work lead to the checkpoints of the run launched last.

    Returns:
        A sentence about it.
    """
    from gamefleet.files import make_folder
    from gamefleet.runs.paths import RunPaths

    target = RunPaths(root).checkpoints
    link = folder / f"checkpoints_{num_gpus}gpu"
    if link.exists() and not link.is_symlink():
        return f"{link.name} is there and no link of ours; checkpoints are in {target}"
    try:
        make_folder(target)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    except OSError as error:
        return f"no link {link.name}: {error}; checkpoints are in {target}"
    return f"{link.name}/ leads to {target}"


def check_finished(root: Path, max_steps: int | None) -> None:
    """Refuse to launch jobs that would find nothing to do.

    Raises:
        ConfigError: The run has made all its steps.
    """
    if why := is_finished(root, max_steps):
        raise ConfigError(why, where=root, remedy="Ask for more with --max-steps, or name another run with --run.")
