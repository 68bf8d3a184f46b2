"""Battles for learning, played in the real simulator.

Job: play battles of policies of known strength and write their logs as downloaded ones would be. Place in the data
flow: battle hosts -> `raw/*.jsonl.zst` -> the parser. Left out: the command (`cli.replays_generate`), and the parser.

A line of a part is one battle in the columns of Metamon's raw replays: `id`, `format`, `formatid`, `players`, `log`,
`uploadtime`, `rating`. What a battle is follows from the seed and its number alone, and parts have a fixed number of
battles, so that a generation that was cut goes on where it stopped and ends with the same files.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from gamefleet.errors import ConfigError, GamefleetError, RunFolderError
from gamefleet.files import digest, make_folder, read_json, write_bytes, write_json
from gamefleet.games.showdown.host.grades import rating_of
from gamefleet.games.showdown.host.host import BattleHost

MANIFEST = "generated.json"
RAW = "raw"
PART_BATTLES = 500
CHUNK_BATTLES = 8
"""Battles that a host plays per line of commands: progress is seen after each of them."""

SAMPLE_BATTLES = 2
"""Battles per format that are played to estimate the rest."""

_LEVEL = 10
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateSettings:
    """What to play.

    Args:
        output_dir: Parts are written to its folder `raw`.
        max_games: Number of battles.
        formats: Singles formats of the simulator, played in turn.
        grades: Policies as the host names them; each side draws one of them for each battle.
        seed: All teams, chances and choices follow from it.
        num_workers: Simulator processes.
        hides_teams: Leave the team sheets out of the logs, as in public ladder replays.
        with_truth: Add the choices and the exact log as `inputlog` and `truth`.
        uploadtime: Seconds since 1970 that all battles bear as their time.
        part_battles: Battles per file.
    """

    output_dir: Path
    max_games: int
    formats: tuple[str, ...]
    grades: tuple[str, ...]
    seed: int = 0
    num_workers: int = 1
    hides_teams: bool = False
    with_truth: bool = False
    uploadtime: int = 0
    part_battles: int = PART_BATTLES

    def __post_init__(self) -> None:
        for name in ("max_games", "num_workers", "part_battles"):
            if getattr(self, name) < 1:
                flag = f"--{name.replace('_', '-')}"
                raise ConfigError("The number must be positive", value=getattr(self, name), where=flag)
        if not self.formats or not self.grades:
            raise ConfigError("At least one format and one policy are needed", where="--format, --policy")

    @property
    def num_parts(self) -> int:
        """Number of files."""
        return -(-self.max_games // self.part_battles)

    def identity(self) -> dict[str, Any]:
        """What the files follow from; the number of workers is none of it, and more battles may be added later."""
        shape = {"formats": list(self.formats), "grades": list(self.grades), "part_battles": self.part_battles}
        return {**shape, "seed": self.seed, "hides_teams": self.hides_teams, "with_truth": self.with_truth}


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a generation will take.

    Args:
        seconds: Of time, if the machine is as busy as now.
        num_bytes: Of disk.
        battles: That are still to be played.
    """

    seconds: float
    num_bytes: int
    battles: int


def battle_command(settings: GenerateSettings, number: int) -> Row:
    """The command for one battle."""
    name = f"{settings.seed} {number}"
    draw = random.Random(f"grades {name}")
    sides = [draw.choice(settings.grades) for _ in range(2)]
    players = [
        {"name": f"{grade} {side + 1}", "grade": grade, "rating": rating_of(grade)} for side, grade in enumerate(sides)
    ]
    keeps = {"log": True, "truth": settings.with_truth, "inputs": settings.with_truth}
    format_name = settings.formats[number % len(settings.formats)]
    command = {"do": "play", "format": format_name, "seed": name, "players": players, "keeps": keeps}
    return {**command, "showsTeams": not settings.hides_teams}


def battle_row(settings: GenerateSettings, number: int, end: Mapping[str, Any]) -> Row:
    """One line of a part from a finished battle."""
    row = {
        "id": f"{end['format']}-s{settings.seed}n{number}",
        "format": end["format"],
        "formatid": end["format"],
        "players": [player["name"] for player in end["players"]],
        "log": end["log"],
        "uploadtime": settings.uploadtime,
        "rating": min(player["rating"] for player in end["players"]),
    }
    return row | ({"inputlog": end["inputLog"], "truth": end["truth"]} if settings.with_truth else {})


def play_rows(host: BattleHost, settings: GenerateSettings, numbers: Sequence[int]) -> list[Row]:
    """Play some of the battles."""
    ends = host.ask([battle_command(settings, number) for number in numbers])
    return [battle_row(settings, number, end) for number, end in zip(numbers, ends, strict=True)]


def encode_part(rows: Sequence[Row]) -> bytes:
    """Rows as the content of a part."""
    text = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    return zstandard.ZstdCompressor(level=_LEVEL).compress(text)


def part_path(settings: GenerateSettings, part: int) -> Path:
    """Where a part is written."""
    return settings.output_dir / RAW / f"generated-{settings.seed}-{part:05d}.jsonl.zst"


