"""`gamefleet sync` over a real SSH server: what is moved, what is not, and every way in which it can go wrong."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.waiting import until

from gamefleet.cluster.ssh import LongPrograms, parse_remote
from gamefleet.cluster.sync.copying import GRACE_S, open_link, pull, push
from gamefleet.cluster.sync.members import add_own_token
from gamefleet.cluster.sync.presence import sync_state
from gamefleet.testing.local_ssh import LocalSsh

SYNC = """
import sys
from gamefleet.cli.errors import run_and_explain
from gamefleet.cli.sync import app
sys.exit(run_and_explain(lambda: app(prog_name="gamefleet sync", standalone_mode=False), debug=False))
"""

Serve = Callable[..., LocalSsh]
Done = subprocess.CompletedProcess[str]
Started = subprocess.Popen[str]
Mount = Callable[[str, str], Path]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The shared folder at home, with one merged version and another machine's member."""
    root = tmp_path / "it's the home folder"
    put(root / "shared.json", "{}")
    put(root / "merged" / "000001.json", "{}")
    put(root / "merged" / "000001-aaaa.safetensors", "first")
    put(root / "merged" / "rejected" / "them-000001.json", "{}")
    put(root / "merged" / "verdicts" / "000001.json", "{}")
    member(root, "them", "their-token")
    return root


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A laptop's copy, with a member of its own and a stranger's folder that lies there by chance."""
    root = tmp_path / "laptop's copy"
    member(root, "mine", "my-token")
    member(root, "stranger", "strange-token")
    add_own_token(root, "my-token")
    return root


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Call with (name, size): a small disk of its own, gone after the test."""
    mounted: list[Path] = []

    def make(name: str, size: str) -> Path:
        if os.geteuid() != 0:
            pytest.skip("mounting needs root")
        folder = tmp_path / name
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mounting is not possible here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # a server's child may still stand in it


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def member(root: Path, name: str, token: str) -> Path:
    folder = root / "members" / name
    put(folder / "member.json", json.dumps({"token": token, "kind": "actors"}, indent=2))
    put(folder / "heartbeat.json", '{"step": 1}')
    put(folder / "weights" / "000001-bbbb.safetensors", "weights")
    put(folder / "weights" / "000001.json", "{}")
    put(folder / "experience" / "e000" / "000001-cccc.chunk", "chunk")
    put(folder / "experience" / "e000" / "000001.json", "{}")
    put(folder / "experience" / "e000" / ".tmp-000002.json-1234", "half")
    return folder


def run(server: LocalSsh, *words: object, path: str = "", **variables: str) -> Done:
    command = [sys.executable, "-c", SYNC, *map(str, words), "--ssh-config", str(server.config)]
    environment = {**os.environ, **({"PATH": path} if path else {}), **variables}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


