"""rsync's command lines in both dialects, and what its messages mean."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from gamefleet.cluster.checks.host import Host
from gamefleet.cluster.checks.programs import Completed
from gamefleet.cluster.ssh import parse_remote
from gamefleet.cluster.sync.rsync import (
    DELETE,
    IMMUTABLE,
    SMALL,
    SyncError,
    Transfer,
    check,
    command,
    filters,
    read_dialect,
)

NEW = "rsync  version 3.2.7  protocol version 31\nCopyright (C) 1996-2022\n"
OLD = "rsync  version 2.6.9  protocol version 29\n"
OPEN = "openrsync: protocol version 29\nrsync version 2.6.9 compatible\n"
HOST = Host(name="USER@cluster")

BASIC_OPTIONS = {"-r", "-c", "-e", "--timeout", "--ignore-existing", "--partial-dir", "--delete", "--include"}
BASIC_OPTIONS |= {"--exclude", "--rsync-path"}


def transfer(**changes: Any) -> Transfer:
    settings: dict[str, Any] = {
        "remote": parse_remote("USER@cluster:it's here"),
        "below": "",
        "local": Path("/home/me/shared weights"),
        "pushes": False,
        "patterns": ["/merged/*.json"],
    }
    return Transfer(**{**settings, **changes})


@pytest.mark.parametrize(("told", "dialect"), [(NEW, "full"), (OLD, "basic"), (OPEN, "basic"), ("", "basic")])
def test_the_dialect_is_read_from_the_version(told: str, dialect: str) -> None:
    assert read_dialect(told) == dialect


def test_rsync_3_is_told_to_keep_names_from_the_shell() -> None:
    words = command(transfer(), ["ssh", "-F", "my config"], "full")
    assert words[:2] == ["rsync", "-r"]
    assert "-s" in words
    assert words[words.index("-e") + 1] == "ssh -F 'my config'"
    assert words[-2:] == ["USER@cluster:it's here/", "/home/me/shared weights/"]


def test_for_others_names_are_quoted_for_the_shell_there() -> None:
    words = command(transfer(), ["ssh"], "basic")
    assert "-s" not in words
    assert shlex.split(words[-2]) == ["USER@cluster:it's here/"]


def test_a_push_goes_from_here_to_there() -> None:
    words = command(transfer(pushes=True, below="members/me"), ["ssh"], "full")
    assert words[-2:] == ["/home/me/shared weights/members/me/", "USER@cluster:it's here/members/me/"]


def test_the_root_folder_has_one_slash() -> None:
    assert command(transfer(remote=parse_remote("h:/")), ["ssh"], "full")[-2] == "h:/"


@pytest.mark.parametrize("pushes", [True, False])
@pytest.mark.parametrize("options", [IMMUTABLE, SMALL, (*SMALL, DELETE)])
def test_the_basic_dialect_has_only_options_of_rsync_2_6_9(pushes: bool, options: tuple[str, ...]) -> None:
    asked = transfer(pushes=pushes, options=options, is_group=True)
    words = [word.split("=")[0] for word in command(asked, ["ssh"], "basic") if word.startswith("-")]
    assert set(words) <= BASIC_OPTIONS


def test_only_a_push_into_a_folder_of_a_group_sets_modes() -> None:
    def modes(dialect: Any, **changes: Any) -> list[str]:
        words = command(transfer(**changes), ["ssh"], dialect)
        return [word for word in words if "chmod" in word or "umask" in word or word == "-p"]

    assert modes("full", pushes=True, is_group=True) == ["-p", "--chmod=Dg+s,ug+rwX,o-rwx"]
    assert modes("basic", pushes=True, is_group=True) == ["--rsync-path=umask 007; rsync"]
    assert modes("full", pushes=True) == modes("full", is_group=True) == []


def test_filters_let_patterns_through_with_the_folders_on_the_way_and_nothing_else() -> None:
    assert filters(["/shared.json", "/members/*/member.json"], ["/members/me/"]) == [
        "--exclude=/members/me/",
        "--include=/shared.json",
        "--include=/members/",
        "--include=/members/*/",
        "--include=/members/*/member.json",
        "--exclude=*",
    ]


CUT = "rsync: connection unexpectedly closed (8 bytes received so far) [sender]\nrsync error: unexplained error"
FULL = 'rsync: [receiver] write failed on "/x/a": No space left on device (28)\nrsync error: error in file IO (code 11)'


@pytest.mark.parametrize(
    ("status", "err", "pushes", "kind", "words"),
    [
        (127, "rsync: not found", False, "rsync-here", "not installed on this machine"),
        (127, "bash: line 1: rsync: command not found\nrsync error", False, "rsync-there", "On USER@cluster:"),
        (12, f"sh: 1: rsync: not found\n{CUT}", True, "rsync-there", "conda install -c conda-forge rsync"),
        (14, "rsync: [sender] Failed to exec ssh: No such file or directory (2)", True, "ssh-here", "openssh-client"),
        (1, "rsync: unrecognized option `--info'", False, "rsync-too-old", "brew install rsync"),
        (11, FULL, False, "disk-here", "The disk of this machine"),
        (11, FULL, True, "disk-there", "quota -s"),
        (23, FULL.replace("No space left on device", "Disk quota exceeded"), True, "disk-there", "quota -s"),
        (255, f"USER@cluster: Permission denied (publickey).\n{CUT}", False, "login", "ssh-copy-id USER@cluster"),
        (12, f"USER@cluster: Permission denied (publickey).\n{CUT}", True, "login", "ssh-copy-id USER@cluster"),
        (255, "Host key verification failed.\nrsync: x", False, "login", "compare the fingerprint"),
        (255, "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", False, "login", "ssh-keygen -R cluster"),
        (255, "ssh: Could not resolve hostname cluster: Name or service not known", False, "login", "VPN"),
        (255, f"client_loop: send disconnect: Broken pipe\n{CUT}", True, "cut", "goes on there"),
        (255, f"Timeout, server cluster not responding.\n{CUT}", True, "cut", "goes on there"),
        (12, CUT, True, "cut", "goes on there"),
        (20, "rsync error: received SIGINT", True, "cut", "goes on there"),
        (30, "rsync error: timeout in data send/receive (code 30)", False, "silent", "30 seconds"),
        (124, "", False, "silent", "30 seconds"),
        (23, 'rsync: [sender] change_dir "/x" failed: No such file or directory (2)', False, "no-folder", "sync setup"),
        (23, 'rsync: [receiver] mkstemp "/x/.a" failed: Permission denied (13)', True, "denied", "ls -ld"),
        (2, "protocol version mismatch -- is your shell clean?", False, "failed", "is your shell clean"),
    ],
)
def test_a_failure_becomes_a_sentence_with_a_remedy(status: int, err: str, pushes: bool, kind: str, words: str) -> None:
    with pytest.raises(SyncError) as caught:
        check(Completed(status=status, out="", err=err), transfer(pushes=pushes), HOST)
    assert caught.value.kind == kind
    assert words in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("status", [0, 24])
def test_files_that_vanish_while_they_are_sent_are_no_failure(status: int) -> None:
    check(Completed(status=status, out="", err="file has vanished"), transfer(), HOST)


def test_exit_codes_are_those_of_missing_programs_full_disks_and_clusters() -> None:
    assert [SyncError(kind, "x").exit_code for kind in ("rsync-here", "disk-here", "cut")] == [3, 4, 8]
