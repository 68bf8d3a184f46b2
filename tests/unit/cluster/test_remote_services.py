"""The services of a learner and of a coordinator: their files, what systemd makes of them, and who can read them."""

from __future__ import annotations

import plistlib
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gamefleet.cluster.checks.programs import Completed
from gamefleet.cluster.remote_services import KINDS, files_by_hand, remote_service
from gamefleet.cluster.service_files import Service, launchd_words, render
from gamefleet.cluster.services import Place, install, standing, uninstall
from gamefleet.errors import ConfigError

PROGRAM = "/opt/gamefleet/.venv/bin/gamefleet"
NEWER_THAN_MOST = ("RestartSteps", "RestartMaxDelaySec")
"""Of systemd 254; an older one says that it does not know them, and goes on."""

MOST_EXPOSED = 4.0
"""systemd's own figure; 10 is a unit without any restriction. That of the learner must reach its GPU."""


def service(kind: str, home: Path, *, program: str = PROGRAM, is_system: bool = False, **values: str) -> Service:
    flavour = "system" if is_system else "systemd"
    folder = "~" if is_system else str(home)
    return remote_service(kind, flavour, program=[program], home=home, folder=folder, values=values)  # type: ignore[arg-type]


class Systemctl:
    """Answers `systemctl` and keeps what it was asked."""

    def __init__(self, out: str = "", status: int = 0) -> None:
        self.asked: list[str] = []
        self._answer = Completed(status=status, out=out, err="Failed to connect to bus" if status else "")

    def __call__(self, words: Sequence[str], timeout_s: float) -> Completed:
        self.asked.append(" ".join(words))
        return self._answer


def test_the_files_for_those_who_install_by_hand_are_the_ones_that_are_installed(repository: Path) -> None:
    folder = repository / "deploy" / "systemd"
    there = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}

    assert there == files_by_hand(PROGRAM), "run `gamefleet service files deploy/systemd`"


