"""Does the Showdown parser read in a log what the simulator knows to be true?

Plays battles of every generation in the real simulator, parses what a spectator saw of them, and compares at every
decision: choices with the input log; HP, status, boosts, field, side conditions and what was revealed of the teams with
the simulator's own objects. Half of the battles have teams with rare moves and species (Metronome, Transform, Baton
Pass, Revival Blessing, Illusion, Trace ...). The other half comes without team sheets, as from public ladders: of it
the labels that are learned are compared, too, and what a side knows of its own team. A battle that is rejected counts
as such and is not compared.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gamefleet.games.showdown.host.install import find_package
from gamefleet.games.showdown.replays.parse import ReplayRejected, parse_log
from gamefleet.games.showdown.truth import Agreement, compare, play, shares
from gamefleet.games.showdown.truth_views import LABEL, OWN_FACTS, OWN_MOVES, PLACE, compare_views
from table import Row, report

LONG = True
QUESTION = "Does the Showdown parser read in a log what the simulator knows to be true?"
Result = dict[str, Any]
FORMATS = (
    "gen1ou",
    "gen1randombattle",
    "gen2ou",
    "gen3ou",
    "gen4ou",
    "gen4randombattle",
    "gen5ou",
    "gen6ou",
    "gen6randombattle",
    "gen7ou",
    "gen8ou",
    "gen8randombattle",
    "gen9ou",
    "gen9randombattle",
    "gen9nationaldex",
)
KINDS = ("decisions", "hp", "status", "fainted", "boosts", "weather", "terrain", "rooms", "side conditions", "active")
OF_A_TEAM = 24
REVEALED = ("species", "moves", "item", "ability")


def main() -> None:
    """Play, compare and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true", help="write the table into benchmarks/results")
    arguments.add_argument("--battles", type=int, default=336, help="per format, half of them with rare moves")
    arguments.add_argument("--seed", type=int, default=100_000, help="of the first battle of each format")
    arguments.add_argument("--formats", nargs="*", default=list(FORMATS))
    arguments.add_argument("--folder", type=Path, default=Path("runs/showdown_truth"), help="results by format")
    arguments.add_argument("--collect", action="store_true", help="only make the table of the results that are there")
    options = arguments.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.formats if not options.collect else ():
        result = measure(name, options.battles, options.seed)
        (options.folder / f"{name}.json").write_text(json.dumps(result))
    results = {path.stem: json.loads(path.read_text()) for path in sorted(options.folder.glob("*.json"))}
    rows = [row_of(name, result) for name, result in results.items()]
    rows.append(row_of("all", total(list(results.values()))))
    print("\n".join(line for result in results.values() for line in result["examples"]))
    report("showdown_truth", QUESTION, rows, options.write)


def measure(name: str, battles: int, seed: int) -> Result:
    """Compare the battles of one format."""
    agreement, rejected, played = Agreement(), Counter[str](), 0
    for battle in _battles(name, battles, seed):
        played += 1
        try:
            trace = parse_log(battle["log"])
            compare(trace, battle, agreement)
            if not any(trace.is_team_known):
                compare_views(trace, battle, agreement)
        except ReplayRejected as refusal:
            rejected[refusal.reason] += 1
    print(f"{name}: {played} battles, {dict(rejected)}\n{shares(agreement)}", flush=True)
    return {
        "battles": played,
        "rejected": rejected,
        "right": agreement.right,
        "wrong": agreement.wrong,
        "examples": agreement.examples,
    }


def total(results: list[Result]) -> Result:
    """All formats together."""
    sums: Result = {"battles": sum(result["battles"] for result in results), "examples": []}
    for key in ("rejected", "right", "wrong"):
        sums[key] = sum((Counter(result[key]) for result in results), Counter[str]())
    return sums


def _battles(name: str, battles: int, seed: int) -> Iterator[dict[str, Any]]:
    package = find_package(os.environ)
    half = battles // 2
    yield from play(package, name, seed, battles - half)
    yield from play(package, name, seed + battles, half, ("--exotic", "--sheets"))


def row_of(name: str, result: Result) -> Row:
    """One line of the table: per cent of agreement."""
    right, wrong = Counter(result["right"]), Counter(result["wrong"])
    shown = right["move shown"] + right["switch shown"]
    asked = shown + wrong["move shown"] + wrong["switch shown"]
    row: Row = {
        "format": name,
        "battles": float(result["battles"]),
        "rejected": ", ".join(f"{reason} {count}" for reason, count in result["rejected"].items()),
        "choices": float(asked),
        "shown %": round(100 * shown / max(asked, 1), 1),
        "right %": _percent(right, wrong, ("choice",)),
    }
    for kind in KINDS:
        row[f"{kind} %"] = _percent(right, wrong, (kind,))
    row["revealed facts %"] = _percent(right, wrong, REVEALED)
    row["labels without sheets %"] = _percent(right, wrong, (LABEL,))
    row["at a known place %"] = _percent(right, wrong, (PLACE,))
    row["own facts %"] = _percent(right, wrong, OWN_FACTS)
    row["own moves known of 24"] = round(OF_A_TEAM * right[OWN_MOVES] / max(right[OWN_MOVES] + wrong[OWN_MOVES], 1), 1)
    return row


def _percent(right: Counter[str], wrong: Counter[str], kinds: tuple[str, ...]) -> str:
    agreeing = sum(right[kind] for kind in kinds)
    differing = sum(wrong[kind] for kind in kinds)
    return f"{100 * agreeing / max(agreeing + differing, 1):.3f}"


if __name__ == "__main__":
    main()
