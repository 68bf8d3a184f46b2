"""Making a learned skill part of the graph for good.

Job: carry out `Merge`: put what its children need into the skill's folder, publish its expert, and tidy up afterwards.
Place in the data flow: training folder -> skill folder and global mixture; the scheduler is the only writer. Left out:
how generations are published (`weights.experts`).

The order makes every step repeatable: end states, module, log and result first, the expert last, the training folder is
removed only when the graph's state says that the skill is completed. A child never finds an expert without end states.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from gamefleet.cluster.graph.events import Event, Merge, Merged, MergeFailed
from gamefleet.cluster.graph.state import GraphState, Node
from gamefleet.errors import CheckpointError, ConfigError, RunFolderError
from gamefleet.files import TEMPORARY_PREFIX, Fence, make_folder, open_atomic, remove_folder, write_json
from gamefleet.topologies.job_graph.paths import NETWORKS, GraphPaths, TrainingPaths
from gamefleet.weights.experts import ExpertStore, read_expert


def merge(paths: GraphPaths, node: Node, command: Merge, fence: Fence) -> Event:
    """Publish a skill; doing it twice has the effect of once.

    Args:
        paths: Of the graph.
        node: The skill.
        command: Which attempt.
        fence: Raises when another scheduler has taken over.
    """
    name, attempt = command.skill_name, command.attempt
    store = ExpertStore(paths.root)
    merged = store.latest()
    entry = merged.experts.get(node.index)
    training = paths.training(node.index, node.skill_name)
    try:
        if entry is not None and entry.facts.attempt == attempt:
            store.finish(node.index)  # whoever merged it may have died right after the generation
            return Merged(skill_name=name, attempt=attempt, generation=merged.generation)
        expert = read_expert(training.expert)
        if (expert.facts.index, expert.facts.attempt) != (node.index, attempt):
            raise CheckpointError("The expert is another one's", where=training.expert)
        archive(paths, node, training, fence)
        generation = store.merge(expert, fence=fence)
    except (CheckpointError, ConfigError) as error:
        return MergeFailed(skill_name=name, attempt=attempt, reason=str(error), is_damaged=True)
    except RunFolderError as error:
        fence()  # a scheduler that was taken over ends here
        return MergeFailed(skill_name=name, attempt=attempt, reason=str(error), is_damaged=False)
    return Merged(skill_name=name, attempt=attempt, generation=generation.generation)


def archive(paths: GraphPaths, node: Node, training: TrainingPaths, fence: Fence) -> None:
    """Copy what is kept of a training into the skill's folder."""
    folder = paths.skill(node.index, node.skill_name)
    make_folder(folder)
    networks = (training.network(name) for name in NETWORKS)
    for source in (training.module, training.log, training.result, training.frontier, *networks):
        if source.exists():
            copy(source, folder / source.name, fence)
    write_json(folder / "skill.json", dict(node.skill), fence=fence)


def copy(source: Path, target: Path, fence: Fence) -> None:
    """Copy a file so that it appears whole."""
    with open(source, "rb") as reading, open_atomic(target, fence=fence) as writing:
        shutil.copyfileobj(reading, writing)


def tidy(paths: GraphPaths, state: GraphState) -> None:
    """Remove the training folders of completed skills, whose own folders have all that is kept.

    What cannot be removed now is the next time: a job on another machine may still have its log open.
    """
    for node in state.skills:
        root = paths.training(node.index, node.skill_name).root
        if node.status == "completed" and root.is_dir():
            with suppress(OSError):
                remove_folder(root)
    for leftover in paths.root.glob(f"training_runs/{TEMPORARY_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
