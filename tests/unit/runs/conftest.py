"""A run to open, and programs that are killed while they do so."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gamefleet.runs.checkpoint import CheckpointStore
from gamefleet.runs.manifest import Compatibility, RunFacts
from gamefleet.runs.paths import RunPaths


@pytest.fixture
def compatibility() -> Compatibility:
    return Compatibility(
        game="toy 1", observation={"screen": [3, 4]}, reward={"badge": 5.0}, architecture={"core": "gru", "size": 8}
    )


@pytest.fixture
def facts(compatibility: Compatibility) -> RunFacts:
    return RunFacts(
        game="toy",
        seed=3,
        asked="[run]\nseed = 3\n",
        resolved={"run": {"seed": 3}, "learner": {"batch_size": 4}},
        compatibility=compatibility,
    )


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    root = tmp_path / "runs" / "a"
    root.mkdir(parents=True)
    return RunPaths(root)


@pytest.fixture
def store(paths: RunPaths, compatibility: Compatibility) -> CheckpointStore:
    return CheckpointStore(paths, compatibility=compatibility, fence=lambda: None, keep=3)


@pytest.fixture
def start_program() -> Callable[..., subprocess.Popen[str]]:
    """Start Python with some source text; arguments are passed on."""

    def start(source: str, *arguments: Any) -> subprocess.Popen[str]:
        # Not from a file: programs that start at the same moment would read it while it is written again.
        command = [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start
