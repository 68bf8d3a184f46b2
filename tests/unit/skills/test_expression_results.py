"""What expressions are worth: on states one by one, and equal as a tree, as a program, on NumPy and on JAX."""

import numpy as np
import pytest
from tests.unit.skills.random_expressions import NAMES, random_expressions, random_states

from gamefleet.skills.expression import parse_expression
from gamefleet.skills.operations import LARGEST
from gamefleet.skills.program import NUM_INSTRUCTIONS, compile_program, run_program

NUM_EXPRESSIONS = 300


def state(**values: float) -> np.ndarray:
    return np.asarray([[values.get(name, 0.0) for name in NAMES]], np.float32)


def value(text: str, now: np.ndarray, before: np.ndarray | None = None) -> float:
    found = parse_expression(text, NAMES).evaluate(np, now, now if before is None else before)
    assert found.dtype == np.float32
    assert found.shape == (1,)
    return float(found[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wood + 2 * stone", 11),
        ("wood - stone - 1", -2),
        ("wood / 2", 1.5),
        ("wood // 2", 1),
        ("-wood // 2", -2),
        ("wood % 2", 1),
        ("-wood % 2", 1),
        ("wood / 0", 0),
        ("wood // 0", 0),
        ("wood % 0", 0),
        ("0 / 0", 0),
        ("sqrt(stone * 4)", 4),
        ("sqrt(-1)", 0),
        ("abs(-wood)", 3),
        ("min(wood, stone)", 3),
        ("max(wood, stone, 9)", 9),
        ("clip(wood, 0, 2)", 2),
        ("clip(wood, 5, 2)", 2),
        ("wood >= 3", 1),
        ("wood > 3", 0),
        ("wood == 3 and stone", 1),
        ("wood == 4 or 0", 0),
        ("not wood", 0),
        ("5 and 7", 1),
        ("0 or 7", 1),
        ("wood if near_table else stone", 4),
        ("(wood == 3) + (stone == 4) + True", 3),
        ("wood * 999999 * 999999", LARGEST),
        ("-wood * 999999 * 999999", -LARGEST),
    ],
)
def test_an_expression_has_this_value(text: str, expected: float) -> None:
    assert value(text, state(wood=3, stone=4)) == pytest.approx(expected, rel=1e-6)


def test_a_name_is_the_feature_after_the_action_and_before_is_what_it_was() -> None:
    now, before = state(wood=5), state(wood=2)

    assert value("wood", now, before) == 5
    assert value("before(wood)", now, before) == 2
    assert value("gained(wood)", now, before) == 3
    assert value("gained(wood)", before, now) == -3


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 3.4e38, 1e-45])
def test_a_feature_that_is_no_ordinary_number_gives_one_all_the_same(odd: float) -> None:
    for text in ("wood", "gained(wood)", "wood * wood", "1 / wood", "wood % 3", "sqrt(wood)", "wood > 1"):
        assert np.isfinite(value(text, state(wood=odd), state()))


def test_an_expression_knows_which_features_it_reads() -> None:
    expression = parse_expression("gained(wood) + before(stone) + (health if 0 else 1)", NAMES)

    assert expression.features() == {"wood", "stone", "health"}


def test_what_occurs_twice_is_worked_out_once() -> None:
    once = parse_expression("wood * stone + 1", NAMES)
    twice = parse_expression("(wood * stone + 1) + (wood * stone + 1)", NAMES)

    assert len(twice.nodes) == len(once.nodes) + 1


def test_batches_may_have_any_number_of_axes() -> None:
    states = random_states(0, 24)
    expression = parse_expression("wood * gained(stone) + 1", NAMES)
    flat = expression.evaluate(np, states, states[::-1])

    boxed = expression.evaluate(np, states.reshape(2, 3, 4, -1), states[::-1].reshape(2, 3, 4, -1))

    np.testing.assert_array_equal(boxed, flat.reshape(2, 3, 4))


def test_programs_give_exactly_what_the_tree_gives_on_random_expressions_and_states() -> None:
    for place, expression in enumerate(random_expressions(1, NUM_EXPRESSIONS)):
        now, before = random_states(2 * place, 64), random_states(2 * place + 1, 64)
        expected = expression.evaluate(np, now, before)

        found = run_program(compile_program(expression), now, before)

        assert found.dtype == np.float32
        assert np.isfinite(found).all(), expression.text
        np.testing.assert_array_equal(found, expected, err_msg=expression.text)


def test_a_program_has_the_same_shapes_whatever_the_expression() -> None:
    for text in ("wood", "max(gained(wood), 0) + 0.01 * (before(health) - health)"):
        program = compile_program(parse_expression(text, NAMES))

        assert program.code.shape == (NUM_INSTRUCTIONS, 4)
        assert program.constants.shape == (NUM_INSTRUCTIONS,)
        assert program.code.dtype == program.length.dtype == np.int32
        assert program.constants.dtype == np.float32
