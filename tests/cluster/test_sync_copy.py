"""What lies beside a copy: whose it is, who syncs it; where the settings come from; the lines in the SSH settings."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gamefleet.cluster.checks.host import Host
from gamefleet.cluster.ssh import LongPrograms, parse_remote
from gamefleet.cluster.sync.members import OWNED_NAME, add_own_token, own_members, own_tokens
from gamefleet.cluster.sync.presence import FILE_NAME, STALE_S, Presence, sync_state
from gamefleet.cluster.sync.rsync import SyncError
from gamefleet.cluster.sync.settings import resolve, settings_path, write_settings
from gamefleet.cluster.sync.setup import BEGIN, make_key, sharing_block, with_block, write_block
from gamefleet.errors import ClusterError, ConfigError

FACTS = {"mode": "bidirectional", "remote": "cluster:x", "interval_s": 5.0}


def member(root: Path, name: str, text: str) -> None:
    folder = root / "members" / name
    folder.mkdir(parents=True)
    (folder / "member.json").write_text(text)


def test_members_with_a_token_of_the_list_are_this_machine_s(tmp_path: Path) -> None:
    member(tmp_path, "mine", '{"token": "a"}')
    member(tmp_path, "theirs", '{"token": "b"}')
    member(tmp_path, "half", '{"tok')
    member(tmp_path, "without", "{}")
    member(tmp_path, "Not an id", '{"token": "a"}')
    assert own_members(tmp_path) == {}
    add_own_token(tmp_path, "a")
    add_own_token(tmp_path, "c")
    add_own_token(tmp_path, "a")
    assert own_tokens(tmp_path) == {"a", "c"}
    assert own_members(tmp_path) == {"mine": "a"}
    assert own_members(tmp_path, ["theirs"]) == {"mine": "a", "theirs": "b"}
    with pytest.raises(ConfigError, match="gamefleet actors"):
        own_members(tmp_path, ["absent"])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"tokens": 3}', '{"tokens": [3, null]}'])
def test_a_list_that_cannot_be_read_owns_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / OWNED_NAME).write_text(text)
    assert own_tokens(tmp_path) == set()


def test_actors_see_whether_what_they_make_gets_anywhere(tmp_path: Path) -> None:
    assert sync_state(tmp_path) is None
    with Presence(tmp_path, FACTS) as presence:
        presence.update(pushed_at=7.0)
        state = sync_state(tmp_path)
        assert state is not None
        assert (state.delivers, state.pushed_at, state.remote) == (True, 7.0, "cluster:x")
        presence.update(fault="The connection was cut.")
        state = sync_state(tmp_path)
        assert state is not None
        assert state.is_running
        assert not state.delivers
    state = sync_state(tmp_path)
    assert state is not None
    assert not state.is_running
    with Presence(tmp_path, FACTS | {"mode": "pull"}):
        state = sync_state(tmp_path)
        assert state is not None
        assert (state.delivers, state.pushed_at) == (False, 7.0)


def test_a_file_that_is_damaged_is_no_state(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{")
    assert sync_state(tmp_path) is None
    with Presence(tmp_path, FACTS):
        pass  # and it is in nobody's way


def test_one_copy_has_one_sync(tmp_path: Path) -> None:
    with Presence(tmp_path, FACTS), pytest.raises(SyncError, match=f"synced by process {os.getpid()}"):
        Presence(tmp_path, FACTS).__enter__()


HOLD = """
import sys
from pathlib import Path
from gamefleet.cluster.sync.presence import Presence
with Presence(Path(sys.argv[1]), {"mode": "push", "remote": "cluster:x", "interval_s": 5.0}) as presence:
    presence.update(pushed_at=7.0)
    print("here", flush=True)
    sys.stdin.read()
