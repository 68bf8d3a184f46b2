"""The token: long enough, private, found in the order that is written down, and never shown by accident."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gamefleet.errors import ConfigError
from gamefleet.transport.token import Token, find_token, new_token, read_token, usual_place, write_token


def test_fresh_tokens_differ_and_are_long() -> None:
    tokens = {new_token().text for _ in range(100)}

    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 40


@pytest.mark.parametrize(
    "text", ["", "mysecrettoken", "a" * 21, "a" * 40, "with a blank in the middle of it", "ä" * 30]
)
def test_what_can_be_guessed_or_mistyped_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="gamefleet token"):
        Token(text)


def test_a_token_does_not_show_itself() -> None:
    token = new_token()

    assert token.text not in f"{token!r} {token} {[token]}"
    assert token.fingerprint in repr(token)
    assert token.fingerprint == Token(token.text).fingerprint != new_token().fingerprint


def test_what_is_derived_for_one_purpose_is_of_no_use_for_another() -> None:
    token = new_token()

    assert token.derive("one") == Token(token.text).derive("one")
    assert len({token.derive("one"), token.derive("two"), new_token().derive("one")}) == 3


def test_a_token_file_belongs_to_its_owner_from_the_first_moment(tmp_path: Path) -> None:
    path = tmp_path / "config" / "token"
    old = os.umask(0)
    try:
        token = write_token(path)
    finally:
        os.umask(old)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_token(path) == token


def test_a_shared_folder_does_not_open_the_token_to_its_group(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)

    write_token(tmp_path / "stream" / "token")

    assert stat.S_IMODE((tmp_path / "stream" / "token").stat().st_mode) == 0o600


def test_a_token_that_is_there_stays_unless_it_shall_be_replaced(tmp_path: Path) -> None:
    first = write_token(tmp_path / "token")

    assert write_token(tmp_path / "token") == first
    other = new_token()
    assert write_token(tmp_path / "token", other, replace=True) == other
    assert list(tmp_path.iterdir()) == [tmp_path / "token"]


def test_of_many_who_make_one_at_the_same_time_all_hold_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        tokens = list(threads.map(lambda _: write_token(tmp_path / "token"), range(8)))

    assert len({token.text for token in tokens}) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    write_token(tmp_path / "token")
    (tmp_path / "token").chmod(mode)

    with pytest.raises(ConfigError, match=f"chmod 600 {tmp_path}"):
        read_token(tmp_path / "token")


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe" * 30, b"x" * 100_000])
def test_a_file_that_holds_no_token_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(ConfigError, match="token"):
        read_token(path)


def test_the_first_place_that_is_named_counts(tmp_path: Path) -> None:
    names = ("asked", "variable", "home")
    tokens = {name: new_token() for name in (*names, "text")}
    files = {name: tmp_path / name for name in names}
    environ = {"HOME": str(tmp_path)}
    files["home"] = usual_place(environ)
    for name in names:
        write_token(files[name], tokens[name])

    assert find_token(None, environ) == tokens["home"]
    environ["GAMEFLEET_AUTH_TOKEN"] = tokens["text"].text
    assert find_token(None, environ) == tokens["text"]
    environ["GAMEFLEET_AUTH_TOKEN_FILE"] = str(files["variable"])
    assert find_token(None, environ) == tokens["variable"]
    assert find_token(files["asked"], environ) == tokens["asked"]


def test_without_a_token_it_is_said_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`gamefleet token` makes one"):
        find_token(None, {"HOME": str(tmp_path)})
    with pytest.raises(ConfigError, match="Set HOME"):
        find_token(None, {})
    with pytest.raises(ConfigError, match="There is no token"):
        find_token(tmp_path / "missing", {})
