"""The program inside the sandbox: works out a Python skill's reward and success on batches of states.

Job: limit itself, import the one module that was put beside it, answer batch after batch. Place in the data flow:
started by `sandbox` under bubblewrap, which alone makes it safe; it reads states from standard input and writes
results to standard output. Left out: everything else. It imports nothing of this package, which is not there in the
sandbox.

A message is 4 bytes of length, that much JSON, and the bytes of float32 arrays that the JSON announces.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import struct
import sys
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

MODULE = "/skill.py"
LONGEST_REASON = 200


def main() -> None:
    """Answer until the other end is closed."""
    settings = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "wb")
    # What the module prints must not be taken for an answer.
    os.dup2(2, 1)
    # Whatever the module raises ends this process; the other end is told why.
    sys.excepthook = lambda kind, error, _: send(answers, {"reason": f"{kind.__name__}: {error}"[:LONGEST_REASON]}, b"")
    limit(settings["cpu_s"], settings["memory_bytes"])
    module = load()
    send(answers, {"reason": ""}, b"")
    while (question := receive(sys.stdin.buffer, len(settings["names"]))) is not None:
        send(answers, {"reason": ""}, answer(module, settings["names"], *question))


def limit(cpu_s: int, memory_bytes: int) -> None:
    """Bound this process for good: nothing of the module has run yet."""
    for kind, value in (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_NPROC, 1),
    ):
        resource.setrlimit(kind, (value, value))


def load() -> ModuleType:
    """Import the skill's module."""
    spec = importlib.util.spec_from_file_location("skill", MODULE)
    if spec is None or spec.loader is None:
        raise ImportError("there is no module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(module: ModuleType, names: list[str], now: Any, before: Any) -> bytes:
    """Reward and success of every state."""
    after, earlier = (dict(zip(names, states.T, strict=True)) for states in (now, before))
    with np.errstate(all="ignore"):
        reward = np.broadcast_to(np.asarray(module.reward(after, earlier), np.float32), len(now))
        success = np.broadcast_to(np.asarray(module.success(after, earlier)).astype(np.float32), len(now))
    return reward.tobytes() + success.tobytes()


def receive(stream: BinaryIO, num_features: int) -> tuple[Any, Any] | None:
    """(now, before), each float32[num, features]; None at the end."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    num = json.loads(stream.read(struct.unpack("<I", head)[0]))["num"]
    size = 4 * num * num_features
    parts = (stream.read(size), stream.read(size))
    now, before = (np.frombuffer(part, "<f4").reshape(num, num_features).copy() for part in parts)
    return now, before


def send(stream: BinaryIO, head: dict[str, str], body: bytes) -> None:
    """Write one message."""
    text = json.dumps(head).encode()
    stream.write(struct.pack("<I", len(text)) + text + body)
    stream.flush()


if __name__ == "__main__":
    main()
