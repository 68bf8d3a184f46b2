"""Versioned weights as one file: what they are, where they come from, and a checksum over all of it.

Job: the form in which weights leave a process. Place in the data flow: written from a learner or a checkpoint, read by
actors, averaging and other programs, which see a plain `.safetensors` file with texts in its header. Left out: how
snapshots travel (`transport`), and optimizer moments, which stay with their learner.

The header's metadata, all texts: `format`, `run`, `step`, `version`, `compatibility` (the hash), `compatibility_parts`
(what the hash was made of, so that a difference can be named; JSON), `provenance` (JSON) and `xxh3`, the checksum of
all other texts and of every array's name, type, shape and bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import xxhash
from numpy.typing import NDArray
from safetensors import SafetensorError

from gamefleet.errors import CheckpointError, CorruptCheckpointError, IncompatibleError
from gamefleet.files import Fence, write_bytes
from gamefleet.identity import first_difference

FORMAT = "gamefleet weights 1"
CHECKSUM = "xxh3"
ALIGNMENT_BYTES = 8

TYPES = {
    "bool": "BOOL",
    **{f"{kind}{bits}": f"{kind[0].upper()}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
}
"""Names of array types in a `.safetensors` file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Weights at one moment of learning, as they travel within a run.

    Args:
        version: Updates that made them.
        arrays: By the names of the network's `state_dict`; nobody changes them any more.
    """

    version: int
    arrays: Mapping[str, NDArray[Any]]

    @property
    def num_bytes(self) -> int:
        """Of the arrays."""
        return sum(array.nbytes for array in self.arrays.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Weights and what must be known about them outside of their run.

    Args:
        weights: The weights.
        run: Name of the run that trained them.
        step: Environment steps of that run.
        compatibility: `{"hash": ..., "parts": ...}` of game, observation, reward and architecture.
        provenance: Code version, host and whatever else may help to find out where they came from; JSON values.
    """

    weights: Weights
    run: str
    step: int
    compatibility: Mapping[str, Any]
    provenance: Mapping[str, Any] = field(default_factory=dict)


def encode(snapshot: Snapshot) -> bytes:
    """The content of a file.

    Raises:
        ValueError: There is an array that the format cannot hold, or a value that is not JSON.
    """
    return b"".join(pieces(snapshot))


def pieces(snapshot: Snapshot) -> list[bytes | memoryview]:
    """The content of a file as a header and the arrays' own memory: nothing is copied.

    Raises:
        ValueError: There is an array that the format cannot hold, or a value that is not JSON.
    """
    arrays = {name: plain(name, array) for name, array in snapshot.weights.arrays.items()}
    texts = {
        "format": FORMAT,
        "run": snapshot.run,
        "step": str(snapshot.step),
        "version": str(snapshot.weights.version),
        "compatibility": str(snapshot.compatibility["hash"]),
        "compatibility_parts": json.dumps(snapshot.compatibility["parts"], sort_keys=True, allow_nan=False),
        "provenance": json.dumps(snapshot.provenance, sort_keys=True, allow_nan=False),
    }
    # Larger types first, so that every array begins at a multiple of its item's size.
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    entries: dict[str, Any] = {"__metadata__": {**texts, CHECKSUM: checksum(arrays, texts)}}
    end = 0
    for name in names:
        array, begin = arrays[name], end
        end = begin + array.nbytes
        entries[name] = {"dtype": TYPES[array.dtype.name], "shape": array.shape, "data_offsets": [begin, end]}
    head = json.dumps(entries, separators=(",", ":")).encode()
    head += b" " * (-len(head) % ALIGNMENT_BYTES)
    return [len(head).to_bytes(8, "little") + head, *(as_bytes(arrays[name]) for name in names)]


def as_bytes(array: NDArray[Any]) -> memoryview:
    """The memory of an array in C order."""
    return array.reshape(-1).view(np.uint8).data


