"""The steps by which one expert joins the global mixture, and what makes them good when a crash or damage came between.

Job: write an expert's file, the generation that lists it, and the copies; find what was published and is listed by no
whole generation. Place in the data flow: under the store of experts, between experts' files and generations. Left out:
what callers see (`experts`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gamefleet.errors import CheckpointError, ConfigError, CorruptCheckpointError
from gamefleet.files import Fence, make_folder, write_bytes
from gamefleet.weights.experts_file import Expert, checked, damaged, described, from_bytes, read_file, to_bytes
from gamefleet.weights.experts_folders import holds, newest_attempts, params_path, policy_folder, skill_folder
from gamefleet.weights.experts_generations import Entry, Generation, merged, newest, numbers, publish, show_latest


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What was made whole again.

    Args:
        joined: Indices of experts that were in no whole generation and are again.
        restored: Indices of experts whose own file was gone or damaged and came back from the copy.
        problems: What nobody but the user can decide.
    """

    joined: tuple[int, ...]
    restored: tuple[int, ...]
    problems: tuple[CheckpointError | ConfigError, ...]


def merge_one(graph: Path, expert: Expert, fence: Fence | None) -> Generation:
    """The four steps of a merge; see `ExpertStore.merge`, which looks for damage first."""
    data = to_bytes(expert)
    entry = _entry(graph, expert, data)
    merged(newest(graph)[0], entry)
    _write(graph / entry.file, data)
    generation = _publish(graph, entry, fence)
    # Whoever lists a folder while others publish may not see the newest file yet: ours is known to be there.
    index = entry.facts.index
    finish(graph, newest(graph)[0].experts.get(index, generation.experts[index]))
    return generation


def check_all(graph: Path, experts: Sequence[Expert]) -> None:
    """Fail unless all of these experts can join the newest whole generation one after the other; writes nothing.

    Raises:
        CheckpointError: One contradicts another one or what was merged before.
        ConfigError: A name or number of one cannot be right.
    """
    generation = newest(graph)[0]
    for expert in experts:
        generation = merged(generation, _entry(graph, expert, to_bytes(expert)))


def finish(graph: Path, entry: Entry) -> None:
    """The last two steps, of the entry in the newest generation: a caller's expert may be an earlier attempt.

    Raises:
        CorruptCheckpointError: The expert's file is damaged.
    """
    folder = skill_folder(graph, entry.facts.index, entry.facts.skill)
    _write(params_path(folder, entry.facts.index), to_bytes(load_entry(graph, entry)))
    show_latest(graph)


def load_entry(graph: Path, entry: Entry) -> Expert:
    """Read the expert of an entry, verified against it.

    Raises:
        CorruptCheckpointError: Its file is missing, damaged, truncated, or another expert's.
    """
    path = graph / entry.file
    name = f"The expert {entry.facts.index} of skill {entry.facts.skill!r}"
    try:
        data = read_file(path)
    except CorruptCheckpointError:
        raise
    except CheckpointError as error:
        raise damaged(f"{name} is gone: {error.what}", path) from error
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise damaged(f"{name} is damaged: {_difference(data, entry)}", path)
    expert = from_bytes(data, where=path)
    if expert.facts != entry.facts or described(expert.params) != entry.arrays:
        raise damaged(f"{name} is not what its generation says", path)
    return expert


def repair(graph: Path, fence: Fence | None) -> Repair:
    """Merge what no whole generation lists, and let both files of what is listed be the same; see `ExpertStore.repair`.

    Raises:
        StorageFullError: No space.
        RunFolderError: The folder is not writable, or `fence` says no.
    """
    listed = newest(graph)[0].experts
    joined: list[int] = []
    problems: list[CheckpointError | ConfigError] = []
    for index, ((expert, path), *others) in sorted(newest_attempts(graph).items()):
        if index in listed and listed[index].facts.attempt >= expert.facts.attempt:
            continue
        try:
            _check_alone(expert, path, *(other for _, other in others))
            merge_one(graph, expert, fence)
            joined.append(index)
        except (CheckpointError, ConfigError) as error:
            problems.append(error)
    restored = [index for index in sorted(listed.keys() - joined) if _restore(graph, listed[index])]
    if listed:
        show_latest(graph)
    return Repair(joined=tuple(joined), restored=tuple(restored), problems=tuple(problems))


def _restore(graph: Path, entry: Entry) -> bool:
    """Let a listed expert's two files be the same, if one is whole; True when its own one was not."""
    path, index = graph / entry.file, entry.facts.index
    copy = params_path(skill_folder(graph, index, entry.facts.skill), index)
    for source, target in ((path, copy), (copy, path)):
        try:
            data = read_file(source)
        except CheckpointError:
            continue
        if hashlib.sha256(data).hexdigest() == entry.sha256:
            _write(target, data)
            return target == path
    return False


def _check_alone(expert: Expert, path: Path, *others: Path) -> None:
    if others:
        raise CheckpointError(
            f"Two files claim to be attempt {expert.facts.attempt} at expert {expert.facts.index}",
            where=f"{path.name} and {others[0]}",
            remedy="Move the wrong one away.",
        )


def _entry(graph: Path, expert: Expert, data: bytes) -> Entry:
    facts = checked(expert).facts
    sha256 = hashlib.sha256(data).hexdigest()
    folder = policy_folder(skill_folder(graph, facts.index, facts.skill), facts.index)
    path = folder / f"attempt_{facts.attempt}-{sha256[:12]}.safetensors"
    file = path.relative_to(graph).as_posix()
    return Entry(facts=facts, file=file, size_bytes=len(data), sha256=sha256, arrays=described(expert.params))


def _write(path: Path, data: bytes) -> None:
    """Write a file unless exactly that is there."""
    try:
        if read_file(path) == data:
            return
    except CheckpointError:  # missing or damaged: written anew
        make_folder(path.parent)
    write_bytes(path, data)


def _publish(graph: Path, entry: Entry, fence: Fence | None) -> Generation:
    while True:
        # One look decides both what to build on and the next number: a generation that another writer makes after it
        # takes that number, and is never built over.
        seen = numbers(graph)
        before, _ = newest(graph, seen)
        after = merged(before, entry)
        if after == before:
            return before
        # Above damaged ones, too: their numbers are taken.
        after = replace(after, generation=max(seen, default=0) + 1)
        if fence is not None:
            fence()
        if publish(graph, after):
            return after


def _difference(data: bytes, entry: Entry) -> str:
    """What is wrong with a file, as exactly as can be said."""
    if len(data) != entry.size_bytes:
        size = f"it holds {len(data)} bytes, its generation says {entry.size_bytes}"
    else:
        size = "it fails its checksum"
    try:
        facts = from_bytes(data).facts
    except CheckpointError:
        return size
    return holds(facts) if facts != entry.facts else size
