"""How fast are battles generated, beside the simulator's bare loop?

Battles per second of processor time of the simulator's process. `bare` is random play with the simulator's own `Battle`
and no lanes, channels or logs; the others are what `gamefleet replays generate` asks the host for.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import psutil

from gamefleet.games.showdown.host.host import BattleHost
from gamefleet.games.showdown.replays.generate import GenerateSettings, play_rows
from table import Row, report

LONG = True
FORMATS = ("gen1randombattle", "gen1ou", "gen4ou", "gen7ou", "gen9ou", "gen9randombattle")
GRADES = ("random", "max-damage", "heuristic")


def cpu_seconds(host: BattleHost) -> float:
    """Processor time that the simulator's process has used."""
    times = psutil.Process(host.pid).cpu_times()
    return float(times.user + times.system)


def generated(host: BattleHost, format_name: str, grade: str, count: int) -> tuple[float, float, float]:
    """Battles per second of processor time, turns and kilobytes of log per battle."""
    settings = GenerateSettings(output_dir=Path(), max_games=count, formats=(format_name,), grades=(grade,))
    play_rows(host, settings, range(3))  # pools of sets are made, code is warm
    before = cpu_seconds(host)
    rows = play_rows(host, settings, range(count))
    taken = cpu_seconds(host) - before
    turns = sum(row["log"].count("\n|turn|") for row in rows) / count
    return count / taken, turns, sum(len(row["log"]) for row in rows) / count / 1000


def rows_of(host: BattleHost, format_name: str, count: int) -> list[Row]:
    """One format."""
    host.ask([{"do": "bare", "format": format_name, "seed": "warm", "count": 3}])
    bare = host.ask([{"do": "bare", "format": format_name, "seed": "bare", "count": count}])[0]
    pace = count / bare["cpuSeconds"]
    facts = {"battles/CPU-s": pace, "turns/battle": bare["turns"] / count}
    rows: list[Row] = [
        {
            "format": format_name,
            "who plays": "random, bare loop",
            **facts,
            "turns/CPU-s": bare["turns"] / bare["cpuSeconds"],
        }
    ]
    for grade in GRADES:
        each, turns, kilobytes = generated(host, format_name, grade, count)
        row: Row = {
            "format": format_name,
            "who plays": f"{grade}, generated",
            "battles/CPU-s": each,
            "turns/battle": turns,
        }
        of_bare = each * turns / (bare["turns"] / bare["cpuSeconds"])
        rows.append({**row, "turns/CPU-s": each * turns, "turns beside the bare loop": of_bare, "kB/log": kilobytes})
    return rows


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true", help="write the table into benchmarks/results")
    arguments.add_argument("--battles", type=int, default=60, help="per format and policy")
    arguments.add_argument("--formats", nargs="*", default=FORMATS)
    options = arguments.parse_args()
    with BattleHost() as host:
        rows = [row for name in options.formats for row in rows_of(host, name, options.battles)]
    report(
        "showdown_generation", "How fast are battles generated, beside the simulator's bare loop?", rows, options.write
    )


if __name__ == "__main__":
    main()
