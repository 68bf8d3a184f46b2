"""Proximal policy optimisation, compiled together with its game, in JAX.

Job: rollout and update as one pure function of arrays; what is rewarded is an argument, so that one compiled program
trains every skill. Place in the data flow: a wiring makes it for a game, calls `update` again and again, and saves the
state in between. Left out: where episodes begin (`pool` is an argument), evaluation, files.

Source: Schulman et al. 2017, "Proximal policy optimization algorithms"; Schulman et al. 2016, "High-dimensional
continuous control using generalized advantage estimation".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from gamefleet.learners.ppo_network import (
    Array,
    Params,
    Scaling,
    apply_params,
    fold_scaling,
    init_params,
    init_scaling,
    update_scaling,
)
from gamefleet.learners.ppo_rollout import Envs, Goal, Measure, Rules, Steps, World, init_envs, roll_out
from gamefleet.learners.ppo_settings import PpoSettings


class PpoState(NamedTuple):
    """Everything that training goes on from; plain arrays.

    Attributes:
        params: The network.
        optimizer: State of Adam, as optax keeps it.
        scaling: Moments of observations.
        returns: float32[3]: count, mean and summed squared deviations of discounted returns.
        envs: Where the environments stand.
        key: uint32[2], of all chance to come.
    """

    params: Params
    optimizer: Any
    scaling: Scaling
    returns: Array
    envs: Envs
    key: Array


class Account(NamedTuple):
    """What happened in a call, summed over its updates, float32 each.

    Attributes:
        episodes: That ended or were cut.
        successes: Of these, how many succeeded.
        deaths: Of these, how many died.
        total: Their rewards.
        length: Their steps.
        steps: Steps that were learned from.
        policy_loss: Mean over minibatches, as are the next three.
        value_loss: Half the squared error.
        entropy: Of the policy, in nats.
        moved: How often the clip held the policy back.
    """

    episodes: Array
    successes: Array
    deaths: Array
    total: Array
    length: Array
    steps: Array
    policy_loss: Array
    value_loss: Array
    entropy: Array
    moved: Array


class Batch(NamedTuple):
    """Steps as the loss reads them, `[rows]`."""

    observations: Array
    actions: Array
    log_probs: Array
    advantages: Array
    targets: Array
    weights: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Ppo:
    """A trainer for one game and one set of settings.

    Args:
        settings: Of the algorithm.
        init: `(key, pool, goal) -> PpoState`.
        update: Compiled: `(state, pool, goal) -> (state, Account)`; the state that goes in is used up.
        expert: `(state) -> Params`, the network for plain observations.
    """

    settings: PpoSettings
    init: Callable[[Array, Any, Goal], PpoState]
    update: Callable[[PpoState, Any, Goal], tuple[PpoState, Account]]
    expert: Callable[[PpoState], Params]


def make_ppo(world: World, settings: PpoSettings, measure: Measure) -> Ppo:
    """A trainer; compilation happens at the first call.

    Args:
        world: The game.
        settings: Of the algorithm.
        measure: Computes rewards and successes of `Goal.programs`; any success but 0 is one.
    """
    rules = Rules(world=world, settings=settings, measure=measure)

    def init(key: Array, pool: Any, goal: Goal) -> PpoState:
        return _init(rules, key, pool, goal)

    def update(state: PpoState, pool: Any, goal: Goal) -> tuple[PpoState, Account]:
        return _update(rules, state, pool, goal)

    return Ppo(
        settings=settings,
        init=jax.jit(init),
        update=jax.jit(update, donate_argnums=0),
        expert=jax.jit(lambda state: fold_scaling(state.params, state.scaling)),
    )


def _init(rules: Rules, key: Array, pool: Any, goal: Goal) -> PpoState:
    world, settings = rules.world, rules.settings
    key, net_key, pick_key, elapsed_key = jax.random.split(key, 4)
    params = init_params(net_key, world.observation_size, world.num_actions, settings.width)
    picked = jax.random.randint(pick_key, (settings.num_envs,), 0, jax.tree.leaves(pool)[0].shape[0])
    elapsed = jax.random.randint(elapsed_key, (settings.num_envs,), 0, goal.max_steps)
    return PpoState(
        params=params,
        optimizer=_optimizer(settings).init(params),
        scaling=init_scaling(world.observation_size),
        returns=jnp.zeros(3, jnp.float32),
        envs=init_envs(world, jax.tree.map(lambda leaf: leaf[picked], pool), elapsed),
        key=key,
    )


def _update(rules: Rules, state: PpoState, pool: Any, goal: Goal) -> tuple[PpoState, Account]:
    """A call: several updates, one after the other."""
    updates = rules.settings.updates_per_call
    state, accounts = jax.lax.scan(lambda carry, _: _update_once(rules, carry, (pool, goal)), state, None, updates)
    sums = {name: getattr(accounts, name).sum() for name in Account._fields[:6]}
    means = {name: getattr(accounts, name).mean() for name in Account._fields[6:]}
    return state, Account(**sums, **means)


def _update_once(rules: Rules, state: PpoState, starts: tuple[Any, Goal]) -> tuple[PpoState, Account]:
    settings = rules.settings
    key, play_key, learn_key = jax.random.split(state.key, 3)
    folded = fold_scaling(state.params, state.scaling)
    envs, steps, last = roll_out(rules, folded, state.envs, starts, play_key)
    batch = _batch(settings, steps, last, _reward_scale(settings, state.returns))
    params, optimizer, losses = _learn(settings, state, batch, learn_key)
    scaling = state.scaling
    if settings.normalises_observations:
        scaling = update_scaling(scaling, batch.observations)
    returns = _add_returns(state.returns, steps)
    return PpoState(params, optimizer, scaling, returns, envs, key), _account(steps, losses)


def advantages_of(steps: Steps, last: Array, rewards: Array, *, discount: float, trace_decay: float) -> Array:
    """Generalised advantage estimates, float32[time, env].

    An end is worth nothing beyond its reward. A cut is worth the value of the state after it, which is the value of the
    next row, because the environment waits there for one step; no advantage flows back over it.

    Args:
        steps: What happened.
        last: float32[env], values after the last step.
        rewards: float32[time, env].
        discount: Per step.
        trace_decay: Lambda.
    """

    def back(carry: tuple[Array, Array], row: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
        later, next_value = carry
        value, reward, ended, cut = row
        error = reward + discount * next_value * (1.0 - ended) - value
        advantage = error + discount * trace_decay * (1.0 - jnp.maximum(ended, cut)) * later
        return (advantage, value), advantage

    rows = (steps.values, rewards, steps.ended.astype(jnp.float32), steps.cut.astype(jnp.float32))
    _, advantages = jax.lax.scan(back, (jnp.zeros_like(last), last), rows, reverse=True)
    return advantages


def _batch(settings: PpoSettings, steps: Steps, last: Array, scale: Array) -> Batch:
    advantages = advantages_of(
        steps, last, steps.rewards / scale, discount=settings.discount, trace_decay=settings.trace_decay
    )
    batch = Batch(
        observations=steps.observations,
        actions=steps.actions,
        log_probs=steps.log_probs,
        advantages=advantages,
        targets=advantages + steps.values,
        weights=steps.is_real.astype(jnp.float32),
    )
    return Batch(*(field.reshape((-1, *field.shape[2:])) for field in batch))


def _reward_scale(settings: PpoSettings, returns: Array) -> Array:
    """What rewards are divided by: rare small rewards must not be blown up, so it is never below 1."""
    if not settings.shrinks_rewards:
        return jnp.float32(1.0)
    return jnp.maximum(jnp.sqrt(returns[2] / jnp.maximum(returns[0], 1.0)), 1.0)


def _add_returns(returns: Array, steps: Steps) -> Array:
    """Add a rollout's discounted returns to their moments (Chan et al. 1983)."""
    weights = steps.is_real.astype(jnp.float32)
    num = jnp.maximum(weights.sum(), 1.0)
    mean = (steps.discounted * weights).sum() / num
    square = (((steps.discounted - mean) ** 2) * weights).sum()
    count, delta = returns[0] + num, mean - returns[1]
    return jnp.stack(
        [count, returns[1] + delta * num / count, returns[2] + square + delta**2 * returns[0] * num / count]
    )


