"""`[USER@]HOST:DIR`: what it may be, and that nothing in it is taken for an option or for shell text."""

from __future__ import annotations

import sys

import pytest

from gamefleet.cluster.checks.host import Host
from gamefleet.cluster.checks.programs import Completed
from gamefleet.cluster.ssh import (
    TIMED_OUT_STATUS,
    LongPrograms,
    has_own_sharing,
    parse_remote,
    shared_connection,
)
from gamefleet.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "login", "folder"),
    [
        ("USER@login.cluster.example.edu:shared_weights", "USER@login.cluster.example.edu", "shared_weights"),
        ("cluster:/project/lab/shared weights/", "cluster", "/project/lab/shared weights"),
        ("cluster:~/shared", "cluster", "shared"),
        ("cluster:~", "cluster", "."),
        ("cluster:/", "cluster", "/"),
        ("cluster:it's; rm -r $HOME", "cluster", "it's; rm -r $HOME"),
        ("cluster:-e", "cluster", "./-e"),
        ("first.last@cluster:a:b", "first.last@cluster", "a:b"),
    ],
)
def test_a_remote_folder_is_a_login_and_a_folder(text: str, login: str, folder: str) -> None:
    remote = parse_remote(text)
    assert (remote.login, remote.folder) == (login, folder)


def test_a_user_that_is_known_is_added_where_none_is_named() -> None:
    assert parse_remote("cluster:x", user="me").login == "me@cluster"
    assert parse_remote("you@cluster:x", user="me").login == "you@cluster"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cluster",
        "cluster:",
        "cluster:  ",
        "/local/folder",
        "./a:b",
        ":x",
        "-oProxyCommand=date:x",
        "-l@cluster:x",
        "a b@cluster:x",
        "clu ster:x",
        "cluster;date:x",
        "cluster:~other/x",
        "cluster:x*",
        "cluster:x[1]",
        "cluster:x\ny",
    ],
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_remote(text)
    assert caught.value.remedy


def test_a_program_that_takes_too_long_is_ended_with_what_it_started() -> None:
    program = "import subprocess, sys; subprocess.run(['sleep', '60'])"
    answer = LongPrograms({"PATH": "/usr/bin:/bin"})([sys.executable, "-c", program], 0.5)
    assert answer.status == TIMED_OUT_STATUS


def test_a_program_that_is_not_there_says_so() -> None:
    answer = LongPrograms({"PATH": ""})(["no-such-program"], 5)
    assert answer == Completed(status=127, out="", err="no-such-program: not found")


def test_a_program_sees_no_habits_that_change_what_rsync_does() -> None:
    runner = LongPrograms({"PATH": "/usr/bin:/bin", "RSYNC_RSH": "rsh", "RSYNC_OLD_ARGS": "1", "HOME": "/nowhere"})
    told = runner(["env"], 10).out
    assert "RSYNC_" not in told
    assert "HOME=/nowhere" in told
    assert "SSH_ASKPASS_REQUIRE=never" in told


def answering(out: str, asked: list[list[str]]) -> object:
    def run(words: list[str], timeout_s: float) -> Completed:
        asked.append(list(words))
        return Completed(status=0, out=out, err="")

    return run


def test_a_connection_of_its_own_is_shared_and_closed_at_the_end() -> None:
    asked: list[list[str]] = []
    with shared_connection(Host(name="cluster"), answering("controlmaster false\n", asked)) as words:  # type: ignore[arg-type]
        assert "ControlMaster=auto" in words
        assert "BatchMode=yes" in words
    assert asked[-1][-3:] == ["-O", "exit", "cluster"]


@pytest.mark.parametrize(
    ("told", "expected"), [("controlpath /x/y\n", True), ("controlpath none\n", False), ("", False)]
)
def test_the_user_s_own_shared_connection_is_used_where_there_is_one(told: str, expected: bool) -> None:
    asked: list[list[str]] = []
    runner = answering(f"hostname cluster\n{told}", asked)
    assert has_own_sharing(Host(name="cluster"), runner) is expected  # type: ignore[arg-type]
    with shared_connection(Host(name="cluster"), runner) as words:  # type: ignore[arg-type]
        assert ("ControlMaster=auto" in words) is not expected
