"""`gamefleet bench`: run the benchmarks of a source checkout, each of which prints one table of ratios.

Job: find `benchmarks/*.py`, list them or run the chosen ones as separate processes, so that one cannot warm up or slow
down another. Left out: the measurements themselves.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gamefleet.cli.bench_data import NAME, expanded, words_for
from gamefleet.errors import ConfigError, MissingDependencyError, nearest

SUPPORT_MODULES = frozenset({"table"})
"""Files in the benchmarks folder that are imported by benchmarks and measure nothing."""


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help="Benchmarks to run; all of the short ones by default.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Also write the tables to benchmarks/results/.")] = False,
    list_only: Annotated[bool, typer.Option("--list", help="Only list what there is.")] = False,
    folder: Annotated[Path, typer.Option(help="The benchmarks folder of a source checkout.")] = Path("benchmarks"),
    comprehensive: Annotated[bool, typer.Option("--comprehensive", help="With data: measure longer and more.")] = False,
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With data: load your own packed battles instead of embedded ones."),
    ] = None,
) -> None:
    """Run the benchmarks of a source checkout: one table of ratios each. `data` stands for those of stored battles."""
    available = find_benchmarks(folder)
    if list_only:
        for name, path in available.items():
            print(f"{name:24} {question(path)}")
        return
    chosen = expanded(names or ()) or [name for name, path in available.items() if not is_long(path)]
    for name in chosen:
        if name not in available:
            raise ConfigError("No such benchmark", value=name, remedy=nearest(name, [*available, NAME]))
    words = {name: words_for(name, comprehensive=comprehensive, data_dir=data_dir) for name in chosen}
    failed = [name for name in chosen if run_one(available[name], write, words[name]) != 0]
    if failed:
        raise ConfigError("Benchmarks failed", value=failed, remedy="Their messages are above.")


def find_benchmarks(folder: Path) -> dict[str, Path]:
    """Benchmark files by name.

    Raises:
        MissingDependencyError: There is no such folder; benchmarks are not part of an installed package.
    """
    if not folder.is_dir():
        raise MissingDependencyError(
            "There is no benchmarks folder",
            where=folder,
            remedy="Run this in a source checkout of gamefleet, or name the folder with --folder.",
        )
    return {path.stem: path for path in sorted(folder.glob("*.py")) if path.stem not in SUPPORT_MODULES}


def question(path: Path) -> str:
    """The first line of a benchmark's docstring: the question that it answers."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0]


def is_long(path: Path) -> bool:
    """Whether the benchmark says of itself, with a line `LONG = True`, that it takes more than a few minutes."""
    return "\nLONG = True" in path.read_text()


def run_one(path: Path, write: bool, words: Sequence[str] = ()) -> int:
    """Run one benchmark, with further words, in a process of its own and return its exit status."""
    print(f"\n== {path.stem}: {question(path)}", flush=True)
    return subprocess.run([sys.executable, str(path), *(["--write"] if write else []), *words], check=False).returncode
