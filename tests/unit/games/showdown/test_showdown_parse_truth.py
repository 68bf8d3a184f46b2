"""Freshly played battles of every generation: what the parser reads is what the simulator knows to be true.

`benchmarks/showdown_truth.py` does the same with thousands of battles.
"""

import os
from pathlib import Path

import pytest

from gamefleet.errors import MissingDependencyError
from gamefleet.games.showdown import layout
from gamefleet.games.showdown.host.install import find_package
from gamefleet.games.showdown.layout import side_at
from gamefleet.games.showdown.replays.parse import parse_log
from gamefleet.games.showdown.state import BattleState
from gamefleet.games.showdown.truth import Agreement, compare, play
from gamefleet.games.showdown.truth_views import LABEL, PLACE, compare_views

FORMATS = (
    "gen1ou",
    "gen2randombattle",
    "gen3ou",
    "gen4randombattle",
    "gen5ou",
    "gen6ou",
    "gen7ou",
    "gen8randombattle",
    "gen8ou",
    "gen9ou",
    "gen9randombattle",
    "gen9nationaldex",
)
BATTLES = 6
LEAST_RIGHT = 0.999
EXACT = ("decisions", "hp", "status", "fainted", "active", "weather", "terrain", "rooms", "side conditions", "turn")


@pytest.fixture(scope="session")
def simulator() -> Path:
    """The simulator's package."""
    try:
        return find_package(os.environ)
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.mark.long
@pytest.mark.parametrize(("number", "battle_format"), list(enumerate(FORMATS)))
def test_what_is_read_is_true(simulator: Path, number: int, battle_format: str) -> None:
    agreement = Agreement()
    for battle in play(simulator, battle_format, 700, BATTLES, ("--exotic", "--sheets") if number % 2 else ()):
        compare(parse_log(battle["log"]), battle, agreement)

    assert agreement.right["decisions"] == BATTLES
    assert {name: count for name, count in agreement.wrong.items() if name in EXACT} == {}, agreement.examples
    assert agreement.share("choice") >= 0.995, agreement.examples  # an Illusion that nobody ever sees through
    assert agreement.share("boosts") >= 0.999, agreement.examples
    for revealed in ("species", "moves", "item", "ability"):
        assert agreement.share(revealed) >= 0.98, agreement.examples


@pytest.mark.long
def test_without_team_sheets_labels_are_what_the_players_chose(simulator: Path) -> None:
    agreement = Agreement()
    for battle_format in FORMATS:
        for battle in play(simulator, battle_format, 900, BATTLES):
            compare_views(parse_log(battle["log"]), battle, agreement)

    assert agreement.right[LABEL] > 40 * BATTLES * len(FORMATS)
    assert agreement.share(LABEL) >= LEAST_RIGHT, agreement.examples
    assert agreement.wrong[PLACE] == 0, agreement.examples


@pytest.mark.long
@pytest.mark.parametrize("battle_format", ["gen3ou", "gen9randombattle"])
def test_live_rows_are_the_rows_of_the_log(simulator: Path, battle_format: str) -> None:
    compared = 0
    for battle in play(simulator, battle_format, 800, 3, ("--channels", "--exotic")):
        trace = parse_log(battle["log"])
        for side in (0, 1):
            state, fed, lines = BattleState(own_side=side), 0, battle[f"p{side + 1}"]
            for row, decision in zip(trace.rows, battle["decisions"], strict=True):
                for line in lines[fed : decision["marks"][1 + side]]:
                    state.feed(line)
                fed = decision["marks"][1 + side]
                if decision["sides"][side]["asked"]:
                    must = (int(row[side_at(0) + layout.MUST_SWITCH]), int(row[side_at(1) + layout.MUST_SWITCH]))
                    assert state.snapshot(must).tolist() == row.tolist(), (battle["id"], decision["turn"])
                    compared += 1

    assert compared > 100
