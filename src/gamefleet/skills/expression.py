"""Reward and success as arithmetic over named features, read from text and worked out on arrays.

Job: one small immutable tree for each expression. Place in the data flow: a skill's text -> `parse_expression` ->
verified on NumPy (`Expression.evaluate`), compiled to numbers for the trainer (`program`), written for people
(`module_text`). Left out: which texts are allowed (`expression_check`) and what an operation does (`operations`).

A bare name is the feature after the action, `before(x)` what it was before, `gained(x)` is `x - before(x)`.

Axes: ...: any batch; features: in the order of the names that the expression was parsed with.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gamefleet.errors import ConfigError
from gamefleet.skills.expression_check import MAX_CHARACTERS, RESERVED, ExpressionRefusedError, check_text
from gamefleet.skills.operations import Operation, apply, clean, tidy

__all__ = ["Expression", "ExpressionRefusedError", "Node", "parse_expression"]

_BINARY: dict[type[ast.operator], Operation] = {
    ast.Add: Operation.ADD,
    ast.Sub: Operation.SUBTRACT,
    ast.Mult: Operation.MULTIPLY,
    ast.Div: Operation.DIVIDE,
    ast.FloorDiv: Operation.FLOOR_DIVIDE,
    ast.Mod: Operation.MODULO,
}

_COMPARISONS: dict[type[ast.cmpop], tuple[Operation, bool]] = {
    ast.Lt: (Operation.LESS, False),
    ast.LtE: (Operation.LESS_EQUAL, False),
    ast.Gt: (Operation.LESS, True),
    ast.GtE: (Operation.LESS_EQUAL, True),
    ast.Eq: (Operation.EQUAL, False),
    ast.NotEq: (Operation.NOT_EQUAL, False),
}
"""Each comparison as one of four operations, and whether its sides change places."""

_CALLS: dict[str, Operation] = {
    "min": Operation.MINIMUM,
    "max": Operation.MAXIMUM,
    "abs": Operation.ABSOLUTE,
    "clip": Operation.CLIP,
    "sqrt": Operation.ROOT,
}


@dataclass(frozen=True, slots=True)
class Node:
    """One operation.

    Args:
        operation: What it does.
        arguments: Places of its arguments among the expression's nodes, all before its own.
        column: For those that read a feature: which.
        value: For a constant.
    """

    operation: Operation
    arguments: tuple[int, ...] = ()
    column: int = -1
    value: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """An expression that passed the gate.

    Args:
        text: As it was written.
        names: The features it was parsed with, in the order of the last axis of state arrays.
        nodes: Its operations, each after its arguments, none twice; the last one is its value.
    """

    text: str
    names: tuple[str, ...]
    nodes: tuple[Node, ...]

    def features(self) -> frozenset[str]:
        """The features it reads."""
        return frozenset(self.names[node.column] for node in self.nodes if node.column >= 0)

    def evaluate(self, xp: Any, now: Any, before: Any) -> Any:
        """Its value in each of a batch of states.

        Args:
            xp: NumPy or `jax.numpy`.
            now: float32[..., features] after the action. (float64 is computed as float64, to see what rounding does.)
            before: float32[..., features] before the action.

        Returns:
            float32[...]; comparisons are 1 or 0.
        """
        now, before = xp.asarray(now), xp.asarray(before)
        values: list[Any] = []
        for node in self.nodes:
            if node.arguments:
                first, second, third, *_ = (*(values[place] for place in node.arguments), None, None)
                values.append(apply(node.operation, xp, first, second, third))
            else:
                values.append(_read(node, xp, now, before))
        return values[-1]


def _read(node: Node, xp: Any, now: Any, before: Any) -> Any:
    match node.operation:
        case Operation.NOW:
            return clean(xp, now[..., node.column])
        case Operation.BEFORE:
            return clean(xp, before[..., node.column])
        case Operation.GAINED:
            return tidy(xp, clean(xp, now[..., node.column]) - clean(xp, before[..., node.column]))
        case _:
            return clean(xp, xp.full(now.shape[:-1], node.value, now.dtype))


def parse_expression(text: str, names: Sequence[str], *, max_characters: int = MAX_CHARACTERS) -> Expression:
    """Read an expression that anybody may have written; nothing of it is ever run as code.

    Args:
        text: For example `gained(wood) - 0.1 * max(before(health) - health, 0)`.
        names: The features it may name, in the order of the last axis of state arrays.
        max_characters: The longest text that is read.

    Raises:
        ExpressionRefusedError: It is no allowed expression; says where and why.
        ConfigError: A feature has a name that the language needs itself.
    """
    clash = sorted({*names} & {*RESERVED})
    if clash or not all(name.isidentifier() and name.isascii() for name in names):
        raise ConfigError("A feature's name is a word that expressions do not use", value=clash or list(names)[:5])
    tree = check_text(text, frozenset(names), max_characters=max_characters)
    builder = _Builder({name: column for column, name in enumerate(names)})
    builder.build(tree)
    return Expression(text=text.strip(), names=tuple(names), nodes=builder.nodes_in_order())


class _Builder:
    """Turns a checked tree into nodes; what occurs twice becomes one node."""

    def __init__(self, columns: dict[str, int]) -> None:
        self._columns = columns
        self._places: dict[Node, int] = {}

    def nodes_in_order(self) -> tuple[Node, ...]:
        return tuple(self._places)

    def build(self, tree: ast.expr) -> int:
        match tree:
            case ast.Constant(value=bool() | int() | float() as value):
                return self._put(Node(Operation.CONSTANT, value=float(value)))
            case ast.Name(id=name):
                return self._put(Node(Operation.NOW, column=self._columns[name]))
            case ast.BinOp(left=left, op=operator, right=right):
                return self._node(_BINARY[type(operator)], left, right)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.build(operand)
            case ast.UnaryOp(op=operator, operand=operand):
                return self._node(Operation.NOT if isinstance(operator, ast.Not) else Operation.NEGATE, operand)
            case ast.BoolOp(op=operator, values=values):
                return self._fold(Operation.AND if isinstance(operator, ast.And) else Operation.OR, values)
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                operation, is_swapped = _COMPARISONS[type(operator)]
                return self._node(operation, right, left) if is_swapped else self._node(operation, left, right)
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                return self._node(Operation.CHOOSE, test, body, otherwise)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._call(name, arguments)
            case _:
                raise ExpressionRefusedError("This is not allowed in an expression", value=type(tree).__name__)

    def _put(self, node: Node) -> int:
        return self._places.setdefault(node, len(self._places))

    def _node(self, operation: Operation, *arguments: ast.expr) -> int:
        return self._put(Node(operation, tuple(self.build(argument) for argument in arguments)))

    def _fold(self, operation: Operation, arguments: list[ast.expr]) -> int:
        place = self.build(arguments[0])
        for argument in arguments[1:]:
            place = self._put(Node(operation, (place, self.build(argument))))
        return place

    def _call(self, name: str, arguments: list[ast.expr]) -> int:
        match name, arguments:
            case "before", [ast.Name(id=feature)]:
                return self._put(Node(Operation.BEFORE, column=self._columns[feature]))
            case "gained", [ast.Name(id=feature)]:
                return self._put(Node(Operation.GAINED, column=self._columns[feature]))
            case "min" | "max", _:
                return self._fold(_CALLS[name], arguments)
        return self._node(_CALLS[name], *arguments)
