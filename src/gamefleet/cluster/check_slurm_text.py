"""What SLURM's commands print about partitions and nodes, as far as checks read it.

Job: text in, facts out. Place in the data flow: between SLURM's commands and `check_slurm`. Left out: jobs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
UNUSABLE = ("down", "drain", "fail", "maint", "unknown", "reboot", "power", "inval", "no_respond", "*")
"""Parts of node states in which no job starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Nodes of one kind and state.

    Args:
        state: As `sinfo` writes it.
        count: How many.
        cpus: Of each.
        gres: Generic resources of each, by name.
    """

    state: str
    count: int
    cpus: int
    gres: Mapping[str, int]

    @property
    def is_usable(self) -> bool:
        """Whether a job may start there, now or when others have ended."""
        return not any(part in self.state.lower() for part in UNUSABLE)


def read_facts(line: str) -> dict[str, str]:
    """The `Name=value` words of `scontrol --oneliner`."""
    return dict(word.split("=", 1) for word in line.split() if "=" in word)


def read_nodes(text: str) -> list[Nodes]:
    """Lines of `sinfo -o '%T|%D|%c|%G'`."""
    rows = [line.strip().split("|") for line in text.splitlines() if line.count("|") == 3]
    return [
        Nodes(state=state, count=int(count), cpus=int(cpus.rstrip("+")), gres=read_gres(gres))
        for state, count, cpus, gres in rows
        if int(count)
    ]


def read_gres(text: str) -> dict[str, int]:
    """Generic resources by name: `gpu:a100:4(S:0-1),gpumem:80G` has 4 of gpu and 80 * 2^30 of gpumem."""
    found: Counter[str] = Counter()
    for entry in re.sub(r"\([^)]*\)", "", text).split(","):
        parts = entry.strip().split(":")
        count = re.fullmatch(r"(\d+)([KMGT]?)", parts[-1])
        if parts[0] and len(parts) > 1 and count:
            found[parts[0]] += int(count.group(1)) * UNITS[count.group(2)]
    return dict(found)


def seconds_of(text: str) -> int | None:
    """A time limit such as `1-12:00:00` or `04:00:00`, in seconds; None when there is none."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+)(?::(\d+))?", text)
    if match is None:
        return None
    days, first, second, third = (int(part or 0) for part in match.groups())
    return days * 86400 + (first * 3600 + second * 60 + third if match.group(4) else first * 60 + second)
