"""Is this machine able to run the program at all: Python, packages, memory, processors.

Job: the checks of group `machine`. Place in the data flow: first in `gamefleet doctor`. Left out: GPUs and games, which
need what this package may not import (`topologies.self_check`).
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata

import psutil

from gamefleet.cluster.checks.base import Check, Result, failed, ok, warning

OLDEST_PYTHON = (3, 11)
LEAST_FREE_MEMORY_BYTES = 2 << 30
"""A few games, a small replay and PyTorch need this much."""

DISTRIBUTION = "gamefleet"


def machine_checks(*, needed_extras: Sequence[str]) -> list[Check]:
    """Checks of this machine.

    Args:
        needed_extras: Extras without which the wanted game cannot be trained, for example `torch`.
    """
    return [
        Check(name="python", group="machine", run=lambda: judge_python(sys.version_info[:3], sys.prefix)),
        Check(name="packages", group="machine", run=lambda: judge_packages(requirements(), installed(), needed_extras)),
        Check(name="memory", group="machine", run=check_memory),
    ]


def judge_python(version: tuple[int, ...], prefix: str) -> Result:
    """Whether this Python is recent enough."""
    written = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return failed(
            f"Python {written} is older than {oldest}",
            f"conda create -y -n gamefleet python={oldest} && conda activate gamefleet && pip install gamefleet",
        )
    return ok(f"Python {written} in {prefix}, {platform.system()} {platform.machine()}")


def requirements() -> dict[str, list[str]]:
    """Names of the packages that each extra needs; the core's are under an empty name."""
    found: dict[str, list[str]] = {}
    for requirement in metadata.requires(DISTRIBUTION) or []:
        name = re.split(r"[ <>=!~;\[(]", requirement, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"]([^'\"]+)['\"]", requirement)
        if name.lower() != DISTRIBUTION:
            found.setdefault(extra.group(1) if extra else "", []).append(name)
    return found


def installed() -> dict[str, str]:
    """Version of every installed package by its name in small letters with dashes."""
    return {
        normal(distribution.metadata["Name"]): distribution.version
        for distribution in metadata.distributions()
        if distribution.metadata["Name"]
    }


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def judge_packages(
    needs: Mapping[str, Sequence[str]], versions: Mapping[str, str], needed_extras: Sequence[str]
) -> Result:
    """Whether the core and the needed extras are installed.

    Args:
        needs: As `requirements` gives them.
        versions: As `installed` gives them.
        needed_extras: Extras that must be complete for training.
    """
    missing = {
        extra: [name for name in names if normal(name) not in versions]
        for extra, names in needs.items()
        if extra not in ("dev", "all")
    }
    own = versions.get(DISTRIBUTION, "?")
    if missing.get(""):
        return failed(f"gamefleet {own} lacks {', '.join(missing[''])}", "pip install --upgrade gamefleet")
    absent = [extra for extra in needed_extras if missing.get(extra)]
    if absent:
        names = ", ".join(name for extra in absent for name in missing[extra])
        return warning(
            f"gamefleet {own} without {names}: no training on this machine",
            f"pip install 'gamefleet[{','.join(absent)}]'",
        )
    here = sorted(extra for extra, names in missing.items() if extra and not names)
    other = sorted(extra for extra, names in missing.items() if names)
    without = f"; not installed: {', '.join(other)}" if other else ""
    return ok(f"gamefleet {own} with {', '.join(here) or 'no extras'}{without}")


def check_memory() -> Result:
    """Free memory and usable processors."""
    memory = psutil.virtual_memory()
    return judge_memory(memory.available, memory.total, usable_cpus())


def usable_cpus() -> int:
    """Processors that this process may use; a batch job has fewer than its node."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def judge_memory(available_bytes: int, total_bytes: int, cpus: int) -> Result:
    """Whether a small run fits into memory."""
    found = f"{available_bytes / 1e9:.1f} of {total_bytes / 1e9:.1f} GB free, {cpus} processor{'s'[: cpus != 1]} usable"
    if available_bytes < LEAST_FREE_MEMORY_BYTES:
        return warning(
            found,
            "End other programs, or play fewer games with a smaller replay:"
            " `--num-envs 2 --set replay.capacity_steps=20000`.",
        )
    return ok(found)
