"""Every command of the guide to the cluster is executed, in order, by a newcomer: a real SSH server, a real SLURM.

What stands in for a cluster is said in `newcomers`; besides, `cluster.toml` is edited, as the page tells users to, to
jobs of one minute.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.docs.newcomers import Newcomer, allow, lines_of, make_home, prepare_checkout
from tests.waiting import until

from gamefleet.testing.local_slurm import LocalSlurm, LocalSlurmSettings
from gamefleet.testing.local_ssh import LocalSsh

PAGE = "docs/guides/cluster.md"

CLUSTER_CONFIG = {
    "run_name": "slim_run",
    "run_dir": "runs/slim_run",
    "training": {
        "total_steps": 5000000,
        "num_envs": 8,
        "batch_size": 64,
        "device": "cuda",
        "stream": True,
        "stream_port": 9999,
    },
    "collaboration": {"enabled": True, "shared_dir": "shared_weights"},
}
"""The original guide's file; its folder is one that exists here."""


@pytest.fixture
def checkout(repository: Path, repository_files: tuple[Path, ...], tmp_path: Path) -> Path:
    copy = prepare_checkout(repository, repository_files, tmp_path / "gamefleet")
    (copy / "cluster_config.json").write_text(json.dumps(CLUSTER_CONFIG))
    return copy


@pytest.fixture
def cluster(require_program: Callable[[str, str], str]) -> Iterator[LocalSlurm]:
    require_program("slurmctld", "make cluster-demo installs it")
    with LocalSlurm(LocalSlurmSettings(has_accounting=True, max_jobs=4)) as slurm:
        yield slurm


@pytest.fixture
def server(tmp_path: Path, require_program: Callable[[str, str], str]) -> Iterator[LocalSsh]:
    require_program("ssh", "apt-get install openssh-client openssh-server")
    (tmp_path / "sshd").mkdir(mode=0o700)
    with LocalSsh(tmp_path / "sshd") as server:
        yield server


def chains(newcomer: Newcomer, run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(newcomer.run(f"gamefleet fleet status --run {run} --json"))["chains"]
    return found


def wait_for_hand_over(newcomer: Newcomer, run: str) -> None:
    def is_handed_over() -> bool:
        return any(len(chain["legs"]) > 1 and chain["legs"][0]["handover"] for chain in chains(newcomer, run))

    until(is_handed_over, lambda: chains(newcomer, run), timeout_s=600, poll_s=3)


def edit(profile: Path) -> None:
    """What the page asks for: the limits of this cluster."""
    text = profile.read_text()
    for before, after in (('time_limit = "4:00:00"', 'time_limit = "0:01:00"'), ("cpus = 8", "cpus = 1")):
        assert before in text
        text = text.replace(before, after)
    profile.write_text(text)


@pytest.mark.long
def test_following_the_guide_leads_from_an_account_to_a_running_chain(
    repository: Path, checkout: Path, cluster: LocalSlurm, server: LocalSsh, tmp_path: Path
) -> None:
    folder = tmp_path / "home"
    newcomer = Newcomer(checkout, {**cluster.environment, **make_home(folder, server)})
    lines = lines_of((repository / PAGE).read_text())
    assert len(lines) > 15, "the page's commands are found"
    said: dict[str, str] = {}
    for line in lines:
        if line == "gamefleet fleet status --run red1":
            wait_for_hand_over(newcomer, "red1")
        said[line] = newcomer.type(line)
        if line.startswith("ssh-keygen"):
            allow(folder, server)
        elif line.endswith("> cluster.toml"):
            edit(checkout / "cluster.toml")
        elif "--ddp-world-size 4" in line:
            run = "slim_run" if "cluster_config" in line else "red4"
            assert [chain["chain"] for chain in chains(newcomer, run)] == ["m0", "m1", "m2", "m3"]
            newcomer.run(f"gamefleet fleet stop --now --run {run}")  # two cores are not a cluster

    assert newcomer.typed == lines
    assert "SSH key works!" in said["ssh USER@login.cluster.example.edu \"echo 'SSH key works!'\""]
    assert "Nothing was submitted" in next(text for line, text in said.items() if line.endswith("--dry-run"))
    assert "running" in said["gamefleet fleet status --run red1"]
    assert re.search(r"m0 +1 +\d+ +n\d", said["gamefleet fleet status --run red1 --legs"])
    assert "step" in said["gamefleet fleet logs --run red1"]
    assert "red1" in said["gamefleet runs list"]
    assert "No job of red1 is left" in said["gamefleet fleet stop --run red1"]
    assert cluster.run("squeue", "-h", "--me") == ""
    [chain] = chains(newcomer, "red1")
    assert chain["state"] == "stopped"
    assert [row["handover"]["lost_steps"] for row in chain["legs"] if row["handover"]] == [0] * (len(chain["legs"]) - 1)
    assert re.search(r"ok +checkpoint: .* is whole", newcomer.run("gamefleet doctor --only checkpoint --run red1"))
