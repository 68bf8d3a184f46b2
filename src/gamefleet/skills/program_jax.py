"""Programs on JAX: the interpreter that is compiled once into a trainer and then runs every skill's expressions.

Job: `run_program` with results equal to `program.run_program`. Place in the data flow: `learners` get it passed in,
with programs as arguments. Left out: compiling expressions (`program`). Imported only where JAX is wanted.

A loop as long as the program and a switch over operations: short programs are cheap, and nothing is compiled again for
the next skill. Call it with whole batches of states. Under `vmap` over programs the switch becomes a selection among
all operations.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from gamefleet.skills.operations import Operation, apply, clean, tidy
from gamefleet.skills.program import NUM_INSTRUCTIONS, Program


def run_program(program: Program, now: Any, before: Any) -> Any:
    """The value of a program in each of a batch of states.

    Args:
        program: What `compile_program` made; its arrays may be traced.
        now: float32[..., features] after the action.
        before: float32[..., features] before the action.

    Returns:
        float32[...]
    """
    now, before = jnp.asarray(now, jnp.float32), jnp.asarray(before, jnp.float32)
    code, constants = jnp.asarray(program.code), tidy(jnp, jnp.asarray(program.constants, jnp.float32))
    calculations = [_calculation(operation) for operation in Operation if operation > Operation.GAINED]
    branches = [
        lambda registers, words: jnp.full(now.shape[:-1], constants[words[0]]),
        lambda registers, words: _column(now, words[0]),
        lambda registers, words: _column(before, words[0]),
        lambda registers, words: tidy(jnp, _column(now, words[0]) - _column(before, words[0])),
        *calculations,
    ]

    def step(place: Any, registers: Any) -> Any:
        value = jax.lax.switch(code[place, 0], branches, registers, code[place, 1:])
        return registers.at[place].set(value)

    length = jnp.asarray(program.length)
    registers = jax.lax.fori_loop(0, length, step, jnp.zeros((NUM_INSTRUCTIONS, *now.shape[:-1]), jnp.float32))
    return registers[length - 1]


def make_runner() -> Callable[[Program, Any, Any], NDArray[np.float32]]:
    """`run_program`, compiled, for `verify`: a skill is then tried on what will train it.

    It computes on the platform that JAX finds: a scheduler beside its jobs has kept JAX to the CPU
    (`topologies.job_graph.machine`).
    """
    compiled = jax.jit(run_program)
    return lambda program, now, before: np.asarray(compiled(program, now, before))


def _column(features: Any, column: Any) -> Any:
    return clean(jnp, jax.lax.dynamic_index_in_dim(features, column, axis=-1, keepdims=False))


def _calculation(operation: Operation) -> Any:
    def calculate(operation: Operation, registers: Any, words: Any) -> Any:
        return apply(operation, jnp, registers[words[0]], registers[words[1]], registers[words[2]])

    return partial(calculate, operation)
