"""Starting the scheduler of a skill graph: settings, claim, proposer, executor, loop.

Job: put the parts together and take them apart again. Place in the data flow: `gamefleet skills run` calls it. Left
out: everything that happens in between (`job_graph`).
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamefleet.cluster.graph.state import GraphState, Limits
from gamefleet.cluster.jobs import Executor
from gamefleet.errors import RunFolderError, StorageFullError
from gamefleet.files import make_folder
from gamefleet.runs.claim import Claim, claim, holder_alive
from gamefleet.runs.deadline import Deadline
from gamefleet.runs.lines import LineWriter
from gamefleet.runs.paths import RunPaths
from gamefleet.skills.cost import Caps
from gamefleet.skills.dependencies import load_resolver, resolve_by_requirements
from gamefleet.skills.proposer_choice import ProposerSettings, choose_proposer
from gamefleet.skills.sandbox import find_sandbox
from gamefleet.topologies.job_graph import requests
from gamefleet.topologies.job_graph.cluster import for_cluster
from gamefleet.topologies.job_graph.executor import choose, make_executor
from gamefleet.topologies.job_graph.jobs import Jobs
from gamefleet.topologies.job_graph.loop import GraphLoop
from gamefleet.topologies.job_graph.machine import Machine
from gamefleet.topologies.job_graph.news import News
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.proposals import Proposals
from gamefleet.topologies.job_graph.saved import graph_of, saved_state
from gamefleet.topologies.job_graph.settings import GraphSettings, settings_for, store
from gamefleet.topologies.job_graph.view import Account
from gamefleet.topologies.job_graph.wake import Waker
from gamefleet.topologies.job_graph.world import check_trainer_settings, open_world, require_packages
from gamefleet.weights.experts import ExpertStore


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphRun:
    """What a start is made of.

    Args:
        root: `--graph-path`.
        asked: Settings that were given now.
        environment: Of this process.
        say: Gets lines for people.
        machine: Says what this machine has for jobs; asked only where they run here.
        max_runtime_s: This process ends after so many seconds, jobs go on; None for no limit.
        is_stopping: Whether it is only there to let jobs save and end.
    """

    root: Path
    asked: Mapping[str, Any]
    environment: Mapping[str, str]
    say: Callable[[str], None]
    machine: Callable[[], Machine] = Machine
    max_runtime_s: float | None = None
    is_stopping: bool = False


def run_graph(run: GraphRun) -> GraphState:
    """Schedule a graph until it is done or this process is told to end.

    Args:
        run: What was asked for.

    Returns:
        Where the graph stands; `outcome` is empty when its jobs go on without this process.

    Raises:
        ConfigError: A setting is wrong.
        RunFolderError: Another scheduler holds the folder, or it cannot be written.
        MissingDependencyError: Something that was asked for is not installed.
    """
    paths = GraphPaths(run.root.absolute())
    settings = settings_for(paths, run.asked)
    refuse_if_held(paths)
    with closing(Waker()) as waker:
        parts = get_parts(run, paths, settings, waker.poke)
        make_folder(paths.root)
        held = take(paths)
        with LineWriter(paths.events, fence=held.fence) as lines:
            store(paths, settings)
            if not run.is_stopping:
                requests.forget_stop(paths)
            ExpertStore(paths.root).sweep(now=time.time())
            news = News(lines=lines, say=run.say, attempt=held.number)
            return finish(loop_of(parts, held, waker, news), held, run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What can be had before the folder is held.

    Args:
        paths: Of the graph.
        settings: Of the graph; the executor is a real one.
        limits: What the scheduler has to keep to.
        executor: Where jobs run.
        proposals: Asks for skills; None where jobs only have to end.
        source: The proposer's name; empty where nobody proposes.
    """

    paths: GraphPaths
    settings: GraphSettings
    limits: Limits
    executor: Executor
    proposals: Proposals | None
    source: str


def get_parts(run: GraphRun, paths: GraphPaths, settings: GraphSettings, wake: Callable[[], None]) -> Parts:
    """Open and find everything that may be missing, and say what was chosen.

    Who only wants jobs to end needs neither the world nor who proposes: a key that is not set must not keep them going.
    """
    chosen = settings.model_copy(update={"executor": choose(settings.executor)})
    if chosen.executor == "slurm" and not run.is_stopping:
        chosen = for_cluster(chosen, run.environment, run.say)
    here = Machine() if chosen.executor == "slurm" else run.machine()
    limits = settings.limits(here.gpus_gb, here.cpus, here.gpu_names)
    proposals, source = (None, "") if run.is_stopping else open_proposals(run, paths, settings, wake)
    run.say(f"executor: {chosen.executor}; graph: {paths.root}")
    return Parts(
        paths=paths,
        settings=chosen,
        limits=limits,
        executor=make_executor(chosen.executor, paths, chosen, run.environment),
        proposals=proposals,
        source=source,
    )


