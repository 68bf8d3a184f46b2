"""A look at a Python skill's source before it is put into the sandbox.

Job: quick and clear reasons for what a reward has no business with. Place in the data flow: before
`sandbox_process.PythonSkill`. Left out: safety. No check of Python's source keeps a determined author out; the sandbox
does.
"""

from __future__ import annotations

import ast

from gamefleet.errors import ConfigError
from gamefleet.skills.skill import MAX_SOURCE_CHARACTERS

ALLOWED_IMPORTS = ("math", "numpy")
REFUSED_NAMES = frozenset((
    "__import__", "breakpoint", "compile", "delattr", "dir", "eval", "exec", "exit",
    "getattr", "globals", "help", "id", "input", "locals", "memoryview", "open", "print", "quit", "setattr", "vars"
))  # fmt: skip
FUNCTIONS = ("reward", "success")


class SourceRefusedError(ConfigError):
    """A Python skill's source has something that a reward does not need."""


def check_source(source: str) -> None:
    """Refuse imports other than of math and numpy, private names, and the ways to reach them.

    Raises:
        SourceRefusedError: With the line.
    """
    if len(source) > MAX_SOURCE_CHARACTERS:
        raise SourceRefusedError(f"A Python skill has more than {MAX_SOURCE_CHARACTERS} characters", value=len(source))
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SourceRefusedError("A Python skill cannot be read", value=str(error)[:200]) from error
    for node in ast.walk(tree):
        reason = _objection(node)
        if reason:
            line = getattr(node, "lineno", 0)
            raise SourceRefusedError(f"A Python skill {reason}", where=f"line {line}", remedy=_REMEDY)
    found = {node.name: len(node.args.args) for node in tree.body if isinstance(node, ast.FunctionDef)}
    if any(found.get(name) != 2 for name in FUNCTIONS):
        raise SourceRefusedError("A Python skill has functions reward(now, before) and success(now, before)")


_REMEDY = "It may use math, numpy and its two arguments."


def _objection(node: ast.AST) -> str:
    match node:
        case ast.Import(names=names):
            modules = [alias.name for alias in names]
        case ast.ImportFrom(module=module):
            modules = [module or ""]
        case ast.Attribute(attr=name) if name.startswith("_"):
            return f"uses the private name {name[:40]}"
        case ast.Name(id=name) if name in REFUSED_NAMES or name.startswith("__"):
            return f"uses {name[:40]}"
        case _:
            return ""
    refused = [name for name in modules if name.split(".")[0] not in ALLOWED_IMPORTS]
    return f"imports {refused[0][:40]}" if refused else ""
