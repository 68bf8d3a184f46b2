"""What is made of a plan's experts beside playing the plan: a gate, and one network that answers as all of them.

Job: record played plans, teach from the records, and measure what was taught by playing it. Place in the data flow: the
loop asks for it after a skill is good enough when played by the plan, where the settings say so. Left out: how it is
taught (`learners.mixture_gate`, `learners.distil`).

Records come from worlds of their own; what was taught plays in the worlds in which the plan was evaluated, so that both
rates are of the same worlds. Everything follows from the task's seed and the networks, so that a training that is cut
and goes on makes the same. A skill that builds on nothing is one network already: nothing is recorded or taught for it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.identity import derive_seed
from gamefleet.learners.distil import distil
from gamefleet.learners.mixture import stack_params
from gamefleet.learners.mixture_gate import fit_gate
from gamefleet.learners.mixture_settings import FitSettings
from gamefleet.learners.ppo_network import Params
from gamefleet.topologies.skill_trainer.parts import Parts
from gamefleet.topologies.skill_trainer.play import Evaluation, evaluate, key_of, plan_of

GATE, DISTILLED = "gate", "distilled"
"""Names of what is taught, among the further networks of an outcome."""

EXPERTS = "experts"
"""Name of the array of a gate with the global indices of the skills that it chooses from, by column."""

GATE_FIT = FitSettings(updates=2000, learning_rate=5e-2)
"""A gate is linear: its loss has one minimum, to which long steps are safe, and which short ones do not reach."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a skill does.

    Args:
        found: The evaluation that decides.
        plan: The evaluation in which the plan decided who acts.
        purpose: Names the worlds of both.
        networks: What was taught for it, by name.
        statistics: Of what was taught.
    """

    found: Evaluation
    plan: Evaluation
    purpose: str
    networks: Mapping[str, Arrays] = field(default_factory=dict)
    statistics: Mapping[str, Any] = field(default_factory=dict)


def judge(parts: Parts, expert: Params, purpose: str) -> Verdict:
    """Evaluate a skill, by the plan and, where the settings say so and the plan does well enough, by a gate.

    Args:
        parts: Of the training.
        expert: The skill's own network.
        purpose: Names the worlds.
    """
    plan = evaluate(parts, expert, purpose, parts.task.episodes)
    verdict = Verdict(found=plan, plan=plan, purpose=purpose)
    is_by_gate = parts.settings.routing == "gate" and parts.task.plan
    return _by_gate(parts, expert, verdict) if is_by_gate and plan.bound >= parts.task.threshold else verdict


def _by_gate(parts: Parts, expert: Params, verdict: Verdict) -> Verdict:
    observations, acted = record(parts, expert, verdict.purpose)
    stack = stack_params([*parts.experts, expert])
    gate = fit_gate(stack, observations, acted, _seed(parts, f"gate {verdict.purpose}"), GATE_FIT)
    found = evaluate(parts, expert, verdict.purpose, parts.task.episodes, gate.params)
    found = with_lost(found, verdict.plan)
    indices = [*(step.index for step in parts.task.plan), parts.task.index]
    arrays = {name: np.asarray(array) for name, array in gate.params.items()}
    return dataclasses.replace(
        verdict,
        found=found,
        networks={GATE: {**arrays, EXPERTS: np.array(indices, np.int32)}},
        statistics={
            "routing": "gate",
            "plan": verdict.plan.as_json(),
            "gate": {**found.as_json(), "agreement": round(gate.agreement, 4), "rows": len(acted)},
        },
    )


def distilled(parts: Parts, expert: Params, verdict: Verdict) -> tuple[Arrays, Mapping[str, Any]]:
    """One network that plays as the plan does, and how well it does.

    Args:
        parts: Of the training.
        expert: The skill's own network.
        verdict: Of the skill.
    """
    observations, acted = record(parts, expert, verdict.purpose)
    stack = stack_params([*parts.experts, expert])
    settings = FitSettings(width=int(expert["policy/w"].shape[0]))
    student = distil(stack, acted, observations, _seed(parts, "distilled"), settings)
    alone = dataclasses.replace(parts, experts=(student.params,) * len(parts.experts))
    found = with_lost(evaluate(alone, student.params, verdict.purpose, parts.task.episodes), verdict.plan)
    worth = {"agreement": round(student.agreement, 4), "divergence": round(student.divergence, 4), "rows": len(acted)}
    arrays = {name: np.asarray(array) for name, array in student.params.items()}
    return arrays, {**found.as_json(), "success_rate": round(found.successes / max(found.reached, 1), 4), **worth}


def with_lost(found: Evaluation, plan: Evaluation) -> Evaluation:
    """Count worlds that never came to the skill's turn as failures, as far as the plan comes to it in such worlds.

    What plays instead of the plan also plays what leads to the skill; without this a gate that loses its way early
    would be judged by the few easy worlds that are left.

    Args:
        found: By something else than the plan.
        plan: By the plan, in the same worlds.
    """
    due = round(plan.reached * found.started / max(plan.started, 1))
    return dataclasses.replace(found, reached=max(found.reached, due))


def record(parts: Parts, expert: Params, purpose: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Play the plan in worlds of their own and keep who acted on what.

    Args:
        parts: Of the training.
        expert: The skill's own network.
        purpose: Names the worlds.

    Returns:
        Observations float32[row, observation] and who acted int32[row], by place in the plan: a sample of all steps
        that were played, drawn evenly: a power of two, so that few sizes are compiled for, `recorded_rows` at most.
    """
    plan, seed = plan_of(parts, expert), parts.task.seed
    rng = np.random.default_rng(_seed(parts, f"recorded rows {purpose}"))
    worlds = parts.generate(key_of(seed, f"recorded {purpose} worlds"), parts.settings.recorded_worlds)
    rows = parts.recorder.begin(worlds, plan, key_of(seed, f"recorded {purpose} play"))
    kept: list[NDArray[Any]] = []
    while not np.asarray(rows.is_over).all():
        rows, part = parts.recorder.go_on(plan, rows)
        chosen = np.asarray(part.is_active)
        seen = [np.asarray(part.observations)[chosen], np.asarray(part.experts)[chosen], rng.random(chosen.sum())]
        joined = [np.concatenate(pair) for pair in zip(kept, seen, strict=True)] if kept else seen
        # The rows with the smallest of independent draws are an even sample, however many there turn out to be.
        best = np.sort(np.argsort(joined[2], kind="stable")[: parts.settings.recorded_rows])
        kept = [array[best] for array in joined]
    size = 1 << (len(kept[2]).bit_length() - 1)
    best = np.sort(np.argsort(kept[2], kind="stable")[:size])
    return kept[0][best].astype(np.float32), kept[1][best].astype(np.int32)


def _seed(parts: Parts, purpose: str) -> int:
    """A seed that JAX takes."""
    return derive_seed(parts.task.seed, purpose=purpose) & 0x7FFFFFFF
