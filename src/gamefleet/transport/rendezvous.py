"""Where players and viewers find each other: small files in a run's or a fleet's folder.

Job: publish and read where viewers can be reached, and the token that both sides hold. Place in the data flow: viewers
and `train` write into `RUN/stream` or `SHARED/stream`, players look there before each attempt to connect. Left out:
connecting (`topologies.streaming.ways`), and what a token is (`token`).

    DIR/stream/
    ├─ token                   mode 600
    ├─ viewer-<name>.json      one per viewer: host, port, when
    ├─ login.json              the host on which the fleet was started
    └─ standing.json           what the player of this run last said of its streaming

Others may write into a shared folder, so nothing here is believed further than that a connection is tried; whoever
answers must hold the token.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec

from gamefleet.errors import ConfigError, GamefleetError
from gamefleet.files import make_folder, write_json
from gamefleet.transport.token import Token, find_token, new_token, write_token
from gamefleet.untrusted import NotPlainError, read_plain, remove

FOLDER, TOKEN, STANDING, LOGIN = "stream", "token", "standing.json", "login.json"
ENDPOINT_NAME = re.compile(r"viewer-[A-Za-z0-9._-]{1,64}\.json")
ENDPOINT_BYTES = 4096
MOST_ENDPOINTS = 4
HOST = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}\Z"
LOOPBACK = "127.0.0.1"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a viewer can be reached.

    Args:
        host: The machine on which `port` is open, on its loopback address at least.
        port: Of the link.
        at: When it was published, seconds since 1970.
    """

    host: Annotated[str, msgspec.Meta(pattern=HOST)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    at: float = 0.0


class _LoginHost(msgspec.Struct, frozen=True, kw_only=True):
    host: Annotated[str, msgspec.Meta(pattern=HOST)]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a player last said of its streaming.

    Args:
        kind: `waiting`, `connecting`, `connected`, `refused` or `ended`.
        why: In words.
        at: Seconds since 1970.
        host: Where it plays.
    """

    kind: str
    why: str
    at: float
    host: str


def rendezvous(folder: Path) -> Path:
    """The place of a run's or a fleet's folder."""
    return folder / FOLDER


def endpoint_name(viewer: str) -> str:
    """The file of one viewer."""
    return f"viewer-{re.sub(r'[^A-Za-z0-9._-]', '-', viewer)[:64] or 'viewer'}.json"


def publish_endpoint(place: Path, viewer: str, endpoint: Endpoint) -> None:
    """Say where a viewer can be reached from the machine that is named.

    Raises:
        RunFolderError: The folder cannot be written.
    """
    make_folder(place)
    write_json(place / endpoint_name(viewer), msgspec.to_builtins(endpoint))


def withdraw_endpoint(place: Path, viewer: str) -> None:
    """The viewer is gone."""
    with suppress(OSError):
        remove(place / endpoint_name(viewer))


def endpoints(places: Iterable[Path]) -> list[Endpoint]:
    """Where viewers can be reached, the newest first; what cannot be read is left out."""
    found: list[tuple[float, Endpoint]] = []
    for place in places:
        for path in _listed(place):
            with suppress(OSError, NotPlainError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                changed = path.lstat().st_mtime
                found.append((changed, msgspec.json.decode(read_plain(path, max_bytes=ENDPOINT_BYTES), type=Endpoint)))
    newest_first = sorted(found, key=lambda pair: pair[0], reverse=True)
    return list(dict.fromkeys(endpoint for _, endpoint in newest_first))[:MOST_ENDPOINTS]


def publish_login_host(place: Path, host: str) -> None:
    """Say on which machine people log in.

    SLURM tells a job where it was submitted, which for all jobs of a chain but the first is a compute node.

    Raises:
        RunFolderError: The folder cannot be written.
    """
    make_folder(place)
    write_json(place / LOGIN, {"host": host})


def login_hosts(places: Iterable[Path]) -> list[str]:
    """The machines on which people log in, as far as anybody said."""
    found = []
    for place in places:
        with suppress(OSError, NotPlainError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found.append(msgspec.json.decode(read_plain(place / LOGIN, max_bytes=ENDPOINT_BYTES), type=_LoginHost).host)
    return found


def _listed(place: Path) -> list[Path]:
    try:
        return [place / name for name in sorted(os.listdir(place)) if ENDPOINT_NAME.fullmatch(name)]
    except OSError:
        return []


def tokens(places: Iterable[Path], environ: Mapping[str, str]) -> list[Token]:
    """The tokens that a viewer may hold, each once: those of the folders, then this user's own.

    Usually there is one. There are several after somebody mended one of them, so each deserves a try.
    """
    found = []
    for file in [*(place / TOKEN for place in places), None]:
        if file is None or file.is_file():
            with suppress(GamefleetError, OSError):
                found.append(find_token(file, {} if file is not None else environ))
    return list(dict.fromkeys(found))


def publish_token(places: Iterable[Path], environ: Mapping[str, str], own_file: Path | None) -> Token:
    """Put one token into all folders that have none; it is made when there is none anywhere.

    Args:
        places: The run's, the fleet's.
        environ: Where this user's own token is looked for.
        own_file: Where a new one is kept for this user's other runs and machines; None for nowhere.

    Raises:
        GamefleetError: The first folder cannot be written, so nobody would find it.
    """
    wanted = list(places)
    known = tokens(wanted, environ)
    token = known[0] if known else new_token()
    if not known and own_file is not None:
        with suppress(GamefleetError, OSError):  # a home that jobs may not write to
            write_token(own_file, token)
    for number, place in enumerate(wanted):
        if (place / TOKEN).exists():
            continue
        try:
            make_folder(place)
            write_token(place / TOKEN, token)
        except (GamefleetError, OSError) as error:
            if number == 0:
                raise ConfigError("The token for viewers cannot be written", where=place, remedy=str(error)) from error
    return token


def write_standing(place: Path, standing: Standing) -> None:
    """Leave word of how the streaming goes; that it cannot be left is no trouble."""
    with suppress(GamefleetError, OSError):
        make_folder(place)
        write_json(place / STANDING, msgspec.to_builtins(standing))


def read_standing(place: Path) -> Standing | None:
    """What the player last said; None when nothing can be read."""
    with suppress(OSError, NotPlainError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(read_plain(place / STANDING, max_bytes=ENDPOINT_BYTES), type=Standing)
    return None
