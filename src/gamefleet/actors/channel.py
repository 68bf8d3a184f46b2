"""Messages between a vector and one worker, and how settings travel in them.

Job: frames of one kind byte, a length and a payload over a socket pair; both sides block, nobody spins. Place in the
data flow: carries commands and restarts; observations go through shared memory instead. Left out: other machines.
"""

from __future__ import annotations

import select
import socket
import struct
from pathlib import PurePath
from typing import Any

import msgspec

from gamefleet import errors
from gamefleet.actors.steps import Restart
from gamefleet.errors import GamefleetError, WorkerError

HEADER = struct.Struct("<cQ")

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


class Channel:
    """One end of a socket pair.

    Args:
        end: A connected stream socket; the channel closes it.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        """Send one message.

        Raises:
            OSError: The other side is gone or does not read.
        """
        self._end.sendall(HEADER.pack(kind, len(payload)) + payload)

    def receive(self) -> tuple[bytes, bytes]:
        """Wait for one message.

        Raises:
            TimeoutError: Nothing came for the time set.
            ConnectionError: The other side is gone.
        """
        kind, length = HEADER.unpack(self._read(HEADER.size))
        return kind, self._read(length) if length else b""

    def set_timeout(self, seconds: float) -> None:
        """How long `send` and `receive` wait from now on."""
        self._end.settimeout(seconds)

    def wait_for_end(self) -> None:
        """Block until the other side is gone, without reading."""
        poll = select.poll()
        poll.register(self._end, 0)
        poll.poll()

    def close(self) -> None:
        """Hang up."""
        self._end.close()

    def _read(self, count: int) -> bytes:
        data = self._end.recv(count)
        while len(data) < count:
            more = self._end.recv(count - len(data))
            if not more:
                raise ConnectionError("the other side is gone")
            data += more
        return data


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