@pytest.fixture
def begin() -> Iterator[Callable[..., Started]]:
    """Call with a server and words: a sync that goes on, ended after the test."""
    running: list[Started] = []

    def start(server: LocalSsh, *words: object) -> Started:
        command = [sys.executable, "-c", SYNC, *map(str, words), "--ssh-config", str(server.config)]
        running.append(subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        return running[-1]

    yield start
    for process in running:
        process.terminate()
        process.communicate(timeout=300)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def programs_without(folder: Path, *missing: str) -> str:
    """A PATH with what a shell needs, less some programs."""
    folder.mkdir()
    for name in {"sh", "mkdir", "ls", "cat", "find", "rm", "ssh", "ssh-add", "rsync"} - set(missing):
        (folder / name).symlink_to(str(shutil.which(name)))
    return str(folder)


def test_both_directions_move_what_each_side_needs_and_nothing_else(serve: Serve, home: Path, local: Path) -> None:
    server = serve()
    before = names(home)
    done = run(server, "bidirectional", f"{server.host}:{home}", local)
    assert (done.returncode, done.stderr) == (0, "")
    assert "version 1, 3 members" in done.stdout
    mine = {f"members/mine/{name}" for name in names(local / "members" / "mine") if ".tmp-" not in name}
    assert len(mine) == 6
    assert names(home) == before | mine
    theirs = {f"members/them/{name}" for name in ("member.json", "heartbeat.json")}
    merged = {name for name in before if not name.startswith("members/")}
    assert names(local) >= theirs | merged
    assert "members/them/weights/000001.json" not in names(local)
    state = sync_state(local)
    assert state is not None
    assert not state.is_running
    assert not state.delivers
    assert min(state.pulled_at, state.pushed_at) > 0


def test_everything_brings_others_weights_and_experience(serve: Serve, home: Path, local: Path) -> None:
    server = serve()
    assert run(server, "pull", f"{server.host}:{home}", local, "--everything").returncode == 0
    assert {f"members/them/{name}" for name in names(home / "members" / "them") if ".tmp-" not in name} <= names(local)


def test_small_files_follow_their_changes_and_only_those_make_them_young(serve: Serve, home: Path, local: Path) -> None:
    server = serve()
    beat, told = home / "members" / "them" / "heartbeat.json", local / "members" / "them" / "heartbeat.json"
    with open_link(parse_remote(f"{server.host}:{home}"), local, programs(), ssh_config=server.config) as link:
        pull(link, {"mine": "my-token"})
        os.utime(told, (1000, 1000))
        pull(link, {"mine": "my-token"})
        assert told.stat().st_mtime == 1000  # a member that does not beat stays old
        beat.write_text('{"step": 2}')
        put(home / "members" / "mine" / "heartbeat.json", "of yesterday")
        pull(link, {"mine": "my-token"})
    assert told.read_text() == '{"step": 2}'
    assert time.time() - told.stat().st_mtime < 600
    assert (local / "members" / "mine" / "heartbeat.json").read_text() == '{"step": 1}'


def programs() -> LongPrograms:
    return LongPrograms(os.environ)


def test_what_home_removed_goes_here_after_a_grace_and_only_what_was_merged(
    serve: Serve, home: Path, local: Path
) -> None:
    server = serve()
    for name in ("000002.json", "000002-dddd.safetensors"):
        put(home / "merged" / name, "{}")
    with open_link(parse_remote(f"{server.host}:{home}"), local, programs(), ssh_config=server.config) as link:
        pull(link, {})
        for name in ("000001.json", "000001-aaaa.safetensors", "verdicts/000001.json"):
            (home / "merged" / name).unlink()
        shutil.rmtree(home / "members" / "them")
        pull(link, {}, now=time.time() + GRACE_S / 2)
        assert (local / "merged" / "000001.json").exists()
        pull(link, {}, now=time.time() + GRACE_S + 120)
        kept = {"000002.json", "000002-dddd.safetensors", "rejected/them-000001.json"}
        assert names(local / "merged") == kept
        assert (local / "members" / "them" / "member.json").exists()
        shutil.rmtree(home / "merged")  # unmounted, or started afresh: nothing is concluded from that
        pull(link, {}, now=time.time() + 3 * GRACE_S)
        assert names(local / "merged") == kept


def test_a_push_removes_what_its_owner_removed_and_touches_no_other_member(
    serve: Serve, home: Path, local: Path
) -> None:
    server = serve()
    theirs = names(home / "members" / "them")
    home.chmod(0o2770)
    with open_link(parse_remote(f"{server.host}:{home}"), local, programs(), ssh_config=server.config) as link:
        push(link, {"mine": "my-token"})
        sent = home / "members" / "mine"
        for path in (sent, sent / "weights"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o2770
        assert stat.S_IMODE((sent / "weights" / "000001.json").stat().st_mode) == 0o660
        for name in ("000001.json", "000001-cccc.chunk"):
            (local / "members" / "mine" / "experience" / "e000" / name).unlink()
        put(local / "members" / "mine" / "experience" / "e000" / "000002.json", "{}")
        push(link, {"mine": "my-token"})
    assert names(sent / "experience") == {"e000/000002.json"}
    assert names(home / "members" / "them") == theirs
    assert not (home / "members" / "stranger").exists()


def test_a_member_of_another_machine_is_not_overwritten(serve: Serve, home: Path, local: Path) -> None:
    server = serve()
    member(home, "mine", "token-of-another-laptop")
    before = names(home)
    done = run(server, "push", f"{server.host}:{home}", local, "2")  # with an interval: waiting would not mend it
    assert done.returncode == 8
    assert "Another machine is member 'mine'" in done.stderr
    assert names(home) == before


def test_a_push_makes_the_folder_there_and_says_when_there_is_nothing_to_push(
    serve: Serve, local: Path, tmp_path: Path
) -> None:
    server = serve()
    assert run(server, "push", f"{server.host}:{tmp_path}/a new/home", local).returncode == 0
    assert (tmp_path / "a new" / "home" / "members" / "mine" / "member.json").exists()
    (local / ".owned.json").unlink()
    done = run(server, "push", f"{server.host}:{tmp_path}/a new/home", local)
    assert done.returncode == 8
    assert "--member ID" in done.stderr


LAPTOP = """
import hashlib, json, sys, time
from pathlib import Path
from gamefleet.files import write_bytes, write_json

folder, number = Path(sys.argv[1]) / "weights", 0
while True:
    number += 1
    blob = hashlib.sha256(f"{folder}{number}".encode()).digest() * 9000
    digest = hashlib.sha256(blob).hexdigest()
    name = f"{number:06d}-{digest[:12]}.safetensors"
    write_bytes(folder / name, blob)
    write_json(folder / f"{number:06d}.json", {"blob": name, "sha256": digest})
    time.sleep(0.1)
"""


class Reader(threading.Thread):
    """Reads what arrives at home as a merger would, and counts what it finds."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self.home, self.torn, self.read, self.ended = home, [], 0, threading.Event()  # type: ignore[var-annotated]

    def run(self) -> None:
        seen: set[Path] = set()
        while not self.ended.wait(0.01):
            for path in sorted(self.home.glob("members/laptop*/weights/*.json")):
                manifest = json.loads(path.read_text())
                blob = path.with_name(manifest["blob"])
                if path in seen or not blob.exists():  # not yet here
                    continue
                seen.add(path)
                self.read += 1
                if hashlib.sha256(blob.read_bytes()).hexdigest() != manifest["sha256"]:
                    self.torn.append(path.name)


@pytest.mark.long
def test_two_laptops_that_push_at_once_lose_nothing_and_nobody_reads_a_torn_file(
    serve: Serve, begin: Callable[..., Started], home: Path, tmp_path: Path
) -> None:
    server = serve()
    laptops = [tmp_path / f"laptop{number}" for number in range(2)]
    reader, working = Reader(home), []
    for laptop in laptops:
        folder = member(laptop, laptop.name, f"token of {laptop.name}")
        shutil.rmtree(folder / "weights")
        (folder / "weights").mkdir()
        add_own_token(laptop, f"token of {laptop.name}")
        working.append(subprocess.Popen([sys.executable, "-c", LAPTOP, str(folder)]))
    syncing = [begin(server, "bidirectional", f"{server.host}:{home}", laptop, "0.5") for laptop in laptops]
    reader.start()
    try:
        until(lambda: reader.read >= 30, "thirty contributions at home")
    finally:
        for process in working:
            process.kill()
            process.wait()
    manifests = [path.relative_to(laptop) for laptop in laptops for path in laptop.glob("members/laptop*/weights/*")]
    whole = [path for path in manifests if not path.name.startswith(".tmp-")]
    until(lambda: all((home / path).exists() for path in whole), "everything is at home")
    for process in syncing:
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 0
    reader.ended.set()
    reader.join()
    assert reader.torn == []
    for laptop in laptops:
        for path in (path for path in whole if laptop.name in str(path)):
            assert (home / path).read_bytes() == (laptop / path).read_bytes()
    assert not [name for name in names(home) if Path(name).name.startswith(".") and ".tmp-" not in name]


@pytest.mark.long
def test_a_connection_that_is_cut_in_the_middle_goes_on_where_it_was(
    serve: Serve, home: Path, local: Path, tmp_path: Path
) -> None:
    server = serve()
    content = os.urandom(8_000_000)
    weights = local / "members" / "mine" / "weights"
    (weights / "000002-eeee.safetensors").write_bytes(content)
    put(weights / "000002.json", "{}")
    slow = tmp_path / "slow"
    slow.mkdir()
    put(slow / "rsync", f'#!/bin/sh\nexec {shutil.which("rsync")} --bwlimit=2000 "$@"\n')
    (slow / "rsync").chmod(0o755)
    arrives = home / "members" / "mine" / "weights"
    process = threading.Thread(target=cut_when, args=(server, lambda: size_of_hidden(arrives) > 1_000_000))
    process.start()
    done = run(server, "push", f"{server.host}:{home}", local, path=f"{slow}:{os.environ['PATH']}")
    process.join()
    assert done.returncode == 8
    assert f"The connection to {server.host} was cut" in done.stderr
    assert not (arrives / "000002.json").exists()
    assert not (arrives / "000002-eeee.safetensors").exists()
    until(lambda: (arrives / ".rsync-partial" / "000002-eeee.safetensors").exists(), "what came is kept")
    assert run(server, "push", f"{server.host}:{home}", local).returncode == 0
    assert (arrives / "000002-eeee.safetensors").read_bytes() == content
    assert names(arrives) == names(weights)


def cut_when(server: LocalSsh, condition: Callable[[], bool]) -> None:
    """Kill the server's processes for all connections, but not what they serve, nor the one that listens."""
    until(condition, "something to cut")
    assert server._process is not None
    for process in psutil.Process(server._process.pid).children(recursive=True):
        if process.name().startswith("sshd"):
            process.kill()


def size_of_hidden(folder: Path) -> int:
    return max((path.stat().st_size for path in folder.glob(".0*")), default=0)


@pytest.mark.long
def test_a_continuous_sync_outlives_a_host_that_goes_away_and_tells_each_change_once(
    serve: Serve, begin: Callable[..., Started], home: Path, local: Path
) -> None:
    server = serve()
    process = begin(server, "bidirectional", f"{server.host}:{home}", local, "0.3")
    awaited(process, "in sync; the first cycle took")
    state = sync_state(local)
    assert state is not None
    assert state.delivers
    second = run(server, "pull", f"{server.host}:{home}", local)
    assert second.returncode == 8
    assert "This folder is synced by process" in second.stderr
    children = psutil.Process(server._process.pid).children(recursive=True) if server._process else []
    server.stop()
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    assert server.host in awaited(process, "Trying again")
    until(lambda: not sync_state(local).delivers, "actors can see that nothing gets anywhere")  # type: ignore[union-attr]
    put(local / "members" / "mine" / "weights" / "000009.json", "{}")
    server.start()
    awaited(process, "in sync again, after")
    assert (home / "members" / "mine" / "weights" / "000009.json").exists()
    process.send_signal(signal.SIGTERM)
    assert process.wait(300) == 0
    assert process.stdout is not None
    assert [line for line in process.stdout if SLOW not in line] == []
    state = sync_state(local)
    assert state is not None
    assert not state.is_running


SLOW = "longer than the interval"
"""A line that depends on how busy the machine is."""


def awaited(process: Started, words: str) -> str:
    """The next line, which has these words."""
    assert process.stdout is not None
    line = next(line for line in process.stdout if SLOW not in line)
    assert words in line
    return line


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("absent key", ("there is no SSH key", "ssh-keygen -t ed25519")),
        ("stranger's key", ("Permission denied", "ssh-copy-id")),
        ("other host key", ("Host key verification failed", "ssh-keygen -R")),
        ("unknown host", ("Host key verification failed", "compare the fingerprint")),
        ("stopped", ("Connection refused", "ssh -v")),
    ],
)
def test_a_host_that_cannot_be_reached_is_explained(
    serve: Serve, tmp_path: Path, local: Path, harm: str, words: tuple[str, str]
) -> None:
    server = serve()
    known = server.folder / "known_hosts"
    if harm == "absent key":
        server.config = server.with_key(tmp_path / "absent")
    elif harm == "stranger's key":
        server.config = server.with_key(server.stranger)
    elif harm == "other host key":
        public = server.stranger.with_suffix(".pub").read_text().split()[:2]
        known.write_text(f"[127.0.0.1]:{server.port} {' '.join(public)}\n")
    elif harm == "unknown host":
        known.write_text("")
    else:
        server.stop()
    done = run(server, "pull", f"{server.host}:{tmp_path}", local)
    assert done.returncode == 8
    assert all(word in done.stderr for word in words), done.stderr


