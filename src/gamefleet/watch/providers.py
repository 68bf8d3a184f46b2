"""What the pages show besides run folders: chains, machines, averaging, checks, panels.

Job: say what is handed in, ask for it in the background, and keep the failure of one from the others. Place in the data
flow: the command line, which knows clusters, weights and games, hands functions in; `answers` asks here. Left out: the
functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gamefleet.watch.contained import Outcome, Source

Json = Any
CHAIN_INTERVAL_S = 20.0
"""Schedulers do not like to be asked often."""

FOLDER_INTERVAL_S = 2.0
FIRST_ANSWER_S = 0.15
"""So long a first answer is waited for; later ones come when they come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A page that a game adds.

    Args:
        name: A plain word.
        title: For people.
        script: An ES module.
        data: Called with a run folder; returns JSON values for the script.
    """

    name: str
    title: str
    script: Path
    data: Callable[[Path], Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """What is handed in; everything may be slow, and may fail.

    Args:
        chain: Folders of fleets -> the content of `/api/chain`.
        machines: Shared folders -> the content of `/api/machines`.
        averaging: Shared folders -> the content of `/api/averaging`.
        checks: Gives one result after another to its argument.
        meanings: Metric -> (unit, meaning).
        panels: Name of a game -> its panels.
        milestones: Name of a game and a run folder -> how many milestones there are.
    """

    chain: Callable[[Sequence[Path]], Json] | None = None
    machines: Callable[[Sequence[Path]], Json] | None = None
    averaging: Callable[[Sequence[Path]], Json] | None = None
    checks: Callable[[Callable[[Json], None]], None] | None = None
    meanings: Callable[[], Mapping[str, tuple[str, str]]] | None = None
    panels: Callable[[str], Sequence[Panel]] | None = None
    milestones: Callable[[str, Path], int] | None = None


@dataclass(slots=True)
class Checks:
    """A list of checks that is run when somebody asks for it.

    Args:
        run: Gives one result after another to its argument.
        state: `never`, `running` or `done`.
        results: So far.
        error: Why they could not be run.
    """

    run: Callable[[Callable[[Json], None]], None] | None
    state: str = "never"
    results: list[Json] = field(default_factory=list)
    source: Source | None = None

    def start(self) -> None:
        """Run them, unless they are being run."""
        run = self.run
        if run is None or self.state == "running":
            return
        results = self.results = []

        def work() -> str:
            run(results.append)
            return "done"

        self.state = "running"
        self.source = Source(read=work, interval_s=float("inf"), retry_s=float("inf"), hung_s=600.0)
        self.source.latest()

    def as_json(self) -> dict[str, Json]:
        """What `/api/checks` says."""
        outcome = self.source.latest() if self.source else None
        if outcome is not None:
            self.state = "done"
        answer = {"state": self.state, "available": self.run is not None, "results": list(self.results)}
        return answer | ({"error": outcome.error} if outcome and outcome.error else {})


def told(outcome: Outcome | None, *, error_of: str) -> dict[str, Json]:
    """An answer of a provider as JSON values: what it last said, and what was wrong."""
    if outcome is None:
        return {"available": False, "is_pending": True}
    value = dict(outcome.value) if isinstance(outcome.value, Mapping) else {"available": False}
    return value | ({"error": f"{error_of}: {outcome.error}"} if outcome.error else {})
