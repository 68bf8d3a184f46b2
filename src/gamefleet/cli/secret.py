"""The token of a command: from options, the environment, a settings file, or the user's own file.

Job: declare the options once, and find the token in an order that never surprises. Place in the data flow: commands
that open a link. Left out: what a token is (`transport.token`) and how it gets to another machine (`cli.token`).
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamefleet.errors import ConfigError

if TYPE_CHECKING:
    from gamefleet.transport.token import Token

TokenOption = Annotated[
    str | None,
    typer.Option(
        "--auth-token",
        metavar="TOKEN",
        help="The token itself; every user of this machine can read it there. Without any of these three options it is "
        "GAMEFLEET_AUTH_TOKEN_FILE's, GAMEFLEET_AUTH_TOKEN, or that of ~/.config/gamefleet/token (`gamefleet token`).",
    ),
]
TokenFileOption = Annotated[
    Path | None, typer.Option("--auth-token-file", metavar="FILE", help="A file of mode 600 that holds the token.")
]
TokenVariableOption = Annotated[
    str,
    typer.Option(
        "--auth-token-env", metavar="NAME", help="The environment variable that holds it, if it is not empty."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What was said of the token.

    Args:
        text: On the command line.
        file: A file with nothing else in it.
        variable: Name of an environment variable.
        config: A file of settings that may hold one.
    """

    text: str | None = None
    file: Path | None = None
    variable: str = ""
    config: Path | None = None


def token_of(secret: Secret, environ: Mapping[str, str] = os.environ) -> Token:
    """The token that is meant.

    Args:
        secret: What was said of it.
        environ: Environment variables.

    Raises:
        ConfigError: There is none, there are two, or it is too short to be one.
    """
    from gamefleet.transport.token import find_token

    if secret.text and secret.file:
        raise ConfigError("--auth-token and --auth-token-file exclude each other", remedy="Leave one out.")
    if secret.text:
        warn("a token on the command line can be read by every user of this machine")
        return token_in(secret.text, "--auth-token")
    if secret.file:
        return find_token(secret.file, environ)
    if secret.variable and environ.get(secret.variable):
        return token_in(environ[secret.variable].strip(), f"the variable {secret.variable}")
    if secret.config and (written := in_settings(secret.config)):
        return token_in(written, str(secret.config))
    return usual_token(environ)


def usual_token(environ: Mapping[str, str]) -> Token:
    """The token of this machine; an error says which variable was looked at.

    Raises:
        ConfigError: There is none, or it is too short.
    """
    from gamefleet.transport.token import FILE_VARIABLE, TEXT_VARIABLE, find_token

    variable = next((name for name in (FILE_VARIABLE, TEXT_VARIABLE) if environ.get(name)), "")
    try:
        return find_token(None, environ)
    except ConfigError as error:
        if not variable:
            raise
        where = f"the variable {variable}" + (f", {error.where}" if error.where else "")
        raise ConfigError(error.what, value=error.value, where=where, remedy=error.remedy) from error


def token_in(text: str, where: str) -> Token:
    """A token that was found somewhere.

    Raises:
        ConfigError: It is none; says where it stands.
    """
    from gamefleet.transport.token import Token

    try:
        return Token(text)
    except ConfigError as error:
        raise ConfigError(error.what, where=where, remedy=error.remedy) from error


def in_settings(path: Path) -> str:
    """The token that a file of settings holds; empty when it holds none."""
    from gamefleet.topologies.foreign_config import read_secret

    written = read_secret(path)
    if written and stat.S_IMODE(path.stat().st_mode) & 0o077:
        warn(f"others on this machine can read the token in {path} (`chmod 600 {path}`)")
    return written


def warn(what: str) -> None:
    """Say what would be better."""
    print(f"gamefleet: {what}; `gamefleet token` keeps one where only you can read it.", file=sys.stderr)
