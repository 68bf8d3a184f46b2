"""Going on as a graph of skills from what an older, sequential program has learned.

Job: give migrated experts their places in a graph: state, skill folders, modules. Place in the data flow: once, before
the first `gamefleet skills run` of that graph; `weights.migrate` reads the older run and merges its experts. Left out:
rewards that were written as code, which nobody runs.

A migrated skill that the world's facts know by name is taken as completed: others may build on it, and its plan can be
played. Any other keeps its index and its expert, which can be extracted, and counts as failed, so that nothing is built
on it; it cannot be trained either, and nobody is told of it who proposes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gamefleet.cluster.graph.state import UNKNOWN, Failure, GraphState, Node, Status
from gamefleet.errors import ConfigError
from gamefleet.files import make_folder, write_bytes, write_json
from gamefleet.skills.skill import MAX_DEPENDENCIES, Skill
from gamefleet.skills.world import Fact, SkillWorld
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.saved import saved_settings
from gamefleet.topologies.job_graph.settings import checked, store
from gamefleet.topologies.job_graph.start import give_back, refuse_if_held, restore, take
from gamefleet.topologies.job_graph.tasks import module_of
from gamefleet.topologies.job_graph.view import whole
from gamefleet.topologies.job_graph.world import open_world
from gamefleet.weights.experts import ExpertStore
from gamefleet.weights.migrate import MigratedSkill, Migration, Target, migrate

MAX_STEPS = 1000
"""Of a migrated skill's episodes; its own limit is not known."""


def migrate_graph(source: Path, root: Path, asked: Mapping[str, Any]) -> Migration:
    """Make a graph of an older run.

    Args:
        source: The older run's folder, or its pickle.
        root: `--graph-path`; a graph that has skills of its own is refused.
        asked: Settings that were given, `env_name` above all.

    Raises:
        ConfigError: The graph has skills, or a setting is wrong.
        CheckpointError: There is nothing to migrate, or it is damaged.
        RunFolderError: A scheduler holds the folder.
    """
    paths = GraphPaths(root.absolute())
    refuse_if_held(paths)
    settings = checked({**saved_settings(paths), **asked}, paths.settings)
    world = open_world(settings.env_name)
    make_folder(paths.root)
    held = take(paths)
    try:
        state, account = restore(paths, settings, "")
        if any(node.generation != 1 or node.jobs for node in state.skills):
            raise ConfigError(
                "This graph has skills of its own", where=paths.root, remedy="Migrate into a new --graph-path."
            )
        migration = migrate(source, paths.root, target_of(world))
        nodes = nodes_of(migration, world, time.time())
        for node in nodes:
            keep(paths, node, nodes, world)
        store(paths, settings)
        write_json(paths.state, whole(GraphState(id=state.id, skills=nodes), account, time.time()), fence=held.fence)
        ExpertStore(paths.root).sweep(now=time.time())
        return migration
    finally:
        give_back(held, "migrated")


def target_of(world: SkillWorld) -> Target:
    """What migrated experts are said to have been trained for."""
    size = len(world.features) if world.jax_world is None else int(world.jax_world().observation_size)
    return Target(
        env_name=world.name,
        feature_hash=world.feature_hash(),
        observation_size=size,
        num_actions=len(world.actions),
    )


def nodes_of(migration: Migration, world: SkillWorld, now: float) -> tuple[Node, ...]:
    """The graph's skills; numbers that the older run did not use are kept free."""
    by_index = {skill.index: skill for skill in migration.skills}
    facts = {plain(fact.name): fact for fact in world.facts}
    # Others are left out of plans: nobody knows when their turn is over, and what builds on them would wait for ever.
    known = {skill.name: skill.index for skill in migration.skills if skill.is_playable and plain(skill.name) in facts}
    return tuple(
        node_of(by_index[index], known, facts, now) if index in by_index else unused(index, now)
        for index in range(max(by_index) + 1)
    )


def node_of(skill: MigratedSkill, known: Mapping[str, int], facts: Mapping[str, Fact], now: float) -> Node:
    """One migrated skill."""
    fact = facts.get(plain(skill.name)) if skill.is_playable else None
    dependencies = tuple(name for name in skill.dependencies if known.get(name, skill.index) < skill.index)
    reason = "" if fact else "taken over from an older run: its expert is kept, what it was rewarded for is not known"
    status: Status = "completed" if fact else "failed"
    return Node(
        skill_name=skill.name,
        index=skill.index,
        dependencies=dependencies if fact else (),
        skill=skill_of(skill, fact, dependencies if fact else ()).as_json(),
        status=status,
        attempts=1,
        failure=None if fact else Failure(kind="invalid", reason=reason),
        reason=reason,
        result={"frames": skill.frames, "migrated": True},
        generation=1,
        accepted_at=now,
        completed_at=now if fact else 0.0,
    )


def unused(index: int, now: float) -> Node:
    """A number that no migrated skill has: numbers of experts are for good, and count up."""
    name = f"Unused_{index}"
    reason = "the older run had no expert of this number"
    return Node(
        skill_name=name,
        index=index,
        skill=Skill(name=name, gain={}, reward=UNKNOWN, success=UNKNOWN, max_steps=1).as_json(),
        status="failed",
        failure=Failure(kind="invalid", reason=reason),
        reason=reason,
        generation=1,
        accepted_at=now,
    )


def skill_of(skill: MigratedSkill, fact: Fact | None, dependencies: tuple[str, ...]) -> Skill:
    """A migrated skill as data: what the facts say of a skill of its name."""
    gain = dict(fact.gain) if fact else {}
    held = " and ".join(f"{name} >= {amount:g}" for name, amount in gain.items()) or UNKNOWN
    gained = " + ".join(f"gained({name})" for name in gain) or UNKNOWN
    return Skill(
        name=skill.name,
        description=f"Taken over from an older run, where it was called {skill.title[:200]!r}.",
        requires=dict(fact.requires) if fact else {},
        consumes=dict(fact.consumes) if fact else {},
        gain=gain,
        reward=gained,
        success=held,
        max_steps=MAX_STEPS,
        # More than a skill may name itself: what it builds on is in the graph's state all the same.
        depends_on=dependencies if len(dependencies) <= MAX_DEPENDENCIES else None,
    )


def plain(name: str) -> str:
    """A name without what people write differently."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def keep(paths: GraphPaths, node: Node, nodes: tuple[Node, ...], world: SkillWorld) -> None:
    """A migrated skill's files beside its expert."""
    if node.status != "completed":
        return
    folder = paths.skill(node.index, node.skill_name)
    make_folder(folder)
    below = tuple(other for other in nodes if other.skill_name in node.dependencies)
    write_bytes(folder / f"{node.index}.py", module_of(node, below, world.names).encode())
    write_json(folder / "skill.json", dict(node.skill))
    write_json(folder / "result.json", dict(node.result))
