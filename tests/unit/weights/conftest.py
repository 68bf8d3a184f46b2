"""A small fleet on one folder."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gamefleet.weights.adoption import Adoption
from gamefleet.weights.content import Content
from gamefleet.weights.manifests import SharedFacts
from gamefleet.weights.member import Member
from gamefleet.weights.settings import MergeSettings
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.store import SharedStore

FACTS = SharedFacts(
    fleet="red",
    game_name="toy",
    settings={"model": {"hidden_size": 8}},
    compatibility={
        "hash": "ab" * 16,
        "parts": {"game": "toy 1", "observation": {}, "reward": {"badge": 5.0}, "architecture": {"hidden_size": 8}},
    },
    seed=7,
)
AT_ONCE = MergeSettings(wait_s=-1.0)
"""Nobody is waited for."""


class Learner:
    """A member with weights that it changes, and counts of what it did."""

    def __init__(self, member: Member, content: Content) -> None:
        self.member = member
        self.content = content
        self.updates = 0

    def learn(self, change: Mapping[str, Any]) -> None:
        arrays = {name: array + change.get(name, 0) for name, array in self.content.arrays.items()}
        arrays = {name: array.astype(self.content.arrays[name].dtype) for name, array in arrays.items()}
        self.content = replace(self.content, arrays=arrays)
        self.updates += 1

    def take(self, adoption: Adoption | None) -> Adoption | None:
        if adoption is not None:
            self.content = adoption.content
        return adoption

    def join(self, facts: SharedFacts = FACTS) -> Adoption | None:
        totals = {"samples": 100 * self.updates, "updates": self.updates}
        return self.take(self.member.join(self.content, facts, **totals))

    def sync(self) -> Adoption | None:
        step = 100 * self.updates
        return self.take(self.member.sync(self.content, step=step, samples=step, updates=self.updates))


class Fleet:
    """Members of one shared folder."""

    def __init__(self, root: Path) -> None:
        self.paths = SharedPaths(root)
        self.facts = FACTS
        self.at_once = AT_ONCE

    def store(self) -> SharedStore:
        return SharedStore(self.paths, clock=time.time)

    def learner(
        self,
        name: str,
        first: Content,
        settings: MergeSettings = AT_ONCE,
        store: SharedStore | None = None,
        **more: Any,
    ) -> Learner:
        member = Member(store or self.store(), member=name, settings=settings, **more)
        return Learner(member, first)

    def joined(self, names: Sequence[str], first: Content, settings: MergeSettings = AT_ONCE) -> list[Learner]:
        learners = [self.learner(name, first, settings) for name in names]
        for learner in learners:
            learner.join()
        return learners

    def files(self) -> dict[str, bytes]:
        """Every file by its name."""
        root = self.paths.root
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

    def make_old(self, seconds: float, pattern: str = "**/*") -> None:
        """Let files look as if they had been written long ago."""
        for path in self.paths.root.glob(pattern):
            if path.is_file():
                changed = path.stat().st_mtime - seconds
                os.utime(path, (changed, changed))


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """A folder in which nothing is yet."""
    return Fleet(tmp_path / "shared")


@pytest.fixture
def fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for the disk, for tests that write thousands of files and cut no power."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def network() -> Callable[..., Content]:
    """Call with a seed: content with random weights, a counter and nothing else."""

    def make(seed: int = 0, size: int = 64) -> Content:
        rng = np.random.default_rng(seed)
        return Content(
            arrays={
                "network/w": rng.normal(size=(size, 4)).astype(np.float32),
                "network/count": np.array(0, np.int64),
                "curiosity/w": rng.normal(size=size).astype(np.float32),
            }
        )

    return make
