"""What every test runs under: one torch thread, deterministic hypothesis, checked shapes, no skips in CI."""

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch is imported, here and in the processes that tests start: the machine's cores belong to pytest's workers.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

settings.register_profile("gamefleet", derandomize=True, deadline=None, database=None)
settings.load_profile("gamefleet")

if importlib.util.find_spec("jaxtyping") and importlib.util.find_spec("beartype"):
    from jaxtyping import install_import_hook

    # Annotations such as Float[Tensor, "batch time"] are promises; here, and only here, each call is held to them.
    install_import_hook(
        [
            "gamefleet.models",
            "gamefleet.learners",
            "gamefleet.games.pokemon_red.model",
            "gamefleet.games.showdown.facts",
            "gamefleet.games.showdown.model",
            "gamefleet.games.showdown.tokens",
        ],
        "beartype.beartype",
    )

# Whoever starts the tests in the background may have them ignore Ctrl-C, and every process that they start with them.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

IN_CI = bool(os.environ.get("CI"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the source checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository_files(repository: Path) -> tuple[Path, ...]:
    """Every file that git tracks or would, relative to the repository; without git, every file that is not hidden."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if shutil.which("git") and (repository / ".git").exists():
        listed = subprocess.run(command, cwd=repository, capture_output=True, check=True, text=True).stdout
        paths = [Path(name) for name in listed.split("\0") if name]
    else:
        found = (path.relative_to(repository) for path in repository.rglob("*") if path.is_file())
        paths = [path for path in found if not any(part.startswith(".") for part in path.parts)]
    return tuple(sorted(path for path in paths if (repository / path).is_file()))


@pytest.fixture(scope="session")
def require_program() -> Callable[[str, str], str]:
    """Call with (program, how to install it): its path, or the test is skipped; in CI it fails instead."""

    def require(program: str, remedy: str) -> str:
        path = shutil.which(program)
        if path is None:
            give_up(f"{program} is not installed. To run this test: {remedy}")
        return str(path)

    return require


@pytest.fixture(scope="session")
def require_module() -> Callable[[str, str], None]:
    """Call with (module, how to install it): the test is skipped where it is missing; in CI it fails instead."""

    def require(module: str, remedy: str) -> None:
        if importlib.util.find_spec(module) is None:
            give_up(f"The Python module {module} is not installed. To run this test: {remedy}")

    return require


@pytest.fixture(scope="session")
def simulator() -> Path:
    """The npm package of the Pokémon Showdown simulator; without it the test is skipped, or fails in CI."""
    from gamefleet.errors import MissingDependencyError
    from gamefleet.games.showdown.host.install import find_node, find_package

    try:
        find_node()
        return find_package(os.environ)
    except MissingDependencyError as error:
        give_up(str(error))
        raise


def give_up(reason: str) -> None:
    """Skip on a user's machine, fail in CI: a test that CI never runs protects nothing."""
    if IN_CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
