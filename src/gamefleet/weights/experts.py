"""The store of experts of one skill graph: publish, merge, load.

Job: let an expert join the global mixture once and for ever, whoever dies on the way, and hand out only what is whole.
Place in the data flow: the scheduler merges what training jobs left; children, evaluations and people load. Left out:
training, and the rest of a skill's folder.

    skills/0_Collect_Wood/expert_0_policy/attempt_1-<12 hex>.safetensors   the expert; nobody ever changes it
    skills/0_Collect_Wood/expert_0_policy/params.safetensors               the newest attempt again, under a fixed name
    checkpoints/global-000000001.json, global_latest.json                  see `experts_generations`

Merging has four steps, each of which can be repeated: (1) the expert's file, (2) the generation that lists it, (3) the
copy under the fixed name, (4) `global_latest.json`. Only the second one decides. A process that is killed anywhere is
followed by one that merges the same expert again, and the contents are the same.

Merges commute: an expert belongs to one index, of two attempts the later one counts, and nobody else's expert changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gamefleet.errors import CheckpointError, CorruptCheckpointError
from gamefleet.files import TEMPORARY_PREFIX, Fence
from gamefleet.untrusted import remove_below
from gamefleet.weights.experts_file import Expert, ExpertFacts, check_plays, damaged, read_expert, write_expert
from gamefleet.weights.experts_folders import params_path, read_policy
from gamefleet.weights.experts_generations import Entry, Generation, merged, newest
from gamefleet.weights.experts_merging import Repair, check_all, finish, load_entry, merge_one, repair

__all__ = [
    "Expert",
    "ExpertFacts",
    "ExpertStore",
    "Repair",
    "check_plays",
    "merged",
    "params_path",
    "read_expert",
    "read_policy",
    "write_expert",
]

OLD_S = 3600.0
"""A temporary file of this age belongs to nobody any more."""


@dataclass(frozen=True, slots=True)
class ExpertStore:
    """The experts below one graph's folder; holds nothing but the path, so that any number of processes may have one.

    Args:
        graph: The folder of the graph (`--graph-path`).
    """

    graph: Path

    def latest(self) -> Generation:
        """The newest whole generation; the empty one before the first merge."""
        return newest(self.graph)[0]

    def damaged_generations(self) -> tuple[CorruptCheckpointError, ...]:
        """What is wrong with generations after the newest whole one, each with its name."""
        return newest(self.graph)[1]

    def damage(self) -> tuple[CorruptCheckpointError, ...]:
        """What cannot be used, each with its name: generations after the newest whole one, and experts of that one."""
        generation, errors = newest(self.graph)
        found = list(errors)
        for index in sorted(generation.experts):
            try:
                self.load(index)
            except CorruptCheckpointError as error:
                found.append(error)
            except CheckpointError as error:
                found.append(damaged(error.what, error.where))
        return tuple(found)

    def merge(self, expert: Expert, *, fence: Fence | None = None) -> Generation:
        """Publish an expert and make it part of the global mixture; does nothing where that is done already.

        Args:
            expert: What a training job left.
            fence: Asked right before the generation is written; raises when this process may no longer merge.

        Returns:
            A generation that holds the expert, or a later attempt at the same skill.

        Raises:
            CheckpointError: It contradicts what was merged before; nothing has changed.
            StorageFullError: No space; merge again later.
            RunFolderError: The folder is not writable.
        """
        if self.damaged_generations():  # the one before a damaged generation lacks what came between
            self.repair(fence=fence)
        return merge_one(self.graph, expert, fence)

    def merge_all(self, experts: Sequence[Expert]) -> None:
        """Merge several experts, none of them unless all can be.

        Raises:
            CheckpointError: One contradicts another one or what was merged before; nothing was merged.
            ConfigError: A name or number of one cannot be right; likewise.
            StorageFullError: No space; merge again later.
            RunFolderError: The folder is not writable.
        """
        if self.damaged_generations():
            self.repair()
        check_all(self.graph, experts)
        for expert in experts:
            self.merge(expert)

    def repair(self, *, fence: Fence | None = None) -> Repair:
        """Finish every merge that a crash or a damaged generation left unfinished; one that cannot be stops no other.

        What was published but is in no whole generation is merged; what is in one gets its copy under the fixed name,
        or its own file back from that copy (`damage` names what has neither).

        Raises:
            StorageFullError: No space; repair again later.
            RunFolderError: The folder is not writable, or `fence` says no.
        """
        return repair(self.graph, fence)

    def finish(self, index: int) -> None:
        """Do the last two steps of a merge, for whoever finds an expert listed and does not know whether that was all.

        Raises:
            CheckpointError: No skill with this index has been merged.
            CorruptCheckpointError: Its file is damaged.
        """
        finish(self.graph, self._known(index, self.latest()))

    def load(self, index: int, *, generation: Generation | None = None) -> Expert:
        """Read an expert, verified against the generation that lists it.

        Args:
            index: The skill's global number.
            generation: Which mixture; the newest one when left out.

        Raises:
            CheckpointError: No skill with this index has been merged.
            CorruptCheckpointError: Its file is missing, damaged, truncated, or another expert's.
        """
        return load_entry(self.graph, self._known(index, generation or self.latest()))

    def extract(self, index: int, target: Path) -> Expert:
        """Copy one verified expert into a file of its own, byte for byte.

        Raises:
            CheckpointError: As `load` does.
            StorageFullError: No space.
            RunFolderError: The target's folder is missing or not writable.
        """
        expert = self.load(index)
        write_expert(target, expert)
        return expert

    def sweep(self, *, now: float, older_than_s: float = OLD_S) -> int:
        """Remove temporary files that killed writers left.

        Args:
            now: Seconds since 1970.
            older_than_s: Younger ones may still be at work.

        Returns:
            How many are gone.
        """
        folders = [self.graph / "checkpoints", *self.graph.glob("skills/*/expert_*_policy")]

        def is_left_over(name: str, changed: float) -> bool:
            return name.startswith(TEMPORARY_PREFIX) and changed < now - older_than_s

        return sum(remove_below(self.graph, folder, is_left_over) for folder in folders if folder.is_dir())

    def _known(self, index: int, generation: Generation) -> Entry:
        if index in generation.experts:
            return generation.experts[index]
        known = ", ".join(f"{one} ({entry.facts.skill})" for one, entry in sorted(generation.experts.items()))
        errors = "".join(f" {error.what}: {error.where}." for error in newest(self.graph)[1])
        raise CheckpointError(
            "There is no expert with this index",
            value=index,
            where=self.graph,
            remedy=f"Merged experts: {known or 'none'}.{errors}",
        )
