"""Taking over what an older program has learned: its pickles in, a graph's experts out.

Job: find the skills and networks of a sequential run, or of an older parallel one, and merge them into the folder of a
graph. Place in the data flow: once, before a graph goes on from there; the wiring makes its state of what is returned.
Left out: where its files lie (`migrate_source`), unpickling (`migrate_reader`), the form of networks
(`migrate_networks`), names (`migrate_names`), and rewards written as code, which are not taken over.

What is read, below the older run's folder or from one file:

    checkpoint.pkl or checkpoints/global_latest.pkl or checkpoints/successful_skill_<i>_*.pkl
        {"skills": {title: {"expert_idx" or "iteration", "total_frames", "dependencies" or "execution_plan", ...}},
         "params": {... "actor_networks_<i>", "critic_networks_<i>" ...}}      params may be missing
    skills/<i>_<name>/expert_<i>_policy/params.pkl                             networks of their own

Nothing is changed there, and nothing here before all experts are known to fit. Migrating again, after a crash too,
gives the same experts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gamefleet.errors import CheckpointError
from gamefleet.weights.experts import Expert, ExpertFacts, ExpertStore
from gamefleet.weights.experts_file import checked
from gamefleet.weights.migrate_names import shown, unique_names
from gamefleet.weights.migrate_networks import experts_in, flat_arrays, in_our_form
from gamefleet.weights.migrate_reader import read_untrusted
from gamefleet.weights.migrate_source import Record, locate, lone_networks, records_of

NOT_TAKEN = frozenset({"code", "functions"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What migrated experts are said to have been trained for; nobody can tell from a pickle.

    Args:
        env_name: The environment.
        feature_hash: Of its observations and features.
        observation_size: Numbers of one observation.
        num_actions: Actions to choose from.
    """

    env_name: str
    feature_hash: str
    observation_size: int
    num_actions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MigratedSkill:
    """A skill whose expert was merged.

    Args:
        name: As it is called from now on.
        title: As it was called, for people: at most 150 printable characters.
        index: Its global number, as before.
        frames: Environment steps that it was trained on; 0 when nobody noted them.
        dependencies: Names of the skills that its plan plays before it.
        is_playable: Whether its network has our form and fits the environment; others can be kept and extracted.
        about: The rest of its record, as JSON values.
    """

    name: str
    title: str
    index: int
    frames: int
    dependencies: tuple[str, ...] = ()
    is_playable: bool = True
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """What became of an older run.

    Args:
        skills: By index.
        warnings: What was left behind, a sentence each.
    """

    skills: tuple[MigratedSkill, ...]
    warnings: tuple[str, ...]


def migrate(source: Path, graph: Path, target: Target) -> Migration:
    """Merge the experts of an older run into a graph's folder.

    Args:
        source: The older run's folder, or its pickle.
        graph: The folder of the graph; made if it is missing.
        target: What the experts were trained for.

    Raises:
        CheckpointError: There is nothing to migrate, a number is too large, or an index belongs to another skill here;
            nothing was merged.
        CorruptCheckpointError: A pickle is damaged, or holds more than plain values; nothing was merged.
        StorageFullError: No space; migrate again later.
        RunFolderError: The graph's folder is not writable.
    """
    place = locate(source)
    value = read_untrusted(place.checkpoint) if place.checkpoint is not None else {}
    records = records_of(value)
    networks = {**lone_networks(place.base), **experts_in(value)}
    for index in networks.keys() - {index for _, index, _ in records}:
        records.append((f"Expert {index}", index, {}))
    names = _Names.of(records)
    found = [_migrated(record, networks, target, names) for record in sorted(records, key=lambda one: one[1])]
    whole = [(skill, expert) for skill, expert, _ in found if skill is not None and expert is not None]
    if not whole:
        raise CheckpointError(
            "No network was found in this run",
            where=source,
            remedy="Networks are read from `params` of the checkpoint and from skills/*/expert_*_policy/params.pkl; "
            "save those that lie in folders of Orbax as nested dicts of arrays first.",
        )
    ExpertStore(graph).merge_all([expert for _, expert in whole])
    warnings = tuple(warning for _, _, some in found for warning in some)
    return Migration(skills=tuple(skill for skill, _ in whole), warnings=warnings)


