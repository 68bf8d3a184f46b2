"""The page of what to do when something goes wrong: its commands are typed where just that has gone wrong.

Each section of the page has a scene here, on a real SLURM and with a real SSH server: a chain that failed, one that is
held, a controller that is silent, a run that moves. All lines of the section are typed in their order, `gamefleet` and
others alike; a scene that leaves one out fails, and so does a section without a scene. What is not executed is named in
`NOT_EXECUTED`. Disks are not filled, nodes not killed and memory not used up for this page; other tests do that.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.waiting import until, until_said

from gamefleet.cluster.fleet_paths import FleetPaths
from gamefleet.files import write_json
from gamefleet.testing.local_slurm import LocalSlurm, LocalSlurmSettings
from gamefleet.testing.local_ssh import LocalSsh

PAGE = "docs/operations.md"
HOST = "login.cluster.example.edu"
START = "gamefleet fleet start --config configs/slim.yaml --run red1 --partition gpu-linuxlab"
JUDGED = (0, 1)
"""The doctor's answers: this machine has no GPU, and its clock may not be held by anything."""

NOT_EXECUTED = {"timedatectl": "it asks systemd, which does not run everywhere that tests do"}


@dataclass(slots=True)
class Desk:
    """Where a user sits who reads one section.

    Args:
        folder: The checkout in which lines are typed.
        there: The folder in which the SSH server's sessions begin.
        environment: Variables of the shell.
        slurm: The cluster.
        lines: Of the section, not typed yet.
    """

    folder: Path
    there: Path
    environment: dict[str, str]
    slurm: LocalSlurm
    lines: list[str]

    def type(self, begins: str, *, statuses: tuple[int, ...] = (0,)) -> str:
        """Type the page's next line, which is expected to begin so; returns what it said."""
        line = self.lines.pop(0)
        assert line.startswith(begins), f"the page says {line}"
        return self.run(line, statuses=statuses)

    def run(self, line: str, *, statuses: tuple[int, ...] = (0,)) -> str:
        typed = line.replace("USER@", f"{getpass.getuser()}@")
        done = subprocess.run(
            ["bash", "-c", typed],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        said = done.stdout + done.stderr
        assert done.returncode in statuses, f"{line}: {done.returncode}\n{said}"
        assert "Traceback" not in said
        return said

    def type_and_interrupt(self, begins: str, run: str) -> str:
        """Type the page's next line, which trains for days, and press Ctrl-C once it trains."""
        line = self.lines.pop(0)
        assert line.startswith(begins), f"the page says {line}"
        return interrupted(line, self.folder, self.environment, run)

    def skip(self, line: str) -> None:
        assert self.lines.pop(0) == line
        assert line in NOT_EXECUTED

    def until(self, words: str, line: str = "gamefleet fleet status --run red1") -> str:
        """Look at the fleet until that is said."""

        def found() -> str:
            said = self.run(line)
            return said if words in said else ""

        return until(found, lambda: f"{words}\n{self.run(line)}", poll_s=0.5)

    def partition(self, setting: str) -> None:
        self.slurm.run("scontrol", "update", "PartitionName=gpu-linuxlab", setting)


def interrupted(line: str, folder: Path, environment: dict[str, str], run: str) -> str:
    """Run a command that trains until it has reported a step; returns what it said after Ctrl-C."""
    log = folder / "interrupted.log"
    with open(log, "w") as output:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {line}"], cwd=folder, env=environment, stdout=output, stderr=output
        )
        until_said("steps/s", log, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=300) == 0, log.read_text()
    assert f"--run {run} --resume" in log.read_text()
    return log.read_text()


