"""Following the output of a fleet's jobs.

Job: the end of each chain's newest output, and then what is added. Place in the data flow: `gamefleet fleet logs`. Left
out: printing and waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gamefleet.cluster.account import read_leg_account
from gamefleet.cluster.fleet_paths import FleetPaths

TAIL_BYTES = 64 * 1024


class Follower:
    """Remembers how far each file was read.

    Args:
        paths: Of the fleet.
        members: The chains to follow.
        num_lines: Of each file's end, the first time.
    """

    def __init__(self, paths: FleetPaths, members: Sequence[str], *, num_lines: int) -> None:
        self._paths = paths
        self._members = members
        self._num_lines = num_lines
        self._read: dict[Path, int] = {}

    def fresh(self) -> list[tuple[str, str]]:
        """What is new, as (chain, job and file, text); files of an older leg are read to their end once more."""
        found = []
        for heading, path in (*self._newest(), *(("", path) for path in list(self._read))):
            text = self._added(path)
            if text:
                found.append((heading or path.name, text))
        return found

    def _newest(self) -> Iterable[tuple[str, Path]]:
        for member in self._members:
            chain = self._paths.chain(member)
            numbers = chain.numbers(chain.legs)
            if numbers:
                leg = read_leg_account(chain, numbers[-1])
                for suffix in ("out", "err"):
                    path = self._paths.logs / f"slurm-{leg.job}.{suffix}"
                    yield f"{member} leg {leg.number} on {leg.host}: {path.name}", path

    def _added(self, path: Path) -> str:
        is_first = path not in self._read
        try:
            size = path.stat().st_size
            start = max(0, size - TAIL_BYTES) if is_first else min(self._read[path], size)
            with open(path, "rb") as stream:
                stream.seek(start)
                data = stream.read()
        except FileNotFoundError:
            return ""
        self._read[path] = start + len(data)
        text = data.decode(errors="replace")
        return (
            "\n".join(text.splitlines()[-self._num_lines :] if self._num_lines else []) if is_first else text.rstrip()
        )
