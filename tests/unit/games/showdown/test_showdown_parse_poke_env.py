"""The parser beside poke-env's battle, fed with the same lines: they agree on what both know.

Differences that are understood, and therefore not compared: poke-env keeps a fainted Pokémon's status and stages,
drops the stages of a Pokémon only when it switches, and does not undo an Illusion.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gamefleet.games.showdown import layout, tables
from gamefleet.games.showdown.layout import mon_at, side_at
from gamefleet.games.showdown.replays.parse import parse_log

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "showdown"
BATTLES = ("gen1ou-11", "gen4randombattle-14", "gen9ou-32", "gen9randombattle-21", "gen9randombattle-22")
PASSED_OVER = ("", "t:", "gametype", "win", "tie", "inactive", "raw", "j", "l", "c", "title", "init")


@pytest.fixture(scope="session")
def poke_env_battle(require_module: Callable[[str, str], None]) -> Any:
    """poke-env's class of singles battles."""
    require_module("poke_env", "pip install gamefleet[showdown]")
    from poke_env.battle import Battle

    return Battle


def same_hp(row: Any, side: int, slot: int, fraction: float) -> bool:
    return abs(row[mon_at(side, slot) + layout.HP_PERMILLE] / 1000 - fraction) < 0.02


@pytest.mark.parametrize("name", BATTLES)
def test_both_say_the_same_at_each_turn(poke_env_battle: Any, name: str) -> None:
    log = (GOLDEN / f"{name}.spectator.log").read_text()
    trace = parse_log(log)
    turns = {int(row[layout.FIELD + layout.TURN]): row for row in trace.rows if not row[layout.FIELD + layout.PHASE]}
    battle = poke_env_battle("battle-1", "nobody", logging.getLogger(), gen=trace.generation)
    battle._player_role = "p1"
    for line in log.split("\n"):
        parts = line.split("|")
        if len(parts) > 1 and parts[1] not in PASSED_OVER:
            battle.parse_message(parts)
            if parts[1] == "turn":
                compare_turn(turns[int(parts[2])], battle)


def compare_turn(row: Any, battle: Any) -> None:
    assert row[layout.FIELD + layout.TURN] == battle.turn
    for side, active, conditions in (
        (0, battle.active_pokemon, battle.side_conditions),
        (1, battle.opponent_active_pokemon, battle.opponent_side_conditions),
    ):
        own, slot = side_at(side), row[side_at(side) + layout.ACTIVE]
        assert same_hp(row, side, slot, active.current_hp_fraction)
        status = active.status.name.lower() if active.status else ""
        assert layout.STATUSES[row[mon_at(side, slot) + layout.STATUS]] == status
        stages = {name: int(row[own + place]) for place, name in enumerate(layout.BOOST_NAMES)}
        assert stages == {name: active.boosts[name] for name in stages}
        theirs = {tables.to_id(condition.name) for condition in conditions}
        ours = {key for place, key in enumerate(layout.SIDE_CONDITIONS) if row[own + layout.CONDITIONS + place]}
        assert ours == theirs & set(layout.SIDE_CONDITIONS)
    weather = {tables.to_id(weather.name) for weather in battle.weather}
    assert {tables.WEATHERS[row[layout.FIELD + layout.WEATHER]]} - {""} == weather
