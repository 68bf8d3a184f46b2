"""`gamefleet bench data`: the benchmarks of the way from stored battles to a trainer.

Job: say which benchmarks that are, and what is passed on to them. Place in the data flow: `bench` asks it. Left out:
the measurements (`benchmarks/replay_stores.py`, `benchmarks/loader.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gamefleet.errors import ConfigError

NAME = "data"
BENCHMARKS = ("replay_stores", "loader")
COMPREHENSIVE = "--comprehensive"
DATA_DIR = "--data-dir"


def expanded(names: Sequence[str]) -> list[str]:
    """Names of benchmarks, with the group's members in its place."""
    return [inner for name in names for inner in (BENCHMARKS if name == NAME else (name,))]


def words_for(name: str, *, comprehensive: bool, data_dir: Path | None) -> list[str]:
    """What a benchmark is called with.

    Args:
        name: Of the benchmark.
        comprehensive: Measure longer and more.
        data_dir: The user's own packed battles.

    Raises:
        ConfigError: It is no benchmark of this group, and would not understand.
    """
    if name not in BENCHMARKS and (comprehensive or data_dir is not None):
        raise ConfigError(
            f"Only the benchmarks of {NAME} take {COMPREHENSIVE} and {DATA_DIR}",
            value=name,
            remedy=f"Leave them out, or run: gamefleet bench {NAME}",
        )
    return [
        *([COMPREHENSIVE] if comprehensive else []),
        *([f"{DATA_DIR}={data_dir}"] if data_dir is not None and name == "loader" else []),
    ]
