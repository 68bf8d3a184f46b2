"""What does a learner on another machine cost, and where should actions be chosen?

Two tables. The first: the same small run with the learner in this process and in another one over loopback; updates per
second in the steady part, bytes per update in both ways to send a batch, and how long the learner had nothing to do.
The second, in network namespaces (needs root): seconds per 100 games, with nothing learned, over lines of several
speeds and round trips, when the learner chooses the actions, when the games' side does with weights that it fetches
each round, and what `auto` took. Both sides compute on the CPU of one machine here; with a GPU at the learner its
column falls.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from table import Row, report

REPOSITORY = Path(__file__).resolve().parents[1]
NETWORK = {"d_model": 32, "num_heads": 2, "num_layers": 2, "d_hidden": 64}
SPEEDS_MBIT = (10, 100, 1000)
ROUND_TRIPS_MS = (1, 10, 50)
ROUNDS = 3
GAMES = 100
QUIET_S = 240.0


class Shown:
    """Progress that keeps the figures."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, Mapping[str, float]]] = []

    def show(self, step: int, total_steps: int, values: Mapping[str, float]) -> None:
        """See `Progress.show`."""
        self.rows.append((time.time(), values))

    def say(self, text: str) -> None:
        """See `Progress.say`."""


def changes(inference: str = "learner", batches: str = "indices", **run: Any) -> dict[str, Any]:
    """Of the small run: enough learning to measure."""
    return {
        "network": {"encoder": NETWORK},
        "learner": {"batch_size": 64, "learning_starts_steps": 200, "replay_ratio": 4.0},
        "replay": {"capacity_steps": 4000},
        "actors": {"num_envs": 20, "refresh_every_steps": 4},
        "remote": {"inference": inference, "batches": batches},
        "run": {"total_steps": 4000, "metrics_interval_steps": 200, "checkpoint_interval_steps": 100_000, **run},
    }


def alone() -> list[tuple[float, Mapping[str, float]]]:
    from tests.topologies.remote_pair import settings_of

    from gamefleet.games import open_game
    from gamefleet.runs.deadline import Deadline
    from gamefleet.topologies.config import to_toml
    from gamefleet.topologies.training import train

    shown = Shown()
    with tempfile.TemporaryDirectory() as folder:
        config = settings_of(Path(folder), "alone", **{k: v for k, v in changes().items() if k != "remote"})
        train(
            open_game(config.game_name), config, asked=to_toml(config.resolved()), start="first",
            deadline=Deadline(max_runtime_s=None), progress=shown,
        )  # fmt: skip
    return shown.rows


def apart(line: Any = None, **settings: Any) -> tuple[list[tuple[float, Mapping[str, float]]], list[str]]:
    """A run of two processes: figures, and what the coordinator said."""
    from tests.topologies.remote_ends import RemoteEnds

    from gamefleet.transport.link_settings import LinkTimes

    with (
        tempfile.TemporaryDirectory() as folder,
        RemoteEnds(Path(folder), times=LinkTimes(), line=line, **settings) as both,
    ):
        both.start_both()
        both.finish(QUIET_S)
        lines = (Path(folder) / "coordinator.jsonl").read_text().splitlines()
        rows = [(at, values) for at, _, values in map(json.loads, lines)]
        return rows, [text for _, text in both.said("coordinator")]


def per_s(rows: list[tuple[float, Mapping[str, float]]], name: str) -> float:
    """Growth of a count per second, over the second half of a run."""
    (begin, first), (end, last) = rows[len(rows) // 2], rows[-1]
    return (last[name] - first[name]) / (end - begin)


def over_loopback() -> list[Row]:
    found: dict[str, list[tuple[float, float, float]]] = {}
    for _ in range(ROUNDS):
        rows = alone()
        found.setdefault("in this process", []).append((per_s(rows, "run/updates"), 0.0, 0.0))
        for inference in ("actor", "learner"):
            for batches in ("indices", "arrays"):
                rows, _ = apart(**changes(inference, batches))
                made = rows[-1][1]["run/updates"] - rows[len(rows) // 2][1]["run/updates"]
                sent = rows[-1][1]["remote/sent_bytes"] - rows[len(rows) // 2][1]["remote/sent_bytes"]
                found.setdefault(f"over loopback, {batches}, actions chosen by the {inference}", []).append(
                    (per_s(rows, "run/updates"), sent / made, rows[-1][1]["remote/idle_share"])
                )
    best = statistics.median(speed for speed, _, _ in found["in this process"])
    table: list[Row] = []
    for way, measured in found.items():
        speed, size, idle = (statistics.median(column) for column in zip(*measured, strict=True))
        row: Row = {"learner": way, "updates/s": speed, "share of in process": speed / best}
        table.append({**row, "bytes per update": f"{size:.0f}" if size else "", "idle": f"{idle:.2f}" if size else ""})
    return table


def over_slow_lines() -> list[Row]:
    from gamefleet.testing.network_namespaces import NetworkNamespaces

    table: list[Row] = []
    with NetworkNamespaces() as line:
        for speed in SPEEDS_MBIT:
            for round_trip in ROUND_TRIPS_MS:
                line.shape(mbit_per_s=speed, round_trip_s=round_trip / 1000)
                row: Row = {"Mbit/s": str(speed), "round trip": f"{round_trip} ms"}
                for inference in ("learner", "actor", "auto"):
                    settings = changes(inference, total_steps=6000, metrics_interval_steps=400)
                    settings["learner"] = {"batch_size": 64, "learning_starts_steps": 10_000}
                    settings["replay"] = {"capacity_steps": 20_000}
                    settings["actors"] = {"num_envs": GAMES, "refresh_every_steps": 4}
                    settings["remote"] |= {"groups": 2, "weights": "bfloat16"}
                    rows, said = apart(line, **settings)
                    row[f"{inference}, s/{GAMES} games"] = GAMES / per_s(rows, "run/episodes")
                    if inference == "auto":
                        word = next(text for text in said if "measured per round" in text)
                        row["auto took"] = "learner" if word.startswith("the learner") else "actor"
                        row["because, s per round"] = ", ".join(re.findall(r"[\d.]+ s (?:there|here)", word))
                table.append(row)
                print(row, flush=True)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/remote*.md")
    parser.add_argument("--only", choices=("loopback", "lines", ""), default="")
    arguments = parser.parse_args()
    sys.path.insert(0, str(REPOSITORY))
    import torch

    torch.set_num_threads(1)
    if arguments.only != "lines":
        report("remote", "What does a learner in another process cost?", over_loopback(), arguments.write)
    if arguments.only != "loopback":
        question = "Where should actions be chosen, by the speed of the line?"
        report("remote_lines", question, over_slow_lines(), arguments.write)


if __name__ == "__main__":
    main()