def test_a_folder_that_is_not_there_is_named(serve: Serve, tmp_path: Path, local: Path) -> None:
    server = serve()
    done = run(server, "pull", f"{server.host}:{tmp_path}/not there", local)
    assert done.returncode == 8
    assert f"There is no such folder on {server.host}" in done.stderr
    assert "gamefleet sync setup" in done.stderr


def test_a_disk_that_is_full_here_is_said_to_be_here(serve: Serve, home: Path, mount: Mount) -> None:
    server = serve()
    (home / "merged" / "000001-aaaa.safetensors").write_bytes(os.urandom(400_000))
    copy = mount("small", "200k") / "copy"
    done = run(server, "pull", f"{server.host}:{home}", copy)
    assert done.returncode == 4
    assert f"The disk of this machine is full ({copy})" in done.stderr
    assert not (copy / "merged" / "000001.json").exists()  # what names a file does not come before it
    assert not (copy / "merged" / "000001-aaaa.safetensors").exists()


def test_a_disk_that_is_full_there_is_said_to_be_there(serve: Serve, local: Path, mount: Mount) -> None:
    server = serve()
    (local / "members" / "mine" / "weights" / "000001-bbbb.safetensors").write_bytes(os.urandom(400_000))
    there = mount("small", "200k")
    done = run(server, "push", f"{server.host}:{there}", local)
    assert done.returncode == 8
    assert f"The disk or quota is full on {server.host}" in done.stderr
    assert not (there / "members" / "mine" / "weights" / "000001.json").exists()