def missing_parts(settings: GenerateSettings) -> list[int]:
    """Parts that are still to be played, after a look at what an earlier call with the same settings left.

    Raises:
        ConfigError: The folder was generated with other settings.
        RunFolderError: A part is not what was written.
    """
    manifest = _read_manifest(settings)
    missing = []
    for part in range(settings.num_parts):
        path, known = part_path(settings, part), manifest["parts"].get(part_path(settings, part).name)
        if known is None or not path.is_file() or known["battles"] != len(_numbers(settings, part)):
            missing.append(part)
        elif digest(path) != known["xxh3"]:
            raise RunFolderError("A part has changed since it was written", where=path, remedy="Delete it; run again.")
    return missing


def _read_manifest(settings: GenerateSettings) -> dict[str, Any]:
    path = settings.output_dir / RAW / MANIFEST
    if not path.is_file():
        return {"settings": settings.identity(), "uploadtime": settings.uploadtime, "parts": {}}
    manifest = read_json(path)
    for name, value in settings.identity().items():
        if manifest["settings"].get(name) != value:
            raise ConfigError(
                f"The folder holds battles that were generated with another {name}",
                value=value,
                where=f"{path}: {manifest['settings'].get(name)!r}",
                remedy="Choose another --output-dir, or the settings of before.",
            )
    return manifest


def _numbers(settings: GenerateSettings, part: int) -> range:
    start = part * settings.part_battles
    return range(start, min(start + settings.part_battles, settings.max_games))


def estimate(settings: GenerateSettings) -> Estimate:
    """Play a few battles to tell what all of them will take."""
    missing = missing_parts(settings)
    battles = sum(len(_numbers(settings, part)) for part in missing)
    if not battles:
        return Estimate(seconds=0, num_bytes=0, battles=0)
    count = min(len(settings.formats), settings.max_games)
    with BattleHost() as host:
        play_rows(host, settings, range(count))  # makes pools of sets and warms the process up
        start = time.perf_counter()
        numbers = range(count * SAMPLE_BATTLES)
        rows = play_rows(host, settings, numbers)
        seconds = time.perf_counter() - start
    each = len(encode_part(rows)) / len(rows)
    pace = seconds / len(rows) / settings.num_workers
    return Estimate(seconds=pace * battles, num_bytes=round(each * battles), battles=battles)


def generate(settings: GenerateSettings) -> Iterator[int]:
    """Play and write all parts that are missing.

    Yields:
        The number of battles played so far in this call.

    Raises:
        ConfigError: The folder was generated with other settings, or a format does not exist.
        WorkerError: A simulator died.
    """
    make_folder(settings.output_dir / RAW)
    manifest = _read_manifest(settings)
    settings = replace(settings, uploadtime=manifest["uploadtime"])
    desk = _Desk(settings=settings, todo=deque(missing_parts(settings)))
    num_workers = max(1, min(settings.num_workers, len(desk.todo)))
    with ThreadPoolExecutor(num_workers) as pool:
        try:
            futures = [pool.submit(_work, desk) for _ in range(num_workers)]
            yield from _collect(desk, manifest, futures)
        finally:
            desk.is_closed.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """What workers share: parts that nobody has begun, what they report, and whether to stop."""

    settings: GenerateSettings
    todo: deque[int]
    news: queue.SimpleQueue[int | tuple[int, list[Row]] | None] = field(default_factory=queue.SimpleQueue)
    is_closed: threading.Event = field(default_factory=threading.Event)


def _work(desk: _Desk) -> None:
    """One worker: a host of its own, part after part."""
    try:
        with BattleHost() as host:
            while desk.todo and not desk.is_closed.is_set():
                with suppress(IndexError):  # another worker took the last one
                    part = desk.todo.popleft()
                    _play_part(desk, host, part)
    except GamefleetError:
        desk.is_closed.set()
        raise
    finally:
        desk.news.put(None)


def _play_part(desk: _Desk, host: BattleHost, part: int) -> None:
    rows: list[Row] = []
    numbers = _numbers(desk.settings, part)
    for start in range(0, len(numbers), CHUNK_BATTLES):
        if desk.is_closed.is_set():
            return
        chunk = numbers[start : start + CHUNK_BATTLES]
        rows += play_rows(host, desk.settings, chunk)
        desk.news.put(len(chunk))
    desk.news.put((part, rows))


def _collect(desk: _Desk, manifest: dict[str, Any], futures: list[Future[None]]) -> Iterator[int]:
    played, working = 0, len(futures)
    while working:
        item = desk.news.get()
        if item is None:
            working -= 1
        elif isinstance(item, int):
            played += item
            yield played
        else:
            _write_part(desk.settings, manifest, *item)
    for future in futures:
        future.result()


def _write_part(settings: GenerateSettings, manifest: dict[str, Any], part: int, rows: list[Row]) -> None:
    path = part_path(settings, part)
    write_bytes(path, encode_part(rows))
    manifest["parts"][path.name] = {"battles": len(rows), "xxh3": digest(path)}
    write_json(path.with_name(MANIFEST), manifest)
