"""Playing a plan: one frozen expert after another, routed hard, in JAX.

Job: from fresh worlds, follow a plan's skills in order until the last one is done, and say where every world got to.
Place in the data flow: evaluation of a skill, the states where a skill with several dependencies starts, and records
that gates and distilled networks are taught from. Left out: learning.

A skill may have used up what a later one needs. When the next skill of the plan asks for something that is not there,
the skill that provides it is played again first, a few times at most.

Axes: row: worlds; step: skills of the plan, padded to a fixed number so that plans of all lengths share one program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gamefleet.learners.mixture import Stack, routed
from gamefleet.learners.mixture_gate import gated
from gamefleet.learners.ppo_network import Array, Params
from gamefleet.learners.ppo_rollout import Measure, World, measure_all, where_rows

MAX_REPAIRS = 4
"""How often a world may go back to an earlier skill."""


class Plan(NamedTuple):
    """What to play; all of it arguments of the compiled program.

    Attributes:
        experts: Networks, by step.
        success: Programs, each array with a leading axis step.
        max_steps: int32[step].
        needs: float32[step + 1, features]: what must be there before each skill, and after the last one; -inf: nothing.
        providers: int32[step + 1, features]: which skill provides it; -1: none.
        length: int32, skills of the plan.
        gate: Of `mixture_gate`, which then decides who acts, while the plan only says what was done; None: the plan
            decides.
    """

    experts: Stack
    success: Any
    max_steps: Array
    needs: Array
    providers: Array
    length: Array
    gate: Params | None = None


class Played(NamedTuple):
    """Where the worlds got to, `[row]` each.

    Attributes:
        states: Of the world, as they were when the row was done.
        features: float32[row, features], likewise.
        is_done: Whether the whole plan was done.
        got_to: int32, the furthest skill whose turn it was; the plan's length when all were done.
        died: Whether the player died.
        failed_in: int32, the skill in which it failed; -1 where it did not.
        last_steps: int32, steps of the last skill that was played.
    """

    states: Any
    features: Array
    is_done: Array
    got_to: Array
    died: Array
    failed_in: Array
    last_steps: Array


class Recorded(NamedTuple):
    """Some steps of played plans, `[step, row]` each.

    Attributes:
        observations: float32[step, row, observation], before each step.
        experts: int32, which skill of the plan acted.
        is_active: Whether the row was still being played.
    """

    observations: Array
    experts: Array
    is_active: Array


class _Rows(NamedTuple):
    played: Played
    current: Array
    target: Array
    elapsed: Array
    repairs: Array
    is_over: Array
    key: Array


def make_player(world: World, measure: Measure) -> Callable[[Any, Plan, Array], Played]:
    """The compiled function that plays plans: `(states, plan, key) -> Played`.

    Args:
        world: The game.
        measure: Computes successes of a plan's programs.
    """

    def play(states: Any, plan: Plan, key: Array) -> Played:
        first = _begin(world, plan, states, key)
        last: _Rows = jax.lax.while_loop(
            lambda rows: ~rows.is_over.all(), lambda rows: _advance(world, measure, plan, rows), first
        )
        return last.played

    compiled: Callable[[Any, Plan, Array], Played] = jax.jit(play)
    return compiled


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Two compiled functions that play plans and say who acted; long plays are recorded in parts.

    Args:
        begin: `(states, plan, key) -> rows`.
        go_on: `(plan, rows) -> (rows, recorded)`, some steps further.
    """

    begin: Callable[[Any, Plan, Array], _Rows]
    go_on: Callable[[Plan, _Rows], tuple[_Rows, Recorded]]


