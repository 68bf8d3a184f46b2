"""Services for systemd and launchd: the files as they are written, and what the systems make of them."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from gamefleet.cluster.checks.programs import Completed
from gamefleet.cluster.services import Flavour, Place, Service, flavour_of, install, render, uninstall
from gamefleet.errors import ClusterError

SERVICE = Service(
    name="gamefleet-sync",
    description="gamefleet: keep a copy of the shared folder",
    command=(
        "/opt/gamefleet/bin/gamefleet",
        "sync",
        "bidirectional",
        'USER@login.cluster.example.edu:shared weights/100% "ours" & $more',
        "/data/copy of it",
        "5",
    ),
    environment={"PATH": "/opt/homebrew/bin:/usr/bin:/bin"},
    log=Path("/data/logs/sync.log"),
)
FILES: dict[Flavour, str] = {"systemd": "gamefleet-sync.service", "launchd": "io.gamefleet.sync.plist"}


class Script:
    """Answers each command with a status, and keeps what it was asked."""

    def __init__(self, **statuses: int) -> None:
        self.asked: list[list[str]] = []
        self._statuses = statuses

    def __call__(self, words: Sequence[str], timeout_s: float) -> Completed:
        self.asked.append(list(words))
        status = self._statuses.get(words[0], 0)
        return Completed(status=status, out="", err="Failed to connect to bus" if status else "")


@pytest.mark.parametrize("flavour", ["systemd", "launchd"])
def test_the_file_is_the_one_that_was_looked_at(repository: Path, flavour: Flavour) -> None:
    assert render(SERVICE, flavour) == (repository / "tests" / "golden" / "services" / FILES[flavour]).read_bytes()


def test_launchd_gets_the_words_as_they_are() -> None:
    agent = plistlib.loads(render(SERVICE, "launchd"))
    assert agent["ProgramArguments"] == list(SERVICE.command)
    assert agent["Label"] == "io.gamefleet.sync"
    assert agent["KeepAlive"] is agent["RunAtLoad"] is True


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    program = tmp_path / "gamefleet"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "gamefleet-sync.service"
    text = render(SERVICE, "systemd").decode().replace("/opt/gamefleet/bin/gamefleet", str(program))
    unit.write_text(text)
    (tmp_path / "run").mkdir(mode=0o700)
    environment = {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path / "run"), "HOME": str(tmp_path)}
    command = ["systemd-analyze", "--user", "--man=no", "verify", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    if "Failed to initialize manager" in done.stderr:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()}")
    assert unit.name not in done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("flavour", "program"), [("systemd", "systemctl"), ("launchd", "launchctl")])
def test_a_service_is_written_started_stopped_and_removed(tmp_path: Path, flavour: Flavour, program: str) -> None:
    service = Service(name="gamefleet-sync", description="x", command=("/x",), environment={}, log=tmp_path / "a" / "l")
    script = Script()
    place = Place(flavour=flavour, environment={"HOME": str(tmp_path)})
    told = install(service, place, script)
    path = next(path for path in tmp_path.rglob("*") if path.name == FILES[flavour])
    assert told[0] == f"wrote {path}"
    assert f"{program}: done" in told
    assert uninstall(service, place, script)[-1] == f"removed {path}"
    assert not path.exists()
    assert {words[0] for words in script.asked} == {program}
    assert "nothing to do" in uninstall(service, place, script)[0]


def test_where_systemctl_does_not_work_the_user_is_told_what_to_type(tmp_path: Path) -> None:
    service = Service(name="gamefleet-sync", description="x", command=("/x",), environment={}, log=tmp_path / "l")
    told = install(service, Place(flavour="systemd", environment={"HOME": str(tmp_path)}), Script(systemctl=1))
    assert "by hand" in told[1]
    assert told[2:5] == [
        "  systemctl --user daemon-reload",
        "  systemctl --user enable gamefleet-sync.service",
        "  systemctl --user restart gamefleet-sync.service",
    ]


def test_an_agent_that_was_not_loaded_yet_is_loaded(tmp_path: Path) -> None:
    service = Service(name="gamefleet-sync", description="x", command=("/x",), environment={}, log=tmp_path / "l")

    def run(words: Sequence[str], timeout_s: float) -> Completed:
        return Completed(status=int("unload" in words), out="", err="Could not find specified service")

    assert "launchctl: done" in install(service, Place(flavour="launchd", environment={"HOME": str(tmp_path)}), run)


def test_a_system_without_services_says_what_to_do_instead() -> None:
    assert [flavour_of("darwin"), flavour_of("linux")] == ["launchd", "systemd"]
    with pytest.raises(ClusterError, match="WSL2"):
        flavour_of("win32")
