"""`gamefleet --help` starts without any heavy library. Counted in imports: seconds differ by machine."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    "torch", "jax", "pyboy", "gymnasium", "pandas", "matplotlib", "scipy", "av", "PIL", "wandb", "tensorboard",
    "trackio", "beartype", "jaxtyping",
}  # fmt: skip

MOST_MODULES = 500

LIST_MODULES = """
import contextlib, io, json, sys
from gamefleet.cli.main import main

sys.argv = ["gamefleet", *sys.argv[1:]]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(json.dumps(sorted(sys.modules)))
"""


def modules_after(*arguments: str) -> list[str]:
    command = [sys.executable, "-c", LIST_MODULES, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    modules: list[str] = json.loads(result.stdout.splitlines()[-1])
    return modules


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["config", "show", "pokemon_red"]])
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    loaded = {name.split(".")[0] for name in modules_after(*arguments)}

    assert sorted(loaded & HEAVY) == []


def test_the_help_imports_few_modules() -> None:
    modules = modules_after("--help")
    packages = {name.split(".")[0] for name in modules}

    assert len(modules) <= MOST_MODULES, sorted(packages)
    assert sorted(packages & {"numpy", "pydantic", "yaml"}) == []


def test_the_package_itself_imports_nothing_but_the_standard_library() -> None:
    program = "import gamefleet, json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    result = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)

    assert sorted(HEAVY & set(json.loads(result.stdout))) == []
    assert "numpy" not in json.loads(result.stdout)