def test_rsync_that_is_missing_there_fails_with_how_to_install_it(serve: Serve, home: Path, local: Path) -> None:
    server = serve(PATH=programs_without(home.parent / "programs", "rsync"))
    done = run(server, "pull", f"{server.host}:{home}", local)
    assert done.returncode == 8
    assert f"rsync is not installed on {server.host}" in done.stderr


def test_rsync_that_is_missing_here_fails_with_how_to_install_it(serve: Serve, home: Path, local: Path) -> None:
    server = serve()
    path = programs_without(home.parent / "programs", "rsync")
    done = run(server, "pull", f"{server.host}:{home}", local, "5", path=path)
    assert done.returncode == 3
    assert "rsync is not installed on this machine" in done.stderr


OPENRSYNC = """#!/bin/sh
# Refuses what openrsync does not know, and leaves names to the shell on the other side, as it does.
case "$1" in --version) printf 'openrsync: protocol version 29\\nrsync version 2.6.9 compatible\\n'; exit;; esac
for word; do case "$word" in
  -e|-r|-c|--timeout=*|--ignore-existing|--partial-dir=*|--delete|--include=*|--exclude=*|--rsync-path=*) ;;
  -*) echo "rsync: unrecognized option \\`$word'" >&2; exit 1;;
esac; done
RSYNC_OLD_ARGS=1 exec REAL --protocol=29 "$@"
"""


