"""An old pickle, read by a process that has little to lose.

Job: start a Python with no environment, little memory, little time and no right to write, let it read one pickle with
`migrate_machine`, and take over what it found: arrays as `.safetensors`, everything else as JSON. Place in the data
flow: between the files of older programs and `migrate`. Left out: what the values mean, except that experts must have
numbers that a graph has room for; that is looked at in the process and once more here.

Two layers, because one might have a hole: the machine cannot call what a pickle names, and a file that makes it eat
memory or time only harms this process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from gamefleet.errors import CheckpointError, CorruptCheckpointError
from gamefleet.untrusted import NotPlainError, read_plain
from gamefleet.weights.migrate_machine import read_pickle
from gamefleet.weights.migrate_networks import experts_in
from gamefleet.weights.migrate_values import RefusedError

CAP_BYTES = 2 << 30
"""Of a pickle."""

MEMORY_BYTES, CPU_S, FILES = 8 << 30, 120, 64
"""What the reading process may use: address space, seconds of CPU time, open files."""

TIMEOUT_S = 300.0
REFUSED, ARRAY, TUPLE, BYTES = 3, "$array", "$tuple", "$bytes"


def read_untrusted(path: Path) -> Any:
    """The plain value that a pickle stands for.

    Raises:
        CheckpointError: There is no such file, or the reading process came to its limits.
        CorruptCheckpointError: It is no pickle, or holds what is not plain or an expert with an impossible number;
            nothing of it has been run.
    """
    if not path.is_file():
        raise CheckpointError("There is no such checkpoint", where=path, remedy="Check the path.")
    command = [sys.executable, "-I", "-m", "gamefleet.weights.migrate_reader", str(path.resolve())]
    try:
        found = subprocess.run(command, capture_output=True, env={}, timeout=TIMEOUT_S, check=False, cwd="/")
    except subprocess.TimeoutExpired as error:
        raise _limits(path) from error
    if found.returncode == REFUSED:
        raise _refused(found.stderr.decode(errors="replace").strip()[:300], path)
    if found.returncode != 0:
        raise _limits(path)
    value = _decode(found.stdout, path)
    try:
        experts_in(value)
    except RefusedError as error:
        raise _refused(str(error), path) from error
    return value


def _refused(what: str, path: Path) -> CorruptCheckpointError:
    return CorruptCheckpointError(
        f"This checkpoint is refused: {what}",
        where=path,
        remedy="Only numbers, texts, lists, dicts and arrays are taken, and nothing in it was run. If you trust "
        "its origin, save just the arrays and dicts with the program that wrote it.",
    )


def _limits(path: Path) -> CheckpointError:
    return CheckpointError(
        f"Reading this checkpoint took more than {MEMORY_BYTES >> 30} GiB or {CPU_S} s",
        where=path,
        remedy="It may be damaged or made to harm; checkpoints of this size are better split by the program of origin.",
    )


def _encode(value: Any) -> bytes:
    """Arrays and a JSON tree that refers to them, in one `.safetensors` file."""
    arrays: dict[str, Any] = {}
    names: dict[int, str] = {}

    def plain(one: Any) -> Any:
        if isinstance(one, np.ndarray):
            if id(one) not in names:
                names[id(one)] = str(len(names))
                arrays[names[id(one)]] = np.array(one, one.dtype.newbyteorder("="), order="C")
            return {ARRAY: names[id(one)]}
        if isinstance(one, dict):
            # Pairs, since keys may be numbers, which JSON would turn into texts.
            return {"$dict": [[plain(key), plain(inner)] for key, inner in one.items()]}
        if isinstance(one, tuple):
            return {TUPLE: [plain(inner) for inner in one]}
        if isinstance(one, bytes | bytearray):
            return {BYTES: bytes(one).hex()}
        return [plain(inner) for inner in one] if isinstance(one, list) else one

    tree = json.dumps(plain(value))
    return safetensors.numpy.save(arrays or {"": np.zeros(0, np.uint8)}, metadata={"tree": tree})


def _decode(data: bytes, where: Path) -> Any:
    try:
        arrays = safetensors.numpy.load(data)
        length = int.from_bytes(data[:8], "little")
        tree = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["tree"])
    except (SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise CorruptCheckpointError("The reading process answered nonsense", where=where) from error

    def value(one: Any) -> Any:
        if isinstance(one, list):
            return [value(inner) for inner in one]
        if not isinstance(one, dict):
            return one
        ((kind, content),) = one.items()
        if kind == ARRAY:
            return arrays[content]
        if kind == TUPLE:
            return tuple(value(inner) for inner in content)
        if kind == BYTES:
            return bytes.fromhex(content)
        return {value(key): value(inner) for key, inner in content}

    return value(tree)


def _confine() -> None:
    """Give up what reading does not need."""
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        _, hard = resource.getrlimit(kind)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (limit, limit))


def _main(path: Path) -> int:
    _confine()
    try:
        value = read_pickle(read_plain(path, max_bytes=CAP_BYTES))
        experts_in(value)
        sys.stdout.buffer.write(_encode(value))
    except (RefusedError, NotPlainError, OSError, MemoryError, RecursionError) as error:
        sys.stderr.write(f"{error or type(error).__name__}")
        return REFUSED
    return 0


if __name__ == "__main__":
    raise SystemExit(_main(Path(sys.argv[1])))
