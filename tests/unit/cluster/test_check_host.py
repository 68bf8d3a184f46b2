"""Another host: each message of ssh leads to the command that mends it; keys and rsync are judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from gamefleet.cluster.checks.base import failed, ok, run_checks, warning
from gamefleet.cluster.checks.host import (
    Host,
    check_connection,
    check_host_clock,
    explain,
    host_checks,
    judge_key,
    judge_rsync,
    worse,
)
from gamefleet.cluster.checks.programs import Completed

HOST = Host(name="USER@login.cluster.example.edu")


def answer(status: int = 0, out: str = "", err: str = "") -> Completed:
    return Completed(status=status, out=out, err=err)


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("USER@host: Permission denied (publickey,password).", "ssh-copy-id USER@login.cluster.example.edu"),
        ("ssh: Could not resolve hostname login: Name or service not known", "VPN"),
        ("ssh: connect to host login port 22: Connection refused", "ssh -v USER@login.cluster.example.edu"),
        ("ssh: connect to host login port 22: Connection timed out", "VPN"),
        ("Connection timed out during banner exchange", "firewall"),
        ("Host key verification failed.", "ssh USER@login.cluster.example.edu"),
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            "ssh-keygen -R login.cluster.example.edu",
        ),
        ("Received disconnect: Too many authentication failures", "IdentitiesOnly"),
        ('Load key "id": bad permissions\nUSER@host: Permission denied (publickey).', "chmod 600"),
        ("ssh: connect to host login port 22: No route to host", "VPN"),
        ("ssh: connect to host login port 22: Network is unreachable", "offline"),
        ("Connection closed by 10.0.0.1 port 22", "hung up"),
        ("something that nobody has seen", "ssh -v"),
        ("ssh: not found", "openssh-client"),
    ],
)
def test_every_message_of_ssh_leads_to_a_remedy(message: str, remedy: str) -> None:
    result = explain(answer(255, err=message), HOST)
    assert result.status == "failed"
    assert message.splitlines()[-1] in result.found
    assert remedy in result.remedy


def test_without_a_host_every_line_says_how_to_name_one() -> None:
    results = [result for _, result in run_checks(host_checks(None, no_program, folder=Path(), host_folder=""))]
    assert len(results) == 8
    assert {(result.status, "--host USER@HOST" in result.found) for result in results} == {("skipped", True)}


def no_program(command: object, timeout_s: float) -> Completed:
    raise AssertionError(f"nothing may be run: {command}")


def test_a_missing_key_leads_to_the_two_commands_of_the_guide(tmp_path: Path) -> None:
    result = judge_key([], [tmp_path / "id_rsa", tmp_path / "id_ed25519"], 0, HOST.name)
    assert result.status == "failed"
    assert "ssh-keygen -t ed25519 -f ~/.ssh/id_ed25519" in result.remedy
    assert f"ssh-copy-id -i ~/.ssh/id_ed25519.pub {HOST.name}" in result.remedy


def test_a_key_in_the_agent_is_enough() -> None:
    assert judge_key([], [], 2, HOST.name).found == "2 in the agent"


def test_a_key_that_others_may_read_fails_because_ssh_ignores_it(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch(mode=0o644)
    key.chmod(0o644)
    result = judge_key([key], [key], 0, HOST.name)
    assert result.status == "failed"
    assert result.remedy == f"chmod 600 {key}"


def test_a_shell_that_talks_is_a_warning_because_rsync_breaks_on_it() -> None:
    result = check_connection(HOST, lambda command, timeout_s: answer(out="Welcome!\ngamefleet-is-here\n"))
    assert result.status == "warning"
    assert "'Welcome!'" in result.found
    assert "rsync" in result.remedy


def test_a_host_that_does_not_tell_the_time_fails() -> None:
    result = check_host_clock(HOST, lambda command, timeout_s: answer(out="no idea\n"))
    assert result.status == "failed"
    assert result.remedy == f"ssh {HOST.name} date +%s"


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        (answer(out="rsync  version 3.2.7  protocol version 31\n"), "ok", "rsync 3.2.7 on there"),
        (answer(out="openrsync: protocol version 29\nrsync version 2.6.9 compatible\n"), "ok", "openrsync"),
        (answer(127, err="sh: 1: rsync: not found"), "failed", "not installed on there"),
        (answer(1, err="rsync: cannot load libxxhash"), "failed", "libxxhash"),
    ],
)
def test_rsync_is_judged_by_what_it_says_of_itself(said: Completed, status: str, words: str) -> None:
    result = judge_rsync(said, "there", "On there: ")
    assert result.status == status
    assert words in result.found
    assert bool(result.remedy) == (status == "failed")


def test_two_findings_become_one_with_the_graver_status() -> None:
    both = worse(ok("fast"), warning("slow", "wait"))
    assert (both.status, both.found, both.remedy) == ("warning", "fast; slow", "wait")
    assert worse(failed("no", "x"), ok("yes")).status == "failed"


def test_ssh_never_asks_and_leaves_no_connection_behind() -> None:
    command = Host(name="n1", ssh_config=Path("file")).command("echo 'a b'")
    assert command[:3] == ["ssh", "-F", "file"]
    assert {"BatchMode=yes", "ControlMaster=no"} <= set(command)
    assert command[-2:] == ["n1", """sh -c 'echo '"'"'a b'"'"''"""]
