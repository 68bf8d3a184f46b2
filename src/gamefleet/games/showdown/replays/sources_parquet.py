"""Raw battles in parquet files, of this machine or of the hub.

Job: open such a file and read a row group. Place in the data flow: under `sources` and `origins`. Left out: what the
columns mean (`sources.canonical`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gamefleet.errors import GamefleetError, MissingDependencyError

LOG_COLUMNS: Final = ("log", "text")


class SourceError(GamefleetError):
    """A file of raw battles cannot be read."""

    exit_code = 5


def open_parquet(stream: Any, name: str) -> Any:
    """A `pyarrow.parquet.ParquetFile` over a stream that can seek.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        SourceError: It is no parquet file, or has no column with logs.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise needs_extra("pyarrow") from error
    try:
        file = pq.ParquetFile(stream, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise damaged(error, name) from error
    if not set(file.schema_arrow.names) & set(LOG_COLUMNS):
        raise SourceError(
            "A parquet file has no column with battle logs",
            value=file.schema_arrow.names,
            where=name,
            remedy=f"The column is called {' or '.join(LOG_COLUMNS)}.",
        )
    return file


def raw_rows(file: Any, group: int, name: str) -> Iterator[dict[str, Any]]:
    """The rows of one row group, by the names of its columns.

    Raises:
        SourceError: It is damaged.
    """
    import pyarrow as pa

    try:
        table = file.read_row_group(group)
        for batch in table.to_batches(max_chunksize=1000):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise damaged(error, name) from error


def damaged(error: Exception, name: str) -> Exception:
    """What to raise for an error while reading parquet: that of a disk or network below it says more itself."""
    # The library's own complaints are plain OSErrors; those of the stream below pass through it as they are.
    if isinstance(error, OSError) and type(error) is not OSError:
        return error
    return SourceError(f"A parquet file is damaged: {error}", where=name, remedy="Get it again.")


def needs_extra(package: str) -> MissingDependencyError:
    """The error for a machine without the packages of this game."""
    return MissingDependencyError(
        f"{package} is not installed", remedy='Install the game\'s packages: pip install "gamefleet[showdown]"'
    )
