"""A worker of a loader: reads records, decodes them and fills batches in shared memory.

Job: obey the tasks of one `Loader`. Place in the data flow: dataset -> shared memory. Left out: which pieces, and in
which order: tasks say so.

Started as `python -P -m gamefleet.experience.loader_worker SOCKET MEMORY` with two inherited file descriptors. It ends
when the loader's end of the socket is closed, which the kernel does even for a process that was killed.
"""

from __future__ import annotations

import importlib
import mmap
import signal
import socket
import sys
from pathlib import Path

import msgspec
import numpy as np

from gamefleet.errors import GamefleetError
from gamefleet.experience.channel import Channel
from gamefleet.experience.dataset import Shard
from gamefleet.experience.loader_batch import TASK_COLUMNS, Decode, Filler
from gamefleet.experience.loader_channel import DONE, READY, REFUSED, SETUP, TASK, Setup


def serve(channel: Channel, memory: int) -> None:
    """Work until the loader is gone.

    Args:
        channel: To the loader.
        memory: File descriptor of the shared block.
    """
    try:
        _serve(channel, memory)
    except GamefleetError as error:
        channel.send(REFUSED, str(error).encode())


def _serve(channel: Channel, memory: int) -> None:
    kind, payload = channel.receive()
    assert kind == SETUP
    setup = msgspec.msgpack.decode(payload, type=Setup)
    filler = Filler([Shard(Path(path), size) for path, size in setup.shards], find(setup.decode), setup.dictionary)
    block = memoryview(mmap.mmap(memory, setup.spec.num_bytes * setup.num_slots))
    size = setup.spec.num_bytes
    slots = [setup.spec.over(block[number * size : (number + 1) * size]) for number in range(setup.num_slots)]
    channel.send(READY)
    while True:
        kind, payload = channel.receive()
        assert kind == TASK
        numbers = np.frombuffer(payload, np.int64)
        filler.fill(slots[numbers[0]], numbers[1:].reshape(-1, len(TASK_COLUMNS)))
        channel.send(DONE)


def find(path: str) -> Decode:
    """The function that `module:function` names."""
    module, _, name = path.partition(":")
    found: Decode = getattr(importlib.import_module(module), name)
    return found


def main(arguments: list[str]) -> None:
    """Serve the loader at the other end of the first descriptor."""
    # Ctrl-C of the terminal is the loader's affair.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = Channel(socket.socket(fileno=int(arguments[0])))
    try:
        serve(channel, int(arguments[1]))
    except ConnectionError:  # the loader is gone: nobody waits for this any more
        return


if __name__ == "__main__":
    main(sys.argv[1:])
