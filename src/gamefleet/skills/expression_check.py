"""The gate before an expression: what a stranger wrote becomes a small tree of allowed nodes, or is refused.

Job: refuse, with the place and the reason, everything but arithmetic over named features. Place in the data flow:
`expression` builds from the tree that `check_text` returns. Left out: what the nodes mean.

Two allow-lists, one behind the other. The first reads characters: only numbers, known names, a dozen operators,
brackets and commas pass, so no quote, dot, bracket, colon or unknown word ever reaches Python's parser. The second
walks the tree and knows seven kinds of nodes. Nothing is compiled or run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection

from gamefleet.errors import ConfigError, nearest

MAX_CHARACTERS = 400
MAX_NODES = 80
MAX_DEPTH = 16
MAX_BRACKETS = 32
LARGEST_CONSTANT = 1e6

FUNCTIONS: dict[str, tuple[int, int]] = {
    "before": (1, 1),
    "gained": (1, 1),
    "min": (2, 8),
    "max": (2, 8),
    "abs": (1, 1),
    "clip": (3, 3),
    "sqrt": (1, 1),
}
"""What may be called, with the smallest and the largest number of arguments."""

FEATURE_FUNCTIONS = ("before", "gained")
"""Their argument is the name of a feature."""

WORDS = ("if", "else", "and", "or", "not", "True", "False")
RESERVED = (*FUNCTIONS, *WORDS)

GRAMMAR = (
    "Use features, numbers, + - * / // %, < <= > >= == !=, and or not, A if TEST else B, and "
    "min max abs clip sqrt before gained."
)

_TOKEN = re.compile(
    r"(?P<space> +)|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<operator>//|<=|>=|==|!=|[-+*/%()<>,])",
    re.ASCII,
)

_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


class ExpressionRefusedError(ConfigError):
    """A text is not an expression over the features of a world; says which part and why."""


def check_text(text: object, names: Collection[str], *, max_characters: int = MAX_CHARACTERS) -> ast.expr:
    """Read an expression that anybody may have written.

    Args:
        text: What should be an expression.
        names: The features it may name.
        max_characters: Its length.

    Returns:
        A tree of `Constant`, `Name`, `BinOp`, `UnaryOp`, `BoolOp`, `Compare` (of two), `IfExp` and `Call` (of
        `FUNCTIONS`, without keywords) nodes, at most `MAX_NODES` and `MAX_DEPTH` deep.

    Raises:
        ExpressionRefusedError: It is none.
    """
    if not isinstance(text, str):
        raise ExpressionRefusedError("An expression is a text", value=type(text).__name__)
    if len(text) > max_characters:
        raise ExpressionRefusedError(f"More than {max_characters} characters", value=text[:40] + "...")
    _read_tokens(text, names)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        place = f"character {error.offset}" if isinstance(error, SyntaxError) and error.offset else None
        raise ExpressionRefusedError("Not an expression", value=text, where=place, remedy=GRAMMAR) from error
    if _measure(tree, names, 0) > MAX_NODES:
        raise ExpressionRefusedError(f"More than {MAX_NODES} operations", value=text, remedy="Make it shorter.")
    return tree


def _read_tokens(text: str, names: Collection[str]) -> None:
    position = depth = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ExpressionRefusedError(
                "This may not be in an expression",
                value=text[position],
                where=f"character {position + 1}",
                remedy=GRAMMAR,
            )
        word = token["word"]
        if word and word not in names and word not in RESERVED:
            raise ExpressionRefusedError(
                "Unknown name", value=word[:48], where=f"character {position + 1}", remedy=nearest(word[:48], names)
            )
        depth += (token[0] == "(") - (token[0] == ")")
        if depth > MAX_BRACKETS:
            raise ExpressionRefusedError("Too many brackets", where=f"character {position + 1}")
        position = token.end()


def _measure(node: ast.expr, names: Collection[str], depth: int) -> int:
    """How many operations a tree needs at most; refuses what is not allowed in it."""
    if depth > MAX_DEPTH:
        raise _refused(node, f"Nested more than {MAX_DEPTH} deep")
    children, own = _children(node, names)
    return own + sum(_measure(child, names, depth + 1) for child in children)


def _children(node: ast.expr, names: Collection[str]) -> tuple[list[ast.expr], int]:
    """What a node consists of, and how many operations it is itself."""
    match node:
        case ast.Constant():
            return _check_constant(node)
        case ast.Name(id=name) if name in names:
            return [], 1
        case ast.BinOp(left=left, op=operator, right=right) if isinstance(operator, _OPERATORS):
            return [left, right], 1
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=operand):
            return [operand], 1
        case ast.BoolOp(values=values):
            return values, len(values) - 1
        case ast.Compare(left=left, ops=[operator], comparators=[right]) if isinstance(operator, _COMPARISONS):
            return [left, right], 1
        case ast.Compare():
            raise _refused(node, "Compare two values at a time (write `a < b and b < c`)")
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            return [test, body, otherwise], 1
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            return _check_call(node, name, arguments)
        case _:
            raise _refused(node, "This is not allowed in an expression")


def _check_constant(node: ast.Constant) -> tuple[list[ast.expr], int]:
    value = node.value
    if not isinstance(value, int | float) or not abs(value) <= LARGEST_CONSTANT:
        raise _refused(node, f"Numbers are at most {LARGEST_CONSTANT:.0f}")
    return [], 1


def _check_call(node: ast.Call, name: str, arguments: list[ast.expr]) -> tuple[list[ast.expr], int]:
    fewest, most = FUNCTIONS[name]
    if not fewest <= len(arguments) <= most:
        wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
        raise _refused(node, f"{name} takes {wanted} argument{'s' * (most > 1)}")
    if name in FEATURE_FUNCTIONS and not isinstance(arguments[0], ast.Name):
        raise _refused(node, f"{name} takes the name of a feature")
    return arguments, max(1, len(arguments) - 1)


def _refused(node: ast.expr, what: str) -> ExpressionRefusedError:
    part = ast.unparse(node) if len(list(ast.walk(node))) < MAX_NODES else type(node).__name__
    return ExpressionRefusedError(what, value=part[:60], where=f"character {node.col_offset + 1}", remedy=GRAMMAR)