def make_recorder(world: World, measure: Measure, steps: int) -> Recorder:
    """What records played plans.

    Args:
        world: The game.
        measure: Computes successes of a plan's programs.
        steps: To record in one call.
    """

    def go_on(plan: Plan, rows: _Rows) -> tuple[_Rows, Recorded]:
        def one(now: _Rows, _: None) -> tuple[_Rows, Recorded]:
            recorded = Recorded(world.observe(now.played.states), now.current, ~now.is_over)
            return _advance(world, measure, plan, now), recorded

        moved, recorded = jax.lax.scan(one, rows, length=steps)
        return moved, recorded

    begin = jax.jit(lambda states, plan, key: _begin(world, plan, states, key))
    return Recorder(begin=begin, go_on=jax.jit(go_on))


def _begin(world: World, plan: Plan, states: Any, key: Array) -> _Rows:
    """The rows before the first step."""
    num = jax.tree.leaves(states)[0].shape[0]
    zeros, no = jnp.zeros(num, jnp.int32), jnp.zeros(num, bool)
    played = Played(states, world.features(states), no, zeros, no, zeros - 1, zeros)
    rows = _Rows(played, zeros, zeros, zeros, zeros + MAX_REPAIRS, no, key)
    return _arrive(world, plan, rows, jnp.ones(num, bool))


def _advance(world: World, measure: Measure, plan: Plan, rows: _Rows) -> _Rows:
    """One step of all rows that are not over."""
    key, act_key, step_key = jax.random.split(rows.key, 3)
    played, before = rows.played, rows.played.features
    observations = world.observe(played.states)
    if plan.gate is None:
        logits, _ = routed(plan.experts, rows.current, observations)
    else:
        logits, _ = gated(plan.experts, plan.gate, observations)
    moved, dead = world.step(step_key, played.states, jax.random.categorical(act_key, logits))
    now = world.features(moved)
    values = measure_all(measure, plan.success, now, before)
    done = (jnp.take_along_axis(values, rows.current[None], 0)[0] != 0) & ~dead
    elapsed = rows.elapsed + 1
    failed = dead | ((elapsed >= plan.max_steps[rows.current]) & ~done)
    active = ~rows.is_over
    played = played._replace(
        states=where_rows(active, moved, played.states),
        features=jnp.where(active[:, None], now, before),
        died=played.died | (active & dead),
        failed_in=jnp.where(active & failed, rows.current, played.failed_in),
        last_steps=jnp.where(active, elapsed, played.last_steps),
    )
    # A repair returns to the skill that was up; everything else moves the plan on by one.
    is_repair = rows.current != rows.target
    target = jnp.where(active & done & ~is_repair, rows.target + 1, rows.target)
    rows = _Rows(played, rows.current, target, elapsed, rows.repairs, rows.is_over | failed, key)
    return _arrive(world, plan, rows, active & done)


def _arrive(world: World, plan: Plan, rows: _Rows, arrives: Array) -> _Rows:
    """Decide what the rows that just finished a skill (or begin) do next."""
    played = rows.played
    lacks = played.features < plan.needs[rows.target]
    provider = jnp.take_along_axis(plan.providers[rows.target], lacks.argmax(1)[:, None], 1)[:, 0]
    lacks_any = lacks.any(1)
    is_done = arrives & ~lacks_any & (rows.target >= plan.length)
    is_stuck = arrives & lacks_any & ((provider < 0) | (rows.repairs <= 0))
    goes_on = arrives & ~is_done & ~is_stuck
    current = jnp.where(goes_on, jnp.where(lacks_any, provider, rows.target), rows.current)
    begun = world.begin(played.states)
    played = played._replace(
        states=where_rows(goes_on, begun, played.states),
        features=jnp.where(goes_on[:, None], world.features(begun), played.features),
        is_done=played.is_done | is_done,
        got_to=jnp.where(arrives & ~lacks_any, jnp.maximum(played.got_to, rows.target), played.got_to),
        failed_in=jnp.where(is_stuck, rows.target, played.failed_in),
    )
    return _Rows(
        played=played,
        current=current,
        target=rows.target,
        elapsed=jnp.where(goes_on, 0, rows.elapsed),
        repairs=jnp.where(goes_on & lacks_any, rows.repairs - 1, rows.repairs),
        is_over=rows.is_over | is_done | is_stuck,
        key=rows.key,
    )
