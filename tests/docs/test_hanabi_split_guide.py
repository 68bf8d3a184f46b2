"""Every command of the guide to the split is typed: on a laptop with the learner, on a server with the coordinator.

Both are checkouts on this machine, with home folders of their own; the laptop reaches the server by a real SSH server.
What stands in for the world is said in `newcomers`; besides, 192.168.1.100 is this machine, the port is a free one, the
example is made small before it is used, and `systemctl` answers that it does not work here. What is not typed is named
in `NOT_TYPED`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.docs.newcomers import USER, Newcomer, allow, lines_of, make_home, prepare_checkout
from tests.waiting import until_said

from gamefleet.files import read_json
from gamefleet.testing.local_ssh import LocalSsh, free_port

PAGE = "docs/guides/hanabi-split.md"
JUDGED = (0, 1)

NOT_TYPED = {
    "sudo": "it changes the system; the files that it installs are tested with the services",
    "journalctl": "it reads what only a real systemd has written",
    "ping": "not every machine lets its users send such packets",
    "ssh -L": "the server would need to log in to the laptop",
}

SMALLER = {
    "num_iterations = 1000": "num_iterations = 2",
    "games_per_iteration = 100": "games_per_iteration = 5",
    "d_model = 128": "d_model = 16",
    "num_layers = 4": "num_layers = 1",
    "batch_size = 256": "batch_size = 8",
    'num_workers = "auto"': "num_workers = 0",
}
MORE = """
[game]
variant = "mini"
[actors]
num_envs = 4
[learner]
learning_starts_steps = 64
[replay]
capacity_steps = 600
[run]
checkpoint_interval_steps = 200
"""


@dataclass(slots=True)
class Desk:
    """The two machines, and the lines of the page that are not typed yet.

    Args:
        laptop: With the learner.
        server: With the coordinator.
        logs: Of what runs on.
        lines: Left.
        running: What was begun.
    """

    laptop: Newcomer
    server: Newcomer
    logs: Path
    lines: list[str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def next(self, begins: str) -> str:
        line = self.lines.pop(0)
        assert line.startswith(begins), f"the page says {line}"
        return line

    def skip(self, *begins: str) -> None:
        for each in begins:
            line = self.next(each)
            assert any(line.startswith(known) for known in NOT_TYPED)

    def begin(self, who: Newcomer, line: str, until: str) -> subprocess.Popen[bytes]:
        """Type a line that goes on, and wait until it has said something."""
        log = self.logs / f"{len(self.running)}.log"
        self.running.append(who.begin(line, log))
        until_said(until, log, self.running[-1])
        return self.running[-1]

    def interrupt(self, process: subprocess.Popen[bytes]) -> str:
        """Press Ctrl-C; returns all that it said."""
        process.send_signal(signal.SIGINT)
        process.wait(timeout=300)
        return (self.logs / f"{self.running.index(process)}.log").read_text()

    def end_all(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()


def set_up(desk: Desk) -> None:
    assert "Made a token" in desk.laptop.type(desk.next("deploy/setup_laptop.sh"))
    desk.laptop.type(desk.next("source .venv/bin/activate"))
    assert "holds the token" in desk.laptop.type(desk.next("gamefleet token send"))
    assert "Made distributed_config.toml" in desk.server.type(desk.next("deploy/setup_server.sh"))
    desk.server.type(desk.next("source .venv/bin/activate"))
    desk.server.type(desk.next("sed -i"))
    example = desk.server.folder / "distributed_config.toml"
    text = example.read_text()
    assert 'gpu_host = "127.0.0.1"' in text
    for before, after in {**SMALLER, "gpu_port = 5555": f"gpu_port = {desk.server.words['5555']}"}.items():
        assert before in text
        text = text.replace(before, after)
    example.write_text(text + MORE)


def start(desk: Desk) -> None:
    first = desk.begin(desk.laptop, desk.next("deploy/run_gpu_server.sh"), "learner at")
    assert "the learner ends: signal SIGINT" in desk.interrupt(first)
    desk.begin(desk.laptop, desk.next("gamefleet learner serve"), "learner at")

    assert "all iterations are done" in desk.server.type(desk.next("gamefleet run distributed_config.toml"))
    assert "has finished already" in desk.server.type(desk.next("deploy/run_coordinator.sh"))
    line = desk.next("gamefleet coordinate --gpu-host")
    assert "--num-iterations 1000" in line
    said = desk.interrupt(desk.begin(desk.server, line, "step [0-9,]+ of"))
    assert "Continue with: gamefleet coordinate hanabi --run hanabi" in said
    state = read_json(desk.server.folder / "runs" / "hanabi" / "checkpoints" / "training_state.json")
    assert state["status"] == "stopped"


def look(desk: Desk) -> None:
    assert re.search(r"run +hanabi", desk.server.type(desk.next("gamefleet monitor --gpu-host")))
    line = desk.next("gamefleet monitor --gpu-host")
    assert line.endswith("--watch")
    desk.interrupt(desk.begin(desk.server, line, r"run +hanabi"))
    assert re.search(r"state +stopped", desk.server.type(desk.next("gamefleet monitor --local")))
    assert "hanabi" in desk.server.type(desk.next("gamefleet status hanabi"))
    desk.interrupt(desk.begin(desk.server, desk.next("gamefleet dashboard"), "http://"))
    line = desk.next("gamefleet evaluate hanabi")
    assert "scripted" in desk.server.run(line.replace("--episodes 1000", "--episodes 20"))
    assert "You left with 0 points" in desk.server.type(desk.next("gamefleet play hanabi"))


def tunnels_and_services(desk: Desk) -> None:
    desk.skip("sudo ufw", "sudo firewall-cmd", "sudo firewall-cmd")
    desk.laptop.type(desk.next("ssh -R"))  # nobody types in it, so that it ends
    desk.skip("ssh -L")
    assert "systemctl --user enable gamefleet-learner" in desk.laptop.type(
        desk.next("gamefleet service install learner")
    )
    assert "by hand" in desk.server.type(desk.next("gamefleet service install coordinator"))
    settings = Path(desk.server.environment["HOME"]) / ".config" / "gamefleet" / "coordinator.env"
    assert "GPU_HOST=127.0.0.1\n" in settings.read_text()
    assert settings.stat().st_mode & 0o777 == 0o600
    assert "gamefleet-learner: installed" in desk.laptop.type(desk.next("gamefleet service status"))
    assert "removed" in desk.laptop.type(desk.next("gamefleet service uninstall learner"))
    while desk.lines[0].startswith(("sudo", "journalctl")):
        desk.skip("")


def mend(desk: Desk) -> None:
    assert "ok    learner-answer" in desk.server.type(desk.next("gamefleet doctor"), statuses=JUDGED)
    assert "ok    learner-model" in desk.server.type(desk.next("gamefleet doctor"), statuses=JUDGED)
    mark = re.search(r"fingerprint (\w+)", desk.server.type(desk.next("gamefleet token")))
    assert mark
    assert mark[1] in desk.laptop.run("gamefleet token")
    desk.skip("ping")


@pytest.fixture
def desk(
    repository: Path,
    repository_files: tuple[Path, ...],
    pages: dict[str, str],
    tmp_path: Path,
    require_program: Callable[[str, str], str],
) -> Iterator[Desk]:
    require_program("ssh", "apt-get install openssh-client openssh-server")
    homes = {name: tmp_path / f"home-{name}" for name in ("laptop", "server")}
    for name in ("sshd", "logs"):
        (tmp_path / name).mkdir(mode=0o700)
    homes["server"].mkdir()
    port = str(free_port())
    way = {"--gpu-host 192.168.1.100": f"--gpu-host 127.0.0.1 --gpu-port {port}"}
    words = {**USER, **way, "192.168.1.100": "127.0.0.1", "5555": port}
    kept = {name: value for name, value in os.environ.items() if "AUTH_TOKEN" not in name}

    def sit(name: str, extras: str, environment: dict[str, str]) -> Newcomer:
        folder = prepare_checkout(repository, repository_files, tmp_path / name)
        stamp = folder / ".venv" / ".gamefleet-installed"
        stamp.write_text(f"{stamp.read_text().strip()} {extras}\n")
        programs = tmp_path / f"programs-{name}"
        programs.mkdir()
        (programs / "systemctl").write_text("#!/bin/sh\necho no bus here >&2\nexit 1\n")
        (programs / "systemctl").chmod(0o755)
        path = environment.get("PATH", os.environ["PATH"])
        return Newcomer(folder, {**kept, **environment, "PATH": f"{programs}:{path}", "COLUMNS": "160"}, words)

    with ExitStack() as stack:
        ssh = stack.enter_context(LocalSsh(tmp_path / "sshd", environment={"HOME": str(homes["server"])}))
        found = Desk(
            laptop=sit("laptop", "torch", make_home(homes["laptop"], ssh)),
            server=sit("server", "torch,wandb", {"HOME": str(homes["server"])}),
            logs=tmp_path / "logs",
            lines=lines_of(pages[PAGE]),
        )
        found.laptop.run("ssh-keygen -q -t ed25519 -f ~/.ssh/id_ed25519 -N ''")
        allow(homes["laptop"], ssh)
        stack.callback(found.end_all)
        yield found


@pytest.mark.long
def test_following_the_guide_leads_to_a_run_that_is_played_here_and_learned_there(desk: Desk) -> None:
    for scene in (set_up, start, look, tunnels_and_services, mend):
        scene(desk)
    assert desk.lines == []
