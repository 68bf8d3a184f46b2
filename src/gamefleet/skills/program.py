"""An expression as numbers, so that one compiled trainer serves every skill: programs are its arguments.

Job: compile an expression to a table of instructions, and run such tables on NumPy. Place in the data flow:
`expression` -> `compile_program` -> the trainer's compiled update. Left out: running on JAX (`program_jax`).

Instruction i writes register i. The row is (operation, a, b, c): for operations that read, a is the place of a constant
or the column of a feature; for all others a, b and c are registers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gamefleet.skills.expression import Expression, Node
from gamefleet.skills.operations import READS, Operation, apply, clean, tidy

NUM_INSTRUCTIONS = 96
"""More than `expression_check.MAX_NODES`, so that every expression fits."""

NUM_WORDS = 4


class Program(NamedTuple):
    """A compiled expression; a tuple of arrays, so that JAX takes it as an argument without being told how.

    Args:
        code: int32[instructions, words] (operation, a, b, c); rows from `length` on are 0.
        constants: float32[instructions].
        length: int32[]: how many instructions there are; the last one's register is the value.
    """

    code: NDArray[np.int32]
    constants: NDArray[np.float32]
    length: NDArray[np.int32]


def compile_program(expression: Expression) -> Program:
    """Write an expression as a program with equal results."""
    code = np.zeros((NUM_INSTRUCTIONS, NUM_WORDS), np.int32)
    constants = np.zeros(NUM_INSTRUCTIONS, np.float32)
    for place, node in enumerate(expression.nodes):
        # A constant has its instruction's place: there are as many places as instructions.
        constants[place] = node.value
        code[place, 0] = node.operation
        words = _words(node, place)
        code[place, 1 : 1 + len(words)] = words
    return Program(code, constants, np.asarray(len(expression.nodes), np.int32))


def _words(node: Node, place: int) -> tuple[int, ...]:
    if node.operation is Operation.CONSTANT:
        return (place,)
    return (node.column,) if node.operation in READS else node.arguments


def run_program(program: Program, now: Any, before: Any) -> NDArray[np.float32]:
    """The value of a program in each of a batch of states.

    Args:
        program: What `compile_program` made.
        now: float32[..., features] after the action.
        before: float32[..., features] before the action.

    Returns:
        float32[...]
    """
    now, before = np.asarray(now, np.float32), np.asarray(before, np.float32)
    registers = np.zeros((NUM_INSTRUCTIONS, *now.shape[:-1]), np.float32)
    for place in range(int(program.length)):
        operation, a, b, c = (int(word) for word in program.code[place])
        if operation == Operation.CONSTANT:
            registers[place] = tidy(np, program.constants[a])
        elif operation in READS:
            registers[place] = _read(Operation(operation), clean(np, now[..., a]), clean(np, before[..., a]))
        else:
            registers[place] = apply(Operation(operation), np, registers[a], registers[b], registers[c])
    return np.asarray(registers[int(program.length) - 1])


def _read(operation: Operation, now: Any, before: Any) -> Any:
    if operation is Operation.GAINED:
        return tidy(np, now - before)
    return now if operation is Operation.NOW else before
