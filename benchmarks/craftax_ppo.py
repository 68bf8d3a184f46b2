"""What does PPO cost beside the game that it is compiled with?

Environment steps per second of our whole PPO (rollout and update in one program, rewards as programs, pool of start
states, episodes that end early), of a bare loop that steps the game with random actions, and of two plain PPO loops
written here in one piece, with the structure of the published baseline (craftax_baselines, after PureJaxRL: scan of
steps, advantages, epochs of shuffled minibatches): one that makes num_envs / 16 worlds at every step for those that
ended ("optimistic resets", as published), and one that draws from a pool of worlds made beforehand. All have the same
network (two tanh layers of 128), numbers of steps, epochs and minibatches, and see the same observations. In turns, in
one process; ratios are of CPU seconds on a CPU, where other processes may be running, and of wall seconds on a GPU.
Goal: at least 0.95 of the plain loop.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from table import Row, report

ENV_NAME = "Craftax-Classic-Symbolic-v1"
POOL, UPDATES, RESET_RATIO = 256, 4, 16
WIDTH, EPOCHS, MINIBATCHES, ROLLOUT = 128, 4, 4, 16
DISCOUNT, TRACE_DECAY, CLIP, LEARNING_RATE = 0.99, 0.95, 0.2, 1e-3

Run = Callable[[], Any]
"""One call of a compiled program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Sizes of one comparison."""

    env_name: str
    num_envs: int

    @property
    def steps(self) -> int:
        """Environment steps of one call."""
        return self.num_envs * ROLLOUT * UPDATES


def open_world(setting: Setting) -> Any:
    from gamefleet.games.craftax.jax_world import make_jax_world
    from gamefleet.games.craftax.variants import variant_of

    return make_jax_world(variant_of(setting.env_name))


def random_loop(setting: Setting, world: Any, pool: Any) -> Run:
    """Random actions; the dead start anew from the pool."""
    import jax
    import jax.numpy as jnp

    from gamefleet.learners.ppo_rollout import where_rows

    def step(carry: Any, key: Any) -> tuple[Any, Any]:
        act, move, pick = jax.random.split(key, 3)
        actions = jax.random.randint(act, (setting.num_envs,), 0, world.num_actions)
        moved, died = world.step(move, carry, actions)
        fresh = jax.tree.map(lambda leaf: leaf[jax.random.randint(pick, died.shape, 0, POOL)], pool)
        states = where_rows(died, fresh, moved)
        return states, world.observe(states).sum()

    run = jax.jit(lambda states, key: jax.lax.scan(step, states, jax.random.split(key, ROLLOUT * UPDATES)))
    states = jax.tree.map(lambda leaf: jnp.resize(leaf, (setting.num_envs, *leaf.shape[1:])), pool)
    return repeating(run, states)


def plain_loop(setting: Setting, world: Any, pool: Any, *, makes_worlds: bool) -> Run:
    """PPO in one piece; `makes_worlds`: fresh worlds at every step instead of a pool."""
    import jax
    import jax.numpy as jnp
    import optax

    from gamefleet.learners.ppo_network import apply_params, init_params
    from gamefleet.learners.ppo_rollout import where_rows

    num_envs = setting.num_envs
    optimizer = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(LEARNING_RATE, eps=1e-5))

    def fresh_states(key: Any) -> Any:
        if makes_worlds:
            made = world.generate(key, max(1, num_envs // RESET_RATIO))
            return jax.tree.map(lambda leaf: jnp.resize(leaf, (num_envs, *leaf.shape[1:])), made)
        return jax.tree.map(lambda leaf: leaf[jax.random.randint(key, (num_envs,), 0, POOL)], pool)

    def step(params: Any, carry: Any, key: Any) -> tuple[Any, Any]:
        states, seen, points = carry
        act, move, pick = jax.random.split(key, 3)
        logits, value = apply_params(params, seen)
        action = jax.random.categorical(act, logits)
        log_prob = jnp.take_along_axis(jax.nn.log_softmax(logits), action[:, None], 1)[:, 0]
        moved, done = world.step(move, states, action)
        reward = moved.achievements.sum(-1) - points
        states = where_rows(done, fresh_states(pick), moved)
        after = (states, world.observe(states), states.achievements.sum(-1))
        return after, (seen, action, log_prob, value, reward.astype(jnp.float32), done.astype(jnp.float32))

    def back(carry: Any, row: Any) -> tuple[Any, Any]:
        later, following = carry
        value, reward, done = row
        error = reward + DISCOUNT * following * (1 - done) - value
        later = error + DISCOUNT * TRACE_DECAY * (1 - done) * later
        return (later, value), later

    def loss(params: Any, rows: Any) -> Any:
        seen, action, old, advantage, target = rows
        logits, value = apply_params(params, seen)
        logs = jax.nn.log_softmax(logits)
        ratio = jnp.exp(jnp.take_along_axis(logs, action[:, None], 1)[:, 0] - old)
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        policy = -jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - CLIP, 1 + CLIP) * advantage).mean()
        return policy + 0.5 * ((value - target) ** 2).mean() + 0.01 * (jnp.exp(logs) * logs).sum(-1).mean()

    def minibatch(batch: Any, carry: Any, rows: Any) -> tuple[Any, None]:
        params, state = carry
        gradients = jax.grad(loss)(params, jax.tree.map(lambda leaf: leaf[rows], batch))
        updates, state = optimizer.update(gradients, state, params)
        return (optax.apply_updates(params, updates), state), None

    def update(carry: Any, key: Any) -> tuple[Any, None]:
        params, state, envs = carry
        play, shuffle = jax.random.split(key)
        envs, rollout = jax.lax.scan(partial(step, params), envs, jax.random.split(play, ROLLOUT))
        seen, action, log_prob, value, reward, done = rollout
        last = apply_params(params, envs[1])[1]
        _, advantage = jax.lax.scan(back, (jnp.zeros_like(last), last), (value, reward, done), reverse=True)
        batch = [leaf.reshape((-1, *leaf.shape[2:])) for leaf in (seen, action, log_prob, advantage, advantage + value)]
        orders = [jax.random.permutation(each, num_envs * ROLLOUT) for each in jax.random.split(shuffle, EPOCHS)]
        parts = jnp.stack(orders).reshape(EPOCHS * MINIBATCHES, -1)
        (params, state), _ = jax.lax.scan(partial(minibatch, batch), (params, state), parts)
        return (params, state, envs), None

    run = jax.jit(lambda carry, key: jax.lax.scan(update, carry, jax.random.split(key, UPDATES)))
    params = init_params(jax.random.PRNGKey(0), world.observation_size, world.num_actions, WIDTH)
    states = jax.tree.map(lambda leaf: jnp.resize(leaf, (num_envs, *leaf.shape[1:])), pool)
    envs = (states, world.observe(states), states.achievements.sum(-1))
    return repeating(run, (params, optimizer.init(params), envs))


def our_loop(setting: Setting, world: Any, pool: Any) -> Run:
    """`learners.ppo`, on the first skill of the chain."""
    import jax
    import jax.numpy as jnp

    from gamefleet.games.craftax.worlds import skill_world
    from gamefleet.learners.ppo import make_ppo
    from gamefleet.learners.ppo_rollout import Goal, World
    from gamefleet.learners.ppo_settings import PpoSettings
    from gamefleet.skills.program_jax import run_program
    from gamefleet.topologies.skill_trainer.goal import stack_programs

    named = ("step", "observe", "features", "begin", "num_actions", "observation_size")
    settings = PpoSettings(
        num_envs=setting.num_envs,
        rollout_steps=ROLLOUT,
        epochs=EPOCHS,
        minibatches=MINIBATCHES,
        updates_per_call=UPDATES,
        width=WIDTH,
    )
    ppo = make_ppo(World(**{name: getattr(world, name) for name in named}), settings, run_program)
    skills = skill_world(setting.env_name)
    programs = stack_programs(["min(wood, 6) - min(before(wood), 6)", "wood >= 6"], skills)
    goal = Goal(programs=programs, max_steps=np.int32(160))
    goal = jax.tree.map(jnp.asarray, goal)
    state = ppo.init(jax.random.PRNGKey(0), pool, goal)
    return repeating(lambda carry, key: ppo.update(carry, pool, goal), state)


def repeating(run: Callable[[Any, Any], tuple[Any, Any]], carry: Any) -> Run:
    """A program that goes on from where it stopped."""
    import jax

    kept = [carry, jax.random.PRNGKey(1)]

    def call() -> None:
        key, use = jax.random.split(kept[1])
        kept[:] = [jax.block_until_ready(run(kept[0], use))[0], key]

    return call


def measure(setting: Setting, rounds: int) -> list[Row]:
    """All loops in turns."""
    import jax
    import jax.numpy as jnp

    world = open_world(setting)
    generate = jax.jit(lambda key: world.generate(key, 16))
    groups = [generate(key) for key in jax.random.split(jax.random.PRNGKey(0), POOL // 16)]
    pool = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *groups)
    loops = {
        "random actions, no learning": random_loop(setting, world, pool),
        "plain PPO, worlds made at every step": plain_loop(setting, world, pool, makes_worlds=True),
        "plain PPO, pool of worlds": plain_loop(setting, world, pool, makes_worlds=False),
        "our PPO": our_loop(setting, world, pool),
    }
    compiling = {name: seconds(run)[1] for name, run in loops.items()}
    for run in loops.values():
        run()
    taken = np.array([[seconds(run) for run in loops.values()] for _ in range(rounds)])
    clock = 0 if jax.default_backend() == "cpu" else 1
    used = np.median(taken[:, :, clock], 0)
    return [
        {
            "environment": setting.env_name.removesuffix("-v1"),
            "environments": setting.num_envs,
            "loop": name,
            "steps/s" if clock else "steps per CPU second": round(setting.steps / used[place], 3),
            "of plain PPO with a pool (goal 0.95)": float(used[2] / used[place]),
            "of plain PPO as published": float(used[1] / used[place]),
            "of random play": float(used[0] / used[place]),
            "s to compile (busy machine)": compiling[name],
        }
        for place, name in enumerate(loops)
    ]


def seconds(run: Run) -> tuple[float, float]:
    """CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    """Run and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--env-name", default=ENV_NAME)
    arguments.add_argument("--num-envs", type=int, nargs="*", help="128 on a CPU; 256 512 1024 2048 4096 on a GPU")
    arguments.add_argument("--rounds", type=int, default=7)
    options = arguments.parse_args()
    from gamefleet.models.jax_setup import prepare_jax

    prepare_jax(os.environ)
    import jax

    is_cpu = jax.default_backend() == "cpu"
    sizes = options.num_envs or ([128] if is_cpu else [256, 512, 1024, 2048, 4096])
    settings = [Setting(env_name=options.env_name, num_envs=size) for size in sizes]
    rows = [row for setting in settings for row in measure(setting, options.rounds)]
    device = "CPU" if is_cpu else jax.devices()[0].device_kind
    report(
        "craftax_ppo", f"What does PPO cost beside the game that it is compiled with? On {device}.", rows, options.write
    )


if __name__ == "__main__":
    main()
