"""The package's own source, parsed once for all rules."""

import ast
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def package(repository: Path) -> Path:
    """The folder of the package."""
    return repository / "src" / "gamefleet"


@pytest.fixture(scope="session")
def texts(package: Path) -> dict[str, str]:
    """Source text by path below the package, for example `actors/actor.py`."""
    return {path.relative_to(package).as_posix(): path.read_text() for path in sorted(package.rglob("*.py"))}


@pytest.fixture(scope="session")
def trees(texts: dict[str, str]) -> dict[str, ast.Module]:
    """Syntax trees by path below the package."""
    return {path: ast.parse(text) for path, text in texts.items()}
