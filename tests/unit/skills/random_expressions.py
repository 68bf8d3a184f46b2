"""Random expressions and states for property tests of skills."""

import random

import numpy as np
from numpy.typing import NDArray

from gamefleet.skills.expression import Expression, ExpressionRefusedError, parse_expression

NAMES = ("wood", "stone", "health", "near_table", "daylight")


def random_text(rng: random.Random, depth: int) -> str:
    """A text that the gate accepts, with all kinds of nodes."""
    if depth == 0 or rng.random() < 0.15:
        name = rng.choice(NAMES)
        number = rng.choice(["0", "1", "2", "0.5", "3", "49", "0.1", "7.25", "1e-9", "999999"])
        return rng.choice([name, f"before({name})", f"gained({name})", number])
    one, two, three = (random_text(rng, depth - 1) for _ in range(3))
    binary = rng.choice(["+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or"])
    return rng.choice(
        [
            f"({one}) {binary} ({two})",
            f"({one}) {binary} ({two})",
            f"-({one})",
            f"not ({one})",
            f"abs({one})",
            f"sqrt({one})",
            f"min({one}, {two}, {three})",
            f"max({one}, {two})",
            f"clip({one}, {two}, {three})",
            f"(({one}) if ({two}) else ({three}))",
        ]
    )


def random_states(seed: int, num: int) -> NDArray[np.float32]:
    """float32[num, features]: amounts, bits and fractions, and a few values that no world should give."""
    rng = np.random.default_rng(seed)
    states = rng.integers(0, 10, (num, len(NAMES))).astype(np.float32)
    states[:, 3] = rng.integers(0, 2, num)
    states[:, 4] = rng.random(num)
    odd = np.asarray([np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-30, -0.0, 3.4e38, 1e-45, -7], np.float32)
    chosen = rng.random(states.shape) < 0.05
    return np.where(chosen, rng.choice(odd, states.shape), states).astype(np.float32)


def random_expressions(seed: int, num: int) -> list[Expression]:
    """That many expressions, the same for the same seed."""
    rng, found = random.Random(seed), []
    while len(found) < num:
        try:
            found.append(parse_expression(random_text(rng, rng.randint(1, 4)), NAMES))
        except ExpressionRefusedError:
            continue  # longer than allowed
    return found