def test_the_options_that_openrsync_has_are_enough(serve: Serve, home: Path, local: Path, tmp_path: Path) -> None:
    server = serve()
    put(tmp_path / "mac" / "rsync", OPENRSYNC.replace("REAL", str(shutil.which("rsync"))))
    (tmp_path / "mac" / "rsync").chmod(0o755)
    home.chmod(0o2770)
    path = f"{tmp_path}/mac:{os.environ['PATH']}"
    done = run(server, "bidirectional", f"{server.host}:{home}", local, path=path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (local / "merged" / "000001-aaaa.safetensors").read_text() == "first"
    arrived = home / "members" / "mine" / "weights" / "000001-bbbb.safetensors"
    assert stat.S_IMODE(arrived.stat().st_mode) & 0o007 == 0


@pytest.mark.long
def test_set_up_goes_from_nothing_to_a_first_pull_and_can_be_repeated(serve: Serve, home: Path, tmp_path: Path) -> None:
    server = serve()
    config, copy = tmp_path / "settings", tmp_path / "copy"
    words = ("setup", "--host", server.host, "--remote-dir", home, "--local-dir", copy)
    for _ in range(2):
        done = run(server, *words, XDG_CONFIG_HOME=str(config))
        assert (done.returncode, done.stderr) == (0, "")
    assert "answers without a password" in done.stdout
    assert "pull: version 1" in done.stdout
    (home / "merged" / "000002.json").write_text("{}")
    command = [sys.executable, "-c", SYNC, "pull"]  # everything else is remembered
    environment = {**os.environ, "XDG_CONFIG_HOME": str(config)}
    subprocess.run(command, check=True, capture_output=True, timeout=300, env=environment)
    assert (copy / "merged" / "000002.json").exists()


def test_set_up_without_a_terminal_says_which_flags_are_missing(serve: Serve, tmp_path: Path) -> None:
    done = run(serve(), "setup", "--host", "cluster", XDG_CONFIG_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "--remote-dir" in done.stderr


def test_set_up_with_a_key_that_the_host_does_not_know_says_how_to_copy_it(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    server.config = server.with_key(server.stranger)
    words = ("setup", "--host", server.host, "--remote-dir", tmp_path)
    done = run(server, *words, XDG_CONFIG_HOME=str(tmp_path / "settings"))
    assert done.returncode == 8
    assert f"ssh-copy-id {server.host}" in done.stderr
    assert not (tmp_path / "settings").exists()
