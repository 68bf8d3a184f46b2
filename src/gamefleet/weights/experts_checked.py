"""Reading the expert of a skill's folder, held against the generation that lists it.

Job: what `experts_folders.read_policy` does, and a little more: the newest generation says which bytes an attempt has.
Place in the data flow: jobs ask before they train on what they build on. Left out: mending.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from gamefleet.errors import CheckpointError
from gamefleet.weights.experts_file import Expert, damaged, read_file
from gamefleet.weights.experts_folders import params_path, read_policy
from gamefleet.weights.experts_generations import newest


def read_checked_policy(folder: Path, index: int) -> Expert:
    """Read a skill's expert from the skill's folder, verified by its own checksum and by the newest generation.

    Args:
        folder: `GRAPH/skills/<index>_<skill>`.
        index: The skill's global number.

    Raises:
        CorruptCheckpointError: It is missing, damaged, another skill's, or not what was merged.
        IncompatibleError: It is of a format that this version does not know.
    """
    path = params_path(folder, index)
    if not path.exists():
        raise damaged(f"The expert {index} of {folder.name.partition('_')[2]} is gone", path)
    expert = read_policy(folder, index)
    entry = newest(folder.parents[1])[0].experts.get(index)
    # Of another attempt nothing is known: a merge writes the generation first, and the copy after it.
    is_listed = entry is not None and entry.facts.attempt == expert.facts.attempt
    if is_listed and entry is not None and hashlib.sha256(_bytes(path)).hexdigest() != entry.sha256:
        raise damaged(f"The expert {index} of {expert.facts.skill} is not the one that was merged", path)
    return expert


def _bytes(path: Path) -> bytes:
    try:
        return read_file(path)
    except CheckpointError as error:
        raise damaged(f"The file of an expert cannot be read: {error.what}", path) from error
