"""Where raw battles are read from: files of this machine, or the hub.

Job: list units and give the rows of one. Place in the data flow: under `download`. Left out: which rows are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from gamefleet.errors import ConfigError
from gamefleet.games.showdown.replays.hub import Collection, HubFile, opened
from gamefleet.games.showdown.replays.sources import Row, Unit, canonical, read_unit, units_of
from gamefleet.games.showdown.replays.sources_parquet import open_parquet, raw_rows


class Origin(Protocol):
    """Something that holds battles."""

    def units(self, enough: int) -> list[Unit]:
        """What can be read at a time, in a fixed order; at least `enough` battles if there are so many, 0 for all."""
        ...

    def rows(self, unit: Unit, formats: Sequence[str]) -> Iterator[Row | None]:
        """The rows of a unit; none when its columns tell that no battle is of these formats (if any are given)."""
        ...


class Files:
    """Files of this machine.

    Args:
        path: A folder with everything below it, or one file.

    Raises:
        ConfigError: There is no such file or folder.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise ConfigError("There is no such file or folder", value=str(path), where="--from")
        self._folder = path if path.is_dir() else path.parent
        self._only = "" if path.is_dir() else path.name

    def units(self, enough: int) -> list[Unit]:
        """All units; see `Origin.units`."""
        return [unit for unit in units_of(self._folder) if not self._only or unit.name == self._only]

    def rows(self, unit: Unit, formats: Sequence[str]) -> Iterator[Row | None]:
        """See `Origin.rows`."""
        return read_unit(self._folder, unit)


class Hub:
    """A data set of the hub.

    Args:
        collection: Which, and at which revision.
        spare: So many battles are listed for each that is wanted, because some are left out; 0 lists all.
    """

    def __init__(self, collection: Collection, *, spare: int = 0) -> None:
        self._collection = collection
        self._spare = spare

    def units(self, enough: int) -> list[Unit]:
        """Row groups of the files, by their footers; see `Origin.units`."""
        found: list[Unit] = []
        for file in self._collection.files:
            if enough and self._spare and sum(unit.num_rows for unit in found) >= enough * self._spare:
                break
            found += self._units_of(file)
        return found

    def rows(self, unit: Unit, formats: Sequence[str]) -> Iterator[Row | None]:
        """One row group; see `Origin.rows`."""
        file = HubFile(name=unit.name, num_bytes=unit.num_bytes)
        with opened(self._collection, file) as stream:
            parquet = open_parquet(stream, unit.name)
            if may_hold(parquet, unit.group, formats):
                yield from map(canonical, raw_rows(parquet, unit.group, unit.name))

    def _units_of(self, file: HubFile) -> list[Unit]:
        with opened(self._collection, file) as stream:
            metadata = open_parquet(stream, file.name).metadata
            return [
                Unit(
                    name=file.name,
                    num_bytes=file.num_bytes,
                    group=group,
                    num_rows=metadata.row_group(group).num_rows,
                )
                for group in range(metadata.num_row_groups)
            ]


def may_hold(parquet: Any, group: int, formats: Sequence[str]) -> bool:
    """Whether a row group has a battle of one of these formats, by its small column of formats alone."""
    columns = [name for name in ("gamemode", "formatid") if name in parquet.schema_arrow.names]
    if not formats or not columns:
        return True
    found = parquet.read_row_group(group, columns=columns[:1]).column(0).unique().to_pylist()
    return not set(formats).isdisjoint(found)
