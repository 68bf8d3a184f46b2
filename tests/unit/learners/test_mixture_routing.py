"""A mixture says what the responsible experts say, row by row, whoever is responsible for which rows."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gamefleet.errors import ConfigError, IncompatibleError

SHAPES = {
    "body/0/w": (12, 16), "body/0/b": (16,), "body/1/w": (16, 16), "body/1/b": (16,),
    "policy/w": (16, 5), "policy/b": (5,), "value/w": (16, 1), "value/b": (1,),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _quick_jax(require_module: Callable[[str, str], None]) -> None:
    require_module("jax", "make craftax")
    # Half the time to compile; nothing here runs for long.
    import jax

    jax.config.update("jax_disable_most_optimizations", True)


def network(seed: int, **other: tuple[int, ...]) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) / 3 for name, shape in {**SHAPES, **other}.items()}


def network_of(seed: int, *widths: int) -> dict[str, Any]:
    """With one layer of each width."""
    rng = np.random.default_rng(seed)
    params: dict[str, Any] = {}
    for layer, (rows, columns) in enumerate(itertools.pairwise((12, *widths))):
        params[f"body/{layer}/w"] = rng.normal(size=(rows, columns)).astype(np.float32) / 3
        params[f"body/{layer}/b"] = rng.normal(size=columns).astype(np.float32) / 3
    heads = {"policy": (widths[-1], 5), "value": (widths[-1], 1)}
    params |= {f"{name}/w": rng.normal(size=shape).astype(np.float32) / 3 for name, shape in heads.items()}
    return params | {f"{name}/b": rng.normal(size=shape[1]).astype(np.float32) / 3 for name, shape in heads.items()}


def answered(params: dict[str, Any], observation: np.ndarray) -> tuple[np.ndarray, float]:
    """The definition, in NumPy."""
    hidden, layer = observation, 0
    while f"body/{layer}/w" in params:
        hidden = np.tanh(hidden @ params[f"body/{layer}/w"] + params[f"body/{layer}/b"])
        layer += 1
    return hidden @ params["policy/w"] + params["policy/b"], float((hidden @ params["value/w"] + params["value/b"])[0])


ASSIGNMENTS = {
    "all rows of one expert": [1] * 30,
    "in turns": [row % 5 for row in range(30)],
    "one expert unused": [row % 4 for row in range(30)],
    "nearly all of the last": [0, 4, *([4] * 28)],
    "sorted backwards": sorted([row % 5 for row in range(30)], reverse=True),
    "groups of every size": [expert for expert, rows in enumerate((1, 8, 9, 12, 0)) for _ in range(rows)],
    "no rows of the first": [4, 3, 3, 3, 4, 1] * 5,
}
"""Of the same length: every length is compiled anew."""


@pytest.mark.parametrize("way", ["routed", "routed_by_block", "masked"])
def test_each_row_is_answered_by_its_own_expert(way: str) -> None:
    import jax
    import jax.numpy as jnp

    from gamefleet.learners import mixture

    experts = [network(seed) for seed in range(5)]
    stack = mixture.stack_params(experts)
    compiled = jax.jit(getattr(mixture, way))
    random = [list(np.random.default_rng(seed).choice(5, size=30, p=[0.5, 0.3, 0.1, 0.1, 0])) for seed in range(5)]
    for assignment in [*ASSIGNMENTS.values(), *random]:
        observations = np.random.default_rng(9).normal(size=(len(assignment), 12)).astype(np.float32)

        logits, values = compiled(stack, jnp.array(assignment), jnp.array(observations))

        expected = [answered(experts[expert], row) for expert, row in zip(assignment, observations, strict=True)]
        np.testing.assert_allclose(logits, [each for each, _ in expected], atol=1e-5)
        np.testing.assert_allclose(values, [each for _, each in expected], atol=1e-5)


@pytest.mark.parametrize("way", ["routed", "routed_by_block", "masked"])
def test_experts_of_any_depth_and_width_answer_side_by_side_as_they_do_alone(way: str) -> None:
    import jax
    import jax.numpy as jnp

    from gamefleet.learners import mixture

    # Narrow and wide, shallow and deep, forms twice and not in a row; more places than experts, as plans have.
    sizes = [(16, 16), (40, 24, 40, 8), (16, 16), (6,), (40, 24, 40, 8)]
    experts = [network_of(seed, *widths) for seed, widths in enumerate(sizes)]
    stack = mixture.stack_params(experts, lambda num: max(num, 8))
    compiled = jax.jit(getattr(mixture, way))
    for assignment in ASSIGNMENTS.values():
        observations = np.random.default_rng(9).normal(size=(len(assignment), 12)).astype(np.float32)

        logits, values = compiled(stack, jnp.array(assignment), jnp.array(observations))

        expected = [answered(experts[expert], row) for expert, row in zip(assignment, observations, strict=True)]
        np.testing.assert_allclose(logits, [each for each, _ in expected], atol=2e-6)
        np.testing.assert_allclose(values, [each for _, each in expected], atol=2e-6)


def test_experts_of_one_size_are_stacked_as_one_and_a_larger_one_makes_none_of_them_larger() -> None:
    from gamefleet.learners.mixture import num_experts, stack_params

    small = [network(seed) for seed in range(3)]

    alone = stack_params(small)
    beside = stack_params([small[0], network_of(3, 64, 64, 64), *small[1:]])

    assert len(alone.forms) == 1
    assert alone.places.tolist() == [0, 1, 2]
    sizes = [sum(array.size for array in form.values()) for form in (*alone.forms, *beside.forms)]
    assert sizes[0] in sizes[1:], "the small ones take what they take without the large one"
    assert num_experts(beside) == 4


def test_plans_with_the_same_forms_have_arguments_of_the_same_shapes() -> None:
    import jax

    from gamefleet.learners.mixture import stack_params

    one, other = network(0), network_of(1, 24, 24, 24)

    def shapes(*experts: dict[str, Any]) -> Any:
        return jax.tree.map(lambda leaf: leaf.shape, stack_params(experts, lambda num: -(-num // 8) * 8))

    assert shapes(one, other) == shapes(other, one, one) == shapes(*[other] * 5, one)
    assert shapes(one, other) != shapes(one, one)


def test_one_row_is_a_batch_too() -> None:
    import jax
    import jax.numpy as jnp

    from gamefleet.learners.mixture import routed, stack_params

    experts = [network(seed) for seed in range(2)]
    observation = np.ones((1, 12), np.float32)

    logits, _ = jax.jit(routed)(stack_params(experts), jnp.array([1]), jnp.array(observation))

    np.testing.assert_allclose(logits[0], answered(experts[1], observation[0])[0], atol=1e-5)


def test_the_branches_cover_every_number_of_rows_at_less_than_double() -> None:
    from gamefleet.learners.mixture import branch_sizes

    for num_rows in (1, 5, 8, 100, 128, 1000, 1024, 4096):
        sizes = branch_sizes(num_rows)
        assert sizes[0] == 0
        assert sizes[-1] == num_rows
        assert list(sizes) == sorted(set(sizes))
        assert all(other <= 2 * one for one, other in itertools.pairwise(sizes[1:]))
        assert len(sizes) <= 16


def test_experts_of_other_games_are_refused_with_the_difference() -> None:
    from gamefleet.learners.mixture import stack_params

    with pytest.raises(IncompatibleError, match=r"Experts 0 and 1 .*: actions: 5 here, 6 there"):
        stack_params([network(0), network(1, **{"policy/w": (16, 6), "policy/b": (6,)})])
    with pytest.raises(IncompatibleError, match=r"Experts 0 and 2 .*: observation: 12 here, 13 there"):
        stack_params([network(0), network(1), network(2, **{"body/0/w": (13, 16)})])
    with pytest.raises(IncompatibleError, match=r"Expert 1 .* no network of layers.*actor/Conv_0/kernel"):
        stack_params([network(0), {"actor/Conv_0/kernel": np.ones((2, 2), np.float32)}])
    with pytest.raises(IncompatibleError, match="at least one"):
        stack_params([])


def test_a_network_begins_fresh_or_as_a_copy_of_the_last_dependency() -> None:
    from gamefleet.learners.mixture import first_params

    fresh, first, last = network(0), network(1), network(2)

    assert first_params([first, last], fresh, "frozen") is fresh
    assert first_params([], fresh, "tuned") is fresh
    tuned = first_params([first, last], fresh, "tuned")
    assert tuned.keys() == fresh.keys()
    assert all(np.array_equal(tuned[name], last[name]) for name in last)
    with pytest.raises(ConfigError, match="Did you mean 'tuned'"):
        first_params([first], fresh, "tune")
    with pytest.raises(IncompatibleError, match="policy/w"):
        first_params([network(1, **{"policy/w": (16, 6)})], fresh, "tuned")
    # Without its further layers it would be another network.
    with pytest.raises(IncompatibleError, match=r"body/2/b: '\(absent\)' here.*dependencies=frozen"):
        first_params([network_of(1, 16, 16, 16)], fresh, "tuned")


def plan_rows(num_rows: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Observations of a plan of three steps: what is carried says which step it is, the rest is noise."""
    rng = np.random.default_rng(4)
    observations = rng.normal(size=(num_rows, 12)).astype(np.float32) / 2
    carried = rng.integers(0, 3, size=num_rows)
    observations[:, 0], observations[:, 1] = carried >= 1, carried >= 2
    return observations, carried


