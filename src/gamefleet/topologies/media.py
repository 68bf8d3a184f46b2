"""Pictures of a run: how its agent plays, and its curves.

Job: write videos and curves for a player or a run. Place in the data flow: after training, and for `gamefleet rollout`.
Left out: live viewing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gamefleet.actors.record import record
from gamefleet.actors.vector import InlineVector
from gamefleet.actors.video import write_video
from gamefleet.runs.curves import Curve, draw_curves, smooth
from gamefleet.runs.metrics import read_metrics
from gamefleet.runs.paths import RunPaths
from gamefleet.topologies.evaluation import Player, make_policy

VIDEO_SEED = 1_000_000
"""The first evaluation seed, so that the video shows an episode of the table."""

FRAMES_PER_S, MOVES_PER_S = 15, 2
"""Of a film; moves of players who take turns are read rather than watched."""

PANELS: Mapping[str, str] = {
    "start/milestones": "milestones reached, episodes from the beginning",
    "start/cells": "different places seen, episodes from the beginning",
    "episode/return": "return, all episodes",
    "learner/loss": "loss",
}
"""Metric -> panel title of the picture of curves."""


def record_player(
    player: Player,
    paths: Sequence[Path],
    *,
    max_frames: int,
    seed: int = VIDEO_SEED,
    epsilon: float | None = None,
) -> int:
    """Write one episode of a player into video files.

    Args:
        player: Who plays.
        paths: `*.mp4` or `*.gif`; all show the same episode.
        max_frames: Ends it early.
        seed: Of the episode.
        epsilon: Chance of a random action of a network.

    Returns:
        Number of frames.
    """
    config = replace(player.config.game, max_episode_steps=max(max_frames, 1))
    vector = InlineVector([player.package.make_game(config)])
    frames = list(
        record(vector, make_policy(player, vector, seed=seed, epsilon=epsilon), seed=seed, max_frames=max_frames)
    )
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, frames, frames_per_s=MOVES_PER_S if vector.spec.num_players > 1 else FRAMES_PER_S)
    return len(frames)


def draw_run(paths: RunPaths, target: Path, *, baselines: Mapping[str, float] | None = None) -> None:
    """Draw the curves of a run.

    Args:
        paths: The run folder.
        target: The PNG to write.
        baselines: Label -> milestones of other players, as horizontal lines in the first panel.
    """
    metrics = read_metrics(paths.metrics("train"))
    panels: dict[str, dict[str, Curve]] = {}
    for name, title in PANELS.items():
        curve = metrics.curve(name)
        if curve:
            panels[title] = {"trained": smooth(curve)}
    first = PANELS["start/milestones"]
    for label, value in (baselines or {}).items():
        if first in panels:
            panels[first][label] = [(0.0, value)]
    target.parent.mkdir(parents=True, exist_ok=True)
    draw_curves(target, panels, title=paths.name)
