"""A skill as a Python module that people can read, and the proof that it says what the skill says.

Job: write `N.py`, which is kept beside the expert, and read it back. Place in the data flow: an accepted skill ->
`write_module` -> its folder; `disagreements` compares the file with the skill. Left out: running it. Nothing here does:
the trainer works from the skill itself, and reading back goes through the same gate as a proposal.

In the module, features are plain numbers in two mappings, `now` and `before`. Results are those of the skill's
expressions in double precision, for values up to `operations.LARGEST`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gamefleet.skills.expression import Expression, ExpressionRefusedError, parse_expression
from gamefleet.skills.expression_check import MAX_CHARACTERS, check_text
from gamefleet.skills.skill import Skill
from gamefleet.skills.world import States

LARGEST_MODULE_CHARACTERS = 20_000

_HELPERS = {
    "clip": (
        'def clip(x, low, high):\n    """x, brought between low and high."""\n    return min(max(x, low), high)\n'
    ),
    "divide": ('def divide(a, b):\n    """a / b; 0 where b is 0."""\n    return a / b if b else 0.0\n'),
    "floor_divide": (
        'def floor_divide(a, b):\n    """a / b, rounded down; 0 where b is 0."""\n'
        "    return float(math.floor(a / b)) if b else 0.0\n"
    ),
    "modulo": (
        'def modulo(a, b):\n    """What a has beyond a multiple of b; 0 where b is 0."""\n'
        "    return a - b * math.floor(a / b) if b else 0.0\n"
    ),
    "root": ('def root(x):\n    """The square root; 0 below 0."""\n    return math.sqrt(max(x, 0.0))\n'),
    "truth": ('def truth(x):\n    """Whether a number counts as true."""\n    return x != 0\n'),
}
"""Python's own operators raise where the skill's expressions give 0, or return an operand where they give 1 or 0."""

_BY_OPERATOR = {ast.Div: "divide", ast.FloorDiv: "floor_divide", ast.Mod: "modulo"}
_BY_NAME = {"divide": ast.Div, "floor_divide": ast.FloorDiv, "modulo": ast.Mod}


def write_module(skill: Skill, plan: Sequence[int], names: Sequence[str]) -> str:
    """The text of a skill's module.

    Args:
        skill: The skill.
        plan: Global indices of the skills that are played for it, in order, its own last.
        names: The world's features.

    Returns:
        Python source. Wherever a stranger's words appear in it they are a quoted literal.
    """
    if skill.python:
        return "\n\n".join([_head(skill, plan), _constants(skill), skill.python])
    reward, success = (_as_python(text, names) for text in (skill.reward, skill.success))
    used = [text for name, text in _HELPERS.items() if f"{name}(" in reward + success]
    parts = [
        _head(skill, plan),
        *(["import math\n"] if any("math." in text for text in used) else []),
        _constants(skill),
        *used,
        _function("reward", "The reward of one step", skill.reward, f"float({reward})"),
        _function("success", "Whether the skill has succeeded after a step", skill.success, f"bool({success})"),
    ]
    return "\n\n".join(parts)


def _head(skill: Skill, plan: Sequence[int]) -> str:
    to_local = {index: place for place, index in enumerate(plan)}
    return (
        f"# Auto-generated training module for: {skill.name}\n# Global expert index: {plan[-1]}\n"
        f"GLOBAL_TO_LOCAL = {to_local!r}\nLOCAL_TO_GLOBAL = {dict(enumerate(plan))!r}\n"
    )


def _constants(skill: Skill) -> str:
    values = {
        "NAME": skill.name,
        "DESCRIPTION": skill.description,
        "REQUIRES": dict(skill.requires),
        "CONSUMES": dict(skill.consumes),
        "GAIN": dict(skill.gain),
        "MAX_STEPS": skill.max_steps,
    }
    return "".join(f"{name} = {value!a}\n" for name, value in values.items())


def _function(name: str, meaning: str, text: str, value: str) -> str:
    return f'def {name}(now, before):\n    """{meaning}: {text}."""\n    return {value}\n'


def _as_python(text: str, names: Sequence[str]) -> str:
    return ast.unparse(ast.fix_missing_locations(_ToPython().visit(check_text(text, frozenset(names)))))


class _ToPython(ast.NodeTransformer):
    """From the language of expressions to Python on two mappings."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return _feature("now", node.id)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        match node:
            case ast.Call(func=ast.Name(id="before"), args=[ast.Name(id=name)]):
                return _feature("before", name)
            case ast.Call(func=ast.Name(id="gained"), args=[ast.Name(id=name)]):
                return ast.BinOp(_feature("now", name), ast.Sub(), _feature("before", name))
            case ast.Call(func=ast.Name(id=name)):
                return _call("root" if name == "sqrt" else name, [self.visit(argument) for argument in node.args])
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = self.visit(node.left), self.visit(node.right)
        name = _BY_OPERATOR.get(type(node.op))
        return ast.BinOp(left, node.op, right) if name is None else _call(name, [left, right])

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        return ast.BoolOp(node.op, [_truth(value, self.visit(value)) for value in node.values])