def loop_of(parts: Parts, held: Claim, waker: Waker, news: News) -> GraphLoop:
    """The scheduler, where earlier ones left off."""
    paths, settings, proposals = parts.paths, parts.settings, parts.proposals
    features = () if proposals is None else proposals.world.names
    state, account = restore(paths, settings, parts.source)
    return GraphLoop(
        paths=paths,
        state=state,
        limits=parts.limits,
        jobs=Jobs(paths=paths, settings=settings, executor=parts.executor, features=features),
        proposals=proposals,
        account=account,
        waker=waker,
        news=news,
        fence=held.fence,
        poll_s=settings.scheduler_poll_interval,
    )


def open_proposals(
    run: GraphRun, paths: GraphPaths, settings: GraphSettings, wake: Callable[[], None]
) -> tuple[Proposals, str]:
    """Proposals as the settings want them, and the proposer's name."""
    world = open_world(settings.env_name)
    require_packages(world, settings)
    check_trainer_settings(world, settings.trainer, settings.num_envs)
    resolver = load_resolver(settings.resolver) if settings.resolver else resolve_by_requirements
    proposer, line = choose_proposer(
        settings.proposer, settings.llm_name, run.environment, proposer_settings(paths, settings)
    )
    run.say(line)
    proposals = Proposals(
        world=world,
        proposer=proposer,
        wake=wake,
        resolver=resolver,
        resolver_name=settings.resolver,
        max_dependencies=settings.max_dependencies,
        sandbox=find_sandbox() if settings.allow_python_skills else None,
    )
    return proposals, source_of(line)


def source_of(line: str) -> str:
    """The proposer's name, from the line that announces it."""
    words = line.removeprefix("proposer: ").split()
    return "replay" if words[:3] == ["the", "conversation", "recorded"] else words[0].rstrip(",") if words else ""


def finish(loop: GraphLoop, held: Claim, run: GraphRun) -> GraphState:
    """Run the loop, and give the folder back however it ends."""
    deadline = Deadline(max_runtime_s=run.max_runtime_s)
    outcome = "failed"
    try:
        with deadline.listening(), loop.waker.woken_by_signals():
            outcome = loop.run(deadline.reason)
        return loop.state
    finally:
        give_back(held, outcome)


def give_back(held: Claim, outcome: str) -> None:
    """Release the claim, unless it was taken over."""
    try:
        held.release(outcome=outcome)
    except RunFolderError:
        return  # the one that took over writes its own


def refuse_if_held(paths: GraphPaths) -> None:
    """Fail while another scheduler lives.

    Raises:
        RunFolderError: It does; says who and what to do.
    """
    holder = holder_alive(RunPaths(paths.root))
    if holder:
        raise RunFolderError(
            f"This graph is scheduled by {holder}",
            where=paths.root,
            remedy="Look at it with `gamefleet skills status`. To take over, end that process first: its jobs go on. "
            "Nothing has to be removed by hand.",
        )


def take(paths: GraphPaths) -> Claim:
    """Hold the folder from now on.

    Raises:
        RunFolderError: Another scheduler was faster, or the folder cannot be written.
    """
    try:
        return claim(RunPaths(paths.root), {"role": "skill scheduler"})
    except StorageFullError:
        raise
    except RunFolderError as error:
        remedy = "Wait until it ends, mend the folder's permissions, or choose another --graph-path."
        raise RunFolderError(error.what, value=error.value, where=error.where, remedy=remedy) from error


def restore(paths: GraphPaths, settings: GraphSettings, proposer: str) -> tuple[GraphState, Account]:
    """What earlier schedulers wrote down, or a fresh graph.

    Raises:
        RunFolderError: It is damaged, or of a later version.
    """
    account = Account(
        settings=settings,
        proposer=proposer,
        executor=settings.executor,
        host=socket.gethostname(),
        spool=paths.jobs,
    )
    content = saved_state(paths)
    if content is None:
        return GraphState(id=secrets.token_hex(3)), account
    state = graph_of(content, paths.state)
    account.remember(content)
    return state, account


def proposer_settings(paths: GraphPaths, settings: GraphSettings) -> ProposerSettings:
    """What a proposer that asks a model needs."""
    return ProposerSettings(
        conversation=paths.conversation,
        prompts=Path(settings.prompts) if settings.prompts else paths.prompts,
        caps=Caps(tokens=settings.max_tokens, cost=settings.max_cost),
    )


def stop_graph(root: Path) -> bool:
    """Want a graph's jobs to save and end.

    Returns:
        Whether a scheduler is there to see to it.
    """
    paths = GraphPaths(root.absolute())
    requests.ask_to_stop(paths)
    return bool(holder_alive(RunPaths(paths.root)))
