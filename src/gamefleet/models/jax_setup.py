"""Preparing JAX, in one place: where compiled programs are kept.

Job: point JAX at a cache on disk, so that the second start of anything compiled takes seconds. Place in the data flow:
called once before anything is compiled, by games and learners that use JAX. Left out: which device computes; JAX takes
the best that it finds, and `JAX_PLATFORMS` chooses another.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

CACHE_VARIABLE = "GAMEFLEET_JAX_CACHE"
"""Names another folder for compiled programs; empty: none are kept."""

_SHORTEST_COMPILATION_S = 0.3
"""What compiles faster is compiled again."""


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Where compiled programs are kept, or None.

    Args:
        environment: Variables of the process.
    """
    if CACHE_VARIABLE in environment:
        return Path(environment[CACHE_VARIABLE]) if environment[CACHE_VARIABLE] else None
    home = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".cache")
    return Path(home) / "gamefleet" / "jax"


def prepare_jax(environment: Mapping[str, str]) -> None:
    """Keep compiled programs on disk; calling it again changes nothing.

    Args:
        environment: Variables of the process.
    """
    import jax

    folder = cache_folder(environment)
    if folder is None:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _SHORTEST_COMPILATION_S)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
