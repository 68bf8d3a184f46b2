"""Where a command looks for its token, and what it says of places that others can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from gamefleet.cli.secret import Secret, token_of
from gamefleet.errors import ConfigError
from gamefleet.transport.token import FILE_VARIABLE, TEXT_VARIABLE, new_token, usual_place, write_token


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home")}


def test_the_nearest_place_wins(tmp_path: Path, environ: dict[str, str]) -> None:
    ours, file, variable, settings, own, told = (new_token() for _ in range(6))
    write_token(usual_place(environ), ours)
    write_token(tmp_path / "token", file)
    config = tmp_path / "split.toml"
    config.write_text(f'[network]\nauth_token = "{settings.text}"\n')
    config.chmod(0o600)

    assert token_of(Secret(), environ) == ours
    assert token_of(Secret(), {**environ, TEXT_VARIABLE: variable.text}) == variable
    assert token_of(Secret(), {**environ, FILE_VARIABLE: str(tmp_path / "token")}) == file
    assert token_of(Secret(config=config), {**environ, TEXT_VARIABLE: variable.text}) == settings
    named = {**environ, "AUTH_TOKEN": own.text}
    assert token_of(Secret(config=config, variable="AUTH_TOKEN"), named) == own
    assert token_of(Secret(config=config, file=tmp_path / "token", variable="AUTH_TOKEN"), named) == file
    assert token_of(Secret(text=told.text, config=config), named) == told


def test_an_empty_variable_is_none(environ: dict[str, str]) -> None:
    ours = write_token(usual_place(environ))

    assert token_of(Secret(variable="AUTH_TOKEN"), {**environ, "AUTH_TOKEN": ""}) == ours
    assert token_of(Secret(variable="AUTH_TOKEN"), environ) == ours


def test_a_token_where_others_can_read_it_works_and_warns_without_showing_it(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    token = new_token()
    assert token_of(Secret(text=token.text), environ) == token
    on_the_line = capsys.readouterr().err

    config = tmp_path / "split.toml"
    config.write_text(f'auth_token = "{token.text}"\n')
    config.chmod(0o644)
    assert token_of(Secret(config=config), environ) == token
    in_a_file = capsys.readouterr().err

    for said in (on_the_line, in_a_file):
        assert "`gamefleet token`" in said
        assert token.text not in said
    assert "every user of this machine" in on_the_line
    assert f"chmod 600 {config}" in in_a_file


def test_a_short_token_is_refused_with_the_command_that_makes_a_good_one(environ: dict[str, str]) -> None:
    for secret, more in ((Secret(text="mysecrettoken"), {}), (Secret(variable="A"), {"A": "mysecrettoken"})):
        with pytest.raises(ConfigError, match="13 characters") as refusal:
            token_of(secret, {**environ, **more})
        assert "`gamefleet token` makes one" in str(refusal.value)
        assert "mysecrettoken" not in str(refusal.value)


def test_no_token_at_all_and_two_of_them_are_refused(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="`gamefleet token` makes one"):
        token_of(Secret(), environ)
    with pytest.raises(ConfigError, match="exclude each other"):
        token_of(Secret(text="x", file=tmp_path), environ)


@pytest.mark.parametrize(
    ("secret", "variables", "named"),
    [
        (Secret(text="short"), {}, "--auth-token"),
        (Secret(variable="AUTH_TOKEN"), {"AUTH_TOKEN": "mysecrettoken"}, "the variable AUTH_TOKEN"),
        (Secret(), {TEXT_VARIABLE: "short"}, TEXT_VARIABLE),
        (Secret(), {FILE_VARIABLE: "/nonexistent"}, f"{FILE_VARIABLE}, /nonexistent"),
    ],
)
def test_a_token_that_is_none_is_refused_with_the_place_where_it_stands(
    environ: dict[str, str], secret: Secret, variables: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        token_of(secret, {**environ, **variables})

    assert named in str(refused.value)