def _truth(before: ast.expr, after: ast.expr) -> ast.expr:
    """Python's `and` and `or` return an operand: it has to be true or false, not just any number."""
    is_one = isinstance(before, ast.BoolOp | ast.Compare) or (
        isinstance(before, ast.UnaryOp) and isinstance(before.op, ast.Not)
    )
    return after if is_one else _call("truth", [after])


def _feature(which: str, name: str) -> ast.expr:
    return ast.Subscript(ast.Name(which, ast.Load()), ast.Constant(name), ast.Load())


def _call(name: str, arguments: list[ast.expr]) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), arguments, [])


def disagreements(text: str, skill: Skill, names: Sequence[str], now: States, before: States) -> list[str]:
    """Where a module says something else than the skill.

    Args:
        text: The module, as found.
        skill: What it should say.
        names: The world's features.
        now: float32[num, features] states after a step.
        before: float32[num, features] the same before.

    Returns:
        One sentence for each difference; none when it agrees on every state.
    """
    if skill.python:
        return [] if text.endswith(skill.python) else ["The module is not the skill's own source."]
    try:
        statements = _statements(text)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        return [f"The module cannot be read: {error}."]
    reasons = [
        f"{name} is {statements.get(name)!r} in the module and {value!r} in the skill."
        for name, value in (("NAME", skill.name), ("GAIN", dict(skill.gain)), ("REQUIRES", dict(skill.requires)))
        if statements.get(name) != value
    ]
    reasons += _index_reasons(statements)
    for part, wanted in (("reward", skill.reward), ("success", skill.success)):
        reasons += _differences(part, statements.get(part), parse_expression(wanted, names), now, before)
    return reasons


def _index_reasons(statements: Mapping[str, Any]) -> list[str]:
    to_local, to_global = statements.get("GLOBAL_TO_LOCAL"), statements.get("LOCAL_TO_GLOBAL")
    if not isinstance(to_local, dict) or to_global != {place: index for index, place in to_local.items()}:
        return ["GLOBAL_TO_LOCAL and LOCAL_TO_GLOBAL do not undo each other."]
    return []


def _differences(part: str, found: Any, wanted: Expression, now: States, before: States) -> list[str]:
    try:
        tree = _FromPython().visit(found) if isinstance(found, ast.expr) else ast.Constant(None)
        text = ast.unparse(ast.fix_missing_locations(tree))
        read = parse_expression(text, wanted.names, max_characters=4 * MAX_CHARACTERS)
    except ExpressionRefusedError as error:
        return [f"{part} is no expression: {error}"]
    theirs, ours = read.evaluate(np, now, before), wanted.evaluate(np, now, before)
    if part == "success":
        theirs, ours = theirs != 0, ours != 0
    wrong = int((theirs != ours).sum())
    return [f"{part} differs in {wrong} of {len(now)} states."] if wrong else []


def _statements(text: str) -> dict[str, Any]:
    """What a module's top level assigns, and what its functions of `now` and `before` return."""
    if len(text) > LARGEST_MODULE_CHARACTERS:
        raise ValueError(f"it has more than {LARGEST_MODULE_CHARACTERS} characters")
    found: dict[str, Any] = {}
    for statement in ast.parse(text).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = ast.literal_eval(value)
            case ast.FunctionDef(name="reward" | "success" as name, body=[*_, ast.Return(value=value)]):
                found[name] = value.args[0] if isinstance(value, ast.Call) and len(value.args) == 1 else value
            case _:
                pass
    return found


class _FromPython(ast.NodeTransformer):
    """Back from Python to the language of expressions; what it does not know it leaves for the gate to refuse."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        match node:
            case ast.Subscript(value=ast.Name(id="now"), slice=ast.Constant(value=str() as name)):
                return ast.Name(name, ast.Load())
            case ast.Subscript(value=ast.Name(id="before"), slice=ast.Constant(value=str() as name)):
                return _call("before", [ast.Name(name, ast.Load())])
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        arguments = [self.visit(argument) for argument in node.args]
        match node.func, arguments:
            case ast.Name(id="truth"), [value]:
                return value  # type: ignore[no-any-return] # visit gives back what it was given: an expression
            case ast.Name(id="root"), _:
                return _call("sqrt", arguments)
            case ast.Name(id="divide" | "floor_divide" | "modulo" as name), [left, right]:
                return ast.BinOp(left, _BY_NAME[name](), right)
        return ast.Call(node.func, arguments, node.keywords)