@pytest.fixture
def analyze(tmp_path: Path) -> Callable[..., str]:
    """Calls `systemd-analyze`: what it says, without what it says of settings that it is too old for."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    (tmp_path / "run").mkdir(mode=0o700)
    environment = {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path / "run"), "HOME": str(tmp_path)}

    def call(*words: str | Path) -> str:
        command = [program, "--man=no", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
        if "Failed to initialize manager" in done.stderr:
            pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        said = [line for line in done.stderr.splitlines() if not any(name in line for name in NEWER_THAN_MOST)]
        return "\n".join([*said, done.stdout])

    return call


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "gamefleet"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("kind", KINDS)
def test_systemd_finds_nothing_wrong_with_the_units(
    tmp_path: Path, kind: str, program: str, analyze: Callable[..., str]
) -> None:
    own, whole = tmp_path / f"gamefleet-{kind}.service", tmp_path / f"gamefleet-{kind}@.service"
    own.write_bytes(render(service(kind, tmp_path, program=program), "systemd"))
    whole.write_bytes(render(service(kind, tmp_path, program=program, is_system=True), "system"))

    assert own.name not in analyze("--user", "verify", own)
    assert whole.name not in analyze("verify", whole)


def test_folders_with_spaces_and_percent_signs_are_found(
    tmp_path: Path, program: str, analyze: Callable[..., str]
) -> None:
    home = tmp_path / "my 100% home"
    home.mkdir()
    unit = tmp_path / "gamefleet-learner.service"
    unit.write_bytes(render(service("learner", home, program=program), "systemd"))

    assert f"WorkingDirectory={tmp_path}/my 100%% home\n" in unit.read_text()
    assert unit.name not in analyze("--user", "verify", unit)


@pytest.mark.parametrize("kind", KINDS)
def test_systemd_calls_the_units_of_the_whole_machine_little_exposed(
    tmp_path: Path, kind: str, program: str, analyze: Callable[..., str]
) -> None:
    unit = tmp_path / f"gamefleet-{kind}@.service"
    unit.write_bytes(render(service(kind, tmp_path, program=program, is_system=True), "system"))
    said = analyze("security", "--offline=true", "--no-pager", unit)

    level = re.search(r"Overall exposure level for .*?: ([\d.]+)", said)
    assert level, said
    assert float(level[1]) < MOST_EXPOSED


def test_nothing_in_the_learners_unit_hides_its_gpu_or_its_environment() -> None:
    text = files_by_hand(PROGRAM)["gamefleet-learner@.service"]

    # ProtectClock allows one device, the clock's, and thereby no other.
    for directive in ("PrivateDevices", "DevicePolicy", "DeviceAllow", "ProtectClock", "MemoryDenyWriteExecute"):
        assert directive not in text
    assert "ProtectHome" not in text + files_by_hand(PROGRAM)["gamefleet-coordinator@.service"]
    assert "NoNewPrivileges" not in files_by_hand(PROGRAM)["user/gamefleet-learner.service"]


@pytest.mark.parametrize("name", [name for name in files_by_hand(PROGRAM) if name.endswith(".service")])
def test_units_start_again_with_longer_and_longer_pauses_and_threads_that_sleep(name: str) -> None:
    lines = files_by_hand(PROGRAM)[name].splitlines()

    assert {"Restart=always", "RestartSec=10", "RestartSteps=6", "StartLimitIntervalSec=0"} <= set(lines)
    assert {"Environment=OMP_NUM_THREADS=1", "Environment=OMP_WAIT_POLICY=PASSIVE"} <= set(lines)
    assert ("RestartPreventExitStatus=0" in lines) == ("coordinator" in name), "a finished run is not started again"


@pytest.mark.parametrize("is_system", [False, True])
def test_settings_are_private_and_those_of_a_user_survive_a_second_installation(
    tmp_path: Path, is_system: bool
) -> None:
    place = Place(
        flavour="system" if is_system else "systemd", environment={"HOME": str(tmp_path)}, user="alice", root=tmp_path
    )
    first = service("learner", tmp_path, is_system=is_system, HOST="0.0.0.0")
    told = install(first, place, Systemctl())
    path = place.settings_file(first)
    assert "HOST=0.0.0.0\n" in path.read_text()
    assert any(str(path) in line for line in told)

    path.write_text(path.read_text().replace("#AUTH_TOKEN=", "AUTH_TOKEN=mine"))
    path.chmod(0o644)
    install(service("learner", tmp_path, is_system=is_system, PORT="7777"), place, Systemctl(), asked={"PORT": "7777"})

    assert {"AUTH_TOKEN=mine", "HOST=0.0.0.0", "PORT=7777"} <= set(path.read_text().splitlines())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "mine" not in place.file(first).read_text()
    assert uninstall(first, place, Systemctl())[-1] == f"removed {place.file(first)}"
    assert path.exists()


def test_a_service_of_the_whole_machine_is_an_instance_that_runs_as_its_user(tmp_path: Path) -> None:
    asked = Systemctl()
    place = Place(flavour="system", environment={}, user="alice", root=tmp_path)
    install(service("coordinator", tmp_path, is_system=True), place, asked)

    assert (tmp_path / "etc" / "systemd" / "system" / "gamefleet-coordinator@.service").exists()
    assert (tmp_path / "etc" / "default" / "gamefleet-coordinator").exists()
    assert asked.asked == [
        "systemctl daemon-reload",
        "systemctl enable gamefleet-coordinator@alice.service",
        "systemctl restart gamefleet-coordinator@alice.service",
    ]


def test_how_a_service_is_said_in_one_line(tmp_path: Path) -> None:
    place = Place(flavour="systemd", environment={"HOME": str(tmp_path)})
    learner = service("learner", tmp_path)
    assert standing(learner, place, Systemctl()) == "gamefleet-learner: not installed"
    install(learner, place, Systemctl())

    facts = "MainPID=71\nNRestarts=2\nActiveState=active\nSubState=running\nActiveEnterTimestamp=Sat 12:00\n"
    said = standing(learner, place, Systemctl(facts))
    assert said == "gamefleet-learner: active (running) since Sat 12:00, process 71, started again 2 times"
    assert "does not work here" in standing(learner, place, Systemctl(status=1))


def test_a_mac_reads_the_same_settings_through_a_shell(tmp_path: Path) -> None:
    program = tmp_path / "program with a space"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$AUTH_TOKEN" "$@"\n')
    program.chmod(0o755)
    learner = service("learner", tmp_path, program=str(program), FOLDER="runs/my learner")
    agent = plistlib.loads(render(learner, "launchd"))
    settings = tmp_path / ".config" / "gamefleet" / "learner.env"
    settings.parent.mkdir(parents=True)
    settings.write_text("AUTH_TOKEN=secret\nPORT=7777\nOPTIONS='--adopt --config a.toml'\n")

    done = subprocess.run(
        agent["ProgramArguments"], env=agent["EnvironmentVariables"], capture_output=True, text=True, timeout=300
    )
    assert done.stdout.splitlines() == [
        "secret", "learner", "serve", "--host", "127.0.0.1", "--port", "7777", "--device", "auto",
        "--folder", "runs/my learner", "--auth-token-env", "AUTH_TOKEN", "--adopt", "--config", "a.toml",
    ]  # fmt: skip
    assert "secret" not in " ".join(launchd_words(learner))
    assert agent["KeepAlive"] is True
    ends = plistlib.loads(render(service("coordinator", tmp_path), "launchd"))
    assert ends["KeepAlive"] == {"SuccessfulExit": False}


def test_services_and_settings_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'learner'"):
        service("lerner", tmp_path)
    with pytest.raises(ConfigError, match="no such option"):
        service("learner", tmp_path, GPU_HOST="x")
