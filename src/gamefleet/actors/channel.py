"""Messages between a vector and one worker, and how settings travel in them.

Job: say which messages there are, and put settings, restarts and refusals into them. Place in the data flow: they go
over an `experience.channel`; observations go through shared memory instead. Left out: how messages travel.
"""

from __future__ import annotations

import select
import socket
from pathlib import PurePath
from typing import Any

import msgspec

from gamefleet import errors
from gamefleet.actors.steps import Restart
from gamefleet.errors import GamefleetError, WorkerError

SETUP, ATTACH, STEP, SAVE, QUIT = b"c", b"m", b"s", b"v", b"q"
"""What a vector asks: make games, use this memory, step, save states, exit."""

SPEC, DONE, STATES, REFUSED = b"g", b"d", b"b", b"e"
"""What a worker answers: the game's spec, done, the states, an error that the user should read."""


class Setup(msgspec.Struct):
    """What a worker needs to make its games.

    Args:
        module: Import path of the module that holds the game as `PACKAGE`.
        config: The game's settings as plain JSON values.
        first_env: Row of its first game.
        num_envs: Number of its games.
    """

    module: str
    config: dict[str, Any]
    first_env: int
    num_envs: int


def wait_for_end(end: socket.socket) -> None:
    """Block until the other side of a socket pair is gone, without reading."""
    poll = select.poll()
    poll.register(end, 0)
    poll.poll()


def config_as_json(config: Any) -> dict[str, Any]:
    """A game's settings as plain JSON values."""
    value: dict[str, Any] = msgspec.to_builtins(config, enc_hook=_encode_path)
    return value


def config_from_json(value: Any, config_type: type[Any]) -> Any:
    """The settings that `config_as_json` wrote."""
    return msgspec.convert(value, config_type, dec_hook=_decode_path)


def _encode_path(value: Any) -> str:
    if isinstance(value, PurePath):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} in a game's settings")


def _decode_path(kind: type[Any], value: Any) -> Any:
    if issubclass(kind, PurePath):
        return kind(value)
    raise NotImplementedError(f"{kind.__name__} in a game's settings")


class _RestartMessage(msgspec.Struct, array_like=True):
    env: int
    seed: int
    state: bytes | None
    new_episode: bool


def encode_restarts(restarts: dict[int, Restart]) -> bytes:
    """Restarts of some games, without what only statistics need."""
    if not restarts:
        return b""
    return msgspec.msgpack.encode([(env, r.seed, r.state, r.new_episode) for env, r in restarts.items()])


def decode_restarts(payload: bytes) -> dict[int, Restart]:
    """The restarts that `encode_restarts` wrote."""
    if not payload:
        return {}
    messages = msgspec.msgpack.decode(payload, type=list[_RestartMessage])
    return {m.env: Restart(seed=m.seed, state=m.state, new_episode=m.new_episode) for m in messages}


class _Refusal(msgspec.Struct):
    kind: str
    what: str
    value: str
    where: str
    remedy: str


def encode_refusal(error: GamefleetError) -> bytes:
    """An error that the user should read, to be raised again on the other side."""
    value = "" if error.value is None else repr(error.value)
    where = "" if error.where is None else str(error.where)
    refusal = _Refusal(kind=type(error).__name__, what=error.what, value=value, where=where, remedy=error.remedy)
    return msgspec.json.encode(refusal)


def decode_refusal(payload: bytes) -> GamefleetError:
    """The error that `encode_refusal` wrote, of the same class."""
    refusal = msgspec.json.decode(payload, type=_Refusal)
    kind = getattr(errors, refusal.kind, WorkerError)
    what = f"{refusal.what}: {refusal.value}" if refusal.value else refusal.what
    error: GamefleetError = kind(what, where=refusal.where or None, remedy=refusal.remedy)
    return error
