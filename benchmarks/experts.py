"""What does a mixture of experts cost beside one expert?

Each row of a batch is answered by one of 16 experts, drawn evenly: grouped by expert (`learners.mixture.routed`), by
evaluating all experts and masking, and, as the measure, by one expert for all rows. Networks as PPO trains them, two
layers of 128; observations of 1345 and 8268 numbers are those of the small and the large variant of the crafting game.
All ways in turns, in one process; ratios are of CPU seconds, whose median over the rounds is taken. Goal: grouped at
most 3 times one expert.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from table import report

NUM_EXPERTS, WIDTH = 16, 128
GAMES = {1345: 17, 8268: 43}
"""Numbers of an observation -> actions."""

BATCHES = (1024, 128)
ROUNDS = 21


def network(observation_size: int, num_actions: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    layers = {
        "body/0": (observation_size, WIDTH),
        "body/1": (WIDTH, WIDTH),
        "policy": (WIDTH, num_actions),
        "value": (WIDTH, 1),
    }
    weights = {f"{name}/w": rng.normal(size=shape).astype(np.float32) / 30 for name, shape in layers.items()}
    return weights | {f"{name}/b": np.zeros(shape[1], np.float32) for name, shape in layers.items()}


def seconds(act: Callable[[], Any]) -> float:
    """CPU seconds until the answer is there."""
    import jax

    before = time.process_time()
    jax.block_until_ready(act())
    return time.process_time() - before


def measure(observation_size: int, batch: int) -> list[dict[str, str | float]]:
    import jax
    import jax.numpy as jnp

    from gamefleet.learners.mixture import masked, one_of, routed, stack_params
    from gamefleet.learners.ppo_network import apply_params

    rng = np.random.default_rng(0)
    stack = stack_params([network(observation_size, GAMES[observation_size], seed) for seed in range(NUM_EXPERTS)])
    observations = jnp.array((rng.random((batch, observation_size)) < 0.05).astype(np.float32))
    experts = jnp.array(rng.integers(0, NUM_EXPERTS, batch))
    same = jnp.zeros(batch, jnp.int32)
    compiled = jax.jit(routed)
    ways: dict[str, Callable[[], Any]] = {
        "one expert": functools.partial(jax.jit(apply_params), one_of(stack.forms[0], 0), observations),
        "grouped, all rows of one expert": functools.partial(compiled, stack, same, observations),
        "grouped": functools.partial(compiled, stack, experts, observations),
        "all evaluated and masked": functools.partial(jax.jit(masked), stack, experts, observations),
    }
    for act in ways.values():
        seconds(act)
    taken = np.array([[seconds(act) for act in ways.values()] for _ in range(ROUNDS)])
    cpu = np.median(taken, 0)
    return [
        {
            "observation": observation_size,
            "rows": batch,
            "way": name,
            "ms CPU": float(cpu[number]) * 1e3,
            "times one expert (goal 3)": float(cpu[number] / cpu[0]),
        }
        for number, name in enumerate(ways)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/experts.md")
    arguments = parser.parse_args()
    rows = [row for size in GAMES for batch in BATCHES for row in measure(size, batch)]
    question = f"What does a mixture of {NUM_EXPERTS} experts cost beside one expert?"
    report("experts", question, rows, arguments.write)


if __name__ == "__main__":
    main()
