"""Documentation as tests see it: pages, their code blocks, and the command line that the pages speak of."""

import contextlib
import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

REFUSED = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
"""What the parser inside typer raises for any bad command line; it has no public name of its own."""


@pytest.fixture(scope="session")
def pages(repository: Path, repository_files: tuple[Path, ...]) -> dict[str, str]:
    """Markdown text by path, without what is quoted from elsewhere."""
    return {path.as_posix(): (repository / path).read_text() for path in repository_files if path.suffix == ".md"}


@pytest.fixture(scope="session")
def shell_lines() -> Callable[[str], list[str]]:
    """Returns the commands in a page's fenced shell blocks: continued lines joined, prompts and comments taken off."""

    def find(page: str) -> list[str]:
        blocks = re.findall(r"^```(?:bash|sh|console|)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
        return [re.sub(r"\s+#.*$", "", line.strip().removeprefix("$ ")) for line in lines if line.strip()]

    return find


@pytest.fixture(scope="session")
def refusal() -> Callable[[str], str]:
    """Returns why `gamefleet` would refuse a command line, or an empty text; nothing is run."""
    from gamefleet.cli.main import DEBUG_FLAG, make_app

    root = typer.main.get_command(make_app())

    def parse(command: Any, arguments: list[str], name: str, parent: Any) -> None:
        with command.make_context(name, arguments, parent=parent) as context:
            if hasattr(command, "resolve_command"):
                rest = [*context._protected_args, *context.args]
                if not rest and command.invoke_without_command:
                    return
                inner_name, inner, rest = command.resolve_command(context, rest)
                parse(inner, rest, inner_name, context)

    def find(line: str) -> str:
        words = shlex.split(re.sub(r"\s>{1,2}\s*\S+$", "", line))  # where its output goes is the shell's matter
        assert words[0] == "gamefleet"
        if words[-1] in ("&", "|"):
            words = words[:-1]
        words = [word for word in words if word != DEBUG_FLAG]  # may stand anywhere, as `main` has it
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                parse(root, words[1:], "gamefleet", None)
        except typer.Exit:
            return ""  # a --help that was answered
        except REFUSED as error:
            return f"{type(error).__name__}: {error}"
        return ""

    return find
