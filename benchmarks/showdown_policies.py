"""How strong are the players that need no training?

Mirrored battles on the simulator without a server: each block of two battles has one pair of teams and one seed, played
from both seats. The score counts wins as 1 and ties as a half; `+-` is 1.96 standard errors over blocks.
"""

from __future__ import annotations

import argparse
from statistics import mean, stdev

from gamefleet.games.showdown.host.host import BattleHost
from gamefleet.games.showdown.match import MatchPlan, play_match
from gamefleet.games.showdown.players import scripted_player
from table import Row, report

LONG = True
PAIRS = (
    ("max-power", "random"),
    ("max-damage", "random"),
    ("max-damage", "max-power"),
    ("heuristic", "random"),
    ("heuristic", "max-damage"),
    ("heuristic", "poke-env-heuristics"),
    ("heuristic", "heuristic@0.25"),
    ("poke-env-max-power", "poke-env-random"),
    ("poke-env-heuristics", "poke-env-max-power"),
    ("poke-env-heuristics", "max-damage"),
)
FORMATS = ("gen1randombattle", "gen1ou", "gen4ou", "gen9ou", "gen9randombattle")


def row_of(host: BattleHost, pair: tuple[str, str], format_name: str, num_blocks: int) -> Row:
    """One match."""
    plan = MatchPlan(format=format_name, blocks=range(num_blocks))
    rows = list(play_match(host, scripted_player(pair[0]), scripted_player(pair[1]), plan))
    blocks = [mean(row.score for row in rows if row.block == number) for number in range(num_blocks)]
    return {
        "first": pair[0],
        "second": pair[1],
        "format": format_name,
        "battles": len(rows),
        "score of the first": mean(blocks),
        "+-": 1.96 * stdev(blocks) / num_blocks**0.5,
        "turns": mean(row.turns for row in rows),
        "lost by a fault": sum(sum(row.faults) for row in rows),
    }


def main() -> None:
    """Play and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true", help="write the table into benchmarks/results")
    arguments.add_argument("--blocks", type=int, default=50, help="of two battles each, per pair and format")
    arguments.add_argument("--formats", nargs="*", default=FORMATS)
    options = arguments.parse_args()
    with BattleHost() as host:
        rows = [row_of(host, pair, name, options.blocks) for pair in PAIRS for name in options.formats]
    report("showdown_policies", "How strong are the players of Showdown that need no training?", rows, options.write)


if __name__ == "__main__":
    main()