def test_a_gate_learns_from_plans_which_expert_acts() -> None:
    import jax
    import jax.numpy as jnp

    from gamefleet.learners.mixture import stack_params
    from gamefleet.learners.mixture_gate import choose_experts, fit_gate, gated
    from gamefleet.learners.mixture_settings import FitSettings

    observations, responsible = plan_rows()
    experts = [network(seed) for seed in range(3)]
    stack = stack_params(experts)
    settings = FitSettings(updates=150, learning_rate=0.05, batch_size=64)

    gate = fit_gate(stack, jnp.array(observations), jnp.array(responsible), 0, settings)

    assert gate.agreement >= 0.97
    chosen = np.asarray(choose_experts(gate.params, jnp.array(observations)))
    assert (chosen == responsible).mean() >= 0.97
    logits, _ = jax.jit(gated)(stack, gate.params, jnp.array(observations))
    for row in (0, 1, 2, 500):
        np.testing.assert_allclose(logits[row], answered(experts[chosen[row]], observations[row])[0], atol=1e-5)


@pytest.mark.long
def test_a_distilled_network_answers_as_the_whole_mixture_does() -> None:
    import jax
    import jax.numpy as jnp

    from gamefleet.learners.distil import distil
    from gamefleet.learners.mixture import masked, stack_params
    from gamefleet.learners.mixture_settings import FitSettings

    observations, responsible = plan_rows()
    # Each expert prefers one action clearly: who answers with an average of the experts is seen at once.
    experts = [network(seed) for seed in range(3)]
    for preferred, expert in enumerate(experts):
        expert["policy/b"][preferred] += 3
    arguments = stack_params(experts), jnp.array(responsible), jnp.array(observations)
    settings = FitSettings(updates=250, width=32, learning_rate=0.01, batch_size=128)

    found = distil(*arguments, 1, settings)
    again = distil(*arguments, 1, settings)

    actions = np.asarray(jax.jit(masked)(*arguments)[0]).argmax(-1)
    assert found.agreement >= 0.85 > max((actions == action).mean() for action in range(5)) + 0.2
    assert found.divergence <= 0.05
    assert {name: array.shape[1:] for name, array in found.params.items()}.keys() == SHAPES.keys()
    assert all(np.array_equal(found.params[name], again.params[name]) for name in SHAPES), "the same seed, the same net"


def test_too_few_rows_teach_nothing() -> None:
    import jax.numpy as jnp

    from gamefleet.learners.mixture import stack_params
    from gamefleet.learners.mixture_gate import fit_gate

    with pytest.raises(ConfigError, match="too few recorded rows to learn from: 2"):
        fit_gate(stack_params([network(0)]), jnp.zeros((2, 12)), jnp.zeros(2, jnp.int32), 0)
