"""How long is a run not training when one job hands over to the next, and how much of a four-hour job is training?

A chain of real jobs on a real SLURM of this machine, with SLURM's own scheduler settings and the settings of the demo.
The gap is from the last round of one leg to the first round of the next; the scheduler's part of it is from the end of
one job's command to the first line of the next job's script, the rest is ours. The share of a four-hour job is computed
from the measured parts: start-up, and the margin that a run keeps free for its last save.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from gamefleet.runs.deadline import MARGIN_FACTOR, MARGIN_S
from gamefleet.runs.events import slowest_save_s
from gamefleet.runs.paths import RunPaths
from gamefleet.testing.local_slurm import LocalSlurm, LocalSlurmSettings
from gamefleet.testing.rehearsal import Rehearsal
from table import report

LONG = True
LEGS = 5
JOB_S = 4 * 3600


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true")
    write = arguments.parse_args().write
    config = Path(__file__).parent.parent / "configs" / "demo.toml"
    with tempfile.TemporaryDirectory() as folder:
        settings = LocalSlurmSettings(has_accounting=True, has_normal_scheduler=True)
        with LocalSlurm(settings) as slurm:
            rehearsal = Rehearsal(slurm=slurm, name="hand-over", runs_folder=Path(folder), config=config, say=print)
            rehearsal.start()
            for _ in range(LEGS):
                rehearsal.see_limit()
            chain = rehearsal.stop()
        save_s = slowest_save_s(RunPaths(Path(folder) / "hand-over").events("train"))
    report(
        "hand_over",
        f"A run handed from job to job {LEGS} times; medians.",
        rows(chain["legs"], save_s),
        write,
    )


def rows(legs: list[Mapping[str, Any]], save_s: float) -> list[dict[str, str]]:
    """The table."""
    whole = [row["handover"] for row in legs if row["handover"] and row["handover"]["ours_s"] is not None]
    gap, ours = median(one["gap_s"] for one in whole), median(one["ours_s"] for one in whole)
    starts = [
        row["stretch"]["began_training_at"] - row["leg"]["script_started_at"]
        for row in legs
        if row["stretch"] and row["stretch"]["began_training_at"]
    ]
    start = median(starts)
    margin = MARGIN_S + MARGIN_FACTOR * save_s
    share = 1 - (start + margin) / JOB_S
    return [
        {"what": "gap from the last round of a leg to the first of the next (goal 15 s)", "median": f"{gap:.1f} s"},
        {"what": "of it the scheduler's", "median": f"{gap - ours:.1f} s"},
        {"what": "of it ours (goal 3 s)", "median": f"{ours:.1f} s"},
        {"what": "from the script's first line to the first round", "median": f"{start:.1f} s"},
        {"what": "slowest save", "median": f"{save_s:.1f} s"},
        {"what": "steps lost per hand-over (goal 0)", "median": f"{max(one['lost_steps'] for one in whole)}"},
        {
            "what": "steps played again per hand-over (goal 0)",
            "median": f"{max(one['repeated_steps'] for one in whole)}",
        },
        {
            "what": f"share of a four-hour job spent training (goal 98 %), with a margin of {margin:.0f} s",
            "median": f"{100 * share:.1f} %",
        },
    ]


if __name__ == "__main__":
    main()
