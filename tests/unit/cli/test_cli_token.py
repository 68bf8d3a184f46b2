"""`gamefleet token`: made once, brought to other machines through ssh's standard input, shown only when asked."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gamefleet.testing.local_ssh import LocalSsh
from gamefleet.transport.token import read_token, write_token


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("GAMEFLEET_AUTH_TOKEN", "GAMEFLEET_AUTH_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def there(tmp_path: Path, home: Path, require_program: Callable[[str, str], str]) -> Iterator[LocalSsh]:
    """A machine with a home folder of its own, without a token."""
    require_program("ssh", "apt-get install --no-install-recommends openssh-client openssh-server")
    far, folder = tmp_path / "far home", tmp_path / "ssh"
    far.mkdir()
    folder.mkdir()
    with LocalSsh(folder, environment={"HOME": str(far)}) as server:
        yield server


def far_token(server: LocalSsh) -> Path:
    return server.folder.parent / "far home" / ".config" / "gamefleet" / "token"


def test_a_token_is_made_once_and_never_shown_unless_asked(gamefleet: Callable, home: Path) -> None:
    made = gamefleet("token")
    token = read_token(home / ".config" / "gamefleet" / "token")

    again = gamefleet("token")

    assert (made.status, again.status) == (0, 0)
    assert "Made a token" in made.out
    assert "There is a token" in again.out
    assert token.fingerprint in made.out
    assert token.text not in made.out + made.err + again.out + again.err
    assert token.text in gamefleet("token", "--show").out


def test_another_file_can_be_named(gamefleet: Callable, home: Path, tmp_path: Path) -> None:
    assert gamefleet("token", "--file", tmp_path / "mine").status == 0

    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o600
    assert not (home / ".config").exists()


def test_a_token_that_others_can_read_is_refused_with_what_mends_it(gamefleet: Callable, home: Path) -> None:
    path = home / ".config" / "gamefleet" / "token"
    write_token(path)
    path.chmod(0o644)

    answer = gamefleet("token")

    assert answer.status == 2
    assert f"chmod 600 {path}" in answer.err


def test_a_token_goes_to_another_machine_and_to_no_command_line(
    gamefleet: Callable, home: Path, there: LocalSsh
) -> None:
    answer = gamefleet("token", "send", there.host, "--ssh-config", there.config)

    assert answer.status == 0, answer.err
    token = read_token(home / ".config" / "gamefleet" / "token")
    assert read_token(far_token(there)) == token
    assert stat.S_IMODE(far_token(there).parent.stat().st_mode) == 0o700
    assert token.text not in answer.out + answer.err
    assert not [one for one in psutil.process_iter(["cmdline"]) if token.text in " ".join(one.info["cmdline"] or [])]
    assert [path.name for path in far_token(there).parent.iterdir()] == ["token"]
    assert gamefleet("token", "send", there.host, "--ssh-config", there.config).status == 0


def test_another_token_there_is_kept_unless_it_shall_be_replaced(
    gamefleet: Callable, home: Path, there: LocalSsh
) -> None:
    theirs = write_token(far_token(there))
    words = ("token", "send", there.host, "--ssh-config", there.config)

    refused = gamefleet(*words)
    assert refused.status == 2
    assert "another token" in refused.err
    assert "--replace" in refused.err
    assert read_token(far_token(there)) == theirs

    assert gamefleet(*words, "--replace").status == 0
    assert read_token(far_token(there)) == read_token(home / ".config" / "gamefleet" / "token")


def test_a_token_can_be_fetched(gamefleet: Callable, home: Path, there: LocalSsh) -> None:
    words = ("token", "fetch", there.host, "--ssh-config", there.config)
    missing = gamefleet(*words)
    assert missing.status == 2
    assert "token send" in missing.err
    theirs = write_token(far_token(there))

    answer = gamefleet(*words)

    assert answer.status == 0, answer.err
    mine = home / ".config" / "gamefleet" / "token"
    assert read_token(mine) == theirs
    assert stat.S_IMODE(mine.stat().st_mode) == 0o600
    assert theirs.text not in answer.out
    write_token(mine, replace=True)
    refused = gamefleet(*words)
    assert "another token on this machine" in refused.err
    assert gamefleet(*words, "--replace").status == 0
    assert read_token(mine) == theirs


def test_a_machine_that_refuses_is_named_with_what_it_said(gamefleet: Callable, home: Path, there: LocalSsh) -> None:
    answer = gamefleet("token", "send", there.host, "--ssh-config", there.with_key(there.stranger))

    assert answer.status == 8
    assert "Permission denied" in answer.err


@pytest.mark.parametrize("login", ["-oProxyCommand=x", "USER@", "a b", "host;rm"])
def test_what_cannot_be_a_login_never_reaches_ssh(gamefleet: Callable, home: Path, login: str) -> None:
    assert gamefleet("token", "send", "--", login).status == 2
