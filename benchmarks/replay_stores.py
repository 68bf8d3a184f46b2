"""How large is a battle in different stores, and how fast does it come back?

Real battles are parsed and kept in each store as one record per battle. Each store then gives back views at random
places, first only the bytes of the record, then the arrays that are trained on, which is what a loader does. Rates are
decisions per CPU second of one process; stores take turns view by view, and the best of several rounds counts, because
other programs only ever make a round slower. Files are in the page cache. Sizes include indexes and, of the dataset,
the dictionary, which is 115 kB whatever the number of battles.
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from gamefleet.experience.dataset import Dataset
from gamefleet.experience.dataset_frames import learn_dictionary
from gamefleet.experience.dataset_writer import DatasetWriter
from gamefleet.games.recorded import Record, RecordRejected
from gamefleet.games.showdown import RECORDED
from gamefleet.games.showdown.replays.records import parse_raw, trajectory
from gamefleet.games.showdown.replays.sources import read_unit, units_of
from gamefleet.games.showdown.replays.trace import Trace, unpack
from table import Row, report

LONG = True

ROW_GROUP = 500
READS = {False: 200, True: 1000}
ROUNDS = {False: 5, True: 9}


class Store(Protocol):
    """One way to keep records."""

    name: str

    def write(self, folder: Path, records: Sequence[Record]) -> None:
        """Keep them."""
        ...

    def open(self, folder: Path) -> Callable[[int], Any]:
        """How a record is read by its number: to its bytes, or to a `Trace`."""
        ...


class Ours:
    """A zstd frame with checksum per battle and an index."""

    name = "gamefleet dataset (zstd frame per battle)"

    def write(self, folder: Path, records: Sequence[Record]) -> None:
        """See `Store.write`."""
        from gamefleet.topologies.recorded.data import facts_of

        dictionary = learn_dictionary([record.data for record in records[::3]])
        with DatasetWriter(folder, kind="battles", dictionary=dictionary) as writer:
            for record in records:
                writer.add(record.data, facts_of(record))
            writer.finish({})

    def open(self, folder: Path) -> Callable[[int], bytes]:
        """See `Store.open`."""
        return Dataset(folder).read


class Memmap:
    """All bytes one after the other, and offsets."""

    name = "raw memmap + offsets"

    def write(self, folder: Path, records: Sequence[Record]) -> None:
        """See `Store.write`."""
        sizes = [len(record.data) for record in records]
        (folder / "data.bin").write_bytes(b"".join(record.data for record in records))
        (folder / "offsets.bin").write_bytes(np.cumsum([0, *sizes], dtype=np.int64).tobytes())

    def open(self, folder: Path) -> Callable[[int], bytes]:
        """See `Store.open`."""
        data = np.memmap(folder / "data.bin", np.uint8, "r")
        offsets = np.fromfile(folder / "offsets.bin", np.int64).tolist()
        return lambda number: data[offsets[number] : offsets[number + 1]].tobytes()


class Parquet:
    """A binary column, zstd, row groups."""

    name = f"parquet zstd, groups of {ROW_GROUP}"

    def write(self, folder: Path, records: Sequence[Record]) -> None:
        """See `Store.write`."""
        table = pa.table({"record": [record.data for record in records]})
        pq.write_table(table, folder / "data.parquet", compression="zstd", row_group_size=ROW_GROUP)

    def open(self, folder: Path) -> Callable[[int], bytes]:
        """See `Store.open`."""
        file = pq.ParquetFile(folder / "data.parquet")

        def read(number: int) -> bytes:
            group, row = divmod(number, ROW_GROUP)
            found: bytes = file.read_row_group(group).column(0)[row].as_py()
            return found

        return read


class Ipc:
    """A binary column in an Arrow file, not compressed, mapped."""

    name = "Arrow IPC, mapped"

    def write(self, folder: Path, records: Sequence[Record]) -> None:
        """See `Store.write`."""
        table = pa.table({"record": [record.data for record in records]})
        with pa.OSFile(str(folder / "data.arrow"), "wb") as stream, pa.ipc.new_file(stream, table.schema) as writer:
            writer.write_table(table)

    def open(self, folder: Path) -> Callable[[int], bytes]:
        """See `Store.open`."""
        batch = (
            pa.ipc.open_file(pa.memory_map(str(folder / "data.arrow"))).read_all().combine_chunks().column(0).chunk(0)
        )
        return lambda number: batch[number].as_py()


class JsonPerBattle:
    """A compressed JSON file per battle, as public collections of parsed battles have it."""

    name = "JSON + zstd per battle"

    def write(self, folder: Path, records: Sequence[Record]) -> None:
        """See `Store.write`."""
        compressor = zstandard.ZstdCompressor(level=3)
        for number, record in enumerate(records):
            (folder / f"{number}.json.zst").write_bytes(compressor.compress(json.dumps(plain(record.data)).encode()))

    def open(self, folder: Path) -> Callable[[int], Trace]:
        """See `Store.open`."""
        decompressor = zstandard.ZstdDecompressor()
        return lambda number: trace_of(
            msgspec.json.decode(decompressor.decompress((folder / f"{number}.json.zst").read_bytes()))
        )


class Tar:
    """Members of a tar file; a place in it is found by its index."""

    name = "tar, not compressed"

    def write(self, folder: Path, records: Sequence[Record]) -> None:
        """See `Store.write`."""
        with tarfile.open(folder / "data.tar", "w") as archive:
            for number, record in enumerate(records):
                member = tarfile.TarInfo(f"{number}.bin")
                member.size = len(record.data)
                archive.addfile(member, io.BytesIO(record.data))

    def open(self, folder: Path) -> Callable[[int], bytes]:
        """See `Store.open`."""
        archive = tarfile.open(folder / "data.tar")  # noqa: SIM115 -- open as long as it is read
        members = archive.getmembers()

        def read(number: int) -> bytes:
            stream = archive.extractfile(members[number])
            assert stream is not None
            return stream.read()

        return read


STORES: tuple[Store, ...] = (Ours(), Memmap(), Ipc(), Parquet(), JsonPerBattle(), Tar())
ARRAYS = ("rows", "choices", "choice_flags", "teams", "corrected", "corrected_rows")


def plain(data: bytes) -> dict[str, Any]:
    """A trace as JSON values."""
    trace = unpack(data)
    arrays = {name: getattr(trace, name).tolist() for name in ARRAYS}
    return {name: arrays.get(name, getattr(trace, name)) for name in Trace.__dataclass_fields__}


def trace_of(value: Mapping[str, Any]) -> Trace:
    """What `plain` took apart."""
    types = {name: np.uint8 if name == "choice_flags" else np.int16 for name in ARRAYS}
    arrays = {name: np.array(value[name], dtype) for name, dtype in types.items()}
    empty = np.zeros((0, arrays["rows"].shape[1]), np.int16)
    if not len(arrays["corrected"]):
        arrays |= {"corrected": np.zeros((0, 2), np.int16), "corrected_rows": empty}
    return Trace(**{**value, **arrays})


def battles(folder: Path) -> Iterator[Record]:
    """Parsed battles of a raw folder."""
    for unit in units_of(folder):
        for row in read_unit(folder, unit):
            try:
                if row is not None:
                    yield parse_raw(row)
            except RecordRejected:
                continue


def seconds(read: Callable[[int], Any], number: int, view: int, *, decodes: bool) -> float:
    """CPU time to read a view."""
    started = time.process_time()
    found = read(number)
    if decodes:
        trajectory(found if isinstance(found, Trace) else unpack(found), view)
    return time.process_time() - started


def measure(records: Sequence[Record], *, is_comprehensive: bool) -> list[Row]:
    """One row per store."""
    lengths = np.array([record.lengths for record in records])
    rng = np.random.default_rng(0)
    count = READS[is_comprehensive]
    views = np.stack([rng.integers(len(records), size=count), rng.integers(2, size=count)], axis=1)
    decisions = lengths[views[:, 0], views[:, 1]]
    with tempfile.TemporaryDirectory() as name:
        sizes, reads = [], []
        for number, store in enumerate(STORES):
            folder = Path(name) / str(number)
            folder.mkdir()
            store.write(folder, records)
            sizes.append(sum(path.stat().st_size for path in folder.iterdir()) / len(records))
            reads.append(store.open(folder))
        # Stores take turns view by view, and the best of the rounds counts for each: both keep other programs out.
        best = np.full((len(STORES), 2, count), np.inf)
        for _ in range(ROUNDS[is_comprehensive]):
            for place, (record, view) in enumerate(views.tolist()):
                for number, read in enumerate(reads):
                    if isinstance(STORES[number], Parquet) and place >= count // 10:
                        continue
                    for column, decodes in enumerate((False, True)):
                        took = seconds(read, record, view, decodes=decodes)
                        best[number, column, place] = min(took, best[number, column, place])
    is_read = np.isfinite(best)
    rates = (decisions * is_read).sum(axis=2) / np.where(is_read, best, 0).sum(axis=2)
    return [
        {
            "store": store.name,
            "bytes per battle": round(sizes[number]),
            "times ours": sizes[number] / sizes[0],
            "decisions/CPU-s, record only": round(rates[number, 0]),
            "decisions/CPU-s, as trained on": round(rates[number, 1]),
            "of the fastest": rates[number, 1] / rates[:, 1].max(),
        }
        for number, store in enumerate(STORES)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--comprehensive", action="store_true")
    parser.add_argument("--raw", type=Path, default=RECORDED.embedded, help="raw battles; the embedded ones by default")
    options = parser.parse_args()
    records = list(battles(options.raw))
    print(f"{len(records)} battles, {sum(map(sum, (record.lengths for record in records)))} decisions")
    rows = measure(records, is_comprehensive=options.comprehensive)
    report(
        "replay_stores",
        "How large is a battle in different stores, and how fast does it come back?",
        rows,
        options.write,
    )


if __name__ == "__main__":
    main()
