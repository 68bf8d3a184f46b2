"""State trees as safetensors files: nested JSON values, arrays and bytes, without pickle.

Job: turn what `export_state` returns into one self-contained file and back, equal in value, dtype and shape. Place in
the data flow: under `checkpoint`. Left out: checksums and folders.

Arrays become tensors named by their path, so that `model.safetensors` opens in any tool; everything else is JSON in the
header's metadata under `tree`, where a leaf `{"$array": name}` stands for a tensor. Integers may be of any size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from gamefleet.errors import CorruptCheckpointError

Tree = Mapping[str, Any]
TREE_KEY = "tree"


def pack(tree: Tree, metadata: Mapping[str, str] | None = None) -> bytes:
    """Encode a tree.

    Args:
        tree: Nested dicts and lists of JSON values (tuples become lists), NumPy arrays, NumPy scalars and bytes.
        metadata: More texts for the header.

    Returns:
        The content of a `.safetensors` file.

    Raises:
        TypeError: Something else is in the tree; the message names its path.
    """
    arrays: dict[str, NDArray[Any]] = {}
    skeleton = _encode(tree, (), arrays)
    return bytes(safetensors.save(arrays, {**(metadata or {}), TREE_KEY: json.dumps(skeleton)}))


def unpack(data: bytes) -> dict[str, Any]:
    """Decode what `pack` returned; the arrays own their memory and are writable.

    Raises:
        CorruptCheckpointError: The bytes are not such a file.
    """
    try:
        skeleton = json.loads(header(data)[TREE_KEY])
        decoded: dict[str, Any] = _decode(skeleton, safetensors.load(data))
    except (SafetensorError, KeyError, ValueError) as error:
        raise CorruptCheckpointError(
            "This is not a state file of gamefleet", remedy="Use another checkpoint, or start anew with --fresh."
        ) from error
    return decoded


def header(data: bytes) -> dict[str, str]:
    """The texts in the header of a `.safetensors` file.

    Raises:
        ValueError: The bytes are not such a file.
    """
    size = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    return {str(key): str(value) for key, value in metadata.items()}


def _encode(value: Any, path: tuple[str, ...], arrays: dict[str, NDArray[Any]]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {_key(key, path): _encode(item, (*path, key), arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item, (*path, str(index)), arrays) for index, item in enumerate(value)]
    if isinstance(value, bytes | bytearray):
        return {"$bytes": _add(np.frombuffer(bytes(value), np.uint8), path, arrays)}
    if isinstance(value, np.generic):
        return {"$scalar": _add(np.asarray(value), path, arrays)}
    if isinstance(value, np.ndarray):
        return {"$array": _add(value, path, arrays)}
    raise TypeError(f"A state tree cannot hold a {type(value).__name__} (at {'/'.join(path)})")


def _key(key: Any, path: tuple[str, ...]) -> str:
    if not isinstance(key, str) or key.startswith("$"):
        raise TypeError(f"Keys of a state tree are texts that do not start with '$', not {key!r} (at {'/'.join(path)})")
    return key


def _add(array: NDArray[Any], path: tuple[str, ...], arrays: dict[str, NDArray[Any]]) -> str:
    if array.dtype.kind not in "biuf":
        raise TypeError(f"A state tree cannot hold an array of {array.dtype} (at {'/'.join(path)})")
    name = "/".join(path)
    while name in arrays:  # {"a/b": ...} beside {"a": {"b": ...}}
        name += "+"
    # `order="C"` keeps 0-d arrays 0-d; safetensors writes memory as it lies and knows little-endian only.
    arrays[name] = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    return name


def _decode(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return [_decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        return arrays[value["$array"]].copy()
    if "$bytes" in value:
        return arrays[value["$bytes"]].tobytes()
    if "$scalar" in value:
        return arrays[value["$scalar"]][()]
    return {key: _decode(item, arrays) for key, item in value.items()}
