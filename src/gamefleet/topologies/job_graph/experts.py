"""Holding the experts of a graph against its state, and mending what can be mended.

Job: at a scheduler's start, and before a merge above a damaged generation, bring every completed skill's expert back
into the global mixture, and name what is damaged and what stays lost. Place in the data flow: the loop calls it; store
of experts -> news. Left out: how experts are repaired (`weights.experts`), and training lost ones again, which is for
people to ask for.
"""

from __future__ import annotations

from collections.abc import Iterable

from gamefleet.cluster.graph.state import GraphState, Node
from gamefleet.errors import CheckpointError, GamefleetError
from gamefleet.files import Fence
from gamefleet.topologies.job_graph.news import News
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.weights.experts import ExpertStore


def mend_experts(paths: GraphPaths, state: GraphState, news: News, fence: Fence) -> None:
    """Mend the global mixture and tell what was wrong.

    Args:
        paths: Of the graph.
        state: Says which skills are completed.
        news: Gets told.
        fence: Raises when another scheduler has taken over.

    Raises:
        RunFolderError: Another scheduler has taken over, or the folder cannot be written.
    """
    store = ExpertStore(paths.root)
    damaged = store.damaged_generations()
    done = store.repair(fence=fence)
    lost = [error for node in state.skills if (error := loss(store, node)) is not None]
    for problem in once([*damaged, *done.problems, *store.damage(), *lost]):
        news.damaged(problem)
    if done.joined or done.restored:
        news.mended(joined=done.joined, restored=done.restored)


def mend_generations(paths: GraphPaths, state: GraphState, news: News, fence: Fence) -> None:
    """Mend before a merge, where the newest generation has been damaged meanwhile.

    Raises:
        RunFolderError: As `mend_experts` does.
    """
    if ExpertStore(paths.root).damaged_generations():
        mend_experts(paths, state, news, fence)


def loss(store: ExpertStore, node: Node) -> CheckpointError | None:
    """What a completed skill lacks in the global mixture; None when its expert is listed, whole or not."""
    entry = store.latest().experts.get(node.index)
    if node.status != "completed" or (entry is not None and entry.facts.attempt >= node.attempts):
        return None
    has = "nothing" if entry is None else f"only attempt {entry.facts.attempt}"
    return CheckpointError(
        f"The global mixture has {has} of expert {node.index} of the completed skill {node.skill_name!r}",
        where=store.graph / "skills" / f"{node.index}_{node.skill_name}" / f"expert_{node.index}_policy",
        remedy="Its files are gone or damaged: copy them from a backup and start again. Without them, it has failed as "
        "soon as a skill that builds on it trains, and `gamefleet skills retry SKILL` trains it again.",
    )


def once(errors: Iterable[GamefleetError]) -> list[GamefleetError]:
    """Each complaint once, in order."""
    return list({str(error): error for error in errors}.values())
