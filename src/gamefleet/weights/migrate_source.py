"""Where an older program put what it has learned, and what its files say of each skill.

Job: find the checkpoint of a run, and in its files every skill's title, number and record, and networks that have files
of their own. Place in the data flow: between the reader of pickles and the migration of older runs. Left out: what a
network computes (`migrate_networks`) and what a skill is called from now on (`migrate_names`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamefleet.errors import CheckpointError
from gamefleet.weights.migrate_names import shown
from gamefleet.weights.migrate_networks import MOST_INDEX, index_of, single_expert
from gamefleet.weights.migrate_reader import read_untrusted
from gamefleet.weights.migrate_values import RefusedError

Record = tuple[str, int, Mapping[str, Any]]
"""Title, number and what else is known of a skill."""


@dataclass(frozen=True, slots=True)
class Source:
    """The places of an older run.

    Args:
        base: Its folder.
        checkpoint: The pickle with its skills; None where there are only experts.
    """

    base: Path
    checkpoint: Path | None


def locate(source: Path) -> Source:
    """Find the checkpoint of a run.

    Raises:
        CheckpointError: There is nothing.
    """
    if source.is_file():
        folder = source.parent
        return Source(folder.parent if folder.name == "checkpoints" else folder, source)
    named = [source / "checkpoint.pkl", source / "checkpoints" / "global_latest.pkl"]
    numbered = sorted(source.glob("checkpoints/successful_skill_*.pkl"), key=_number)
    checkpoints = [path for path in [*named, *reversed(numbered)] if path.is_file()]
    if not checkpoints and not list(source.glob("skills/*/expert_*_policy/params.pkl")):
        raise CheckpointError(
            "There is no older run to migrate",
            where=source,
            remedy="Name its folder, or its checkpoint.pkl.",
        )
    return Source(source, checkpoints[0] if checkpoints else None)


def _number(path: Path) -> int:
    found = re.search(r"_([0-9]{1,9})_", path.name)
    return int(found[1]) if found else -1


def records_of(value: Any) -> list[Record]:
    """Title, index and record of every skill of a checkpoint.

    Raises:
        CheckpointError: A number is impossible, or two skills have the same one.
    """
    skills = value.get("skills") if isinstance(value, Mapping) else None
    if not isinstance(skills, Mapping):
        return []
    found = []
    for place, (title, record) in enumerate(skills.items()):
        about = record if isinstance(record, Mapping) else {}
        given = [about[key] for key in ("expert_idx", "iteration") if type(about.get(key)) is int]
        index = given[0] if given else place
        if given and not 0 <= index < MOST_INDEX:
            raise _no_number(index, f"skill {shown(str(title))!r}")
        found.append((str(title), index, about))
    twice = sorted(index for index, times in Counter(index for _, index, _ in found).items() if times > 1)
    if twice:
        raise CheckpointError(
            "Two skills of the older run have the same number",
            value=twice[:20],
            remedy="Their networks cannot be told apart: migrate the run's experts from its skills/ folder.",
        )
    return found


def _no_number(index: object, where: object) -> CheckpointError:
    return CheckpointError(
        "An expert of the older run has an impossible number",
        value=index,
        where=where,
        remedy=f"Numbers go from 0 to {MOST_INDEX - 1}: give it another one in the older run's files.",
    )


def lone_networks(base: Path) -> dict[int, dict[str, Any]]:
    """Networks that have files of their own, by index.

    Raises:
        CheckpointError: A number is impossible, or a file cannot be read within the limits.
        CorruptCheckpointError: A file is damaged, or holds more than plain values.
    """
    found = {}
    for path in sorted(base.glob("skills/*/expert_*_policy/params.pkl")):
        match = re.fullmatch(r"expert_([0-9]+)_policy", path.parent.name)
        if match is None:
            continue
        try:
            index = index_of(match[1])
        except RefusedError as error:
            raise _no_number(match[1][:20], path) from error
        found[index] = single_expert(read_untrusted(path))
    return found
