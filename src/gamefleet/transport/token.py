"""The one secret that machines share: how it is made, found and kept.

Job: a random text that two ends of a link must both hold, in a file that nobody else can read. Place in the data flow:
`gamefleet token` writes it; whoever opens a link finds it here, and `tls` makes certificates of it. Left out: how it
gets to another machine (`cli.token`), and what it protects (`tls`).

The secret is never sent, and never an argument of a program, where every user of a machine could read it.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gamefleet.errors import ConfigError
from gamefleet.files import TEMPORARY_PREFIX, explained, make_folder, sync_folder
from gamefleet.untrusted import NotPlainError, read_plain

FILE_VARIABLE = "GAMEFLEET_AUTH_TOKEN_FILE"
TEXT_VARIABLE = "GAMEFLEET_AUTH_TOKEN"
USUAL_PLACE = Path(".config") / "gamefleet" / "token"
"""Below the home folder, on every machine."""

MAKE_ONE = "`gamefleet token` makes one, `gamefleet token send USER@HOST` puts it on another machine."

NUM_BYTES = 32
LEAST_CHARACTERS = 22
"""128 bits at six bits a character."""

LEAST_DIFFERENT = 8
MOST_CHARACTERS = 512
_PATTERN = re.compile(r"[A-Za-z0-9_.~+/=-]+")
_SALT = b"gamefleet token 1"


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """A shared secret; does not show itself in logs or tracebacks.

    Args:
        text: As it stands in a file.

    Raises:
        ConfigError: It is shorter than 128 bits, or no plain text.
    """

    text: str

    def __post_init__(self) -> None:
        problem = _problem(self.text)
        if problem:
            raise ConfigError(f"The token {problem}", remedy=f"Use a generated one: {MAKE_ONE}")

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose, from which neither the token nor those for other purposes can be found out.

        Source: RFC 5869 (HKDF).
        """
        return HKDF(algorithm=SHA256(), length=32, salt=_SALT, info=purpose.encode()).derive(self.text.encode())

    @property
    def fingerprint(self) -> str:
        """Eight hex digits that may be shown, to see whether two machines hold the same token."""
        return self.derive("fingerprint")[:4].hex()

    def __repr__(self) -> str:
        return f"Token({self.fingerprint})"


def _problem(text: str) -> str:
    if len(text) < LEAST_CHARACTERS:
        return f"has {len(text)} characters; at least {LEAST_CHARACTERS} (128 bits) are needed, or it can be guessed"
    if len(text) > MOST_CHARACTERS or not _PATTERN.fullmatch(text):
        return f"is longer than {MOST_CHARACTERS} characters, or has some that are neither letters, digits nor _.~+/=-"
    if len(set(text)) < LEAST_DIFFERENT:
        return "repeats a few characters only, so it can be guessed"
    return ""


def new_token() -> Token:
    """A token of 256 random bits."""
    return Token("gft-" + base64.urlsafe_b64encode(secrets.token_bytes(NUM_BYTES)).decode().rstrip("="))


def usual_place(environ: Mapping[str, str]) -> Path:
    """Where this user's token lies.

    Raises:
        ConfigError: There is no home folder.
    """
    if not environ.get("HOME"):
        raise ConfigError("There is no folder for the token", where="HOME", remedy="Set HOME, or name a file.")
    return Path(environ["HOME"]) / USUAL_PLACE


def find_token(file: Path | None, environ: Mapping[str, str]) -> Token:
    """The token of this machine, from the first of these that is there.

    1. `file`; 2. the file that `GAMEFLEET_AUTH_TOKEN_FILE` names; 3. `GAMEFLEET_AUTH_TOKEN` itself; 4.
    `~/.config/gamefleet/token`.

    Raises:
        ConfigError: There is none, it is too short, or others can read its file.
    """
    if file is not None:
        return read_token(file)
    if environ.get(FILE_VARIABLE):
        return read_token(Path(environ[FILE_VARIABLE]).expanduser())
    if environ.get(TEXT_VARIABLE):
        return Token(environ[TEXT_VARIABLE].strip())
    return read_token(usual_place(environ))


def read_token(path: Path) -> Token:
    """The token in a file.

    Raises:
        ConfigError: There is no such file, others can read it, or it holds no token.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = read_plain(path.resolve(), max_bytes=4 * MOST_CHARACTERS).decode()
    except FileNotFoundError:
        raise ConfigError("There is no token", where=path, remedy=MAKE_ONE) from None
    except (OSError, NotPlainError, UnicodeDecodeError) as error:
        raise ConfigError(f"The token cannot be read: {error}", where=path, remedy=MAKE_ONE) from error
    if mode & 0o077:
        raise ConfigError(
            "Others on this machine can read the token", value=f"{mode:o}", where=path, remedy=f"chmod 600 {path}"
        )
    if problem := _problem(text.strip()):
        raise ConfigError(f"The token {problem}", where=path, remedy=f"Use a generated one: {MAKE_ONE}")
    return Token(text.strip())


def write_token(path: Path, token: Token | None = None, *, replace: bool = False) -> Token:
    """Put a token into a file that only its owner can read.

    Args:
        path: The file; its folder is made when it is missing.
        token: The token; a fresh one by default.
        replace: Write over another one. Otherwise, of several processes that write at the same time, one does.

    Returns:
        What the file now holds: another process may have been faster.

    Raises:
        ConfigError: A file is there that holds no usable token.
        StorageFullError: The disk or quota is full.
        RunFolderError: The folder is not writable.
    """
    token = token or new_token()
    make_folder(path.parent)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{secrets.token_hex(6)}")
    with explained(path):
        # Private from its first moment; a group that shares the folder does not get to read it, as other files do.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "w") as stream:
                stream.write(token.text + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            if replace:
                os.replace(temporary, path)
            else:
                _name_once(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    return read_token(path)


def _name_once(temporary: Path, path: Path) -> None:
    """Give a file its name unless the name is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError:  # file systems without hard links
        if not path.exists():
            os.replace(temporary, path)
