"""Parts of parsed battles: made by whichever process comes first, put together once all are there.

Job: join the game's parser to the packed files. Place in the data flow: raw battles -> `parts/` -> the dataset of an
output folder. Left out: how many processes do it (`pool`, `array`).

    OUTPUT_DIR/
    ├─ dictionary.bin      learned from a sample when the plan is made; frames are compressed with it
    ├─ PLAN.json           what is parsed into which part; see `games.showdown.replays.pipeline`
    ├─ parts/part-00012/   a small dataset each; gone once they are merged
    └─ shard-*.bin index.bin MANIFEST.json   with the dictionary, the dataset, see `experience.dataset_format`

A part appears by one rename of its folder: two processes that make the same part at the same time make the same bytes,
and one of them wins.
"""

from __future__ import annotations

import errno
import importlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from gamefleet.errors import ConfigError
from gamefleet.experience.dataset_format import (
    DICTIONARY_NAME,
    INDEX,
    MANIFEST,
    DatasetError,
    Manifest,
    broken,
    read_manifest,
)
from gamefleet.experience.dataset_frames import compressor, learn_dictionary
from gamefleet.experience.dataset_merge import merge
from gamefleet.experience.dataset_writer import DatasetWriter, check_record, file_facts
from gamefleet.files import TEMPORARY_PREFIX, make_folder, remove_folder, sync_folder, write_bytes
from gamefleet.games.recorded import Record, RecordRejected
from gamefleet.games.showdown.replays.pipeline import UNFIT, PartReport, Plan, parse_part, read_plan, spread, take
from gamefleet.games.showdown.replays.sources import read_unit
from gamefleet.topologies.recorded.data import facts_of

__all__ = ["PartReport", "Plan"]
"""Said on to the modules beside this one, so that the game's pipeline is named in one place."""

PARTS = "parts"
SAMPLE_BATTLES = 800
"""That a dictionary is learned from."""


def load_plan(folder: Path) -> Plan:
    """The plan of an output folder that must have one.

    Raises:
        ConfigError: It has none.
    """
    plan = read_plan(folder)
    if plan is None:
        raise ConfigError("A folder has no plan of what to parse", where=folder, remedy="Name the raw battles.")
    return plan


def parser_of(plan: Plan) -> Callable[[Mapping[str, Any]], Record]:
    """The function that a plan parses with."""
    module, _, name = plan.parse.partition(" ")[0].partition(":")
    found: Callable[[Mapping[str, Any]], Record] = getattr(importlib.import_module(module), name)
    return found


def part_folder(folder: Path, number: int) -> Path:
    """Where a part lies."""
    return folder / PARTS / f"part-{number:05d}"


def missing_parts(folder: Path, plan: Plan) -> list[int]:
    """Numbers of the parts that are not there yet."""
    return [number for number in range(len(plan.parts)) if not (part_folder(folder, number) / MANIFEST).is_file()]


def is_merged(folder: Path, plan: Plan) -> bool:
    """Whether the dataset of this plan is finished."""
    return (folder / MANIFEST).is_file() and read_manifest(folder).facts.get("plan") == plan.fingerprint


def make_part(folder: Path, plan: Plan, number: int) -> PartReport:
    """Parse one part, unless it is there.

    Raises:
        SourceError: A raw file is gone, changed or damaged.
        StorageFullError: The disk or quota is full.
    """
    final = part_folder(folder, number)
    if (final / MANIFEST).is_file():
        return report_of(read_manifest(final))
    make_folder(final.parent)
    draft = final.with_name(f"{TEMPORARY_PREFIX}{final.name}-{secrets.token_hex(6)}")
    try:
        dictionary = dictionary_of(folder, plan)
        with DatasetWriter(draft, kind=kind_of(plan), stem="part", dictionary=dictionary) as writer:
            report = parse_part(plan, number, parser_of(plan), lambda record: _store(writer, record))
            writer.finish({"plan": plan.fingerprint, **msgspec.structs.asdict(report)})
        _place(draft, final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return report


def _store(writer: DatasetWriter, record: Record) -> None:
    facts = facts_of(record)
    try:
        check_record(record.data, facts)
    except DatasetError as error:
        raise RecordRejected(UNFIT, str(error)) from error
    writer.add(record.data, facts)


def teach(folder: Path, plan: Plan) -> str:
    """Learn a dictionary from a sample of a plan's battles and put it beside the plan; see `pipeline.settle`."""
    records: list[bytes] = []
    take(
        spread(plan, SAMPLE_BATTLES),
        parser_of(plan),
        lambda record: records.append(record.data),
        min_elo=plan.min_elo,
        formats=plan.formats,
    )
    dictionary = learn_dictionary(records)
    if not dictionary:
        return ""
    write_bytes(folder / DICTIONARY_NAME, dictionary)
    return file_facts(DICTIONARY_NAME, dictionary).xxh3


def sample(folder: Path, plan: Plan, battles: int) -> tuple[PartReport, int, float]:
    """Parse the first battles of a plan: counts, bytes that they take packed, CPU seconds."""
    units = chain.from_iterable(plan.parts)
    rows = islice(chain.from_iterable(read_unit(Path(plan.raw), unit) for unit in units), battles)
    frames, sizes, parser = compressor(dictionary_of(folder, plan)), [0], parser_of(plan)
    started = time.process_time()
    report = take(
        rows,
        parser,
        lambda record: sizes.append(len(frames.compress(record.data)) + INDEX.itemsize),
        min_elo=plan.min_elo,
        formats=plan.formats,
    )
    return report, sum(sizes), time.process_time() - started


def dictionary_of(folder: Path, plan: Plan) -> bytes:
    """The dictionary that a plan names; empty for none.

    Raises:
        DatasetError: It is missing or damaged.
    """
    if not plan.dictionary:
        return b""
    path = folder / DICTIONARY_NAME
    try:
        data = path.read_bytes()
    except OSError as error:
        raise broken(f"A dictionary cannot be read: {error.strerror}", path) from error
    if file_facts(DICTIONARY_NAME, data).xxh3 != plan.dictionary:
        raise broken("A dictionary is not the one that the plan names", path)
    return data


def _place(draft: Path, final: Path) -> None:
    try:
        os.rename(draft, final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    sync_folder(final.parent)


def kind_of(plan: Plan) -> str:
    """What records of a plan are, as `data.kind_of` says it: the parser's game, and its version."""
    name, _, version = plan.parse.partition(" ")
    return f"{name.removeprefix('gamefleet.games.').partition('.')[0]} {version}".strip()


def report_of(manifest: Manifest) -> PartReport:
    """The counts that a manifest keeps."""
    facts = manifest.facts
    return msgspec.convert({name: facts[name] for name in ("rows", "records", "rejects")}, PartReport)


def put_together(folder: Path, plan: Plan) -> Manifest:
    """Merge all parts into the dataset of the folder, and remove them.

    Raises:
        DatasetError: A part is missing or damaged.
    """
    if not is_merged(folder, plan):
        folders = [part_folder(folder, number) for number in range(len(plan.parts))]
        report = PartReport()
        for part in folders:
            report = report.plus(report_of(read_manifest(part)))
        facts = {"plan": plan.fingerprint, "min_elo": plan.min_elo, **msgspec.structs.asdict(report)}
        merge(folder, folders, facts)
    if (folder / PARTS).exists():
        remove_folder(folder / PARTS)
    return read_manifest(folder)