@dataclass(frozen=True, slots=True)
class _Names:
    """What skills are called from now on.

    Args:
        by_index: All of them.
        by_title: Of those that have a record, as plans name them.
    """

    by_index: Mapping[int, str]
    by_title: Mapping[str, str]

    @classmethod
    def of(cls, records: Sequence[Record]) -> _Names:
        """Names for all records."""
        by_index = unique_names({index: title for title, index, _ in records})
        return cls(by_index, {title: by_index[index] for title, index, _ in reversed(records)})


def _migrated(
    record: Record, networks: Mapping[int, Mapping[str, Any]], target: Target, names: _Names
) -> tuple[MigratedSkill | None, Expert | None, list[str]]:
    """One skill, its expert, and what is to be said about them."""
    title, index, about = record
    if index not in networks:
        return None, None, [f"Skill {shown(title)!r} has no network in this run: it has to be trained again."]
    ours = in_our_form(networks[index])
    params = ours or flat_arrays(networks[index])
    if not params:
        return None, None, [f"Skill {shown(title)!r} has a network without arrays: it has to be trained again."]
    sizes = _sizes(ours, target)
    frames = about.get("total_frames")
    facts = ExpertFacts(
        skill=names.by_index[index],
        index=index,
        attempt=1,
        env_name=target.env_name,
        feature_hash=target.feature_hash,
        observation_size=sizes[0],
        num_actions=sizes[1],
        frames=frames if type(frames) is int and 0 <= frames < 2**63 else 0,
        seed=0,
    )
    is_playable = ours is not None and sizes == (target.observation_size, target.num_actions)
    dependencies, warnings = _dependencies(title, about, names.by_title)
    if not is_playable:
        form = f"{sizes[0]} numbers and {sizes[1]} actions" if ours is not None else "layers of another make"
        warnings.append(f"The network of skill {shown(title)!r} has {form}: it is kept, but it cannot play here.")
    skill = MigratedSkill(
        name=facts.skill,
        title=shown(title),
        index=index,
        frames=facts.frames,
        dependencies=dependencies,
        is_playable=is_playable,
        about=_plain({key: value for key, value in about.items() if key not in NOT_TAKEN}),
    )
    return skill, checked(Expert(facts=facts, params=params)), warnings


def _sizes(params: Mapping[str, Any] | None, target: Target) -> tuple[int, int]:
    if params is None:
        return target.observation_size, target.num_actions
    return int(params["body/0/w"].shape[0]), int(params["policy/w"].shape[1])


def _dependencies(title: str, about: Mapping[str, Any], names: Mapping[str, str]) -> tuple[tuple[str, ...], list[str]]:
    """Names of the skills that a skill's plan plays before it, and of those that are not there."""
    listed = about.get("dependencies")
    if not isinstance(listed, list | tuple):
        plan = about.get("execution_plan")
        steps = plan if isinstance(plan, list | tuple) else ()
        listed = [step.get("skill_name") for step in steps if isinstance(step, Mapping)]
    wanted = [str(one) for one in dict.fromkeys(map(str, listed)) if one not in (title, "None")]
    missing = [one for one in wanted if one not in names]
    warnings = [f"Skill {shown(title)!r} depends on {shown(one)!r}, which is not in this run." for one in missing]
    return tuple(names[one] for one in wanted if one in names), warnings


def _plain(value: Any) -> Any:
    """JSON values; what JSON does not know is left out."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items() if _is_plain(inner)}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value if _is_plain(inner)]
    return value


def _is_plain(value: Any) -> bool:
    is_finite = not isinstance(value, float) or abs(value) < float("inf")
    return is_finite and isinstance(value, str | int | float | bool | list | tuple | Mapping | None)
