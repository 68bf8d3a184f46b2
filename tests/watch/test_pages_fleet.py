"""The pages of a real fleet: two chains of jobs inside SLURM share weights and show themselves to a real browser."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import PATIENCE_S
from tests.watch.conftest import Pages
from tests.watch.page_rules import CONTRAST

from gamefleet.testing.local_slurm import LocalSlurm, LocalSlurmSettings
from gamefleet.testing.local_ssh import free_port

GAMEFLEET = (sys.executable, "-m", "gamefleet.cli.main")
SMALL = (
    "run.total_steps=10_000_000",
    "run.checkpoint_interval_steps=400",
    "actors.num_workers=0",
    "collaboration.enabled=true",
    "collaboration.sync_interval_updates=5",
    "collaboration.merge.wait_s=3",
    "streaming.enabled=true",
)
COLOURS = """
const canvas = document.querySelector('.screen canvas');
if (!canvas || canvas.hidden) return 0;
const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
return new Set(new Uint32Array(data.buffer)).size;
"""
SHARES = "return [...document.querySelectorAll('.shares')].map((one) => one.children.length)"
ROWS = "return [...document.querySelectorAll('tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))"


@dataclass(slots=True, kw_only=True)
class RealFleet:
    """A fleet of two members, and the dashboard of its folder."""

    slurm: LocalSlurm
    folder: Path
    address: str = ""

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: text for name, text in self.slurm.environment.items() if name not in ("SSH_CONNECTION",)}
        return kept | {"HOME": str(self.folder / "home")}

    def gamefleet(self, *words: str) -> str:
        done = subprocess.run(
            [*GAMEFLEET, *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, config: Path) -> None:
        sets = (*SMALL, f"collaboration.shared_dir={self.folder / 'shared'}", f"streaming.port={free_port()}")
        words = ("--run", "red", "--partition", "gpu-linuxlab", "--ddp-world-size", "2", "--cpus", "2")
        assignments = [word for setting in sets for word in ("--set", setting)]
        self.gamefleet("fleet", "start", "--config", str(config), *words, "--time-limit", "0:10:00", *assignments)

    def serve(self) -> subprocess.Popen[str]:
        """The dashboard, as a user starts it."""
        served = subprocess.Popen(
            [*GAMEFLEET, "dashboard", "runs/red", "--no-open", "--port", "0"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert served.stdout is not None
        self.address = served.stdout.readline().split()[4]
        return served

    def jobs(self, state: str) -> list[str]:
        return self.slurm.run("squeue", "-h", "-t", state, "-o", "%i").split()

    def trainer(self, run: str) -> int:
        """The process that trains a run, inside a job."""
        claims = sorted((self.folder / "runs" / run / "attempts").glob("attempt-*.json"))
        return int(json.loads(claims[-1].read_text())["holder"]["pid"])

    def chains(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.gamefleet("fleet", "status", "--run", "red", "--json"))["chains"]
        return found


@pytest.fixture
def fleet(tmp_path: Path, repository: Path, require_program: Callable[[str, str], str]) -> Iterator[RealFleet]:
    for program in ("slurmctld", "munged"):
        require_program(program, "make cluster-demo installs it")
    (tmp_path / "home").mkdir()
    (tmp_path / "shared").mkdir()
    with ExitStack() as stack:
        base = {**os.environ, "HOME": str(tmp_path / "home")}
        slurm = stack.enter_context(LocalSlurm(LocalSlurmSettings(nodes=2), base=base))
        found = RealFleet(slurm=slurm, folder=tmp_path)
        found.start(repository / "configs" / "smoke.toml")
        served = found.serve()
        stack.callback(end, served)
        yield found


def end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(PATIENCE_S)
    assert process.stdout is not None
    process.stdout.close()


def first_page(pages: Pages, fleet: RealFleet) -> None:
    """A picture from inside a job, and the sentence."""
    pages.open(f"{fleet.address}#now")
    pages.wait_for("a picture from inside a job", lambda: pages.run(COLOURS) > 2)
    pages.wait_for_text(".caption", "red-m")
    pages.wait_for_text("#state", "raining; job 1")


@pytest.mark.long
def test_the_pages_tell_the_truth_about_two_chains_of_jobs(pages: Pages, fleet: RealFleet) -> None:
    first_page(pages, fleet)

    pages.open(f"{fleet.address}#chain")
    for job in fleet.jobs("R"):
        pages.wait_for_text("main", f"Job {job}: running on n")
    for job in fleet.jobs("PD"):
        pages.wait_for_text("main", f"Job {job}: queued; it waits for another job to end")
    pages.wait_for(
        "a save in each lane", lambda: pages.run("return document.querySelectorAll('.seg-save').length") >= 2
    )
    assert pages.run(CONTRAST) == []

    pages.open(f"{fleet.address}#averaging")
    pages.wait_for("a merge of both", lambda: 2 in pages.run(SHARES))
    shown = {row[0].removesuffix(" newest") for row in pages.run(ROWS)}
    merged = fleet.folder / "shared" / "merged"
    assert shown <= {path.stem.lstrip("0") or "0" for path in merged.glob("*.json")}

    pages.open(f"{fleet.address}#machines")
    pages.wait_for("both members", lambda: len(pages.run(ROWS)) == 2)
    rows = {row[0]: row for row in pages.run(ROWS)}
    told = json.loads(fleet.gamefleet("members", "--shared-dir", "shared", "--json"))["members"]
    for member in told:
        row = rows[member["member"]]
        assert row[1:3] == [member["kind"], member["host"]]
        assert int(row[5].replace(",", "")) <= member["samples"]
        assert row[-1] == "takes part"

    pages.open(f"{fleet.address}#now")
    pages.wait_for("the picture", lambda: pages.run(COLOURS) > 2)
    os.kill(fleet.trainer("red-m0"), signal.SIGKILL)
    pages.wait_for_text("#state", "job 2")
    pages.wait_for_text("#state", "raining; job 2")
    pages.wait_for("the picture to come back", lambda: pages.run("return document.querySelector('.over').hidden"))

    pages.open(f"{fleet.address}#chain")
    pages.wait_for("the killed job", lambda: len(pages.all(".lane .seg-killed")) == 1)
    pages.wait_for("the time without training", lambda: len(pages.all(".lane .seg-gap")) == 1)
    told_legs = fleet.chains()[0]["legs"]
    assert [leg["leg"]["outcome"] for leg in told_legs] == ["failed", ""]
    for number, job, outcome in ends(pages)[:2]:
        leg = told_legs[int(number) - 1]["leg"]
        assert (job, outcome) == (leg["job"], leg["outcome"] or "running")

    fleet.gamefleet("fleet", "stop", "--run", "red")
    pages.wait_for_text("#state", "its chain is stopped")
    assert pages.complaints() == []


def ends(pages: Pages) -> list[list[str]]:
    """Number, job and outcome of each leg."""
    return [[row[0], row[1], row[8]] for row in pages.run(ROWS)]
