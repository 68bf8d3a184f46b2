"""The demo, shortened: it trains, compares, draws and films."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image


@pytest.mark.long
def test_the_demo_ends_with_a_table_curves_and_a_video(tmp_path: Path, repository: Path) -> None:
    settings = ["run.total_steps=6000", "learner.learning_starts_steps=1500", "run.metrics_interval_steps=500"]
    settings.append("game.max_episode_steps=150")
    changes = [part for setting in [*settings, f"run.runs_folder={tmp_path}"] for part in ("--set", setting)]
    command = [sys.executable, "-m", "gamefleet.cli.main", "demo", *changes, "--episodes", "2", "--max-steps", "100"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=repository, check=True)

    assert all(name in result.stdout for name in ("trained", "random", "scripted", "milestones"))
    media = tmp_path / "demo" / "media"
    players = json.loads((media / "evaluation.json").read_text())["players"]
    assert {name: len(episodes) for name, episodes in players.items()} == {"trained": 2, "random": 2, "scripted": 2}
    with Image.open(media / "curves.png") as curves:
        assert curves.width > 800
    assert (media / "trained.mp4").stat().st_size > 10_000
    with Image.open(media / "trained.gif") as film:
        assert film.n_frames > 50
