"""Dividing raw battles into parts that can be parsed anywhere, in any order, as often as one likes.

Job: plan the parts, and turn the rows of one part into records. Place in the data flow: `sources` -> this -> packed
files. Left out: processes and jobs (`topologies.recorded.pool`), writing records (whoever calls passes in what takes
them).

A plan lists for each part which units of which files it reads. It is a file beside the output, so that every worker, on
whatever machine and after whatever accident, does the same work and gets the same bytes.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from gamefleet.errors import ConfigError, RunFolderError
from gamefleet.files import write_bytes
from gamefleet.games.recorded import Record, RecordRejected
from gamefleet.games.showdown.replays.filters import refusal
from gamefleet.games.showdown.replays.sources import Row, Unit, read_unit

PLAN: Final = "PLAN.json"
PLAN_VERSION: Final = 1
BYTES_PER_BATTLE: Final = 1_500
"""Of compressed lines, about: says how many battles a file holds that does not say so itself."""

SPREAD_UNITS: Final = 20

RATING_REASONS: Final = ("rating_unknown", "rating_too_low")
UNREADABLE: Final = "unreadable_line"
UNFIT: Final = "unfit_record"
"""A record that packed files do not take: too large, too long, or with facts that cannot be."""

FAULT: Final = "parser_fault"
FAULTS: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""A mistake of the parser's in one battle of millions is logged and counted, and costs that battle only."""

log = logging.getLogger(__name__)

