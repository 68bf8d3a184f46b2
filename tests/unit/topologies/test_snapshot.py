"""The best agent's picture lies in the run folder, and costs a run nothing when it cannot be written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gamefleet.actors.actor import Actor
from gamefleet.actors.curriculum import Beginning
from gamefleet.actors.policy import RandomPolicy
from gamefleet.actors.vector import InlineVector
from gamefleet.testing.toys.grid import PACKAGE, GridConfig
from gamefleet.topologies.snapshot import INTERVAL_S, Snapshot


@pytest.fixture
def actor() -> Iterator[Actor]:
    vector = InlineVector([PACKAGE.make_game(GridConfig()) for _ in range(3)])
    policy = RandomPolicy(num_actions=vector.spec.num_actions, num_envs=vector.num_envs, seed=0)
    actor = Actor(vector=vector, policy=policy, curriculum=Beginning(), seed=0)
    yield actor
    actor.close()


def test_the_agent_that_is_furthest_is_pictured_now_and_then(actor: Actor, tmp_path: Path) -> None:
    now = 0.0
    snapshot = Snapshot(actor, clock=lambda: now)
    actor.attach(snapshot)
    actor.step()

    snapshot.write(tmp_path)
    assert list(tmp_path.iterdir()) == [], "the game has to draw itself first"
    actor.step()
    best = max(range(3), key=lambda env: (actor.episode(env).progress, actor.episode(env).total_return))
    snapshot.write(tmp_path)
    shown = np.asarray(Image.open(tmp_path / "now.png").convert("RGB"))
    assert (shown == actor.vector.scene.pictures[best]).all()
    assert not actor.vector.scene.wanted.any(), "nobody asks before it is time again"

    now = INTERVAL_S
    snapshot.write(tmp_path)
    assert actor.vector.scene.wanted.sum() == 1


def test_a_picture_that_cannot_be_written_is_logged_and_nothing_else(
    actor: Actor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    snapshot = Snapshot(actor)
    actor.attach(snapshot)
    actor.step()
    snapshot.write(tmp_path / "gone")
    actor.step()
    snapshot.write(tmp_path / "gone")

    assert "no picture of the run" in caplog.text
