"""Run folders of Hanabi, and of a run whose learner is elsewhere, written as runs write them."""

import json
import time
from pathlib import Path
from typing import Any

from tests.watch.run_folders import make_run

from gamefleet.files import write_bytes, write_json
from gamefleet.games.base import Observation
from gamefleet.games.hanabi import PACKAGE
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.game import make_game
from gamefleet.games.hanabi.panel import describe
from gamefleet.games.hanabi.scripted import make_scripted
from gamefleet.runs.events import EventWriter
from gamefleet.runs.metrics import MetricsWriter
from gamefleet.runs.paths import RunPaths
from gamefleet.topologies.config import make_config
from gamefleet.topologies.recent_play import distribution
from gamefleet.topologies.snapshot import WORDS

WHERE = "gpu.example.edu:5555"
WHY = "nobody answers there"


def played(config: HanabiConfig, seed: int) -> list[Observation]:
    """The observations of a game of the scripted player."""
    game = make_game(config)
    player = make_scripted(game)
    step = game.reset(seed)
    found: list[Observation] = []
    while True:
        found.append({name: array.copy() for name, array in step.obs.items()})
        if step.terminated:
            return found
        step = game.step(player.act())


def table_run(root: Path, *, games: int = 1, config: HanabiConfig | None = None) -> RunPaths:
    """A run that has told of the first of its games, and of the scores of all."""
    config = config or HanabiConfig()
    paths = make_run(root, game="hanabi")
    write_json(paths.resolved, make_config(PACKAGE, {}).resolved())
    told = [describe(config, played(config, seed)) for seed in range(games)]
    scores = distribution([float(one["frames"][-1]["score"]) for one in told])
    episodes = {"count": games, "return": scores, "progress": scores}
    tell(
        paths, {"step": 500, "time": time.time(), "environment": 3, "episodes": episodes, "panels": {"table": told[0]}}
    )
    return paths


def tell(paths: RunPaths, words: Any) -> None:
    """Leave words of what was played, as a run does."""
    write_bytes(paths.media / WORDS, json.dumps(words).encode())


def pair_run(root: Path) -> RunPaths:
    """A run that another machine learns for, and that is held by a coordinator."""
    paths = make_run(root, game="hanabi")
    holder = {"host": "cpu7", "machine": "another machine", "pid": 4242, "started": "1"}
    write_json(paths.attempt(2), {"number": 2, "started_at": time.time(), "holder": holder})
    remote = {"remote/idle_share": 0.031, "remote/sent_bytes": 1.5e8, "remote/received_bytes": 2.5e6}
    with MetricsWriter(paths.metrics("train"), attempt=2, resumed_step=500) as metrics:
        metrics.write(510, {**remote, "remote/paused_s": 12.5, "run/updates": 80.0, "run/episodes": 31.0})
    with EventWriter(paths.events("train"), attempt=2) as events:
        events.write("attempt_started", step=500, resumed_step=500)
        events.write("training_began", step=500, seconds=1.0)
    return paths


def lose(paths: RunPaths, *, why: str = WHY) -> None:
    """The line breaks."""
    with EventWriter(paths.events("train"), attempt=2) as events:
        events.write("learner_lost", where=WHERE, reason=why)


def find(paths: RunPaths) -> None:
    """And is back."""
    with EventWriter(paths.events("train"), attempt=2) as events:
        events.write("learner_back", where=WHERE, seconds=3.0)
