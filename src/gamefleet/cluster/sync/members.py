"""Which members of a shared folder belong to this machine.

Job: keep the list of this machine's own members beside its copy. Place in the data flow: `gamefleet actors` adds a
member when it joins; `copying` pushes those members and no others, and never overwrites them by what it pulls. Left
out: moving files.

A member belongs to this machine when the random token in its `member.json` is in the list: a folder of the same name
that another machine made has another token.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from gamefleet.errors import ConfigError
from gamefleet.files import read_json, write_json
from gamefleet.identity import MEMBER_PATTERN

OWNED_NAME = ".owned.json"


def add_own_token(local: Path, token: str) -> None:
    """Remember that the member with this token belongs to this machine.

    Raises:
        RunFolderError: The folder cannot be written.
    """
    tokens = own_tokens(local)
    if token not in tokens:
        write_json(local / OWNED_NAME, {"tokens": sorted({*tokens, token})})


def own_tokens(local: Path) -> set[str]:
    """Tokens of this machine's members; empty where there is no list, or none that can be read."""
    with suppress(OSError, ValueError):
        listed = read_json(local / OWNED_NAME).get("tokens", ())
        return {token for token in listed if isinstance(token, str)} if isinstance(listed, list) else set()
    return set()


def own_members(local: Path, named: Iterable[str] = ()) -> dict[str, str]:
    """This machine's members.

    Args:
        local: The copy of the shared folder.
        named: Ids that the user says are this machine's, whatever the list says.

    Returns:
        Token by id, in the order of ids.

    Raises:
        ConfigError: A named member is not there.
    """
    tokens, wanted = own_tokens(local), set(named)
    found = {
        path.parent.name: token
        for path in sorted((local / "members").glob("*/member.json"))
        if MEMBER_PATTERN.fullmatch(path.parent.name)
        and (token := read_token(path)) is not None
        and (token in tokens or path.parent.name in wanted)
    }
    if missing := sorted(wanted - set(found)):
        remedy = "A member has a folder with a member.json; `gamefleet actors` makes it when it first starts."
        raise ConfigError("There is no such member here", value=missing[0], where=local / "members", remedy=remedy)
    return found


def read_token(path: Path) -> str | None:
    """The token in a `member.json`; None when it cannot be read or has none."""
    with suppress(OSError, UnicodeDecodeError):
        return token_of(path.read_text())
    return None


def token_of(text: str) -> str | None:
    """The token in the text of a `member.json`; None when there is none."""
    with suppress(ValueError):
        value = json.loads(text)
        token = value.get("token") if isinstance(value, dict) else None
        return token if isinstance(token, str) and token else None
    return None
