"""`gamefleet doctor --host` against a real SSH server: a sound one, and each way in which it can be wrong."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gamefleet.cluster.checks.host import Host, check_host_visibility
from gamefleet.cluster.checks.programs import Programs
from gamefleet.testing.local_ssh import LocalSsh

DOCTOR = """
import sys, typer
from gamefleet.cli.doctor import doctor
typer.run(doctor)
"""
SSH_GROUPS = ("--only", "ssh", "--only", "rsync", "--only", "host-folder", "--only", "host-visibility")

Report = dict[str, dict[str, Any]]
Examine = Callable[..., Report]
Serve = Callable[..., LocalSsh]


@pytest.fixture
def examine(tmp_path: Path) -> Examine:
    """Call with words of the command line: exit status under the empty name, and each check's part of the report."""

    def run(*words: object, environment: dict[str, str] | None = None) -> Report:
        command = [sys.executable, "-c", DOCTOR, "--json", "--runs-folder", str(tmp_path / "runs"), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
        assert done.returncode in (0, 1), done.stderr
        told = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
        return {"": {"status": done.returncode}, **told}

    return run


def statuses(report: Report) -> dict[str, Any]:
    return {name: check["status"] for name, check in report.items()}


def test_a_sound_host_passes_every_check_and_keeps_nothing_of_them(
    serve: Serve, examine: Examine, tmp_path: Path
) -> None:
    server = serve()
    shared = tmp_path / "shared"
    shared.mkdir()
    words = ("--host", server.host, "--ssh-config", server.config, "--shared-dir", shared, "--host-dir", shared)
    report = examine(*words, *SSH_GROUPS)
    assert statuses(report) == {
        "": 0,
        "ssh-key": "ok",
        "ssh-connection": "ok",
        "ssh-clock": "ok",
        "rsync-here": "ok",
        "rsync-there": "ok",
        "rsync-round-trip": "ok",
        "host-folder": "ok",
        "host-visibility": "ok",
    }
    assert "unchanged" in report["rsync-round-trip"]["found"]
    assert list(shared.iterdir()) == []


def test_a_key_that_the_host_does_not_know_fails_with_ssh_copy_id(serve: Serve, examine: Examine) -> None:
    server = serve()
    report = examine("--host", server.host, "--ssh-config", server.with_key(server.stranger), *SSH_GROUPS)
    assert report[""]["status"] == 1
    assert report["ssh-connection"]["status"] == "failed"
    assert "Permission denied" in report["ssh-connection"]["found"]
    assert f"ssh-copy-id {server.host}" in report["ssh-connection"]["remedy"]
    assert report["rsync-round-trip"]["found"] == "not looked at, because of ssh-connection"


def test_a_missing_key_fails_with_ssh_keygen(serve: Serve, examine: Examine, tmp_path: Path) -> None:
    server = serve()
    report = examine("--host", server.host, "--ssh-config", server.with_key(tmp_path / "absent"), "--only", "ssh")
    assert report["ssh-key"]["status"] == "failed"
    assert "ssh-keygen -t ed25519" in report["ssh-key"]["remedy"]


def test_a_key_that_others_may_read_fails_with_chmod(serve: Serve, examine: Examine) -> None:
    server = serve()
    server.key.chmod(0o644)
    report = examine("--host", server.host, "--ssh-config", server.config, "--only", "ssh")
    assert statuses(report)["ssh-key"] == "failed"
    assert report["ssh-key"]["remedy"] == f"chmod 600 {server.key}"
    assert "chmod 600" in report["ssh-connection"]["remedy"]


def test_a_host_on_which_nothing_listens_fails_with_what_to_try(serve: Serve, examine: Examine) -> None:
    server = serve()
    server.stop()
    report = examine("--host", server.host, "--ssh-config", server.config, *SSH_GROUPS)
    assert "Connection refused" in report["ssh-connection"]["found"]
    assert "ssh -v" in report["ssh-connection"]["remedy"]


def test_a_host_with_another_identity_fails_and_is_not_trusted(serve: Serve, examine: Examine) -> None:
    server = serve()
    known = server.folder / "known_hosts"
    stranger = server.stranger.with_suffix(".pub").read_text().split()[:2]
    known.write_text(f"[127.0.0.1]:{server.port} {' '.join(stranger)}\n")
    report = examine("--host", server.host, "--ssh-config", server.config, "--only", "ssh")
    assert report["ssh-connection"]["status"] == "failed"
    assert "ssh-keygen -R" in report["ssh-connection"]["remedy"]


def test_a_host_that_is_not_known_yet_fails_with_a_first_login_by_hand(serve: Serve, examine: Examine) -> None:
    server = serve()
    (server.folder / "known_hosts").write_text("")
    report = examine("--host", server.host, "--ssh-config", server.config, "--only", "ssh")
    assert "Host key verification failed" in report["ssh-connection"]["found"]
    assert "fingerprint" in report["ssh-connection"]["remedy"]


def test_a_name_that_does_not_resolve_fails_with_spelling_and_vpn(examine: Examine, serve: Serve) -> None:
    report = examine("--host", "USER@login.invalid", "--ssh-config", serve().config, "--only", "ssh-connection")
    assert report["ssh-connection"]["status"] == "failed"
    assert "login.invalid" in report["ssh-connection"]["found"]


@pytest.mark.long
def test_a_host_that_accepts_and_stays_silent_does_not_hang_the_report(examine: Examine, tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        config = tmp_path / "config"
        config.write_text(f"Host mute\n HostName 127.0.0.1\n Port {silent.getsockname()[1]}\n")
        report = examine("--host", "mute", "--ssh-config", config, "--only", "ssh-connection")
    assert report["ssh-connection"]["status"] == "failed"
    assert report["ssh-connection"]["remedy"]


def test_rsync_that_is_missing_on_the_host_fails_with_how_to_install_it(
    serve: Serve, examine: Examine, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "echo", "date"):
        (programs / name).symlink_to(str(shutil.which(name)))
    server = serve(PATH=str(programs))
    report = examine("--host", server.host, "--ssh-config", server.config, *SSH_GROUPS)
    assert report["ssh-connection"]["status"] == "ok"
    assert report["rsync-there"]["status"] == "failed"
    assert f"not installed on {server.host}" in report["rsync-there"]["found"]
    assert "conda install -c conda-forge rsync" in report["rsync-there"]["remedy"]
    assert report["rsync-round-trip"]["status"] == "skipped"


def test_rsync_that_is_missing_here_fails_with_how_to_install_it(
    serve: Serve, examine: Examine, tmp_path: Path
) -> None:
    server = serve()
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("ssh", "ssh-add"):
        (programs / name).symlink_to(str(shutil.which(name)))
    words = ("--host", server.host, "--ssh-config", server.config, "--only", "rsync", "--only", "ssh-connection")
    report = examine(*words, environment={"PATH": str(programs)})
    assert statuses(report)["rsync-here"] == "failed"
    assert "not installed on this machine" in report["rsync-here"]["found"]


def test_a_clock_of_the_host_that_is_wrong_fails_with_timedatectl(
    serve: Serve, examine: Examine, require_program: Callable[[str, str], str]
) -> None:
    require_program("faketime", "apt-get install faketime")
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")))
    server = serve(LD_PRELOAD=str(library), FAKETIME="+600s", FAKETIME_DONT_FAKE_MONOTONIC="1")
    report = examine("--host", server.host, "--ssh-config", server.config, "--only", "ssh")
    assert report["ssh-clock"]["status"] == "failed"
    assert "ahead of this one" in report["ssh-clock"]["found"]
    assert "timedatectl" in report["ssh-clock"]["remedy"]


def test_a_folder_that_the_host_does_not_have_fails_with_mkdir(serve: Serve, examine: Examine, tmp_path: Path) -> None:
    server = serve()
    words = ("--host", server.host, "--ssh-config", server.config, "--host-dir", tmp_path / "absent")
    report = examine(*words, *SSH_GROUPS)
    assert report["host-folder"]["status"] == "failed"
    assert "mkdir -p" in report["host-folder"]["remedy"]
    assert report["host-visibility"]["status"] == "skipped"


def test_two_folders_that_are_not_the_same_are_found_out(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    host = Host(name=server.host, ssh_config=server.config)
    with Programs({"PATH": "/usr/bin:/bin"}) as programs:
        result = check_host_visibility(host, programs, tmp_path / "here", str(tmp_path / "there"), wait_s=1)
    assert result.status == "failed"
    assert "did not see a new file" in result.found
    assert "same folder" in result.remedy


def test_a_shell_that_greets_is_a_warning(serve: Serve, examine: Examine) -> None:
    server = serve()
    keys = server.folder / "authorized_keys"
    keys.write_text(f'command="echo Welcome; eval \\"$SSH_ORIGINAL_COMMAND\\"" {keys.read_text()}')
    report = examine("--host", server.host, "--ssh-config", server.config, "--only", "ssh-connection")
    assert report["ssh-connection"]["status"] == "warning"
    assert "Welcome" in report["ssh-connection"]["found"]
    assert "rsync breaks" in report["ssh-connection"]["remedy"]
