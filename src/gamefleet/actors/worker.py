"""A worker process: plays some of a vector's games.

Job: obey the messages of one `SharedMemoryVector` and write every step into the shared arrays. Place in the data flow:
games -> shared memory. Left out: decisions of any kind; a failing game ends the process, and the vector takes it from
there.

Started as `python -P -m gamefleet.actors.worker SOCKET MEMORY` with two inherited file descriptors.
"""

from __future__ import annotations

import faulthandler
import importlib
import mmap
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence

import msgspec

from gamefleet.actors.channel import (
    ATTACH,
    DONE,
    QUIT,
    REFUSED,
    SAVE,
    SETUP,
    SPEC,
    STATES,
    STEP,
    Setup,
    config_from_json,
    decode_restarts,
    encode_refusal,
    wait_for_end,
)
from gamefleet.actors.seats import Games, Table, make_games
from gamefleet.actors.steps import over
from gamefleet.errors import GamefleetError
from gamefleet.experience.channel import Channel
from gamefleet.games.base import GamePackage, GameSpec


class Worker:
    """The games of one worker, from set-up to the end.

    Args:
        channel: To the vector.
        memory: File descriptor of the shared block; it has its size only once the vector knows the spec.
    """

    def __init__(self, channel: Channel, memory: int) -> None:
        self._channel = channel
        self._memory = memory
        self._first_env = 0
        self._games: Games
        self._table: Table

    def obey(self) -> bool:
        """Carry out one message.

        Returns:
            False when the vector said goodbye.
        """
        kind, payload = self._channel.receive()
        if kind == STEP:
            self._table.play(decode_restarts(payload))
            self._channel.send(DONE)
        elif kind == SAVE:
            envs = msgspec.msgpack.decode(payload, type=list[int])
            self._channel.send(STATES, msgspec.msgpack.encode(self._table.save_states(envs)))
        elif kind == SETUP:
            self._channel.send(SPEC, msgspec.json.encode(self._make_games(payload)))
        elif kind == ATTACH:
            self._attach(int(payload))
            self._channel.send(DONE)
        return kind != QUIT

    def _make_games(self, payload: bytes) -> GameSpec:
        setup = msgspec.json.decode(payload, type=Setup)
        package: GamePackage = importlib.import_module(setup.module).PACKAGE
        config = config_from_json(setup.config, package.config_type)
        self._first_env = setup.first_env
        self._games = make_games(package, config, setup.num_envs)
        return self._games.spec

    def _attach(self, num_envs: int) -> None:
        arrays = over(mmap.mmap(self._memory, 0), self._games.spec, num_envs)
        self._table = self._games.seated(arrays, self._first_env)


def exit_with_parent(end: socket.socket) -> None:
    """End this process as soon as the vector's process is gone, even in the middle of a step."""
    wait_for_end(end)
    os._exit(0)


def main(arguments: Sequence[str]) -> None:
    """Serve until the vector says goodbye or is gone.

    Args:
        arguments: File descriptors of the socket and of the memory.
    """
    # Terminals and batch systems send these to every process of a job, but the vector's process decides what they mean,
    # and it needs the games for its last checkpoint.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(ignored, signal.SIG_IGN)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=False)
    end = socket.socket(fileno=int(arguments[0]))
    threading.Thread(target=exit_with_parent, args=(end,), daemon=True).start()
    channel = Channel(end)
    worker = Worker(channel, int(arguments[1]))
    try:
        while worker.obey():
            pass
    except GamefleetError as error:
        channel.send(REFUSED, encode_refusal(error))


if __name__ == "__main__":
    main(sys.argv[1:])
