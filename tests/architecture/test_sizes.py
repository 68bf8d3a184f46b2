"""Functions, classes, modules and signatures stay small; what may be larger is named here with its reason.

An entry that is no longer needed fails too, so the lists only hold what is really there.
"""

import ast
import statistics
from collections.abc import Iterator, Mapping

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

FUNCTION_LINES, FUNCTION_CAP_LINES = 40, 80
CLASS_LINES, CLASS_CAP_LINES = 150, 200
MODULE_LINES, MODULE_CAP_LINES = 300, 450
MEDIAN_FUNCTION_LINES = 10
POSITIONAL_PARAMETERS, PARAMETERS = 5, 10
NESTING = 5

LONGER_FUNCTIONS: dict[str, str] = {
    "cli/launch.py::launch": "one line for each option of the guide, and little else",
    "cli/skills.py::run": "one line for each option of the guide and of SLURM, and nothing else",
    "cli/train.py::train": "one line for each option of both kinds of runs, and little else",
}
LARGER_CLASSES: dict[str, str] = {}
LONGER_MODULES: dict[str, str] = {}
WIDER_SIGNATURES: dict[str, str] = {}


def definitions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, Definition]]:
    """Every function and class below `tree` with its name, as `actors/actor.py::Actor.step`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield f"{prefix}{child.name}", child
            yield from definitions(child, f"{prefix}{child.name}.")
        else:
            yield from definitions(child, prefix)


def every_definition(trees: Mapping[str, ast.Module]) -> list[tuple[str, Definition]]:
    return [found for path, tree in trees.items() for found in definitions(tree, f"{path}::")]


def functions(trees: Mapping[str, ast.Module]) -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [(name, node) for name, node in every_definition(trees) if not isinstance(node, ast.ClassDef)]


def lines(node: Definition) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def docstring_lines(node: ast.AST) -> int:
    """Lines of all docstrings in `node`: explaining more must not count against a class."""
    owners = (inner for inner in ast.walk(node) if isinstance(inner, ast.FunctionDef | ast.ClassDef))
    first = (owner.body[0] for owner in owners if ast.get_docstring(owner) is not None)
    return sum((statement.end_lineno or statement.lineno) - statement.lineno + 1 for statement in first)


def check(sizes: Mapping[str, int], limit: int, cap: int, exceptions: Mapping[str, str]) -> None:
    """Fail on what is over the limit without a reason, over the cap at all, or excused without need."""
    over = {name: size for name, size in sizes.items() if size > limit}
    assert {name: size for name, size in over.items() if name not in exceptions} == {}, f"more than {limit}"
    assert {name: size for name, size in over.items() if size > cap} == {}, f"more than {cap}, whatever the reason"
    assert sorted(set(exceptions) - set(over)) == [], "excused but within the limit: take it off the list"
    assert [name for name, reason in exceptions.items() if len(reason) < 20] == [], "a reason is a sentence"


def test_functions_are_short(trees: dict[str, ast.Module]) -> None:
    sizes = {name: lines(node) for name, node in functions(trees)}

    check(sizes, FUNCTION_LINES, FUNCTION_CAP_LINES, LONGER_FUNCTIONS)


def test_the_median_function_is_at_most_ten_lines(trees: dict[str, ast.Module]) -> None:
    assert statistics.median(lines(node) for _, node in functions(trees)) <= MEDIAN_FUNCTION_LINES


def test_classes_are_small_not_counting_what_explains_them(trees: dict[str, ast.Module]) -> None:
    classes = [(name, node) for name, node in every_definition(trees) if isinstance(node, ast.ClassDef)]

    check(
        {name: lines(node) - docstring_lines(node) for name, node in classes},
        CLASS_LINES,
        CLASS_CAP_LINES,
        LARGER_CLASSES,
    )


def test_modules_are_short(texts: dict[str, str]) -> None:
    sizes = {path: text.count("\n") for path, text in texts.items()}

    check(sizes, MODULE_LINES, MODULE_CAP_LINES, LONGER_MODULES)


def test_signatures_take_at_most_five_positional_parameters(trees: dict[str, ast.Module]) -> None:
    # Commands are excepted: each parameter of theirs is an option with a name.
    sizes = {
        name: len([argument for argument in parameters.args if argument.arg not in ("self", "cls")])
        + len(parameters.posonlyargs)
        for name, node in functions(trees)
        if not name.startswith("cli/")
        for parameters in [node.args]
    }

    check(sizes, POSITIONAL_PARAMETERS, POSITIONAL_PARAMETERS, {})


def test_signatures_take_at_most_ten_parameters_in_all(trees: dict[str, ast.Module]) -> None:
    sizes = {
        name: len(node.args.args) + len(node.args.posonlyargs) + len(node.args.kwonlyargs)
        for name, node in functions(trees)
        if not name.startswith("cli/")
    }

    check(sizes, PARAMETERS, PARAMETERS + 4, WIDER_SIGNATURES)


def test_code_is_not_nested_deeply(trees: dict[str, ast.Module]) -> None:
    sizes = {name: nesting(node.body) for name, node in functions(trees)}

    check(sizes, NESTING, NESTING, {})


def nesting(body: list[ast.stmt]) -> int:
    """Levels of blocks within blocks; an `elif` is on the level of its `if`, a nested function starts anew."""
    deepest = 0
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        handlers = [handler.body for handler in getattr(statement, "handlers", [])]
        cases = [case.body for case in getattr(statement, "cases", [])]
        blocks = [getattr(statement, field, []) for field in ("body", "finalbody")] + handlers + cases
        otherwise = getattr(statement, "orelse", [])
        is_elif = isinstance(statement, ast.If) and len(otherwise) == 1 and isinstance(otherwise[0], ast.If)
        if is_elif:
            deepest = max(deepest, nesting(otherwise))
        else:
            blocks.append(otherwise)
        deepest = max([deepest, *(1 + nesting(block) for block in blocks if block)])
    return deepest


def test_protocols_have_at_most_four_methods(trees: dict[str, ast.Module]) -> None:
    def is_protocol(node: Definition) -> bool:
        return isinstance(node, ast.ClassDef) and any(
            isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases
        )

    methods = {
        name: len([item for item in node.body if isinstance(item, ast.FunctionDef)])
        for name, node in every_definition(trees)
        if is_protocol(node)
    }

    assert {name: count for name, count in methods.items() if count > 4} == {}