"""


def test_what_a_dead_process_left_is_taken_over_with_what_it_knew(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "here\n"
        with pytest.raises(SyncError):
            Presence(tmp_path, FACTS).__enter__()
        holder.kill()
    with Presence(tmp_path, FACTS):
        state = sync_state(tmp_path)
        assert state is not None
        assert (state.is_running, state.pushed_at) == (True, 7.0)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_process_that_was_stopped_too_long_notices_that_it_was_replaced(tmp_path: Path) -> None:
    with Presence(tmp_path, FACTS) as stopped:
        late = time.time() + STALE_S + 60  # as seen by one that starts while the other is stopped
        with Presence(tmp_path, FACTS, clock=lambda: late), pytest.raises(SyncError, match="synced by"):
            stopped.update(pulled_at=1.0)


def environment(tmp_path: Path, **variables: str) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path), **variables}


def test_what_is_missing_is_named_with_how_to_set_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve("", "", "", environment=environment(tmp_path, SYNC_CLUSTER_HOST="cluster"))
    assert "SYNC_REMOTE_DIR not set" in str(caught.value)
    assert "SYNC_CLUSTER_HOST not set" not in str(caught.value)
    assert "gamefleet sync setup" in caught.value.remedy


def test_arguments_come_before_variables_and_variables_before_the_file(tmp_path: Path) -> None:
    file = {"user": "f", "host": "file", "remote_dir": "of file", "local_dir": "/l/file"}
    write_settings(settings_path(environment(tmp_path)), file)
    settings = resolve("", "", "", environment=environment(tmp_path))
    assert (str(settings.remote), settings.local, settings.interval_s) == ("f@file:of file", Path("/l/file"), 0)
    named = environment(tmp_path, SYNC_CLUSTER_USER="e", SYNC_LOCAL_DIR="/l/variable", SYNC_INTERVAL="7")
    settings = resolve("", "", "", environment=named)
    assert (str(settings.remote), settings.local, settings.interval_s) == ("e@file:of file", Path("/l/variable"), 7)
    settings = resolve("me@host:x", "/l/argument", "5", environment=named)
    assert (str(settings.remote), settings.local, settings.interval_s) == ("me@host:x", Path("/l/argument"), 5)
    assert str(resolve("host:x", "", "", environment=named).remote) == "e@host:x"


def test_the_copy_is_in_the_home_folder_where_nothing_else_is_said(tmp_path: Path) -> None:
    settings = resolve("host:x", "", "", environment=environment(tmp_path))
    assert settings.local == Path("~/shared_weights").expanduser()


@pytest.mark.parametrize("interval", ["-1", "soon", "nan", "inf", "1e9"])
def test_an_interval_is_a_number_of_seconds(tmp_path: Path, interval: str) -> None:
    with pytest.raises(ConfigError, match="INTERVAL"):
        resolve("host:x", "", interval, environment=environment(tmp_path))


@pytest.mark.parametrize(("text", "words"), [("hots = 'x'", "'host'"), ("host =", "not TOML")])
def test_a_settings_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = settings_path(environment(tmp_path))
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        resolve("host:x", "", "", environment=environment(tmp_path))
    assert str(path) in str(caught.value)


BLOCK = sharing_block(parse_remote("me@login.cluster.example.edu:x"))


@pytest.mark.parametrize("text", ["", "Host other\n    User me\n", "Host other\n    User me"])
def test_lines_are_added_once_at_the_end_and_the_rest_is_kept(text: str) -> None:
    once = with_block(text, BLOCK)
    assert once.startswith(text)
    assert once.endswith(BLOCK)
    assert with_block(once, BLOCK) == once
    assert with_block(once + "Host later\n", BLOCK).count(BEGIN) == 1
    assert "Host later" in with_block(once + "Host later\n", BLOCK)


def test_ssh_takes_the_lines_and_settings_that_it_refuses_are_put_back(
    tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    require_program("ssh", "apt-get install openssh-client")
    config, runner = tmp_path / "config", LongPrograms(os.environ)
    host = Host(name="login.cluster.example.edu")
    write_block(config, BLOCK, host, runner)
    assert config.stat().st_mode & 0o777 == 0o600
    told = runner(["ssh", "-F", str(config), "-G", host.name], 20).out
    assert "controlmaster auto" in told
    config.write_text("Host other\n")
    with pytest.raises(ClusterError, match="as it was"):
        write_block(config, f"{BLOCK}NoSuchWord yes\n", host, runner)
    assert config.read_text() == "Host other\n"


def test_a_key_is_made_once(tmp_path: Path, require_program: Callable[[str, str], str]) -> None:
    require_program("ssh-keygen", "apt-get install openssh-client")
    runner = LongPrograms(os.environ)
    path = make_key(tmp_path, runner)
    content = path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    assert make_key(tmp_path, runner).read_text() == content


SERVICE = """
import sys
from gamefleet.cli.errors import run_and_explain
from gamefleet.cli.sync import app
sys.exit(run_and_explain(lambda: app(prog_name="gamefleet sync", standalone_mode=False), debug=False))
"""


def test_a_service_is_shown_with_everything_written_out(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("the unit is systemd's")
    variables = {"SYNC_CLUSTER_HOST": "cluster", "SYNC_REMOTE_DIR": "shared", "SYNC_CLUSTER_USER": "me"}
    words = [sys.executable, "-c", SERVICE, "service", "show", "bidirectional", "", str(tmp_path / "copy"), "9"]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **variables}, timeout=300)
    assert done.returncode == 0, done.stderr
    assert f"sync bidirectional me@cluster:shared {tmp_path}/copy 9\n" in done.stdout
    assert "gamefleet-sync.service" in done.stderr
    wrong = [*words[:5], "pul"]
    done = subprocess.run(wrong, capture_output=True, text=True, env={**os.environ, **variables}, timeout=300)
    assert done.returncode == 2
    assert "Did you mean 'pull'" in done.stderr