def sections(page: str) -> dict[str, str]:
    """Text by heading."""
    parts = re.split(r"^##? (.+)\n", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def first_questions(desk: Desk) -> None:
    desk.run(START)
    desk.until("is running")
    assert re.search(r"ok +save-and-resume", desk.type("gamefleet doctor", statuses=JUDGED))
    assert re.search(r"ok +checkpoint", desk.type("gamefleet doctor --partition", statuses=JUDGED))
    assert re.search(r"ok +ssh-connection", desk.type("gamefleet doctor --host", statuses=JUDGED))
    assert "m0" in desk.type("gamefleet fleet status --run red1 --legs")
    assert "==> m0 leg 1" in desk.type("gamefleet fleet logs")


def what_the_doctor_looks_at(desk: Desk) -> None:
    (desk.folder / "shared_weights").mkdir()
    desk.run("gamefleet fleet profile > cluster.toml")
    assert "ok    rename" in desk.type("gamefleet doctor --only shared-folder", statuses=JUDGED)
    assert "ok    slurm-trial-job" in desk.type("gamefleet doctor --only slurm")
    assert '"counts"' in desk.type("gamefleet doctor --json --strict", statuses=JUDGED)


def jobs_that_wait_for_ever(desk: Desk) -> None:
    desk.partition("State=DOWN")
    desk.run(f"{START} --time-limit 3:00:00")
    desk.partition("MaxTime=2:30:00")
    desk.partition("State=UP")
    assert "gpu-linux" in desk.type("squeue")
    assert "gpu-linuxlab" in desk.type("sinfo")
    assert "ends jobs after 2.5 h" in desk.type("gamefleet doctor --only slurm", statuses=JUDGED)
    desk.until("failed")
    assert "No job of red1 is left" in desk.type("gamefleet fleet stop")
    desk.type("gamefleet fleet start")
    desk.until("is running")


def three_jobs_without_progress(desk: Desk) -> None:
    profile = desk.folder / "cluster.toml"
    profile.write_text('cpus = 1\nsetup = ["echo there is no such module; exit 3"]\n')
    desk.run(START)
    desk.until("3 jobs in a row ended without a newer checkpoint")
    desk.type("gamefleet fleet logs")
    desk.type("gamefleet doctor --run red1", statuses=JUDGED)
    profile.write_text("cpus = 1\n")
    assert "it goes on" in desk.type("gamefleet fleet start")
    desk.until("is running")
    desk.run("gamefleet fleet stop --now --run red1")
    desk.type_and_interrupt("gamefleet --debug train", "red1")


def cancelled_by_hand(desk: Desk) -> None:
    desk.partition("State=DOWN")
    desk.run(START)
    desk.slurm.run("scancel", "--me")
    assert "held" in desk.type("gamefleet fleet status")
    desk.partition("State=UP")
    assert "it goes on" in desk.type("gamefleet fleet start")
    desk.until("is running")
    assert "saved at step" in desk.type("gamefleet fleet stop --run red1")
    assert "No job of red1 is left" in desk.type("gamefleet fleet stop --run red1 --now")


def a_scheduler_that_is_silent(desk: Desk) -> None:
    desk.run(START)
    desk.until("is running")
    desk.slurm.stop_controller()
    try:
        assert "DOWN" in desk.type("scontrol ping", statuses=JUDGED)
        assert "unknown" in desk.type("gamefleet fleet status")
    finally:
        desk.slurm.start_controller()
    desk.until("is running")


def a_disk_that_is_full(desk: Desk) -> None:
    shutil.copytree(desk.folder / "runs" / "red1", desk.folder / "runs" / "red0")
    assert "red0" in desk.type("gamefleet runs list")
    desk.type("gamefleet runs rm red0")
    assert not (desk.folder / "runs" / "red0").exists()
    assert "ok    disk-write" in desk.type("gamefleet doctor --only storage", statuses=JUDGED)
    desk.type("gamefleet fleet start")
    desk.type("gamefleet fleet start")
    assert "keep_checkpoints = 1" in (desk.folder / "runs" / "red1" / "fleet" / "settings.toml").read_text()
    desk.type_and_interrupt("gamefleet train pokemon_red --run red2", "red2")


def memory_that_runs_out(desk: Desk) -> None:
    desk.type_and_interrupt("gamefleet train pokemon_red --run red2", "red2")
    desk.type("gamefleet doctor --only gpu", statuses=JUDGED)
    assert "red1" in desk.type("gamefleet fleet start")
    desk.until("is running")
    assert "max_jobs = 4" in desk.type("gamefleet fleet profile")


def a_node_that_failed(desk: Desk) -> None:
    desk.run(START)
    desk.until("leg(s)")
    assert "repeated" in desk.type("gamefleet fleet status --run red1 --legs")
    desk.type("sinfo -R")


def two_that_want_one_run(desk: Desk) -> None:
    for run in ("red1", "red2"):
        desk.run(START.replace("red1", run))
    desk.until("is running", "gamefleet fleet status --run red2")
    desk.type("gamefleet fleet stop --run red2")
    desk.type("gamefleet runs rm red2")
    assert not (desk.folder / "runs" / "red2").exists()
    desk.until("is running")


def ssh_that_fails(desk: Desk) -> None:
    assert "ok    ssh-connection" in desk.type("gamefleet doctor --host", statuses=JUDGED)
    assert "Authenticated to" in desk.type("ssh -v")


def a_clock_that_is_wrong(desk: Desk) -> None:
    assert "ok    clock" in desk.type("gamefleet doctor --only clock")
    assert "ok    ssh-clock" in desk.type("gamefleet doctor --only ssh-clock")
    desk.skip("timedatectl")


def a_run_that_moves(desk: Desk) -> None:
    desk.run(START)
    desk.until("is running")
    (desk.there / "gamefleet").mkdir()
    shutil.copytree(desk.folder / "configs", desk.there / "gamefleet" / "configs")
    desk.type("gamefleet fleet stop --run red1")
    desk.type("rsync")
    desk.folder = desk.there / "gamefleet"
    assert re.search(r"ok +checkpoint", desk.type("gamefleet doctor --run red1", statuses=JUDGED))
    assert "red1" in desk.type("gamefleet fleet start")
    desk.until("is running")


SCENES: dict[str, Callable[[Desk], None]] = {
    "What to do when something goes wrong": first_questions,
    "What the doctor looks at": what_the_doctor_looks_at,
    "Jobs wait for ever": jobs_that_wait_for_ever,
    "A chain ended after three jobs without progress": three_jobs_without_progress,
    "Somebody cancelled a job by hand": cancelled_by_hand,
    "The state is unknown": a_scheduler_that_is_silent,
    "The disk or the quota is full": a_disk_that_is_full,
    "Memory runs out": memory_that_runs_out,
    "A node failed": a_node_that_failed,
    "Two want the same run": two_that_want_one_run,
    "SSH fails": ssh_that_fails,
    "A clock is wrong": a_clock_that_is_wrong,
    "Moving a run": a_run_that_moves,
}


@pytest.fixture(scope="module")
def cluster(require_program: Callable[[str, str], str]) -> Iterator[LocalSlurm]:
    require_program("slurmctld", "make cluster-demo installs it")
    with LocalSlurm(LocalSlurmSettings(has_accounting=True, max_jobs=4)) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def checkout(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with settings for a tiny network, and a run that trained for a moment."""
    folder = tmp_path_factory.mktemp("checkout")
    settings = tomllib.loads((repository / "configs" / "smoke.toml").read_text())
    settings["run"] |= {"total_steps": 10_000_000, "checkpoint_interval_steps": 4_000}
    (folder / "configs").mkdir()
    (folder / "configs" / "slim.yaml").write_text(yaml.safe_dump(settings))
    interrupted("gamefleet train pokemon_red --config configs/slim.yaml --run red1", folder, environment(), "red1")
    return folder


@pytest.fixture
def desk(
    repository: Path, checkout: Path, cluster: LocalSlurm, tmp_path: Path, require_program: Callable[[str, str], str]
) -> Iterator[Desk]:
    """Call with a heading: the lines below it, and a place of their own to type them."""
    ssh = require_program("ssh", "apt-get install openssh-client openssh-server")
    require_program("rsync", "apt-get install rsync")
    folder = tmp_path / "checkout"
    shutil.copytree(checkout, folder)
    for name in ("sshd", "there", "home", "programs"):
        (tmp_path / name).mkdir(mode=0o700)
    variables = {**cluster.environment, **environment(tmp_path / "programs"), "HOME": str(tmp_path / "home")}
    with LocalSsh(tmp_path / "sshd") as server:
        begin_in(tmp_path / "there", server)
        write_program(tmp_path / "programs" / "ssh", f'exec {ssh} -F {server.folder}/config "$@"')
        yield Desk(folder=folder, there=tmp_path / "there", environment=variables, slurm=cluster, lines=[])
    end_everything(tmp_path, cluster)


def end_everything(folder: Path, cluster: LocalSlurm) -> None:
    """Faster than `fleet stop`, which lets jobs save."""
    for facts in folder.glob("**/fleet/fleet.json"):
        write_json(FleetPaths(facts.parent.parent).stop, {"by": "the test"})

    def is_empty() -> bool:
        if not cluster.run("squeue", "-h", "--me"):
            return True
        cluster.run("scancel", "--signal=KILL", "--full", "--me")
        cluster.run("scancel", "--me")
        return False

    until(is_empty, "the end of all jobs", poll_s=0.2)
    for setting in ("MaxTime=4:00:00", "State=UP"):
        cluster.run("scontrol", "update", "PartitionName=gpu-linuxlab", setting)


def environment(*programs: Path) -> dict[str, str]:
    own = Path(sys.executable).parent
    path = os.pathsep.join([*map(str, programs), str(own), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "USER": getpass.getuser()}


def begin_in(folder: Path, server: LocalSsh) -> None:
    """Sessions begin in a folder of this test instead of the user's home; the host has the guide's name."""
    keys = server.folder / "authorized_keys"
    keys.write_text(f'command="cd {folder}; eval \\"$SSH_ORIGINAL_COMMAND\\"" {keys.read_text()}')
    server.config.write_text(server.config.read_text().replace(f"Host {server.host}\n", f"Host {HOST}\n"))


def write_program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def test_every_section_with_commands_has_a_scene(
    pages: dict[str, str], shell_lines: Callable[[str], list[str]]
) -> None:
    assert [heading for heading, text in sections(pages[PAGE]).items() if shell_lines(text)] == list(SCENES)


@pytest.mark.long
@pytest.mark.parametrize("heading", SCENES)
def test_what_a_section_says_works_where_it_is_needed(
    desk: Desk, pages: dict[str, str], shell_lines: Callable[[str], list[str]], heading: str
) -> None:
    desk.lines = shell_lines(sections(pages[PAGE])[heading])
    SCENES[heading](desk)
    assert desk.lines == [], "lines of the page that were not typed"
