"""Weights come back as they were, damage is found, and weights of something else are refused with the difference."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gamefleet.errors import CheckpointError, CorruptCheckpointError, IncompatibleError, RunFolderError
from gamefleet.weights.snapshot import Snapshot, Weights, decode, encode, read, write

COMPATIBILITY = {
    "hash": "ab" * 16,
    "parts": {"game": "toy 1", "observation": {}, "reward": {"badge": 5.0}, "architecture": {"hidden_size": 8}},
}
WEIGHTS = Weights(
    version=345,
    arrays={"core.weight": np.arange(12, dtype=np.float32).reshape(3, 4), "count": np.array(7, np.int64)},
)
SNAPSHOT = Snapshot(
    weights=WEIGHTS,
    run="red",
    step=12_000,
    compatibility=COMPATIBILITY,
    provenance={"host": "here", "numbers": [1, 2.5, None], "seed": 2**80},
)


def assert_same(one: Snapshot, other: Snapshot) -> None:
    assert replace(one, weights=WEIGHTS) == replace(other, weights=WEIGHTS)
    assert one.weights.version == other.weights.version
    assert sorted(one.weights.arrays) == sorted(other.weights.arrays)
    for name, array in one.weights.arrays.items():
        found = other.weights.arrays[name]
        assert (array.dtype, array.shape) == (found.dtype, found.shape)
        np.testing.assert_array_equal(array, found)


@given(
    arrays=st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
        hnp.arrays(
            st.sampled_from(["float32", "float64", "float16", "int64", "uint8", "bool"]),
            hnp.array_shapes(min_dims=0, min_side=0),
        ),
        max_size=4,
    ),
    run=st.text(max_size=8),
    version=st.integers(0, 2**63),
)
def test_any_weights_come_back_equal_in_value_type_and_shape(arrays, run: str, version: int) -> None:
    snapshot = replace(SNAPSHOT, weights=Weights(version=version, arrays=arrays), run=run)

    assert_same(decode(encode(snapshot)), snapshot)


def test_a_written_file_is_read_back(tmp_path: Path) -> None:
    write(tmp_path / "w.safetensors", SNAPSHOT)

    assert_same(read(tmp_path / "w.safetensors", compatibility=COMPATIBILITY), SNAPSHOT)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_arrays_in_any_memory_order_are_stored_by_value() -> None:
    weights = np.arange(12, dtype=np.float32).reshape(3, 4)
    arrays = {"transposed": weights.T, "strided": weights[:, ::2], "big-endian": weights.astype(">f4")}

    found = decode(encode(replace(SNAPSHOT, weights=Weights(version=1, arrays=arrays)))).weights.arrays

    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_other_programs_can_read_the_file_and_its_texts(tmp_path: Path) -> None:
    write(tmp_path / "w.safetensors", SNAPSHOT)

    with safetensors.safe_open(tmp_path / "w.safetensors", "numpy") as opened:
        np.testing.assert_array_equal(opened.get_tensor("core.weight"), WEIGHTS.arrays["core.weight"])
        texts = opened.metadata()
    assert (texts["run"], texts["step"], texts["version"]) == ("red", "12000", "345")
    assert texts["compatibility"] == "ab" * 16


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_single_flipped_bit_is_found(place: float, bit: int) -> None:
    data = bytearray(encode(SNAPSHOT))
    data[int(place * len(data))] ^= 1 << bit
    with pytest.raises((CorruptCheckpointError, IncompatibleError)):
        decode(bytes(data))


@given(st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_found_and_named(part: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.safetensors"
        write(path, SNAPSHOT)
        path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])

        with pytest.raises(CorruptCheckpointError, match=r"w\.safetensors") as caught:
            read(path)
    assert caught.value.remedy


def test_a_safetensors_file_of_another_program_is_no_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(safetensors.numpy.save({"x": np.ones(3)}))

    with pytest.raises(CorruptCheckpointError, match=r"other\.safetensors"):
        read(path)


def test_a_later_format_is_named(tmp_path: Path) -> None:
    path = tmp_path / "later.safetensors"
    path.write_bytes(safetensors.numpy.save({"x": np.ones(3)}, {"format": "gamefleet weights 2"}))

    with pytest.raises(IncompatibleError, match=r"unknown format: 'gamefleet weights 2'.*gamefleet weights 1"):
        read(path)


def test_weights_of_other_settings_name_the_first_difference(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write(path, SNAPSHOT)
    ours = {"hash": "cd" * 16, "parts": {**COMPATIBILITY["parts"], "architecture": {"hidden_size": 16}}}

    with pytest.raises(
        IncompatibleError, match=r"run 'red', version 345, .*architecture\.hidden_size: 16 here, 8 there .*w\.safe"
    ):
        read(path, compatibility=ours)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"No such file.*w\.safetensors"):
        read(tmp_path / "w.safetensors")


def test_a_missing_folder_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="nowhere"):
        write(tmp_path / "nowhere" / "w.safetensors", SNAPSHOT)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'names'.*cannot hold"):
        encode(replace(SNAPSHOT, weights=Weights(version=1, arrays={"names": np.array(["a", "b"])})))


def test_a_fence_that_refuses_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write(path, SNAPSHOT)
    kept = shutil.copy(path, tmp_path / "kept")

    def refuse() -> None:
        raise RunFolderError("Another process took over")

    with pytest.raises(RunFolderError, match="took over"):
        write(path, replace(SNAPSHOT, step=13_000), fence=refuse)
    assert path.read_bytes() == Path(kept).read_bytes()
