"""Run folders as training leaves them, written by the real writers, and a client that asks a served page."""

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_S

from gamefleet.files import write_json
from gamefleet.runs.events import EventWriter
from gamefleet.runs.metrics import MetricsWriter
from gamefleet.runs.paths import RunPaths
from gamefleet.watch.answers import Answers
from gamefleet.watch.providers import Providers
from gamefleet.watch.server import make_app
from gamefleet.watch.serving import Serving, take_place
from gamefleet.watch.site import Site


def make_run(root: Path, *, rows: int = 50, game: str = "toy", total_steps: int = 10_000) -> RunPaths:
    """A run that was stopped: settings, one attempt, metrics, events."""
    paths = RunPaths(root)
    for folder in (paths.attempts, paths.media):
        folder.mkdir(parents=True)
    write_json(paths.manifest, {"game": game, "format_version": 1})
    write_json(paths.resolved, {"run": {"total_steps": total_steps}})
    with MetricsWriter(paths.metrics("train"), attempt=1) as metrics:
        for row in range(1, rows + 1):
            metrics.write(10 * row, {"start/return": row / 7, "learner/loss": 1 / row, "speed/steps_per_s": 100.0})
    with EventWriter(paths.events("train"), attempt=1) as events:
        events.write("attempt_started", step=0, resumed_step=-1)
        events.write("training_began", step=10, seconds=1.0)
        events.write("milestone_reached", step=40, milestone="first_door")
        events.write("attempt_ended", step=10 * rows, outcome="stopped", reason="asked to")
    state = {"status": "stopped", "reason": "asked to", "step": 10 * rows, "total_steps": total_steps}
    write_json(paths.state, {**state, "milestones": {"first_door": 40}, "updated_at": time.time()})
    started = time.time() - 60
    write_json(paths.attempt(1), {"number": 1, "started_at": started, "ended_at": time.time(), "outcome": "ended"})
    return paths


def hold(paths: RunPaths, *, host: str = "node7") -> None:
    """Have another machine hold the run, as if it trained at this moment."""
    holder = {"host": host, "machine": "another machine", "pid": 4242, "started": "1"}
    write_json(paths.attempt(2), {"number": 2, "started_at": time.time(), "holder": holder})


@dataclass(frozen=True)
class Page:
    """A served dashboard."""

    answers: Answers
    host: str
    port: int

    def ask(
        self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.putrequest(method, path, skip_host=True)
            for name, value in {"Host": f"127.0.0.1:{self.port}", **(headers or {})}.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The JSON of an address that must work."""
        status, _, body = self.ask(path)
        assert status == 200, (path, status, body[:500])
        return json.loads(body)


@contextmanager
def served(*folders: Path, providers: Providers | None = None, token: str | None = None) -> Iterator[Page]:
    """Serve some folders on a free port of this machine."""
    answers = Answers(Site(folders=folders), providers or Providers())
    place = take_place("127.0.0.1", 0, usual_port=0, token=token)
    serving = Serving(make_app(answers), place)
    answers.freshness.start()
    serving.start()
    try:
        yield Page(answers, "127.0.0.1", place.port)
    finally:
        answers.freshness.close()
        serving.close()
