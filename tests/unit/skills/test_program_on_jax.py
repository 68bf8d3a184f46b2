"""The same expressions on JAX: equal to NumPy's results to the last bit, compiled once for all of them."""

from collections.abc import Callable

import numpy as np
import pytest
from tests.unit.skills.random_expressions import NAMES, random_expressions, random_states

from gamefleet.skills.expression import parse_expression
from gamefleet.skills.program import compile_program
from gamefleet.skills.program import run_program as run_on_numpy

NUM_PROGRAMS = 150
NUM_TREES = 8


@pytest.fixture(autouse=True)
def needs_jax(require_module: Callable[[str, str], None]) -> None:
    require_module("jax", "make craftax")


def test_random_programs_give_exactly_numpys_results_from_one_compilation() -> None:
    import jax

    from gamefleet.skills.program_jax import run_program

    compiled = jax.jit(run_program)
    for place, expression in enumerate(random_expressions(3, NUM_PROGRAMS)):
        now, before = random_states(2 * place, 64), random_states(2 * place + 1, 64)
        program = compile_program(expression)

        found = np.asarray(compiled(program, now, before))

        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, run_on_numpy(program, now, before), err_msg=expression.text)
    assert compiled._cache_size() == 1


def test_a_tree_compiled_by_itself_gives_exactly_numpys_results() -> None:
    import jax
    import jax.numpy as jnp

    texts = ["wood / 49", "wood * 0.1 + stone * 0.1", "(wood + 0.5) % 0.3", "sqrt(wood * 1.37) // 0.7"]
    chosen = [*(parse_expression(text, NAMES) for text in texts), *random_expressions(4, NUM_TREES)]
    now, before = random_states(5, 256), random_states(6, 256)
    for expression in chosen:
        found = jax.jit(lambda now, before, expression=expression: expression.evaluate(jnp, now, before))(now, before)

        expected = expression.evaluate(np, now, before)
        np.testing.assert_array_equal(np.asarray(found), expected, err_msg=expression.text)


def test_programs_run_side_by_side_under_vmap() -> None:
    import jax

    from gamefleet.skills.program import Program
    from gamefleet.skills.program_jax import run_program

    programs = [compile_program(parse_expression(text, NAMES)) for text in ("gained(wood)", "wood >= 3 and stone")]
    both = Program(*(np.stack(parts) for parts in zip(*programs, strict=True)))
    now, before = random_states(7, 32), random_states(8, 32)

    side_by_side = jax.jit(jax.vmap(run_program, in_axes=(0, None, None)))(both, now, before)

    for found, program in zip(side_by_side, programs, strict=True):
        np.testing.assert_array_equal(np.asarray(found), run_on_numpy(program, now, before))


def test_verification_tries_skills_on_the_compiled_interpreter() -> None:
    from gamefleet.skills.program_jax import make_runner
    from gamefleet.skills.verify import sample_states, verify
    from gamefleet.testing.crafting import WORLD

    wood = {"name": "Collect_Wood", "gain": {"wood": 5}, "success": "wood >= 5", "max_steps": 100}
    states, run = sample_states(WORLD), make_runner()

    assert verify({**wood, "reward": "gained(wood)"}, WORLD, states=states, run=run).reasons == ()
    assert not verify({**wood, "reward": "1"}, WORLD, states=states, run=run).accepted
    broken = verify({**wood, "reward": "gained(wood)"}, WORLD, states=states, run=lambda *parts: run(*parts)[:5])
    assert broken.statistics["failed_checks"] == ["runs"]
