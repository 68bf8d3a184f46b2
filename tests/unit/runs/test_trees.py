"""State trees come back equal in value, dtype and shape, and hold no code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gamefleet.errors import CorruptCheckpointError
from gamefleet.runs.trees import header, pack, unpack

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | arrays.arrays(arrays.boolean_dtypes() | arrays.integer_dtypes() | arrays.floating_dtypes(), arrays.array_shapes())
)
KEYS = st.text().filter(lambda key: not key.startswith("$"))
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=12)


def assert_equal(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_equal(ours[key], theirs[key])
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for here, there in zip(ours, theirs, strict=True):
            assert_equal(here, there)
    elif isinstance(ours, np.ndarray):
        assert ours.dtype.newbyteorder("=") == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
        assert ours.shape == theirs.shape
    else:
        assert ours == theirs


@settings(max_examples=40)
@given(st.dictionaries(KEYS, TREES))
def test_any_tree_survives(tree: dict[str, Any]) -> None:
    assert_equal(tree, unpack(pack(tree)))


def test_the_state_of_a_random_generator_survives_with_its_128_bit_numbers() -> None:
    generator = np.random.default_rng(5)
    generator.random(7)

    state = unpack(pack({"rng": generator.bit_generator.state}))["rng"]
    expected = generator.random(4)
    other = np.random.default_rng()
    other.bit_generator.state = state

    np.testing.assert_array_equal(other.random(4), expected)


@pytest.mark.parametrize(
    "array",
    [
        np.array(3.5, np.float16),
        np.array(True),
        np.zeros((0, 3), np.int16),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(12)[::3],
        np.array([1, 2], ">i4"),
        np.array(2**64 - 1, np.uint64),
    ],
    ids=["0-d", "0-d bool", "empty", "Fortran order", "strided", "big-endian", "uint64"],
)
def test_unusual_arrays_keep_their_shape_and_values(array: np.ndarray[Any, Any]) -> None:
    assert_equal({"x": array}, unpack(pack({"x": array})))


def test_numpy_scalars_stay_numpy_scalars() -> None:
    value = unpack(pack({"x": np.float32(0.1)}))["x"]

    assert type(value) is np.float32
    assert value == np.float32(0.1)


def test_decoded_arrays_can_be_written_to() -> None:
    array = unpack(pack({"x": np.zeros(3)}))["x"]
    array[0] = 1.0

    assert array[0] == 1.0


def test_names_that_run_into_each_other_are_kept_apart() -> None:
    tree = {"a/b": np.array([1]), "a": {"b": np.array([2])}}

    assert_equal(tree, unpack(pack(tree)))


@pytest.mark.parametrize("value", [{1, 2}, object(), np.array(["text"]), {3: "x"}, {"$array": 1}])
def test_what_needs_pickle_is_refused_with_its_path(value: object) -> None:
    with pytest.raises(TypeError, match=r"at outer/inner"):
        pack({"outer": {"inner": value}})


def test_weights_are_named_as_in_the_network_so_that_other_tools_can_read_them() -> None:
    import safetensors.numpy

    data = pack({"core.weight": np.ones((2, 2), np.float32)}, {"step": "7"})

    assert list(safetensors.numpy.load(data)) == ["core.weight"]
    assert header(data)["step"] == "7"


@pytest.mark.parametrize("data", [b"", b"{}", b"\x08\0\0\0\0\0\0\0{}      ", bytes(100)])
def test_bytes_that_are_no_tree_are_called_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptCheckpointError):
        unpack(data)
