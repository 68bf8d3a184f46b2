"""Where experts lie below a graph's folder, and reading them there without a generation.

Job: know the names, so that nobody else spells them. Place in the data flow: under the store of experts and training
jobs, which get the folders of their plan's skills. Left out: which experts count (`experts_generations`).
"""

from __future__ import annotations

import re
from pathlib import Path

from gamefleet.errors import CheckpointError
from gamefleet.weights.experts_file import Expert, ExpertFacts, damaged, read_expert

SKILL_FOLDER = re.compile(r"([0-9]{1,9})_([A-Za-z][A-Za-z0-9_]{0,47})")


def skill_folder(graph: Path, index: int, skill: str) -> Path:
    """The folder of a skill that was learned."""
    return graph / "skills" / f"{index}_{skill}"


def policy_folder(folder: Path, index: int) -> Path:
    """Where a skill's folder has its expert."""
    return folder / f"expert_{index}_policy"


def params_path(folder: Path, index: int) -> Path:
    """The expert of a skill's folder under its fixed name."""
    return policy_folder(folder, index) / "params.safetensors"


def read_policy(folder: Path, index: int) -> Expert:
    """Read a skill's expert from the skill's folder alone, as a training job does.

    Args:
        folder: `skills/<index>_<skill>`.
        index: The skill's global number.

    Raises:
        CheckpointError: There is none.
        CorruptCheckpointError: It is damaged, or another skill's.
    """
    path = params_path(folder, index)
    expert = read_expert(path)
    _check_belongs(expert.facts, index, folder.name.partition("_")[2], path)
    return expert


def attempts(graph: Path) -> list[tuple[Expert, Path]]:
    """Every attempt that was published, whether it was merged or not; files that are damaged are left out."""
    paths = sorted(graph.glob("skills/*/expert_*_policy/attempt_*.safetensors"))
    found = [(_readable(path), path) for path in paths]
    return [(expert, path) for expert, path in found if expert is not None]


def newest_attempts(graph: Path) -> dict[int, list[tuple[Expert, Path]]]:
    """By index, the newest attempt that was published; more than one file where several claim to be it.

    The copy under the fixed name counts where the attempt's own file is gone or damaged.
    """
    found = attempts(graph)
    known = {(expert.facts.index, expert.facts.attempt) for expert, _ in found}
    copies = [(_readable(path), path) for path in sorted(graph.glob("skills/*/expert_*_policy/params.safetensors"))]
    found += [(one, path) for one, path in copies if one and (one.facts.index, one.facts.attempt) not in known]
    by_index: dict[int, list[tuple[Expert, Path]]] = {}
    for expert, path in found:
        by_index.setdefault(expert.facts.index, []).append((expert, path))
    last = {index: max(expert.facts.attempt for expert, _ in there) for index, there in by_index.items()}
    return {
        index: [(expert, path) for expert, path in there if expert.facts.attempt == last[index]]
        for index, there in by_index.items()
    }


def _readable(path: Path) -> Expert | None:
    """The expert of a file that belongs where it lies."""
    found = SKILL_FOLDER.fullmatch(path.parent.parent.name)
    if found is None:
        return None
    try:
        expert = read_expert(path)
        _check_belongs(expert.facts, int(found[1]), found[2], path)
    except CheckpointError:
        return None
    return expert


def _check_belongs(facts: ExpertFacts, index: int, skill: str, path: Path) -> None:
    if (facts.index, facts.skill) != (index, skill):
        raise damaged(f"The expert {index} of skill {skill!r} is damaged: {holds(facts)}", path)


def holds(facts: ExpertFacts) -> str:
    """What is in a file, for errors."""
    return f"the file holds expert {facts.index} of skill {facts.skill!r}, attempt {facts.attempt}"
