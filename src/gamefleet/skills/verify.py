"""Is a proposed skill worth a second of training? Every check, cheapest first, with reasons that a model understands.

Job: refuse skills that cannot be started, are known, never or always succeed, or pay for the wrong thing. Place in the
data flow: proposal -> `verify` -> accepted into the graph, or back to the proposer with the reasons. Left out: the
checks on the skill's words (`verify_words`) and on its numbers (`verify_numbers`); training.

Nothing here takes more than a few array operations on some thousand states; where the world's states come from is the
world's affair (`SkillWorld.random_pairs`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gamefleet.errors import ConfigError
from gamefleet.skills.dependencies import Resolver, resolve, resolve_by_requirements
from gamefleet.skills.functions import PythonSkillError, trains_python
from gamefleet.skills.program import run_program
from gamefleet.skills.sandbox import Sandbox
from gamefleet.skills.sandbox_check import SourceRefusedError
from gamefleet.skills.sandbox_process import PythonSkill
from gamefleet.skills.skill import Skill, SkillRefusedError
from gamefleet.skills.verify_numbers import NUMBER_CHECKS, NumberCase, RunProgram, make_case
from gamefleet.skills.verify_states import SampledStates, sample_states
from gamefleet.skills.verify_words import WORD_CHECKS, Limits, WordCase
from gamefleet.skills.world import SkillWorld

__all__ = ["Known", "Limits", "SampledStates", "Verdict", "sample_states", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a new skill meets in its graph.

    Args:
        skills: Skills that may be built on, by name, in order of acceptance.
        dependencies: What each of them was found to depend on; those left out are resolved again.
        taken_names: Names that may not be used again: of skills that failed, for example.
    """

    skills: Mapping[str, Skill] = field(default_factory=dict)
    dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    taken_names: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What verification found.

    Args:
        accepted: Whether the skill may be trained.
        reasons: Why not, one sentence each, to be shown to whoever proposed it; empty when it is accepted.
        statistics: Plain JSON values: `failed_checks`, and as far as it got `dependencies`, `plan`, `reward_range`,
            `random_success_rate`.
        skill: The skill as it was read; None when it was none.
        dependencies: What it builds on.
    """

    accepted: bool
    reasons: tuple[str, ...]
    statistics: Mapping[str, Any]
    skill: Skill | None = None
    dependencies: tuple[str, ...] = ()


def verify(
    proposal: Skill | Mapping[str, Any],
    world: SkillWorld,
    known: Known | None = None,
    *,
    states: SampledStates | None = None,
    resolver: Resolver = resolve_by_requirements,
    run: RunProgram = run_program,
    limits: Limits | None = None,
    sandbox: Sandbox | None = None,
) -> Verdict:
    """Check a proposal before anything is trained.

    Args:
        proposal: A skill, or what should be one as JSON.
        world: Where it is to be trained.
        known: The graph that it joins; an empty one by default.
        states: Of the world; sampled when not given. Sample once for many proposals.
        resolver: Decides what it depends on.
        run: Runs compiled expressions as the trainer will: pass that of `program_jax` where the world runs on JAX.
        limits: What is too much and too easy.
        sandbox: Where skills that are Python run; without it, and in compiled worlds, they are refused.

    Returns:
        The verdict; a proposal that is no skill is refused, never raised about.
    """
    known, limits = known or Known(), limits or Limits()
    try:
        skill = proposal if isinstance(proposal, Skill) else Skill.from_json(proposal)
        skill = Skill.from_json(skill.as_json())  # one that a program made is held to the same limits
    except SkillRefusedError as error:
        return _refuse([("schema", str(error))])
    return _verify_skill(
        skill, world, known, limits, _Parts(states=states, resolver=resolver, run=run, sandbox=sandbox)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What `verify` was given to work with."""

    states: SampledStates | None
    resolver: Resolver
    run: RunProgram
    sandbox: Sandbox | None


def _verify_skill(skill: Skill, world: SkillWorld, known: Known, limits: Limits, parts: _Parts) -> Verdict:
    names = {*known.skills, *known.taken_names}
    words = WordCase(skill=skill, world=world, known=known.skills, names=frozenset(names), limits=limits)
    found = _collect(WORD_CHECKS[:2], words)
    if found:
        return _refuse(found, skill)
    states = parts.states or sample_states(world)
    try:
        dependencies = resolve(skill, known.skills, world, parts.resolver)
        words = words.with_plan(dependencies, _known_dependencies(world, known, parts.resolver), states)
    except ConfigError as error:
        return _refuse([("dependencies", str(error))], skill)
    statistics = {"dependencies": list(dependencies), "plan": list(words.plan)}
    found = _collect(WORD_CHECKS[2:], words)
    if found:
        return _refuse(found, skill, statistics)
    found, numbers = _judge_numbers(words, states, parts)
    statistics |= numbers
    if found:
        return _refuse(found, skill, statistics)
    return Verdict(accepted=True, reasons=(), statistics=statistics, skill=skill, dependencies=dependencies)


def _judge_numbers(
    words: WordCase, states: SampledStates, parts: _Parts
) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """What the numeric checks object to, and what they measured."""
    if not words.skill.python:
        case = make_case(words, states, parts.run)
        return _collect(NUMBER_CHECKS, case), case.statistics()
    if parts.sandbox is None or not trains_python(words.world):
        is_compiled = parts.sandbox is not None
        what = "cannot be trained in this world, which is compiled" if is_compiled else "are not accepted here"
        return [("python", f"Skills that are Python {what}: write reward and success as expressions.")], {}
    try:
        with PythonSkill(words.skill.python, words.world.names, parts.sandbox) as python:
            case = make_case(words, states, parts.run, python)
            return _collect(NUMBER_CHECKS, case), case.statistics()
    except (SourceRefusedError, PythonSkillError) as error:
        return [("python", str(error))], {}


def _known_dependencies(world: SkillWorld, known: Known, resolver: Resolver) -> dict[str, Sequence[str]]:
    """What every known skill depends on, in order of acceptance; each could only build on those before it."""
    earlier: dict[str, Skill] = {}
    found: dict[str, Sequence[str]] = {}
    for name, skill in known.skills.items():
        stated = known.dependencies.get(name)
        found[name] = resolve(skill, earlier, world, resolver) if stated is None else stated
        earlier[name] = skill
    return found


def _collect(
    checks: Sequence[tuple[str, Callable[[Any], list[str]]]], case: WordCase | NumberCase
) -> list[tuple[str, str]]:
    """(check, reason) for everything that the checks of one stage object to."""
    return [(name, reason) for name, check in checks for reason in check(case)]


def _refuse(
    found: list[tuple[str, str]], skill: Skill | None = None, statistics: Mapping[str, Any] | None = None
) -> Verdict:
    failed = list(dict.fromkeys(name for name, _ in found))
    return Verdict(
        accepted=False,
        reasons=tuple(reason for _, reason in found),
        statistics={**(statistics or {}), "failed_checks": failed},
        skill=skill,
    )
