"""Every command of the guide to the fleet is typed, in order: on the cluster, at a laptop, by a friend.

What stands in for the world is said in `newcomers`. Besides: the page's folder lies below the test's own, its group is
the user's, and the friend has a home folder and a key, but no account of their own. The cluster lets one job run at a
time, because two cores are not a cluster. `cluster_config.json` is the page's, with a tiny network, frequent
contributions and no GPU.
"""

from __future__ import annotations

import getpass
import grp
import json
import os
import platform
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.docs.newcomers import USER, Newcomer, allow, make_home, prepare_checkout
from tests.waiting import until

from gamefleet.files import create_once
from gamefleet.testing.local_slurm import LocalSlurm, LocalSlurmSettings
from gamefleet.testing.local_ssh import LocalSsh
from gamefleet.topologies.shared_folder.settings import safe_member_name
from gamefleet.weights.manifests import Rejection
from gamefleet.weights.quarantine import reject
from gamefleet.weights.shared_paths import SharedPaths

PAGE = "docs/guides/red-fleet.md"
FOLDER = "/project/group"
JUDGED = (0, 1)
"""The doctor's answers: this machine's clock may not be held by anything."""

SMALL: dict[str, Any] = {
    "game": {"max_episode_steps": 100},
    "network": {"hidden_size": 16, "head_size": 8, "encoder": {"kind": "slim"}},
    "learner": {"learning_starts_steps": 100, "replay_ratio": 16.0},
    "curiosity": {"hidden_size": 16, "output_size": 8, "warm_up_steps": 100},
    "replay": {"capacity_steps": 2_000, "unroll": 10, "burn_in": 5},
    "curriculum": {"kind": "none"},
}
TRAINING = {"num_envs": 4, "num_workers": 1, "batch_size": 4, "device": "cpu"}
COLLABORATION = {"sync_interval_updates": 10, "verify_first": 2}


