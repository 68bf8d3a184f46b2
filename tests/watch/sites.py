"""Sites for the pages to show: run folders that are real, and members and jobs in the shape in which they are told."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gamefleet.cli.dashboard import frames_of
from gamefleet.cli.dashboard_checks import meanings, panels
from gamefleet.watch.answers import Answers
from gamefleet.watch.hub import Hub
from gamefleet.watch.providers import Providers
from gamefleet.watch.server import make_app
from gamefleet.watch.serving import Serving, take_place
from gamefleet.watch.site import Site

NUM_MEMBERS = 50
HOSTILE = "<img src=x onerror=window.harm=1>"
"""A name that does harm where it is taken for HTML; it is a valid file name, too."""


@dataclass(slots=True)
class Dashboard:
    """A dashboard that is being served."""

    folders: Sequence[Path]
    providers: Providers
    port: int | None = None
    hub: Hub | None = None
    answers: Answers = field(init=False)
    _serving: Serving = field(init=False)

    def start(self) -> None:
        self.answers = Answers(Site(folders=self.folders), self.providers, pictures=self.hub)
        self.answers.freshness.start()
        place = take_place("127.0.0.1", self.port, usual_port=0)
        self.port = place.port
        self._serving = Serving(make_app(self.answers, more=frames_of(self.answers)), place)
        self._serving.start()

    def stop(self) -> None:
        self._serving.close()
        self.answers.freshness.close()

    def at(self, page: str) -> str:
        """The address of a page."""
        return f"http://127.0.0.1:{self.port}/#{page}"


def make_site(folder: Path, run: Path) -> list[Path]:
    """A fleet of the run and of a copy with a hostile name, and a shared folder."""
    for name in ("short", HOSTILE):
        shutil.copytree(run, folder / name, ignore=shutil.ignore_patterns("checkpoints"))
    fleet, shared = folder / "red", folder / "shared"
    (fleet / "fleet").mkdir(parents=True)
    shared.mkdir()
    chains = [{"run_folder": str(folder / name), "member": name} for name in ("short", HOSTILE)]
    (fleet / "fleet" / "fleet.json").write_text(json.dumps({"chains": chains}))
    (shared / "shared.json").write_text("{}")
    return [fleet, shared]


def providers() -> Providers:
    """Everything that the pages show besides run folders."""
    return Providers(
        chain=lambda folders: {"available": True, "chains": [chain("short"), chain(HOSTILE)]},
        machines=lambda folders: {"available": True, "members": [member(number) for number in range(NUM_MEMBERS)]},
        averaging=lambda folders: {"available": True, "head": 3, "versions": [version(number) for number in range(4)]},
        checks=lambda tell: [tell(found) for found in CHECKS] and None,
        meanings=meanings,
        panels=panels,
    )


CHECKS = (
    {"name": "disk", "group": "machine", "status": "ok", "found": "12 GB free", "remedy": ""},
    {"name": HOSTILE, "group": "cluster", "status": "failed", "found": HOSTILE, "remedy": f"Mend {HOSTILE}"},
)


def member(number: int) -> Mapping[str, Any]:
    name = HOSTILE if number == 7 else f"laptop-{number:02d}"
    is_out = number == 7
    return {
        "member": name, "kind": "learner", "host": f"host-{number:02d}", "heartbeat_age_s": 1.0 + 30 * number,
        "version": 3, "steps_per_s": 100.0 + number, "samples": 1000 * number, "updates": 10 * number,
        "merges": number, "rejected": int(is_out), "is_quarantined": is_out, "last_reason": "", "head_version": 3,
        "lag": 0, "weight": 1 / NUM_MEMBERS, "reason": f"its norm was 14 times the median: {HOSTILE}" if is_out else "",
    }  # fmt: skip


def version(number: int) -> Mapping[str, Any]:
    inputs = [
        {"member": name, "weight": weight, "age": 0, "samples": 1000, "norm": 1.0}
        for name, weight in (("laptop-00", 3.0), (HOSTILE, 1.0))
    ]
    return {
        "version": number, "at": time.time() - 60, "kind": "merge", "rule": {"rule": "average"}, "inputs": inputs,
        "rejected": [{"member": HOSTILE, "reason": HOSTILE}], "verdict": None,
    }  # fmt: skip


def chain(name: str) -> Mapping[str, Any]:
    begin = time.time() - 7200
    leg = {
        "job": "4001", "host": "node01", "queued_at": begin - 60, "from_step": 0, "to_step": 300, "checkpoints": [],
        "gap_s": 12.0, "ours_s": 3.0,
    }  # fmt: skip
    first = leg | {"number": 1, "started_at": begin, "ended_at": begin + 3000, "outcome": "killed"}
    second = leg | {"number": 2, "started_at": begin + 3012, "ended_at": None, "outcome": "", "gap_s": None}
    job = {"id": "4002", "state": "pending", "reason_text": "it waits for its turn", "expected_start": begin + 9000}
    return {
        "name": name, "run": name, "run_folder": "", "state": "running", "reason": "", "legs": [first, second],
        "jobs": [job],
    }  # fmt: skip
