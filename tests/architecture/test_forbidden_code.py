"""What the package never does: print, run text as code, unpickle, catch everything, keep globals."""

import ast
from collections.abc import Iterator, Mapping

CODE_FROM_TEXT = {"eval", "exec", "compile", "__import__"}
CODE_FROM_BYTES = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"}

BROAD_HANDLERS: dict[str, str] = {
    "topologies/build.py::build_solo": "ends the worker processes that it started, whatever stopped it from going on",
}
"""Functions that may catch everything to close what they opened, and raise it again; each with its reason."""

SWALLOWED: dict[str, str] = {
    "cli/errors.py::run_and_explain": "the outermost frame: whatever comes there is a bug, reported with its traceback",
    "watch/contained.py::contained": "one source of the pages that is broken is shown as broken, and the others go on",
    "runs/trackers.py::_each": "a mirror at a service that fails is logged and dropped; our own metrics are written",
}
"""Functions that may catch everything and go on; each with its reason."""


def calls(trees: Mapping[str, ast.Module]) -> Iterator[tuple[str, str, ast.Call]]:
    """(place, dotted name of the called thing, call) for every call whose name can be written down."""
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                yield f"{path}:{node.lineno}", ast.unparse(node.func), node


def test_only_the_command_line_prints(trees: dict[str, ast.Module]) -> None:
    # A module that is itself a program (`python -m ...`) is a command line too.
    printing = {"print", "sys.stdout.write", "sys.stderr.write"}
    programs = {path for path, tree in trees.items() if any(is_program_guard(statement) for statement in tree.body)}

    places = [place for place, name, _ in calls(trees) if name in printing]
    assert [place for place in places if not place.startswith("cli/") and place.split(":")[0] not in programs] == []


def is_program_guard(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "__name__ == '__main__'"


def test_no_text_is_run_as_code(trees: dict[str, ast.Module]) -> None:
    assert [(place, name) for place, name, _ in calls(trees) if name in CODE_FROM_TEXT] == []


def test_nothing_is_pickled(trees: dict[str, ast.Module]) -> None:
    imported = [
        (path, name)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [*(alias.name for alias in node.names), getattr(node, "module", None) or ""]
        if name.split(".")[0] in CODE_FROM_BYTES
    ]
    loaders = {"torch.load", "torch.save", "np.save"}

    assert imported == []
    assert [(place, name) for place, name, _ in calls(trees) if name in loaders] == []
    assert [
        place
        for place, name, call in calls(trees)
        for word in call.keywords
        if name in ("np.load", "numpy.load") and word.arg == "allow_pickle" and ast.unparse(word.value) != "False"
    ] == []


def test_no_shell_reads_our_commands(trees: dict[str, ast.Module]) -> None:
    assert [place for place, name, _ in calls(trees) if name in ("os.system", "os.popen")] == []
    assert [place for place, _, call in calls(trees) if any(word.arg == "shell" for word in call.keywords)] == []


def test_broad_handlers_are_few_and_raise_again_unless_a_reason_is_given(trees: dict[str, ast.Module]) -> None:
    def is_broad(handler: ast.ExceptHandler) -> bool:
        caught = "" if handler.type is None else ast.unparse(handler.type)
        return caught == "" or "BaseException" in caught or caught.strip("()").split(", ")[0] == "Exception"

    def raises_again(handler: ast.ExceptHandler) -> bool:
        return isinstance(handler.body[-1], ast.Raise)

    broad = {
        f"{path}::{function.name}": raises_again(handler)
        for path, tree in trees.items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for handler in ast.walk(function)
        if isinstance(handler, ast.ExceptHandler) and is_broad(handler)
    }

    assert [name for name, again in broad.items() if name not in (BROAD_HANDLERS if again else SWALLOWED)] == []
    assert sorted({*BROAD_HANDLERS, *SWALLOWED} - set(broad)) == [], "excused without need: take it off the list"


def test_no_function_changes_a_global(trees: dict[str, ast.Module]) -> None:
    assert [path for path, tree in trees.items() for node in ast.walk(tree) if isinstance(node, ast.Global)] == []


def test_importing_a_module_starts_nothing(trees: dict[str, ast.Module]) -> None:
    # Statements that do something at import: loops, with-blocks and bare calls (docstrings and constants are values).
    def works(statement: ast.stmt) -> bool:
        is_call = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
        return is_call or isinstance(statement, ast.For | ast.While | ast.With | ast.Try)

    assert [
        f"{path}:{statement.lineno}"
        for path, tree in trees.items()
        if not path.startswith("cli/")
        for statement in tree.body
        if works(statement)
    ] == []


def test_a_python_that_we_start_never_imports_from_the_folder_it_is_started_in(trees: dict[str, ast.Module]) -> None:
    # Others may write into a shared folder, and a file `queue.py` beside a run would replace the standard library's.
    places = []
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.List | ast.Tuple) and node.elts and _is_python(node.elts[0]):
                words = [word.value for word in node.elts if isinstance(word, ast.Constant)]
                if "-m" in words and not {"-P", "-I"} & set(words):
                    places.append(f"{path}:{node.lineno}")

    assert places == []


def _is_python(node: ast.expr) -> bool:
    return ast.unparse(node) in ("sys.executable", "python", "interpreter()")


def test_only_commands_for_people_ask_anything(trees: dict[str, ast.Module]) -> None:
    # Jobs have no terminal: whoever asks there waits until the time limit.
    asking = {"input", "breakpoint", "pdb.set_trace", "typer.prompt", "typer.confirm"}
    files = {place.split(":")[0] for place, name, _ in calls(trees) if name in asking}

    assert files == {"cli/play.py", "cli/play_showdown.py", "cli/runs.py", "cli/sync_setup.py"}
