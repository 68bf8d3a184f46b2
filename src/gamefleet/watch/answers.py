"""The JSON values behind every address.

Job: answer each question from what is known, each source by itself. Place in the data flow: run views and providers ->
here -> `server`. Left out: HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gamefleet import __version__
from gamefleet.watch import pairs, run_account
from gamefleet.watch.contained import Source, UnknownError
from gamefleet.watch.game_panels import GamePanels
from gamefleet.watch.live import Freshness
from gamefleet.watch.providers import CHAIN_INTERVAL_S, FIRST_ANSWER_S, FOLDER_INTERVAL_S, Checks, Providers, told
from gamefleet.watch.run_view import RunView
from gamefleet.watch.site import Site, as_json
from gamefleet.watch.skill_graphs import GRAPH_INTERVAL_S, SkillGraphs

MOST_CURVES = 400
MOST_POINTS = 4000
MOST_EVENTS = 1000
KINDS = ("facts", "metrics", "events", "visits", "recent")

Json = dict[str, Any]


class Pictures(Protocol):
    """Who plays and can be watched: a hub."""

    def as_json(self) -> Json:
        """Everyone who plays, as `/api/agents` says it."""
        ...

    def best(self, k: int, /) -> Sequence[str]:
        """The furthest."""
        ...


def best_of(pictures: Pictures, run: str) -> str | None:
    """The id of the best agent that plays, of one run, or of all when `run` is empty."""
    if not run:
        return next(iter(pictures.best(1)), None)
    own = [agent for agent in pictures.as_json()["agents"] if agent["run"] == run]
    best = max(own, key=lambda agent: (agent["progress"], agent["reward"]), default=None)
    return None if best is None else str(best["id"])


@dataclass(slots=True)
class Answers:
    """Everything that can be asked.

    Args:
        site: The runs.
        providers: What else is shown.
        pictures: Where live pictures come from; None when they are not asked for.
        no_pictures: Why there are none.
    """

    site: Site
    providers: Providers
    pictures: Pictures | None = None
    no_pictures: str = "live pictures were not asked for: start the dashboard with --stream-port"
    freshness: Freshness = field(init=False)
    chains: Source | None = field(init=False)
    machines_source: Source | None = field(init=False)
    averaging_source: Source | None = field(init=False)
    skills_source: Source | None = field(init=False)
    check_list: Checks = field(init=False)
    meanings: Source | None = field(init=False)
    panels: GamePanels = field(init=False)
    _counts: dict[str, Source] = field(default_factory=dict)

    def __post_init__(self) -> None:
        site, providers = self.site, self.providers
        self.freshness = Freshness(site=site)
        self.chains = _source(providers.chain, lambda: site.fleets, CHAIN_INTERVAL_S)
        if self.chains:
            self.chains.news = lambda: tuple(view.facts.holding for view in site.views)
        self.machines_source = _source(providers.machines, lambda: site.shared, FOLDER_INTERVAL_S)
        self.averaging_source = _source(providers.averaging, lambda: site.shared, FOLDER_INTERVAL_S)
        self.skills_source = _source(SkillGraphs(), lambda: site.graphs, GRAPH_INTERVAL_S)
        self.check_list = Checks(providers.checks)
        self.panels = GamePanels(providers.panels)
        self.meanings = Source(read=providers.meanings, interval_s=math.inf) if providers.meanings else None

    def view(self, run: str | None) -> RunView:
        """A run by its id; the first one when none is named.

        Raises:
            UnknownError: There is none.
        """
        views = self.site.views
        found = self.site.view(run) if run else views[0] if views else None
        if found is None:
            raise UnknownError(f"There is no run {run!r} here" if run else "There is no run here yet")
        return found

    def describe(self) -> Json:
        """`/api/site`."""
        shown = {"pages": pages(self), "panels": self.panels.describe(self.games)}
        return {**as_json(self.site), **shown, "version": __version__}

    @property
    def games(self) -> list[str]:
        """Names of the games of the runs."""
        return list(dict.fromkeys(view.facts.game for view in self.site.views if view.facts.game))

    def now(self, run: str | None) -> Json:
        """`/api/now`."""
        view = self.view(run)
        answer = run_account.now(view, self.chain_of(view), self._members_of(view))
        answer["milestones"]["total"] = self._num_milestones(view)
        if self.pictures is not None:
            answer["best"]["agent"] = best_of(self.pictures, view.paths.name if run else "")
        return answer

    def runs(self) -> list[Json]:
        """`/api/runs`."""
        return [run_account.row(view, self.chain_of(view)) for view in self.site.views]

    def metrics(self, run: str | None) -> Json:
        """`/api/metrics`."""
        view = self.view(run)
        meanings = self._meanings()
        with view.lock:
            metrics = view.metrics
            return {
                "names": [
                    {"name": name, "value": value, **_meaning(name, meanings)}
                    for name, value in run_account.values(view).items()
                ],
                "rows": metrics.rows,
                "ignored": metrics.ignored,
                "superseded": metrics.superseded,
                "reading": metrics.reading,
                "problem": metrics.problem,
            }

    def curves(self, runs: Sequence[str], names: Sequence[str], **window: float | None) -> Json:
        """`/api/curves`.

        Args:
            runs: Ids; the first run when there are none.
            names: Metrics; the six that say most when there are none.
            window: `points`, `first`, `last`.
        """
        points = max(1, min(MOST_POINTS, int(window.get("points") or 1000)))
        found: list[Json] = []
        for view in [self.view(run) for run in runs or [""]]:
            with view.lock:
                for name in names or run_account.six(view):
                    curve = view.metrics.curves.get(name)
                    if curve is not None and len(found) < MOST_CURVES:
                        seen = curve.view(points=points, first=window.get("first"), last=window.get("last"))
                        found.append({"run": view.id, "name": name, **seen})
        return {"curves": found}

    def events(self, run: str | None, limit: int = 200) -> list[Json]:
        """`/api/events`, the newest first."""
        view = self.view(run)
        with view.lock:
            newest = list(view.events.newest)[-max(1, min(MOST_EVENTS, limit)) :]
        return [
            {"time": one.time_s, "kind": one.kind, "step": one.step, "attempt": one.attempt, "text": one.text}
            for one in reversed(newest)
        ]

    def visits(self, run: str | None, until: int | None = None) -> Json:
        """`/api/visits`."""
        view = self.view(run)
        with view.lock:
            return {"run": view.id, **view.visits.view(until)}

    def recent(self, run: str | None) -> Json:
        """`/api/recent`."""
        view = self.view(run)
        with view.lock:
            return {"run": view.id, **run_account.recent(view)}

    def agents(self) -> Json:
        """`/api/agents`."""
        if self.pictures is None:
            return {"streaming": {"listening": False, "producers": 0, "why": self.no_pictures}, "agents": []}
        return self.pictures.as_json()

    def chain(self) -> Json:
        """`/api/chain`."""
        return _told(self.chains, "the jobs") if self.site.fleets else {"available": False, "chains": []}

    def machines(self) -> Json:
        """`/api/machines`."""
        told = _told(self.machines_source, "the shared folder") if self.site.shared else {"available": False}
        return told | {"pairs": [pair for view in self.site.views if (pair := pairs.pair(view))]}

    def averaging(self) -> Json:
        """`/api/averaging`."""
        return _told(self.averaging_source, "the shared folder") if self.site.shared else {"available": False}

    def skills(self) -> Json:
        """`/api/skills`."""
        return _told(self.skills_source, "the graph of skills") if self.site.graphs else {"available": False}

    def chain_of(self, view: RunView) -> Json | None:
        """The chain that carries a run; None when none does."""
        chains = self.chain().get("chains") if self.site.fleets else None
        folder = str(view.folder.resolve())
        for chain in chains or ():
            if str(chain.get("run_folder")) == folder or (self.site.copy and chain.get("run") == view.paths.name):
                return dict(chain)
        return None

    def _members_of(self, view: RunView) -> Sequence[Json]:
        outcome = self.machines_source.outcome if self.machines_source and self.site.shared else None
        found = told(outcome, error_of="the shared folder").get("members") or []
        return [row for row in found if len(self.site.views) == 1 or row.get("member") == view.paths.name]

    def _num_milestones(self, view: RunView) -> int | None:
        count, game = self.providers.milestones, view.facts.game
        if count is None or not game:
            return None
        source = self._counts.setdefault(
            view.id, Source(read=lambda: count(game, view.folder), interval_s=math.inf, hung_s=math.inf)
        )
        outcome = source.latest()
        return outcome.value if outcome else None

    def _meanings(self) -> Mapping[str, tuple[str, str]]:
        outcome = self.meanings.latest(wait_s=FIRST_ANSWER_S) if self.meanings else None
        return outcome.value or {} if outcome else {}


def pages(answers: Answers) -> list[str]:
    """Names of the pages that have something to show."""
    site, has_checks = answers.site, answers.providers.checks is not None
    has_runs, has_pairs = bool(site.views), any(pairs.is_paired(view) for view in site.views)
    has_panel = any(run_account.feeds_panel(view) for view in site.views)
    found = (
        ["skills"] * bool(site.graphs)
        + ["now"] * has_runs
        + ["agents"] * (answers.pictures is not None)
        + ["map"] * has_panel
    )
    found += ["chain"] * bool(site.fleets) + ["machines"] * (has_pairs or bool(site.shared))
    return found + ["averaging"] * bool(site.shared) + ["runs"] * has_runs + ["checks"] * has_checks


def versions(answers: Answers) -> dict[str, int]:
    """What changed is seen by these numbers; names as of the addresses below `/api/`."""
    views = answers.site.views
    total = {kind: sum(view.versions.get(kind, 0) for view in views) for kind in KINDS}
    every = {
        "site": answers.site.version + answers.panels.version,
        "metrics": total["metrics"],
        "curves": total["metrics"],
        "events": total["events"],
        "visits": total["visits"],
        "recent": total["recent"],
        "chain": _version(answers.chains),
        "machines": _version(answers.machines_source) + total["events"],
        "averaging": _version(answers.averaging_source),
        "skills": _version(answers.skills_source),
        "checks": len(answers.check_list.results) + len(answers.check_list.state),
    }
    moved = total["metrics"] + total["events"] + total["facts"] + every["chain"] + every["machines"]
    return every | {"now": moved, "runs": moved}


def _source(
    provide: Callable[[Sequence[Path]], Any] | None, folders: Callable[[], Sequence[Path]], interval_s: float
) -> Source | None:
    return Source(read=lambda: provide(list(folders())), interval_s=interval_s) if provide else None


def _told(source: Source | None, name: str) -> Json:
    if source is None:
        return {"available": False}
    return told(source.latest(wait_s=FIRST_ANSWER_S), error_of=name)


def _version(source: Source | None) -> int:
    return source.version if source else 0


def _meaning(name: str, meanings: Mapping[str, tuple[str, str]]) -> Json:
    """Unit and meaning, of the name itself or of its family: `term/<name>`."""
    family = next((key for key in meanings if "<" in key and name.startswith(key.partition("<")[0])), "")
    unit, meaning = meanings.get(name) or meanings.get(family) or ("", "")
    return {"unit": unit, "meaning": meaning}