def plain(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array as the format stores it: little-endian, in C order.

    Raises:
        ValueError: It holds no numbers.
    """
    if array.dtype.name not in TYPES:
        raise ValueError(f"weights {name!r} are of {array.dtype}, which a snapshot cannot hold")
    # `order="C"` keeps arrays without axes as they are; `ascontiguousarray` would give them one.
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def checksum(arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> str:
    """xxh3-128 over texts and arrays, whatever their order, in hex."""
    digest = xxhash.xxh3_128()
    digest.update(json.dumps(dict(texts), sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(as_bytes(array))
    return digest.hexdigest()


def decode(data: bytes, *, where: object = None) -> Snapshot:
    """Verify and understand the content of a file.

    Args:
        data: What `encode` returned.
        where: File or peer that it came from, for errors.

    Raises:
        CorruptCheckpointError: It is damaged, or no snapshot at all.
        IncompatibleError: It is of a format that this version does not know.
    """
    try:
        # The library first: it bounds how deep a header may be nested.
        arrays, texts = safetensors.numpy.load(data), header(data)
    except (SafetensorError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise corrupt("This is no readable file of weights", where) from error
    if texts.get("format", FORMAT) != FORMAT:
        raise IncompatibleError(
            "These weights are of an unknown format",
            value=texts["format"],
            where=where,
            remedy=f"This version reads {FORMAT!r}: use the version of gamefleet that wrote them.",
        )
    if texts.pop(CHECKSUM, None) != checksum(arrays, texts):
        raise corrupt("The weights fail their checksum", where)
    try:
        return Snapshot(
            weights=Weights(version=int(texts["version"]), arrays=arrays),
            run=texts["run"],
            step=int(texts["step"]),
            compatibility={"hash": texts["compatibility"], "parts": json.loads(texts["compatibility_parts"])},
            provenance=json.loads(texts["provenance"]),
        )
    except (KeyError, ValueError, RecursionError) as error:
        raise corrupt("The file of weights lacks a part of its header", where) from error


def header(data: bytes) -> dict[str, str]:
    """The texts in the header of a `.safetensors` file.

    Raises:
        ValueError: There is no such header.
        TypeError: It is not what the format says.
        AttributeError: Likewise.
    """
    length = int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8 : 8 + length]).get("__metadata__", {}))


def corrupt(what: str, where: object) -> CorruptCheckpointError:
    """The error for damaged weights."""
    return CorruptCheckpointError(what, where=where, remedy="Copy the file again, or export it anew.")


def check_fits(snapshot: Snapshot, compatibility: Mapping[str, Any], *, where: object = None) -> None:
    """Fail unless weights fit the settings in force.

    Args:
        snapshot: The weights.
        compatibility: Ours, as in `Snapshot`.
        where: File or peer that they came from, for errors.

    Raises:
        IncompatibleError: Names the first difference.
    """
    if snapshot.compatibility["hash"] == compatibility["hash"]:
        return
    difference = first_difference(compatibility["parts"], snapshot.compatibility["parts"]) or "the hash differs"
    raise IncompatibleError(
        f"The weights of run {snapshot.run!r}, version {snapshot.weights.version}, do not fit: {difference}",
        where=where,
        remedy="Take back that setting, or use weights that were trained with these settings.",
    )


def write(path: Path, snapshot: Snapshot, *, fence: Fence | None = None) -> None:
    """Write a file, atomically.

    Raises:
        StorageFullError: No space; what lay at `path` is untouched.
        RunFolderError: The folder is missing or not writable.
    """
    write_bytes(path, encode(snapshot), fence=fence)


def read(path: Path, *, compatibility: Mapping[str, Any] | None = None) -> Snapshot:
    """Read and verify a file.

    Args:
        path: What `write` wrote.
        compatibility: Ours; None takes weights of any game and architecture.

    Raises:
        CheckpointError: There is no such file, or it cannot be opened.
        CorruptCheckpointError: It is damaged, or no snapshot at all.
        IncompatibleError: It is of another format, or the weights do not fit.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"The weights cannot be opened: {error.strerror}", where=path, remedy="Check the path."
        ) from error
    snapshot = decode(data, where=path)
    if compatibility is not None:
        check_fits(snapshot, compatibility, where=path)
    return snapshot
