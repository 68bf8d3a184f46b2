"""Playing with the present policy, in JAX: the first half of an update.

Job: move all environments for some steps and say what each step was worth. Place in the data flow: `ppo` compiles it
together with the update; it sees a game through `World` and a skill through `Goal`. Left out: learning.

Axes: time: steps of a rollout; env: environments. An episode ends when the skill succeeds, when the player dies, or
when its steps are used up. The first two are ends and worth nothing beyond; the third is a cut, after which life would
have gone on. For its value the last state has to be looked at, so the environment stands still for one step, which is
not learned from, and is reset after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gamefleet.learners.ppo_network import Array, Params, apply_params
from gamefleet.learners.ppo_settings import PpoSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What PPO needs of a game: functions over states with a leading axis that JAX can compile.

    Args:
        step: `(key, states, int32[env]) -> (states, bool[env] died)`.
        observe: `(states) -> float32[env, observation]`.
        features: `(states) -> float32[env, features]`, what rewards are computed of.
        begin: `(states) -> states`, as an episode finds them.
        num_actions: Number of actions.
        observation_size: Numbers of an observation.
    """

    step: Callable[[Array, Any, Array], tuple[Any, Array]]
    observe: Callable[[Any], Array]
    features: Callable[[Any], Array]
    begin: Callable[[Any], Any]
    num_actions: int
    observation_size: int


class Goal(NamedTuple):
    """What is to be learned; all of it arguments of the compiled program.

    Attributes:
        programs: What the measure reads, for the reward and for the success, each array with a leading axis of 2.
        max_steps: int32, steps of an episode.
    """

    programs: Any
    max_steps: Array


Measure = Callable[[Any, Array, Array], Array]
"""`(program, now, before) -> float32[env]` over features float32[env, features] after and before a step."""


def measure_all(measure: Measure, programs: Any, now: Array, before: Array) -> Array:
    """float32[program, env]: several programs, one after the other, so that what runs them is compiled once."""
    return jax.lax.map(lambda program: measure(program, now, before), programs)


class Envs(NamedTuple):
    """Where all environments stand.

    Attributes:
        states: Of the world.
        observations: float32[env, observation].
        features: float32[env, features].
        elapsed: int32[env], steps of the present episode.
        is_cut: bool[env], whether the episode was cut and the environment waits to be reset.
        total: float32[env], rewards of the present episode.
        discounted: float32[env], the same, discounted.
    """

    states: Any
    observations: Array
    features: Array
    elapsed: Array
    is_cut: Array
    total: Array
    discounted: Array


class Steps(NamedTuple):
    """What happened, `[time, env]` each.

    Attributes:
        observations: Before the action.
        actions: int32.
        log_probs: Of the actions.
        values: Of the observations.
        rewards: As the skill defines them, with bonus and penalty.
        discounted: Discounted rewards of the episode so far.
        ended: The episode ended for good.
        cut: The episode was cut.
        is_real: False for the step of an environment that waited.
        succeeded: The skill succeeded.
        died: The player died.
        totals: Rewards of the episode, where it ended or was cut.
        lengths: Steps of the episode, likewise.
    """

    observations: Array
    actions: Array
    log_probs: Array
    values: Array
    rewards: Array
    discounted: Array
    ended: Array
    cut: Array
    is_real: Array
    succeeded: Array
    died: Array
    totals: Array
    lengths: Array


