"""Which runs the pages show.

Job: find the runs below the folders that a user named: a run, a fleet, a folder of runs, a shared folder, a graph of
skills, or copies of them. Place in the data flow: paths -> run views, which `live` keeps fresh. Left out: reading runs
(`run_view`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gamefleet.runs.carried import carrying_fleet
from gamefleet.runs.paths import RunPaths
from gamefleet.watch.contained import contained
from gamefleet.watch.facts import SmallFile
from gamefleet.watch.run_view import RunView
from gamefleet.watch.skill_graphs import STATE_FILE

MOST_RUNS = 500
FLEET = Path("fleet") / "fleet.json"
SHARED = "shared.json"

Kind = Literal["run", "runs", "fleet", "shared", "skills", "copy"]


@dataclass(slots=True)
class CopyState:
    """How fresh a copy of another machine's folder is.

    Args:
        origin: The folder there, for people.
        copied_at: When the last copy was whole, seconds since 1970; 0 before the first.
        error: Why the last try failed; empty when it did not.
    """

    origin: str
    copied_at: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run folder, with its name in a fleet if it has one."""

    folder: Path
    member: str = ""


@dataclass(slots=True)
class Site:
    """What is shown.

    Args:
        folders: As the user named them.
        copy: Of another machine; None when the folders are this machine's.
        clock: Seconds since 1970.
    """

    folders: Sequence[Path]
    copy: CopyState | None = None
    clock: Callable[[], float] = time.time
    kind: Kind = "runs"
    version: int = 0
    trouble: str = ""
    fleets: list[Path] = field(default_factory=list)
    graphs: list[Path] = field(default_factory=list)
    _views: dict[str, RunView] = field(default_factory=dict)
    _by_folder: dict[Path, RunView] = field(default_factory=dict)
    _shared: list[Path] = field(default_factory=list)
    _graphs_before: list[Path] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def title(self) -> str:
        """What the pages are headed with."""
        return self.folders[0].resolve().name if len(self.folders) == 1 else "gamefleet"

    @property
    def views(self) -> list[RunView]:
        """All runs."""
        with self._lock:
            return list(self._views.values())

    def view(self, run: str) -> RunView | None:
        """One run by its id; None when there is none of that name."""
        with self._lock:
            return self._views.get(run)

    @property
    def shared(self) -> list[Path]:
        """Shared folders: those that were named, and those that runs say they use."""
        named = list(self._shared)
        for view in self.views:
            if view.facts.setting("collaboration", "enabled"):
                told = view.facts.setting("collaboration", "shared_dir")
                named += shared_folder(told)
        return list(dict.fromkeys(named))

    def scan(self) -> None:
        """Look for runs that came or went."""
        outcome = contained(self._found)
        self.trouble = outcome.error
        if outcome.error:
            return
        found: list[FoundRun] = outcome.value[:MOST_RUNS]
        if [one.folder for one in found] == list(self._by_folder) and self.graphs == self._graphs_before:
            return
        self._graphs_before = self.graphs
        with self._lock:
            self._by_folder = {one.folder: self._by_folder.get(one.folder) or self._new_view(one) for one in found}
            self._views = {view.id: view for view in self._by_folder.values()}
            self.version += 1

    def _found(self) -> list[FoundRun]:
        fleets: list[Path] = []
        shared: list[Path] = []
        runs: dict[Path, FoundRun] = {}
        kinds: list[Kind] = []
        for folder in self.folders:
            kinds.append(kind_of(folder))
            if (folder / SHARED).exists():
                shared.append(folder)
            for place in candidates(folder):
                if (place / FLEET).exists():
                    fleets.append(place)
                for one in runs_in(place):
                    runs.setdefault(one.folder.resolve(), one)
                    if one.member:
                        runs[one.folder.resolve()] = one
            if kinds[-1] == "run" and (carrier := carrying_fleet(RunPaths(folder.absolute()))):
                fleets.append(carrier.parent)
        self.fleets, self._shared = list(dict.fromkeys(fleets)), shared
        self.graphs = list(dict.fromkeys(graph for folder in self.folders for graph in graphs_in(folder)))
        self.kind = "copy" if self.copy else kinds[0] if len(kinds) == 1 else "runs"
        return list(runs.values())

    def _new_view(self, one: FoundRun) -> RunView:
        taken = {view.id for view in self._by_folder.values()}
        name = one.folder.resolve().name
        name = next(text for text in _names(name) if text not in taken)
        return RunView(name, RunPaths(one.folder), one.member, self.time_of_copy, is_copy=self.copy is not None)

    def time_of_copy(self) -> float:
        """The moment at which what is shown was true: now, or for a copy when it was last whole.

        A run must not look dead because this machine was away from the other one.
        """
        return self.copy.copied_at if self.copy and self.copy.copied_at else self.clock()


def shared_folder(told: Any) -> list[Path]:
    """The folder that a run's settings name; none when it cannot be a folder."""
    is_path = isinstance(told, str) and bool(told) and "\0" not in told
    with suppress(RuntimeError):  # `~somebody` whom this machine does not know
        return [Path(told).expanduser()] if is_path else []
    return []


def _names(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}~{number}"
        number += 1


def kind_of(folder: Path) -> Kind:
    """What a folder is."""
    if (folder / FLEET).exists():
        return "fleet"
    if (folder / "manifest.json").exists():
        return "run"
    if (folder / STATE_FILE).exists():
        return "skills"
    return "shared" if (folder / SHARED).exists() else "runs"


def graphs_in(folder: Path) -> list[Path]:
    """The folder itself if it is a graph of skills, or those directly below it."""
    if (folder / STATE_FILE).exists():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{STATE_FILE}"))


def candidates(folder: Path) -> list[Path]:
    """The folder itself, and those directly below it that are runs or fleets."""
    if kind_of(folder) in ("run", "fleet"):
        return [folder]
    below = {path.parent for path in folder.glob("*/manifest.json")}
    below |= {path.parent.parent for path in folder.glob(f"*/{FLEET}")}
    return sorted(below)


def runs_in(folder: Path) -> Iterator[FoundRun]:
    """The runs that a folder is or carries."""
    facts = SmallFile()
    facts.look(folder / FLEET)
    chains = facts.content.get("chains")
    is_carried = False
    for chain in chains if isinstance(chains, list) else ():
        told = chain.get("run_folder") if isinstance(chain, dict) else None
        if isinstance(told, str):
            is_carried = True
            # In a copy, and after the folder was moved, the runs lie beside their fleet as before.
            beside = folder.parent / Path(told).name
            yield FoundRun(beside if beside.exists() else Path(told), str(chain.get("member", "")))
    if not is_carried and (folder / "manifest.json").exists():
        yield FoundRun(folder)


def as_json(site: Site) -> dict[str, Any]:
    """The part of `/api/site` that the folders say."""
    copy = site.copy
    age = None if copy is None or not copy.copied_at else max(0.0, site.clock() - copy.copied_at)
    return {
        "title": site.title,
        "folder": ", ".join(str(folder) for folder in site.folders) if copy is None else copy.origin,
        "kind": site.kind,
        "copy": None if copy is None else {"from": copy.origin, "age_s": age, "error": copy.error},
        "runs": [
            {"id": view.id, "name": view.paths.name, "game": view.facts.game, "member": view.member}
            for view in site.views
        ],
        "trouble": site.trouble,
    }