Parse = Callable[[Mapping[str, Any]], Record]


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be parsed.

    Attributes:
        version: `PLAN_VERSION`.
        raw: Folder of the raw battles, absolute.
        parse: Import path of the parser and the version of what it makes, for example `module:function 3`.
        min_elo: One player of a battle has at least this rating; 0 takes all, also those without ratings.
        formats: Ids of formats; all when empty.
        parts: Units of each part.
        dictionary: xxh3 of the dictionary that parts are compressed with; empty for none. It lies beside the plan.
    """

    version: int
    raw: str
    parse: str
    min_elo: int
    formats: list[str]
    parts: list[list[Unit]]
    dictionary: str = ""

    @property
    def fingerprint(self) -> str:
        """Changes with everything that decides the output; not with where the raw folder lies, nor with the dictionary.

        The dictionary follows from the rest: it is learned once, when a folder is begun.
        """
        content = msgspec.structs.asdict(self) | {"raw": "", "dictionary": ""}
        return hashlib.blake2b(msgspec.json.encode(content), digest_size=16).hexdigest()


class PartReport(msgspec.Struct, kw_only=True):
    """What became of a part's rows.

    Attributes:
        rows: Read.
        records: Kept.
        rejects: Reason -> number left out.
    """

    rows: int = 0
    records: int = 0
    rejects: dict[str, int] = msgspec.field(default_factory=dict)

    def plus(self, other: PartReport) -> PartReport:
        """Both together."""
        rejects = Counter(self.rejects) + Counter(other.rejects)
        return PartReport(
            rows=self.rows + other.rows, records=self.records + other.records, rejects=dict(sorted(rejects.items()))
        )


def divide(units: Sequence[Unit], batch_size: int) -> list[list[Unit]]:
    """Put units together until a part has about `batch_size` battles.

    Args:
        units: In order.
        batch_size: Battles per part; a unit that has more is a part of its own.
    """
    if batch_size < 1:
        raise ConfigError("A part needs at least one battle", value=batch_size, where="--batch-size")
    parts: list[list[Unit]] = []
    room = 0
    for unit in units:
        size = unit.num_rows or max(1, unit.num_bytes // BYTES_PER_BATTLE)
        if not parts or size > room:
            parts.append([])
            room = batch_size
        parts[-1].append(unit)
        room -= size
    return parts


def settle(folder: Path, plan: Plan, learn: Callable[[Plan], str] = lambda plan: "") -> Plan:
    """Write a plan, or go on with the one that is there.

    Args:
        folder: Of the output.
        plan: Without a dictionary.
        learn: Makes a dictionary for a plan that is begun, puts it beside the plan, and returns its xxh3.

    Raises:
        ConfigError: The folder was begun with another plan.
        RunFolderError: The folder cannot be written, or its plan not read.
    """
    found = read_plan(folder)
    if found is None:
        plan = msgspec.structs.replace(plan, dictionary=learn(plan))
        write_bytes(folder / PLAN, msgspec.json.format(msgspec.json.encode(plan), indent=1) + b"\n")
        return plan
    if found.fingerprint != plan.fingerprint:
        raise ConfigError(
            f"A folder was begun with other battles or settings: {_difference(found, plan)}",
            where=folder,
            remedy="Parse into another folder, or remove this one first.",
        )
    return msgspec.structs.replace(plan, dictionary=found.dictionary)


def read_plan(folder: Path) -> Plan | None:
    """The plan of an output folder; None when it has none.

    Raises:
        RunFolderError: There is one that cannot be understood.
    """
    path = folder / PLAN
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise RunFolderError(
            f"A plan cannot be read: {error}", where=path, remedy="Remove the folder and parse again."
        ) from error


def _difference(old: Plan, fresh: Plan) -> str:
    pairs = ((name, getattr(old, name), getattr(fresh, name)) for name in ("version", "parse", "min_elo", "formats"))
    changed = [f"{name} {before!r} then, {now!r} now" for name, before, now in pairs if before != now]
    return "; ".join(changed) or "the raw files or the batch size differ"


def parse_part(plan: Plan, number: int, parse: Parse, add: Callable[[Record], None]) -> PartReport:
    """Parse one part.

    Args:
        plan: Of the output folder.
        number: Of the part.
        parse: The game's parser.
        add: Takes each record; may refuse one with `RecordRejected`.

    Raises:
        SourceError: A raw file is gone, changed or damaged.
    """
    report = PartReport()
    for unit in plan.parts[number]:
        counted = take(read_unit(Path(plan.raw), unit), parse, add, min_elo=plan.min_elo, formats=plan.formats)
        report = report.plus(counted)
    return report


def spread(plan: Plan, battles: int) -> Iterator[Row | None]:
    """About so many rows from all over a plan's files, a few of each of at most `SPREAD_UNITS` units."""
    units = list(itertools.chain.from_iterable(plan.parts))
    chosen = [units[number * len(units) // SPREAD_UNITS] for number in range(SPREAD_UNITS)]
    unlike = list(dict.fromkeys(chosen))
    for unit in unlike:
        yield from itertools.islice(read_unit(Path(plan.raw), unit), -(-battles // len(unlike)))


def take(
    rows: Iterator[Row | None],
    parse: Parse,
    add: Callable[[Record], None],
    *,
    min_elo: int = 0,
    formats: Sequence[str] = (),
) -> PartReport:
    """Parse rows, count what is left out and why, hand over the rest."""
    rejects: Counter[str] = Counter()
    report = PartReport()
    for row in rows:
        report.rows += 1
        try:
            add(_record(row, parse, min_elo, tuple(formats)))
        except RecordRejected as rejected:
            rejects[rejected.reason] += 1
        else:
            report.records += 1
    report.rejects = dict(sorted(rejects.items()))
    return report


def _record(row: Row | None, parse: Parse, min_elo: int, formats: tuple[str, ...]) -> Record:
    if row is None:
        raise RecordRejected(UNREADABLE)
    refused = refusal(row, formats=formats)
    # What a collection says of ratings is not asked here: the log's own numbers are exact.
    if refused:
        raise RecordRejected(refused)
    record = _parsed(row, parse)
    highest = max(record.ratings)
    if min_elo and highest < min_elo:
        raise RecordRejected(RATING_REASONS[highest >= 0])
    return record


def _parsed(row: Row, parse: Parse) -> Record:
    try:
        return parse(row)
    except RecordRejected:
        raise
    except FAULTS as error:
        log.warning("the parser failed at battle %s: %r", row.get("id", "without id"), error)
        raise RecordRejected(FAULT) from error
