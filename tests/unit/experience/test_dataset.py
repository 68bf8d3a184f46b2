"""Datasets on disk: what was added is read again, and nothing that is damaged, unfinished or forged is."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import xxhash
import zstandard
from tests.unit.experience.dataset_cases import KIND, record_of, write

from gamefleet.errors import ConfigError, GamefleetError, IncompatibleError
from gamefleet.experience.dataset import Dataset
from gamefleet.experience.dataset_format import INDEX, MANIFEST, DatasetError, RecordFacts
from gamefleet.experience.dataset_frames import learn_dictionary
from gamefleet.experience.dataset_merge import merge
from gamefleet.experience.dataset_writer import DatasetWriter
from gamefleet.experience.selection import Selection, choose


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_what_was_added_is_read_again(tmp_path: Path) -> None:
    dataset = write(tmp_path / "data")

    assert len(dataset) == 300
    assert len(dataset.manifest.shards) > 3
    for number in (0, 1, 150, 299):
        lengths = dataset.column("lengths")[number].tolist()
        assert dataset.read(number) == record_of(number, tuple(lengths))
    assert dataset.column("ratings")[5].tolist() == [1005, -1]
    assert dataset.manifest.groups == ["gen1", "gen2", "gen3"]
    assert dataset.manifest.num_decisions == dataset.column("lengths").sum()
    dataset.verify()


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two")

    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_writing_again_over_what_is_there_gives_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "data")
    before = files_of(tmp_path / "data")
    (tmp_path / "data" / ".tmp-shard-00000.bin-abc").write_bytes(b"left over by a writer that was killed")

    write(tmp_path / "data")

    assert files_of(tmp_path / "data") == before


def test_a_dataset_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, kind=KIND) as writer:
        writer.add(b"something", RecordFacts(lengths=(1, 1)))

    with pytest.raises(DatasetError, match="holds no finished dataset"):
        Dataset(tmp_path)
    with pytest.raises(DatasetError, match="does not exist"):
        Dataset(tmp_path / "nowhere")


def test_an_error_while_writing_leaves_no_half_shard(tmp_path: Path) -> None:
    def fail() -> None:
        with DatasetWriter(tmp_path, kind=KIND) as writer:
            writer.add(b"something", RecordFacts(lengths=(1, 1)))
            raise OSError("the source is gone")

    with pytest.raises(OSError, match="source is gone"):
        fail()

    assert list(tmp_path.iterdir()) == []


def test_a_dataset_without_records_can_be_opened_but_not_chosen_from(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, kind=KIND) as writer:
        writer.finish({})

    with pytest.raises(ConfigError, match="Nothing in the dataset fits"):
        choose(Dataset(tmp_path), Selection())


def test_records_of_another_kind_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "data")

    with pytest.raises(IncompatibleError, match="'synthetic 1', not 'trace 9'"):
        Dataset(tmp_path / "data", kind="trace 9")


@pytest.mark.parametrize(
    ("record", "facts"),
    [
        (b"", RecordFacts(lengths=(1, 1))),
        (b"x", RecordFacts(lengths=(1, 70_000))),
        (b"x", RecordFacts(lengths=(1, 1), ratings=(1, 40_000))),
        (b"x", RecordFacts(lengths=(1, 1), day=-2)),
    ],
)
def test_a_record_that_could_not_be_read_again_is_not_taken(tmp_path: Path, record: bytes, facts: RecordFacts) -> None:
    with DatasetWriter(tmp_path, kind=KIND) as writer, pytest.raises(DatasetError):
        writer.add(record, facts)


def like_each_other(count: int) -> list[bytes]:
    """Records that hold much of the same, as battles of the same teams do."""
    rng = np.random.default_rng(0)
    blocks = [rng.integers(0, 256, 200, np.uint8).tobytes() for _ in range(40)]
    return [b"".join(blocks[place] for place in rng.integers(0, 40, 12)) for _ in range(count)]


def written(folder: Path, records: list[bytes], dictionary: bytes) -> Dataset:
    with DatasetWriter(folder, kind=KIND, dictionary=dictionary) as writer:
        for record in records:
            writer.add(record, RecordFacts(lengths=(1, 1)))
        writer.finish({})
    return Dataset(folder)


def test_a_dictionary_keeps_what_records_have_in_common_only_once(tmp_path: Path) -> None:
    records = like_each_other(500)
    dictionary = learn_dictionary(records[:300])

    plain, small = written(tmp_path / "a", records, b""), written(tmp_path / "b", records, dictionary)

    assert [small.read(number) for number in range(500)] == records
    assert small.manifest.shards[0].bytes < 0.2 * plain.manifest.shards[0].bytes
    assert learn_dictionary(records[:300]) == dictionary, "the same sample gives the same dictionary"
    assert learn_dictionary(records[:20]) == b"", "not worth it for a few"


def test_parts_are_merged_with_their_dictionary_and_never_with_different_ones(tmp_path: Path) -> None:
    records = like_each_other(400)
    dictionary = learn_dictionary(records)
    for name, part in (("a", records[:200]), ("b", records[200:])):
        written(tmp_path / name, part, dictionary).close()
    written(tmp_path / "c", records[:10], b"").close()

    merge(tmp_path / "all", [tmp_path / "a", tmp_path / "b"], {})

    dataset = Dataset(tmp_path / "all")
    assert [dataset.read(number) for number in range(400)] == records
    dataset.verify()
    with pytest.raises(IncompatibleError, match="different dictionaries"):
        merge(tmp_path / "mixed", [tmp_path / "a", tmp_path / "c"], {})


@pytest.mark.parametrize("damage", ["cut", "gone", "changed"])
def test_a_dictionary_that_is_not_the_right_one_is_told(tmp_path: Path, damage: str) -> None:
    records = like_each_other(300)
    written(tmp_path / "data", records, learn_dictionary(records)).close()
    path = tmp_path / "data" / "dictionary.bin"
    {"cut": lambda: cut(path), "gone": path.unlink, "changed": lambda: flip(path, 999)}[damage]()

    with pytest.raises(DatasetError, match="dictionary of a dataset"):
        Dataset(tmp_path / "data")


def rewrite_index(folder: Path, change: Callable[[np.ndarray], None]) -> None:
    """A forger's work: rows are changed, and the manifest's checksum with them."""
    index = np.frombuffer((folder / "index.bin").read_bytes(), INDEX).copy()
    change(index)
    (folder / "index.bin").write_bytes(index.tobytes())
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    manifest["index"]["xxh3"] = xxhash.xxh3_128_hexdigest(index.tobytes())
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))


def rewrite_manifest(folder: Path, **changes: object) -> None:
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_bytes(msgspec.json.encode({**manifest, **changes}))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def set_all(column: str, value: int) -> Callable[[Path], None]:
    def change(index: np.ndarray) -> None:
        index[column] = value

    return lambda folder: rewrite_index(folder, change)


def link_out(folder: Path) -> None:
    shard = folder / "shard-00000.bin"
    shutil.move(shard, folder.parent / "elsewhere.bin")
    shard.symlink_to(folder.parent / "elsewhere.bin")


def replace_by_pipe(folder: Path) -> None:
    (folder / "index.bin").unlink()
    os.mkfifo(folder / "index.bin")


def shards_named(name: str) -> Callable[[Path], None]:
    return lambda folder: rewrite_manifest(
        folder, shards=[{"name": name, "bytes": (folder / "shard-00000.bin").stat().st_size, "xxh3": "0"}]
    )


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a shard that was cut": (lambda folder: cut(folder / "shard-00001.bin"), "its manifest says"),
    "a shard that is gone": (lambda folder: (folder / "shard-00001.bin").unlink(), "missing, or no plain file"),
    "a shard that is a link": (link_out, "no plain file"),
    "an index that was cut": (lambda folder: cut(folder / "index.bin"), "fails its checksum"),
    "an index with one bit changed": (lambda folder: flip(folder / "index.bin", 100), "fails its checksum"),
    "an index that is a pipe": (replace_by_pipe, "no plain file"),
    "an index that points behind a shard": (set_all("offset", 2**63), "points out of a shard"),
    "an index with huge frames": (set_all("stored", 2**32 - 1), "points out of a shard"),
    "an index with huge records": (set_all("size", 2**32 - 1), "claims a record of more than"),
    "an index that numbers no shard": (set_all("shard", 60_000), "does not exist"),
    "an index that numbers no group": (set_all("group", 60_000), "does not exist"),
    "a manifest that was cut": (lambda folder: cut(folder / MANIFEST), "cannot be read"),
    "a manifest of another version": (lambda folder: rewrite_manifest(folder, format="later"), "format 'later'"),
    "a manifest with an unknown field": (lambda folder: rewrite_manifest(folder, extra=1), "cannot be read"),
    "a manifest that counts wrongly": (lambda folder: rewrite_manifest(folder, num_records=5), "of another size"),
    "a manifest that names a file above": (shards_named("../elsewhere.bin"), "in another folder"),
    "a manifest that names an absolute path": (shards_named("/etc/passwd"), "in another folder"),
    "a manifest that is deeply nested": (
        lambda folder: (folder / MANIFEST).write_bytes(b"[" * 100_000),
        "cannot be read",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_damage_and_forgery_are_told_before_anything_is_read(tmp_path: Path, case: str) -> None:
    write(tmp_path / "data").close()
    damage, message = HOSTILE[case]
    damage(tmp_path / "data")

    with pytest.raises(GamefleetError, match=message):
        Dataset(tmp_path / "data")


def test_a_changed_bit_in_a_record_is_found_when_it_is_read_and_by_verify(tmp_path: Path) -> None:
    write(tmp_path / "data").close()
    flip(tmp_path / "data" / "shard-00000.bin", 20)
    dataset = Dataset(tmp_path / "data")

    with pytest.raises(DatasetError, match="record 0 in"):
        dataset.read(0)
    with pytest.raises(DatasetError, match="fails its checksum"):
        dataset.verify()


def test_a_shard_that_shrinks_while_it_is_open_is_an_error_and_not_the_end_of_the_process(tmp_path: Path) -> None:
    dataset = write(tmp_path / "data", shard_bytes=10**6)
    dataset.read(0)
    os.truncate(tmp_path / "data" / "shard-00000.bin", 10)

    with pytest.raises(DatasetError, match="has become shorter"):
        dataset.read(299)


def test_a_frame_that_states_more_than_its_index_asks_for_no_memory(tmp_path: Path) -> None:
    write(tmp_path / "data", shard_bytes=10**6).close()
    bomb = zstandard.ZstdCompressor().compress(bytes(10**8))
    shard = tmp_path / "data" / "shard-00000.bin"
    size = shard.stat().st_size
    assert len(bomb) < size
    shard.write_bytes(bomb + shard.read_bytes()[len(bomb) :])
    rewrite_index(tmp_path / "data", lambda index: index["stored"].__setitem__(0, len(bomb)))

    with pytest.raises(DatasetError, match="states 100000000 bytes"):
        Dataset(tmp_path / "data").read(0)


def test_each_view_is_chosen_by_its_own_players_rating(tmp_path: Path) -> None:
    dataset = write(tmp_path / "data")
    chosen = choose(dataset, Selection(min_rating=1300))

    ratings = dataset.column("ratings")[chosen.record, chosen.view]
    assert ratings.min() >= 1300
    everything = choose(dataset, Selection())
    assert len(chosen) == sum(dataset.column("ratings")[everything.record, everything.view] >= 1300)
    assert everything.length.min() >= 1


def test_groups_and_days_are_chosen(tmp_path: Path) -> None:
    dataset = write(tmp_path / "data")

    of_group = choose(dataset, Selection(groups=("gen2",)))
    assert set((of_group.record % 3).tolist()) == {1}
    of_days = choose(dataset, Selection(since_day=18_100, until_day=18_199))
    assert set(of_days.record.tolist()) <= {number for number in range(100, 200) if number % 4}
    with pytest.raises(ConfigError, match="Did you mean 'gen2'"):
        choose(dataset, Selection(groups=("gen22",)))
    with pytest.raises(ConfigError, match="highest rating is 1499"):
        choose(dataset, Selection(min_rating=9000))


def test_max_samples_counts_decisions_and_a_smaller_choice_is_part_of_a_larger_one(tmp_path: Path) -> None:
    dataset = write(tmp_path / "data")

    small, large = (choose(dataset, Selection(max_samples=number)) for number in (1_000, 5_000))

    assert 900 < small.num_decisions <= 1_000
    assert 4_900 < large.num_decisions <= 5_000
    members = {(record, view) for record, view in zip(large.record, large.view, strict=True)}
    assert {(record, view) for record, view in zip(small.record, small.view, strict=True)} <= members
    assert small.record.max() > 200, "not only the first records"


def test_what_is_set_aside_for_evaluation_is_never_trained_on(tmp_path: Path) -> None:
    dataset = write(tmp_path / "data")

    rest, aside = (choose(dataset, Selection(), holdout=(part, 20)) for part in (0, 1))

    assert not set(rest.record.tolist()) & set(aside.record.tolist())
    assert len(set(aside.record.tolist())) == 15
    assert len(rest) + len(aside) == len(choose(dataset, Selection()))
    assert rest.fingerprint != aside.fingerprint
