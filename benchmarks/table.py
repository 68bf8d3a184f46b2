"""One table per benchmark: to the terminal, and on demand into `benchmarks/results/<name>.md`.

Job: print rows alike everywhere and say when, where and from which commit they come. Place in the data flow: the last
call of every benchmark. Left out: measuring.
"""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"

Row = dict[str, str | float]


def report(name: str, question: str, rows: Sequence[Row], write: bool) -> None:
    """Print a table, and keep it when asked to.

    Args:
        name: Of the results file, without its suffix.
        question: The one question that the benchmark answers; becomes the heading.
        rows: Column -> text or number; columns appear in the order in which rows first name them.
        write: Write `benchmarks/results/<name>.md`.
    """
    table = markdown(rows)
    print(f"{question}\n\n{table}")
    if write:
        RESULTS.mkdir(exist_ok=True)
        facts = "\n".join(f"- {key}: {value}" for key, value in provenance().items())
        (RESULTS / f"{name}.md").write_text(f"# {question}\n\n{facts}\n\n{table}\n")


def markdown(rows: Sequence[Row]) -> str:
    """Rows as an aligned Markdown table; numbers to the right."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[as_text(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(3, *(len(line[i]) for line in [columns, *cells])) for i in range(len(columns))]
    is_number = [all(isinstance(row.get(column, 0.0), int | float) for row in rows) for column in columns]

    def aligned(line: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, is_number, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = "|".join("-" * (width + 1) + (":" if right else "-") for width, right in zip(widths, is_number, strict=True))
    return "\n".join([aligned(columns), f"|{rule}|", *map(aligned, cells)])


def as_text(value: str | float) -> str:
    """Numbers with three significant digits, whole ones as they are."""
    if isinstance(value, str):
        return value
    if float(value).is_integer():
        return f"{value:.0f}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def provenance() -> dict[str, str]:
    """What a reader must know to judge or repeat the numbers."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{processor()}, {usable_cpus()} CPUs, {platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "commit": commit(),
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
    }


def processor() -> str:
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def usable_cpus() -> int:
    """CPUs that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def commit() -> str:
    """The checked-out commit; `+` when files differ from it."""
    folder = Path(__file__).resolve().parent
    try:
        described = subprocess.run(
            ["git", "-c", "safe.directory=*", "describe", "--always", "--dirty=+", "--abbrev=12"],
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
