"""Generations: which experts the global mixture consists of, as numbered files that are written once.

Job: publish the next list of experts so that of several writers exactly one does, and find the newest whole one. Place
in the data flow: between the store of experts and `checkpoints/` of a graph's folder. Left out: the experts' files.

    checkpoints/global-000000007.json   generation 7; nobody ever changes it
    checkpoints/global_latest.json      the newest one again, for people and `jq`; programs never trust it

The number is the fence: whoever wants to change the list makes the number after the newest one, and whoever finds it
taken reads again. Nothing is locked, so nothing can stay locked. A generation says nothing about the way to it: the
same experts give the same `contents`, in whatever order they came.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from gamefleet.errors import CheckpointError, CorruptCheckpointError
from gamefleet.files import create_once, make_folder, write_json
from gamefleet.untrusted import NotPlainError, read_plain
from gamefleet.weights.experts_file import SKILL_NAME, ExpertFacts

FORMAT = "gamefleet experts 1"
FOLDER, LATEST = "checkpoints", "global_latest.json"
NAME = re.compile(r"global-([0-9]{9})\.json")
FILE_NAME = re.compile(
    r"skills/[0-9]{1,9}_[A-Za-z0-9_]{1,48}/expert_[0-9]{1,9}_policy/attempt_[0-9]{1,9}-[0-9a-f]{12}\.safetensors"
)
CAP_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One expert of a generation.

    Args:
        facts: What it was trained for.
        file: Its file, below the graph's folder.
        size_bytes: Of the file.
        sha256: Of the file, in hex.
        arrays: Types and shapes by name, as `float32[8,4]`.
    """

    facts: ExpertFacts
    file: str
    size_bytes: int
    sha256: str
    arrays: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """The global mixture at one moment.

    Args:
        generation: Its number, from 1; 0 is the empty one before any merge.
        experts: By global index.
    """

    generation: int = 0
    experts: dict[int, Entry] = field(default_factory=dict)

    @property
    def contents(self) -> str:
        """sha256 over all experts, whatever the order in which they were merged."""
        return hashlib.sha256(_text(_listed(self)).encode()).hexdigest()


def as_json(generation: Generation) -> dict[str, Any]:
    """A generation as it is written."""
    return {
        "format": FORMAT,
        "generation": generation.generation,
        "contents": generation.contents,
        "experts": _listed(generation),
    }


def _listed(generation: Generation) -> list[dict[str, Any]]:
    return [asdict(generation.experts[index]) for index in sorted(generation.experts)]


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def merged(before: Generation, entry: Entry) -> Generation:
    """The mixture with one more expert; the same one where it is in already, or a later attempt is.

    Raises:
        CheckpointError: The index belongs to another skill, the skill has another index, or the same attempt is said to
            have made another expert.
    """
    facts, there = entry.facts, before.experts.get(entry.facts.index)
    for known in before.experts.values():
        if (known.facts.index == facts.index) != (known.facts.skill == facts.skill):
            raise CheckpointError(
                f"Expert {facts.index} is of skill {facts.skill!r}, but {known.facts.index} is {known.facts.skill!r}",
                where="global mixture",
                remedy="A skill keeps its index for ever: merge it under the index that it was accepted with.",
            )
    if there is None or there.facts.attempt < facts.attempt:
        return replace(before, generation=before.generation + 1, experts={**before.experts, facts.index: entry})
    if there.facts.attempt == facts.attempt and there.sha256 != entry.sha256:
        raise CheckpointError(
            f"Attempt {facts.attempt} of skill {facts.skill!r} made another expert than the one that was merged",
            where=there.file,
            remedy="Only a later attempt can replace an expert: `gamefleet skills retry SKILL` makes one.",
        )
    return before


def folder(graph: Path) -> Path:
    """Where generations lie."""
    return graph / FOLDER


def path(graph: Path, number: int) -> Path:
    """The file of a generation."""
    return folder(graph) / f"global-{number:09d}.json"


def numbers(graph: Path) -> list[int]:
    """The generations that are there, ascending."""
    try:
        names = [one.name for one in folder(graph).iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(found[1]) for name in names if (found := NAME.fullmatch(name)))


def read_generation(graph: Path, number: int) -> Generation:
    """Read and verify a generation.

    Raises:
        CorruptCheckpointError: It is missing or damaged.
    """
    where = path(graph, number)
    try:
        raw = msgspec.json.decode(read_plain(where, max_bytes=CAP_BYTES))
        entries = msgspec.convert(raw["experts"], list[Entry], strict=True)
        found = Generation(generation=raw["generation"], experts={entry.facts.index: entry for entry in entries})
        is_whole = raw["format"] == FORMAT and raw == as_json(found) and found.generation == number
    except (OSError, NotPlainError, msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise _damaged(where) from error
    if not is_whole or not all(_is_plausible(entry) for entry in entries):
        raise _damaged(where)
    return found


def _is_plausible(entry: Entry) -> bool:
    """Whether the entry's file can only lie where we put files: what is read must not depend on what is written."""
    facts = entry.facts
    begins = f"skills/{facts.index}_{facts.skill}/expert_{facts.index}_policy/attempt_{facts.attempt}-"
    names_fit = SKILL_NAME.fullmatch(facts.skill) is not None and FILE_NAME.fullmatch(entry.file) is not None
    return names_fit and entry.file.startswith(begins)


def newest(graph: Path, among: Sequence[int] | None = None) -> tuple[Generation, tuple[CorruptCheckpointError, ...]]:
    """The newest whole generation, and what is wrong with newer ones.

    Args:
        graph: The graph's folder.
        among: The generations to choose from, as `numbers` gave them before; those there now when left out.

    Returns:
        The generation, the empty one where there is none; and an error for each newer file that is damaged.
    """
    errors: list[CorruptCheckpointError] = []
    for number in reversed(numbers(graph) if among is None else among):
        try:
            return read_generation(graph, number), tuple(errors)
        except CorruptCheckpointError as error:
            errors.append(error)
    return Generation(), tuple(errors)


def publish(graph: Path, generation: Generation) -> bool:
    """Write a generation unless its number is taken.

    Returns:
        Whether this call made it, or found exactly the same: the answer to a link may get lost on a file server.

    Raises:
        StorageFullError: The disk or quota is full.
        RunFolderError: The folder is not writable.
    """
    make_folder(folder(graph))
    if create_once(path(graph, generation.generation), as_json(generation)):
        return True
    try:
        return read_generation(graph, generation.generation) == generation
    except CorruptCheckpointError:
        return False


def show_latest(graph: Path) -> None:
    """Let `global_latest.json` be the newest generation, whoever else is writing.

    Raises:
        StorageFullError: The disk or quota is full.
        RunFolderError: The folder is not writable.
    """
    while True:
        found, _ = newest(graph)
        write_json(folder(graph) / LATEST, as_json(found))
        # Another writer's newer copy may just have been replaced by ours: whoever replaces it last must have looked.
        if newest(graph)[0].generation == found.generation:
            return


def _damaged(where: Path) -> CorruptCheckpointError:
    return CorruptCheckpointError(
        "A generation of the global mixture is damaged",
        where=where,
        remedy="Leave it there: the next one is made of the one before it and of the experts in skills/.",
    )