def _optimizer(settings: PpoSettings) -> Any:
    adam = optax.adam(settings.learning_rate, eps=1e-5)
    return optax.chain(optax.clip_by_global_norm(settings.max_gradient_norm), adam)


def _learn(settings: PpoSettings, state: PpoState, batch: Batch, key: Array) -> tuple[Params, Any, Array]:
    """All epochs over a batch; also float32[4] mean losses."""
    size, moves = settings.steps_per_update, _optimizer(settings)

    def minibatch(carry: tuple[Params, Any], rows: Array) -> tuple[tuple[Params, Any], Array]:
        params, optimizer = carry
        part = Batch(*(field[rows] for field in batch))
        gradients, losses = jax.grad(_loss, has_aux=True)(params, state.scaling, part, settings)
        step, optimizer = moves.update(gradients, optimizer, params)
        return (optax.apply_updates(params, step), optimizer), losses

    def epoch(carry: tuple[Params, Any], each: Array) -> tuple[tuple[Params, Any], Array]:
        order = jax.random.permutation(each, size).reshape(settings.minibatches, -1)
        after: tuple[tuple[Params, Any], Array] = jax.lax.scan(minibatch, carry, order)
        return after

    keys = jax.random.split(key, settings.epochs)
    (params, optimizer), losses = jax.lax.scan(epoch, (state.params, state.optimizer), keys)
    return params, optimizer, losses.mean((0, 1))


def _loss(params: Params, scaling: Scaling, batch: Batch, settings: PpoSettings) -> tuple[Array, Array]:
    logits, values = apply_params(fold_scaling(params, scaling), batch.observations)
    log_policy = jax.nn.log_softmax(logits)
    log_probs = jnp.take_along_axis(log_policy, batch.actions[:, None], 1)[:, 0]
    num = jnp.maximum(batch.weights.sum(), 1.0)

    def mean(rows: Array) -> Array:
        return (rows * batch.weights).sum() / num

    centred = batch.advantages - mean(batch.advantages)
    advantages = centred / (jnp.sqrt(mean(centred**2)) + 1e-8)
    ratio = jnp.exp(log_probs - batch.log_probs)
    clipped = jnp.clip(ratio, 1.0 - settings.clip_ratio, 1.0 + settings.clip_ratio)
    policy = -mean(jnp.minimum(ratio * advantages, clipped * advantages))
    value = 0.5 * mean((values - batch.targets) ** 2)
    entropy = -mean((jnp.exp(log_policy) * log_policy).sum(-1))
    loss = policy + settings.value_weight * value - settings.entropy_weight * entropy
    return loss, jnp.stack([policy, value, entropy, mean((ratio != clipped).astype(jnp.float32))])


def _account(steps: Steps, losses: Array) -> Account:
    over = steps.ended | steps.cut
    sums = [over, steps.succeeded, steps.died, steps.totals, steps.lengths, steps.is_real]
    return Account(*(jnp.sum(one, dtype=jnp.float32) for one in sums), *losses)