@dataclass(slots=True)
class Stage:
    """Where three people sit.

    Args:
        cluster: On the login node.
        laptop: At the first laptop.
        friend: At the second one.
        server: Lets keys in.
        slurm: The cluster's.
        shared: The shared folder there.
        config: The page's settings.
        logs: A folder for what is said by what does not end by itself.
        lines: Of the page's section, not typed yet.
    """

    cluster: Newcomer
    laptop: Newcomer
    friend: Newcomer
    server: LocalSsh
    slurm: LocalSlurm
    shared: SharedPaths
    config: str
    logs: Path
    lines: list[str] = field(default_factory=list)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def next(self, begins: str) -> str:
        """The page's next line, which is expected to begin so."""
        line = self.lines.pop(0)
        assert line.startswith(begins), f"the page says {line}"
        return line

    def play(self, who: Newcomer, begins: str, condition: Callable[[], object]) -> str:
        """Type a line that does not end by itself, wait for what it shall bring, press Ctrl-C; returns what it said."""
        process, log = self.leave(who, begins)
        self.wait(condition, process, log)
        assert self.end(process) in (0, 130), log.read_text()
        assert "Traceback" not in log.read_text()
        return log.read_text()

    def leave(self, who: Newcomer, begins: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Type a line that does not end by itself, and leave it alone."""
        log = self.logs / f"{len(self._running)}.log"
        process = who.begin(self.next(begins), log)
        self._running.append(process)
        return process, log

    def wait(self, condition: Callable[[], object], process: subprocess.Popen[bytes], log: Path) -> None:
        """Wait while a process works."""
        until(lambda: condition() or process.poll() is not None, log.read_text, poll_s=0.2)
        assert process.poll() is None, log.read_text()

    @staticmethod
    def end(process: subprocess.Popen[bytes]) -> int:
        """Press Ctrl-C; returns the exit status."""
        process.send_signal(signal.SIGINT)
        return process.wait(timeout=300)

    def end_all(self) -> None:
        """End what a failed test left."""
        for process in self._running:
            if process.poll() is None:
                process.kill()
                process.wait()

    def taken_in(self, member: str) -> int:
        """Pieces of a member's play that the first chain has taken in or passed over."""
        reading = self.shared.reading("slim_run-m0")
        read = json.loads(reading.read_text()) if reading.exists() else {}
        return sum(seq + 1 for seq in read.get(member, {}).values())

    def num_merges(self, member: str) -> int:
        """Contributions of a member that were merged."""
        newest = max(path for path in self.shared.merged.glob("*.json") if path.stem.isdigit())
        totals = json.loads(newest.read_text())["totals"]
        return int(totals.get(member, {"merges": 0})["merges"])


def host() -> str:
    """This machine's name as a member."""
    return safe_member_name(platform.node())


def keys(stage: Stage) -> None:
    get_in(stage, stage.laptop, "home")
    assert "SSH key works!" in stage.laptop.type(stage.next("ssh USER@"))


def get_in(stage: Stage, who: Newcomer, home: str) -> None:
    who.type(stage.next("bash deploy/env_setup.sh"))
    who.type(stage.next("source"))
    who.type(stage.next("ssh-keygen"))
    allow(who.folder.parent / home, stage.server)
    who.type(stage.next("ssh-copy-id"))


def the_shared_folder(stage: Stage) -> None:
    stage.shared.root.parent.mkdir(parents=True)
    for begins in ("mkdir", "chgrp", "chmod", "bash deploy", "source"):
        stage.cluster.type(stage.next(begins))
    assert oct(stage.shared.root.stat().st_mode)[-4:] == "2770"
    assert "ok    exclusive-file" in stage.cluster.type(stage.next("gamefleet doctor"))
    stage.cluster.type(stage.next("gamefleet fleet profile"))
    stage.cluster.type(stage.next("sed"))
    profile = stage.cluster.folder / "cluster.toml"
    text = profile.read_text()
    assert 'setup = ["umask 007"]' in text
    profile.write_text(text.replace("cpus = 8", "cpus = 1").replace("max_jobs = 4", "max_jobs = 1"))


def the_fleet(stage: Stage) -> None:
    settings = json.loads(stage.cluster.spelt(stage.config))
    settings["training"] |= TRAINING
    settings["collaboration"] |= COLLABORATION
    (stage.cluster.folder / "cluster_config.json").write_text(json.dumps({**settings, **SMALL}))
    assert "slim_run" in stage.cluster.type(stage.next("gamefleet fleet start"))
    assert "m3" in stage.cluster.type(stage.next("gamefleet fleet status"))
    assert "gpu-linux" in stage.cluster.type(stage.next("squeue"))


def your_laptop(stage: Stage) -> None:
    until(stage.shared.version(1).exists, lambda: stage.cluster.run("gamefleet fleet logs --run slim_run"), poll_s=0.5)
    assert "version" in stage.laptop.type(stage.next("gamefleet sync setup"))
    assert "follows it" in stage.laptop.type(stage.next("gamefleet autotune"))
    said = stage.play(stage.laptop, 'gamefleet actors --num-envs auto --sync ""', lambda: stage.taken_in(host()))
    assert re.search(r"[1-9]\d* chunks handed over", said)
    stage.play(stage.laptop, "gamefleet actors --num-envs auto --contribute", lambda: stage.num_merges(host()))


def sync_by_itself(stage: Stage) -> None:
    assert "pull: version" in stage.laptop.type(stage.next("gamefleet sync pull"))
    assert "push: version" in stage.laptop.type(stage.next("gamefleet sync push"))
    assert "bidirectional: version" in stage.laptop.type(stage.next("gamefleet sync bidirectional"))
    log = stage.logs / f"{len(stage._running)}.log"
    stage.play(stage.laptop, 'gamefleet sync pull ""', lambda: " pull " in log.read_text())
    process, log = stage.leave(stage.laptop, 'gamefleet sync bidirectional ""')
    stage.wait(lambda: " bidirectional " in log.read_text(), process, log)
    before = stage.taken_in(host())
    stage.play(stage.laptop, "gamefleet actors --num-envs 2", lambda: stage.taken_in(host()) > before)
    stage.end(process)
    assert "sync bidirectional" in stage.laptop.type(stage.next("gamefleet sync service show"))
    assert "wrote" in stage.laptop.type(stage.next("gamefleet sync service install"))
    assert "removed" in stage.laptop.type(stage.next("gamefleet sync service uninstall"))


def a_friends_laptop(stage: Stage) -> None:
    get_in(stage, stage.friend, "friends-home")
    stage.friend.type(stage.next("export"))
    stage.friend.type(stage.next("gamefleet sync setup"))
    stage.play(stage.friend, "gamefleet actors --user-id friend", lambda: stage.num_merges("friend"))
    assert grp.getgrgid(stage.shared.member("friend").stat().st_gid).gr_name == group()
    assert all(path.stat().st_mode & 0o060 == 0o060 for path in stage.shared.members.rglob("*") if path.is_file())


def who_takes_part(stage: Stage) -> None:
    said = stage.cluster.type(stage.next("gamefleet members"))
    assert all(re.search(rf"^{name} ", said, re.M) for name in ("slim_run-m0", "friend", host()))
    found = json.loads(stage.cluster.type(stage.next("gamefleet members")))
    assert found["fleet"].startswith("slim_run")
    stage.laptop.run("gamefleet sync pull")
    assert "friend" in stage.laptop.type(stage.next("gamefleet members"))
    assert "ok    fleet-weights" in stage.cluster.type(stage.next("gamefleet doctor"), statuses=JUDGED)


def a_bad_contribution(stage: Stage) -> None:
    for seq in (901, 902, 903):  # as three bad contributions of a member in a row are judged
        bad = Rejection(member="friend", seq=seq, reason="holds numbers that are not finite")
        reject(stage.shared, bad, included=900, max_rejections=3)
    said = stage.cluster.type(stage.next("gamefleet members"))
    assert "friend is in quarantine" in said
    assert "not finite" in said
    assert "in quarantine" not in stage.cluster.type(stage.next("gamefleet members"))
    create_once(stage.shared.experience_quarantine("friend"), {"member": "friend", "reason": "other pictures"})
    assert "other pictures" in stage.cluster.type(stage.next("cat"))
    stage.cluster.type(stage.next("rm"))


def when_something_fails(stage: Stage) -> None:
    assert "ok    ssh-connection" in stage.laptop.type(stage.next("gamefleet doctor"), statuses=JUDGED)
    assert "id_ed25519" in stage.laptop.type(stage.next("ls -la"))
    stage.laptop.type(stage.next("ssh -v"))
    stage.laptop.type(stage.next("ssh-copy-id"))
    assert "ok    sync-remote" in stage.laptop.type(stage.next("gamefleet doctor"), statuses=JUDGED)
    assert "ok    rsync-round-trip" in stage.laptop.type(stage.next("gamefleet doctor"), statuses=JUDGED)
    assert "rsync" in stage.laptop.type(stage.next("which"))
    stage.laptop.type(stage.next("rsync -avz"))
    assert (stage.laptop.folder / "shared.json").exists()
    assert "room-for-games" in stage.laptop.type(stage.next("gamefleet doctor"), statuses=JUDGED)
    log = stage.logs / f"{len(stage._running)}.log"
    said = stage.play(stage.laptop, "gamefleet actors --num-envs 2", lambda: "playing with" in log.read_text())
    assert "will not reach the others" in said
    assert "gpu-linux" in stage.cluster.type(stage.next("squeue"))
    assert "gpu-linuxlab" in stage.cluster.type(stage.next("sinfo"))
    assert "member slim_run-m" in stage.cluster.type(stage.next("gamefleet fleet logs"))
    assert "ok    slurm-trial-job" in stage.cluster.type(stage.next("gamefleet doctor"))


def the_end(stage: Stage) -> None:
    assert "No job of slim_run is left" in stage.cluster.type(stage.next("gamefleet fleet stop"))


SCENES: dict[str, Callable[[Stage], None]] = {
    "Keys": keys,
    "The shared folder": the_shared_folder,
    "The fleet": the_fleet,
    "Your laptop": your_laptop,
    "Sync by itself": sync_by_itself,
    "A friend's laptop": a_friends_laptop,
    "Who takes part": who_takes_part,
    "A bad contribution": a_bad_contribution,
    "When something fails": when_something_fails,
    "The end": the_end,
}


def group() -> str:
    return grp.getgrgid(os.getgid()).gr_name


def sections(page: str) -> dict[str, str]:
    """Text by heading."""
    parts = re.split(r"^##? (.+)\n", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def lines_of_section(text: str) -> list[str]:
    """The commands of its bash blocks, in order."""
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture
def stage(
    repository: Path,
    repository_files: tuple[Path, ...],
    pages: dict[str, str],
    tmp_path: Path,
    require_program: Callable[[str, str], str],
) -> Iterator[Stage]:
    require_program("slurmctld", "make cluster-demo installs it")
    require_program("ssh", "apt-get install openssh-client openssh-server")
    require_program("rsync", "apt-get install rsync")
    words = {
        **USER,
        "their.username@": USER["USER@"],
        "their.username": getpass.getuser(),
        "--user USER": f"--user {getpass.getuser()}",
        "chgrp GROUP": f"chgrp {group()}",
        FOLDER: str(tmp_path / "project"),
    }
    for name in ("sshd", "logs"):
        (tmp_path / name).mkdir(mode=0o700)

    def sit(name: str, environment: dict[str, str]) -> Newcomer:
        folder = prepare_checkout(repository, repository_files, tmp_path / name)
        return Newcomer(folder, {**os.environ, **environment}, words)

    with ExitStack() as stack:
        slurm = stack.enter_context(LocalSlurm(LocalSlurmSettings(has_accounting=True, max_jobs=1)))
        server = stack.enter_context(LocalSsh(tmp_path / "sshd"))
        found = Stage(
            cluster=sit("login-node", {**slurm.environment, "HOME": str(tmp_path), "USER": getpass.getuser()}),
            laptop=sit("laptop", make_home(tmp_path / "home", server)),
            friend=sit("friends-laptop", make_home(tmp_path / "friends-home", server)),
            server=server,
            slurm=slurm,
            shared=SharedPaths(tmp_path / "project" / "shared_weights"),
            config=re.findall(r"^```json\n(.*?)^```", pages[PAGE], re.MULTILINE | re.DOTALL)[0],
            logs=tmp_path / "logs",
        )
        stack.callback(found.end_all)
        yield found


def test_every_section_of_the_guide_with_commands_has_a_scene(pages: dict[str, str]) -> None:
    assert [heading for heading, text in sections(pages[PAGE]).items() if lines_of_section(text)] == list(SCENES)


@pytest.mark.long
def test_following_the_guide_leads_to_a_fleet_with_two_laptops(stage: Stage, pages: dict[str, str]) -> None:
    found = sections(pages[PAGE])
    for heading, scene in SCENES.items():
        stage.lines = lines_of_section(found[heading])
        scene(stage)
        assert stage.lines == [], f"lines of {heading} that were not typed"
