"""PPO: advantages, cuts and ends, scaling, and one compiled program for every goal."""

from collections.abc import Callable

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("jax_is_there")


@pytest.fixture
def jax_is_there(require_module: Callable[[str, str], None]) -> None:
    require_module("jax", "make craftax")
    # Half the time to compile; nothing here runs for long.
    import jax

    jax.config.update("jax_disable_most_optimizations", True)


def steps_of(**fields: object) -> object:
    from gamefleet.learners.ppo_rollout import Steps

    empty = dict.fromkeys(Steps._fields, None)
    return Steps(**{**empty, **fields})  # type: ignore[arg-type]


def test_advantages_are_those_of_a_plain_loop() -> None:
    import jax.numpy as jnp

    from gamefleet.learners.ppo import advantages_of

    rng = np.random.default_rng(0)
    values, rewards = rng.normal(size=(2, 12, 3)).astype(np.float32)
    ended, cut = rng.random((2, 12, 3)) < 0.2
    cut &= ~ended
    last = rng.normal(size=3).astype(np.float32)
    steps = steps_of(values=jnp.array(values), ended=jnp.array(ended), cut=jnp.array(cut))

    wanted = np.zeros_like(values)
    for env in range(3):
        later, following = 0.0, last[env]
        for time in reversed(range(12)):
            ahead = 0.0 if ended[time, env] else 0.9 * following
            flows = 0.0 if ended[time, env] or cut[time, env] else 0.9 * 0.8 * later
            later = rewards[time, env] + ahead - values[time, env] + flows
            wanted[time, env], following = later, values[time, env]

    found = advantages_of(steps, jnp.array(last), jnp.array(rewards), discount=0.9, trace_decay=0.8)  # type: ignore[arg-type]
    assert np.allclose(found, wanted, atol=1e-5)


def test_an_end_is_worth_nothing_beyond_and_a_cut_is_worth_what_comes_after_it() -> None:
    import jax.numpy as jnp

    from gamefleet.learners.ppo import advantages_of

    zeros = jnp.zeros((2, 2))
    # The second row is the state after the first: its value is 10.
    values = jnp.array([[0.0, 0.0], [10.0, 10.0]])
    ended = jnp.array([[True, False], [False, False]])
    cut = jnp.array([[False, True], [False, False]])
    steps = steps_of(values=values, ended=ended, cut=cut)

    found = advantages_of(steps, jnp.zeros(2), zeros, discount=0.5, trace_decay=1.0)  # type: ignore[arg-type]
    assert found[0].tolist() == [0.0, 5.0]


def test_a_network_with_scaling_folded_in_computes_what_scaled_observations_would_give() -> None:
    import jax
    import jax.numpy as jnp

    from gamefleet.learners.ppo_network import apply_params, fold_scaling, init_params, init_scaling, update_scaling

    rows = np.random.default_rng(1).normal(3.0, 2.0, (500, 5)).astype(np.float32)
    scaling = update_scaling(update_scaling(init_scaling(5), jnp.array(rows[:200])), jnp.array(rows[200:]))
    params = init_params(jax.random.PRNGKey(0), 5, 4, 16)

    folded, _ = apply_params(fold_scaling(params, scaling), jnp.array(rows))
    scaled, _ = apply_params(params, jnp.array((rows - rows.mean(0)) / rows.std(0)))
    assert np.allclose(folded, scaled, atol=1e-4)


def test_without_observations_scaling_changes_nothing() -> None:
    import jax

    from gamefleet.learners.ppo_network import fold_scaling, init_params, init_scaling

    params = init_params(jax.random.PRNGKey(0), 5, 4, 16)
    folded = fold_scaling(params, init_scaling(5))
    assert all(np.array_equal(folded[name], params[name]) for name in params)


def test_networks_with_more_layers_are_computed_layer_by_layer() -> None:
    import jax
    import jax.numpy as jnp

    from gamefleet.learners.ppo_network import apply_params, init_params

    params = init_params(jax.random.PRNGKey(0), 5, 4, 8)
    deeper = {**params, "body/2/w": jnp.eye(8) * 0.5, "body/2/b": jnp.ones(8)}
    rows = jnp.ones((3, 5))
    hidden = jnp.tanh(jnp.tanh(rows @ params["body/0/w"]) @ params["body/1/w"])
    hidden = jnp.tanh(0.5 * hidden + 1.0)
    assert np.allclose(apply_params(deeper, rows)[0], hidden @ params["policy/w"], atol=1e-5)


def test_one_compiled_program_trains_every_goal_and_the_same_start_gives_the_same_bytes() -> None:
    import jax
    import jax.numpy as jnp

    from gamefleet.learners.ppo import Account, make_ppo
    from gamefleet.learners.ppo_rollout import Goal, World
    from gamefleet.learners.ppo_settings import PpoSettings
    from gamefleet.skills.program_jax import run_program
    from gamefleet.testing.orchard import WORLD, OrchardWorld
    from gamefleet.topologies.skill_trainer.goal import stack_programs

    orchard = OrchardWorld()
    world = World(
        step=orchard.step,
        observe=orchard.observe,
        features=orchard.features,
        begin=orchard.begin,
        num_actions=orchard.num_actions,
        observation_size=orchard.observation_size,
    )
    settings = PpoSettings(num_envs=8, rollout_steps=4, epochs=1, minibatches=2, updates_per_call=2, width=8)
    ppo = make_ppo(world, settings, run_program)
    pool = orchard.generate(jax.random.PRNGKey(0), 16)

    def train(reward: str, success: str) -> tuple[dict[str, np.ndarray], Account]:
        programs = jax.tree.map(jnp.asarray, stack_programs([reward, success], WORLD))
        goal = Goal(programs=programs, max_steps=jnp.int32(10))
        state = ppo.init(jax.random.PRNGKey(1), pool, goal)
        for _ in range(3):
            state, account = ppo.update(state, pool, goal)
        return {name: np.asarray(array) for name, array in ppo.expert(state).items()}, account

    first, account = train("gained(fruit)", "fruit >= 1")
    again, _ = train("gained(fruit)", "fruit >= 1")
    other, _ = train("gained(jam) - 0.1 * gained(fruit)", "jam >= 1 and fruit >= 1")
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)
    assert ppo.update._cache_size() == 1  # type: ignore[attr-defined]
    # 2 updates of 8 x 4 steps, less those in which a cut environment stood still.
    assert 0 < float(account.steps) <= 64
    assert float(account.successes) <= float(account.episodes)
