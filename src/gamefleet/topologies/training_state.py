"""`checkpoints/training_state.json`: the state of a run for people, scripts and `gamefleet monitor --local`.

Job: write and read one small file beside the checkpoints. Place in the data flow: written at every checkpoint, and when
a run pauses or goes on. Left out: everything that a resume needs, which is in the checkpoints themselves.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gamefleet.files import read_json, write_json
from gamefleet.runs.folder import OpenRun
from gamefleet.runs.paths import RunPaths
from gamefleet.topologies.config import RunConfig

STATE_FILE = "training_state.json"


def state_file(paths: RunPaths) -> Path:
    """Where a run's file lies."""
    return paths.checkpoints / STATE_FILE


def write_training_state(run: OpenRun, config: RunConfig, **values: Any) -> None:
    """Replace what is said anew; the rest stays as it was.

    Args:
        run: The held folder.
        config: All settings.
        values: JSON values: `status` (running, paused, stopped, finished), `reason`, `step`, `games`, `updates`,
            `learner`.
    """
    path = state_file(run.paths)
    content = {
        **read_training_state(run.paths),
        "run": run.paths.name,
        "game": config.game_name,
        "attempt": run.attempt,
        "num_iterations": config.run.num_iterations,
        "games_per_iteration": config.run.games_per_iteration,
        **values,
        "written_at": time.time(),
    }
    content["iteration"] = int(content.get("games", 0)) // config.run.games_per_iteration
    write_json(path, content, fence=run.fence)


def read_training_state(paths: RunPaths) -> Mapping[str, Any]:
    """The content of a run's file; empty where there is none or it is not readable."""
    try:
        return read_json(state_file(paths))
    except (OSError, ValueError):
        return {}