def where_rows(condition: Array, chosen: Any, otherwise: Any) -> Any:
    """`jnp.where` by row over trees: bool[env] against leaves with any further axes."""

    def choose(a: Array, b: Array) -> Array:
        return jnp.where(condition.reshape(condition.shape + (1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(choose, chosen, otherwise)


def init_envs(world: World, states: Any, elapsed: Array) -> Envs:
    """Environments at the beginning of episodes.

    Args:
        world: The game.
        states: Where they begin.
        elapsed: int32[env], steps that count as used, so that not all episodes are cut at the same step.
    """
    states = world.begin(states)
    zeros = jnp.zeros(elapsed.shape, jnp.float32)
    return Envs(
        states=states,
        observations=world.observe(states),
        features=world.features(states),
        elapsed=elapsed,
        is_cut=jnp.zeros(elapsed.shape, bool),
        total=zeros,
        discounted=zeros,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is fixed when a program is compiled.

    Args:
        world: The game.
        settings: Of PPO.
        measure: Computes rewards and successes of a goal's programs.
    """

    world: World
    settings: PpoSettings
    measure: Measure


def roll_out(
    rules: Rules, params: Params, envs: Envs, starts: tuple[Any, Goal], key: Array
) -> tuple[Envs, Steps, Array]:
    """Play `rollout_steps` steps.

    Args:
        rules: What is fixed.
        params: The network.
        envs: Where the environments stand.
        starts: States with any leading axis, where episodes begin, and the goal.
        key: Of all chance.

    Returns:
        The environments, what happened, and float32[env] values after the last step.
    """
    keys = jax.random.split(key, rules.settings.rollout_steps)
    envs, steps = jax.lax.scan(lambda carry, each: _advance(rules, params, carry, starts, each), envs, keys)
    return envs, steps, apply_params(params, envs.observations)[1]


def _advance(rules: Rules, params: Params, envs: Envs, starts: tuple[Any, Goal], key: Array) -> tuple[Envs, Steps]:
    pool, goal = starts
    act_key, step_key, pick_key = jax.random.split(key, 3)
    logits, values = apply_params(params, envs.observations)
    actions = jax.random.categorical(act_key, logits)
    log_probs = jnp.take_along_axis(jax.nn.log_softmax(logits), actions[:, None], 1)[:, 0]
    moved, died = rules.world.step(step_key, envs.states, actions)
    features = rules.world.features(moved)
    steps, envs = _judge(rules, goal, envs, features, died)
    steps = steps._replace(actions=actions, log_probs=log_probs, values=values)
    return _go_on(rules.world, envs, steps, (moved, features), (pool, pick_key)), steps


def _judge(rules: Rules, goal: Goal, envs: Envs, features: Array, died: Array) -> tuple[Steps, Envs]:
    """What a step was worth, but for what the policy did, and the environments with their counts moved on."""
    settings, is_real = rules.settings, ~envs.is_cut
    died = died & is_real
    earned, success = measure_all(rules.measure, goal.programs, features, envs.features)
    succeeded = (success != 0) & ~died & is_real
    rewards = earned + settings.success_bonus * succeeded - settings.death_penalty * died
    elapsed, total = envs.elapsed + 1, envs.total + rewards
    discounted = settings.discount * envs.discounted + rewards
    ended = died | succeeded
    cut = (elapsed >= goal.max_steps) & ~ended & is_real
    steps = Steps(
        observations=envs.observations,
        actions=None,
        log_probs=None,
        values=None,
        rewards=rewards,
        discounted=discounted,
        ended=ended,
        cut=cut,
        is_real=is_real,
        succeeded=succeeded,
        died=died,
        totals=jnp.where(ended | cut, total, 0.0),
        lengths=jnp.where(ended | cut, elapsed, 0),
    )
    return steps, envs._replace(elapsed=elapsed, total=total, discounted=discounted)


def _go_on(world: World, envs: Envs, steps: Steps, after: tuple[Any, Array], starts: tuple[Any, Array]) -> Envs:
    """The environments after a step; those whose episode is over begin another.

    Args:
        world: The game.
        envs: As they stood before, with their counts moved on.
        steps: What happened.
        after: States and features after the step.
        starts: States where episodes begin, and the key of the choice.
    """
    (moved, features), (pool, key) = after, starts
    leaves = steps.ended | envs.is_cut
    picked = jax.random.randint(key, leaves.shape, 0, jax.tree.leaves(pool)[0].shape[0])
    fresh = world.begin(jax.tree.map(lambda leaf: leaf[picked], pool))
    states = where_rows(leaves, fresh, moved)
    return Envs(
        states=states,
        observations=world.observe(states),
        features=jnp.where(leaves[:, None], world.features(fresh), features),
        elapsed=jnp.where(leaves, 0, envs.elapsed),
        is_cut=steps.cut,
        total=jnp.where(leaves, 0.0, envs.total),
        discounted=jnp.where(leaves, 0.0, envs.discounted),
    )
