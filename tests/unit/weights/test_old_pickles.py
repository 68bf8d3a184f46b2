"""Old pickles are read without running anything: plain values and arrays come back equal, all else is refused."""

import builtins
import codecs
import collections
import functools
import importlib
import operator
import os
import pickle
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gamefleet.errors import CheckpointError, CorruptCheckpointError
from gamefleet.weights.migrate_machine import read_pickle
from gamefleet.weights.migrate_reader import read_untrusted
from gamefleet.weights.migrate_values import RefusedError

CANARY = "canary-of-old-pickles"


class Calls:
    """Pickles to a call of anything."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


class Plain:
    """Nothing but an instance of a class."""

    def __init__(self) -> None:
        self.value = 1


def frame(body: bytes, protocol: int = 4) -> bytes:
    return b"\x80" + bytes([protocol]) + body + b"."


def text(word: str) -> bytes:
    return b"\x8c" + bytes([len(word)]) + word.encode()


def named(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def laughs() -> list[Any]:
    value: list[Any] = ["ha"]
    for _ in range(60):
        value = [value, value]
    return value


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


TOUCH = f"open('{CANARY}', 'w')"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"
"""An array before its state."""

F4 = (
    b"cnumpy\ndtype\n(" + text("f4") + b"\x89\x88tR(K\x03" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
)


def array_of(dtype: bytes, shape: bytes, data: bytes) -> bytes:
    return frame(ARRAY + b"(K\x01" + shape + dtype + b"\x89B" + len(data).to_bytes(4, "little") + data + b"tb")


EVIL: dict[str, Callable[[], bytes]] = {
    "os.system": lambda: pickle.dumps(Calls(os.system, (f"touch {CANARY}",))),
    "os.system, protocol 0": lambda: f"cposix\nsystem\n(S'touch {CANARY}'\ntR.".encode(),
    "eval": lambda: pickle.dumps(Calls(builtins.eval, (TOUCH,))),
    "exec": lambda: pickle.dumps(Calls(builtins.exec, (TOUCH,))),
    "open": lambda: pickle.dumps(Calls(builtins.open, (CANARY, "w"))),
    "getattr": lambda: pickle.dumps(Calls(getattr, ("x", "upper"))),
    "__import__": lambda: pickle.dumps(Calls(builtins.__import__, ("os",))),
    "importlib": lambda: pickle.dumps(Calls(importlib.import_module, ("os",))),
    "subprocess": lambda: pickle.dumps(Calls(subprocess.Popen, (["touch", CANARY],))),
    "partial": lambda: pickle.dumps(functools.partial(print, CANARY)),
    "attrgetter": lambda: pickle.dumps(operator.attrgetter("__class__")),
    "methodcaller": lambda: pickle.dumps(operator.methodcaller("upper")),
    "a function": lambda: pickle.dumps(os.path.join),
    "a class": lambda: pickle.dumps(Path),
    "an instance": lambda: pickle.dumps(Plain()),
    "an instance, protocol 0": lambda: pickle.dumps(Plain(), protocol=0),
    "a path": lambda: pickle.dumps(Path("x")),
    "a namespace": lambda: pickle.dumps(types.SimpleNamespace(a=1)),
    "a set": lambda: pickle.dumps({1, 2}),
    "a frozenset": lambda: pickle.dumps(frozenset([1])),
    "a complex number": lambda: pickle.dumps(1j),
    "a default dict": lambda: pickle.dumps(collections.defaultdict(list)),
    "a codec that computes": lambda: pickle.dumps(Calls(codecs.encode, ("x", "rot13"))),
    "numpy.load": lambda: frame(named("numpy", "load") + text(CANARY) + b"\x85R"),
    "numpy.fromfile": lambda: frame(named("numpy", "fromfile") + text("/etc/passwd") + b"\x85R"),
    "numpy.memmap": lambda: frame(named("numpy", "memmap") + text(CANARY) + b"\x85R"),
    "numpy.ndarray called": lambda: frame(named("numpy", "ndarray") + b"K\x02\x85R"),
    "a dotted name": lambda: frame(named("numpy", "core.multiarray._reconstruct") + b")R"),
    "a dotted way out": lambda: frame(named("numpy.core.multiarray", "os.system") + text(CANARY) + b"\x85R"),
    "jax around os.system": lambda: frame(
        named("jax._src.array", "_reconstruct_array") + b"(" + named("os", "system") + text(CANARY) + b"\x85NNtR"
    ),
    "jax around a dict": lambda: frame(
        named("jax._src.array", "_reconstruct_array") + b"(" + named("collections", "OrderedDict") + b")NNtR"
    ),
    "a FrozenDict of a list": lambda: frame(named("flax.core.frozen_dict", "FrozenDict") + b"]\x85R"),
    "a FrozenDict by its class": lambda: frame(named("flax.core.frozen_dict", "FrozenDict") + b")\x81}b"),
    "a dict from odd pairs": lambda: frame(named("collections", "OrderedDict") + b"K\x01\x85R"),
    "a call of a text": lambda: frame(text("os.system") + b")R"),
    "a call without a tuple": lambda: frame(named("collections", "OrderedDict") + b"]R"),
    "a name made of numbers": lambda: frame(b"K\x01K\x02\x93"),
    "a name by itself": lambda: frame(named("numpy", "dtype")),
    "an old-style instance": lambda: b"(ios\nsystem\n.",
    "an object by mark": lambda: frame(b"(" + named("os", "system") + text(CANARY) + b"o"),
    "an extension code": lambda: frame(b"\x82\x01"),
    "a persistent id": lambda: b"Pid\n.",
    "a persistent id on the stack": lambda: frame(text("id") + b"Q"),
    "a buffer out of band": lambda: frame(b"\x97", 5),
    "a state for a dict": lambda: frame(b"}}b"),
    "an unfinished array": lambda: frame(ARRAY),
    "an unfinished array within": lambda: frame(b"](" + ARRAY + b"e"),
    "an array of objects": lambda: pickle.dumps(np.array([Plain(), None], dtype=object)),
    "an array of records": lambda: pickle.dumps(np.zeros(2, dtype=[("a", "f4")])),
    "an array of texts": lambda: pickle.dumps(np.array(["a", "b"])),
    "an array of dates": lambda: pickle.dumps(np.array(["2020-01-01"], dtype="M8[D]")),
    "an array of complex numbers": lambda: pickle.dumps(np.zeros(2, complex)),
    "a masked array": lambda: pickle.dumps(np.ma.array([1.0], mask=[True])),
    "a random generator": lambda: pickle.dumps(np.random.default_rng(0)),
    "an array larger than its bytes": lambda: array_of(F4, b"J\xff\xff\xff\x7fK\x04\x86", b"1234"),
    "an array smaller than its bytes": lambda: array_of(F4, b"K\x00\x85", b"1234"),
    "an array of negative size": lambda: array_of(F4, b"J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86", b"1234"),
    "an array with a text as shape": lambda: array_of(F4, text("4"), b"1234"),
    "an array with true as size": lambda: array_of(F4, b"\x88\x85", b"1234"),
    "an array of a hundred axes": lambda: array_of(F4, b"(" + b"K\x01" * 100 + b"t", b"1234"),
    "an array of no type": lambda: array_of(text("f4"), b"K\x01\x85", b"1234"),
    "an array of type O": lambda: array_of(b"cnumpy\ndtype\n(" + text("O8") + b"\x89\x88tR", b"K\x01\x85", b"12345678"),
    "laughter": lambda: pickle.dumps(laughs()),
    "a list that holds itself": lambda: pickle.dumps(endless()),
    "a very deep list": lambda: frame(b"]" * 5000 + b"a" * 4999),
    "a huge integer": lambda: frame(b"\x8b" + (100_000).to_bytes(4, "little") + b"\x7f" * 100_000),
    "a huge decimal": lambda: b"I" + b"9" * 10_000 + b"\n.",
    "bytes that are not there": lambda: frame(b"\x8e" + (1 << 62).to_bytes(8, "little") + b"abc"),
    "a key that is a list": lambda: frame(b"}]K\x01s"),
    "a key that is an array": lambda: frame(b"}" + array_of(F4, b"K\x01\x85", b"1234")[2:-1] + b"K\x01s"),
    "a key without a value": lambda: frame(b"}(K\x01u"),
    "items for a number": lambda: frame(b"K\x01K\x02a"),
    "items for a text": lambda: frame(text("a") + b"(K\x01e"),
    "a missing mark": lambda: frame(b"K\x01t"),
    "a mark as a value": lambda: frame(b"]("),
    "a mark in a list": lambda: frame(b"](a"),
    "a mark in the memo": lambda: frame(b"(\x94"),
    "an empty stack": lambda: frame(b""),
    "two values": lambda: frame(b"K\x01K\x02"),
    "too many pops": lambda: frame(b"00"),
    "an unknown memory": lambda: frame(b"h\x07"),
    "an unknown instruction": lambda: b"\xff.",
    "no end": lambda: b"\x80\x04K\x01",
    "nothing": lambda: b"",
    "a text file": lambda: b"skills: wood\n",
    "a zip file": lambda: b"PK\x03\x04" + bytes(100),
    "half a pickle": lambda: pickle.dumps({"a": np.zeros(100)})[:150],
    "a wrong number": lambda: b"Iabc\n.",
    "text that is no text": lambda: frame(b"\x8c\x02\xff\xfe"),
    "a protocol of the future": lambda: frame(b"\x99\x01", 9),
}


@pytest.mark.parametrize("kind", EVIL)
def test_what_is_not_plain_is_refused_and_never_run(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = EVIL[kind]()
    before = set(sys.modules)

    with pytest.raises(RefusedError):
        read_pickle(data)

    assert list(tmp_path.iterdir()) == []
    assert set(sys.modules) - before <= {"pickletools"}


def plain_values() -> st.SearchStrategy[Any]:
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**100), 2**100),
        st.floats(),
        st.text(max_size=12),
        st.binary(max_size=12),
    )
    keys = st.one_of(st.text(max_size=5), st.integers())
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4), st.tuples(inner, inner)
        ),
        max_leaves=20,
    )


@given(value=plain_values(), protocol=st.integers(0, 5))
def test_plain_values_come_back_equal_from_every_protocol(value: Any, protocol: int) -> None:
    found = read_pickle(pickle.dumps(value, protocol=protocol))

    assert repr(found) == repr(value)


@given(
    array=hnp.arrays(
        st.sampled_from(["f2", "f4", "f8", "i1", "i4", "i8", "u1", "u8", "?", ">f4"]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    protocol=st.integers(0, 5),
    is_fortran=st.booleans(),
)
def test_arrays_come_back_equal_from_every_protocol(array: np.ndarray, protocol: int, is_fortran: bool) -> None:
    stored = np.asfortranarray(array) if is_fortran and array.ndim else array

    value = {"a": stored, "again": stored, "one": array.reshape(-1)[:1].sum()}
    found = read_pickle(pickle.dumps(value, protocol=protocol))

    assert found["a"].shape == array.shape
    assert (
        found["a"].astype(array.dtype.newbyteorder("=")).tobytes()
        == array.astype(array.dtype.newbyteorder("=")).tobytes()
    )
    assert found["again"] is found["a"]


def test_arrays_of_jax_and_frozen_dicts_come_back(require_module: Callable[[str, str], None]) -> None:
    require_module("jax", "make craftax")
    require_module("flax", "make craftax")
    import jax.numpy as jnp
    from flax.core import FrozenDict

    tree = {"params": FrozenDict({"w": jnp.arange(6.0).reshape(2, 3), "n": np.float32(2.5)}), "f": jnp.float32(3)}

    for protocol in (2, 4, 5):
        found = read_pickle(pickle.dumps(tree, protocol=protocol))
        np.testing.assert_array_equal(found["params"]["w"], np.arange(6.0).reshape(2, 3))
        assert found["params"]["n"] == 2.5
        assert found["f"] == 3


def test_another_process_reads_the_file(tmp_path: Path) -> None:
    value = {
        "skills": {"Collect Wood": {"expert_idx": 0, 3: (1, 2.5, None)}, "": [b"\x00\xff", "ü", 2**80]},
        "params": {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "empty": np.zeros((0, 3))},
    }
    (tmp_path / "checkpoint.pkl").write_bytes(pickle.dumps(value))

    found = read_untrusted(tmp_path / "checkpoint.pkl")

    assert found["skills"] == value["skills"]
    np.testing.assert_array_equal(found["params"]["w"], value["params"]["w"])
    assert found["params"]["empty"].shape == (0, 3)


def test_a_refusal_names_the_file_and_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pkl"
    path.write_bytes(pickle.dumps(Calls(os.system, (f"touch {tmp_path / CANARY}",))))

    with pytest.raises(CorruptCheckpointError, match=r"refused: posix\.system.*checkpoint\.pkl") as caught:
        read_untrusted(path)

    assert "nothing in it was run" in str(caught.value)
    assert [one.name for one in tmp_path.iterdir()] == ["checkpoint.pkl"]
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        read_untrusted(tmp_path / "other.pkl")


CONFINED = """
import os, sys
from gamefleet.weights.migrate_reader import _confine
_confine()
wrong = []
def attempt(what, act):
    try:
        act()
    except (OSError, MemoryError):
        return
    wrong.append(what)
def write():
    with open(sys.argv[1], "wb", buffering=0) as stream:
        stream.write(b"x")
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
attempt("write", write)
attempt("memory", lambda: bytearray(16 << 30))
attempt("files", lambda: [open(os.devnull) for _ in range(100)])
print(wrong)
"""


def test_the_reading_process_can_neither_write_nor_take_all_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CONFINED, str(tmp_path / "file")]

    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)

    assert result.stdout.strip() == "[]"
