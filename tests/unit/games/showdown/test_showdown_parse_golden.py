"""Genuine battles: what the parser reads is what the simulator's input log says."""

from pathlib import Path

import pytest

from gamefleet.games.showdown import layout, tables
from gamefleet.games.showdown.layout import CHOICE_NOT_ASKED, CHOICE_SWITCH, NUM_MOVES, side_at
from gamefleet.games.showdown.replays.parse import parse_log
from gamefleet.games.showdown.replays.records import seen_from
from gamefleet.games.showdown.replays.teams import read_sheet
from gamefleet.games.showdown.replays.trace import Trace

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "showdown"
BATTLES = sorted(path.name.removesuffix(".input.log") for path in GOLDEN.glob("*.input.log"))
LEAST_SHOWN = 0.7


def inputs(battle: str, side: int) -> list[str]:
    """What one side told the simulator, without the order of its team."""
    lines = (GOLDEN / f"{battle}.input.log").read_text().split("\n")
    mark = f">p{side + 1} "
    return [line[len(mark) :] for line in lines if line.startswith(mark) and not line[len(mark) :].startswith("team")]


def moves_in_use(trace: Trace, decision: int, side: int) -> list[str]:
    row = trace.view_rows(side)[decision]
    source = row[side_at(side) + layout.MOVE_SOURCE]
    mon = source - 1 if source else side * layout.TEAM_SIZE + row[side_at(side) + layout.ACTIVE]
    table = trace.teams.reshape(layout.NUM_MONS, layout.TEAM_WIDTH)[mon]
    return [tables.moves().keys[move] for move in table[layout.TEAM_MOVES : layout.TEAM_MOVES + NUM_MOVES]]


def said(trace: Trace, decision: int, side: int) -> str:
    """The choice as the input log would say it, switches without their number."""
    code = int(trace.choices[decision, side])
    if code >= CHOICE_SWITCH:
        return "switch"
    gimmick = " terastallize" if code // NUM_MOVES else ""
    return f"move {moves_in_use(trace, decision, side)[code % NUM_MOVES]}{gimmick}"


@pytest.mark.parametrize("battle", BATTLES)
@pytest.mark.parametrize("side", [0, 1])
def test_choices_are_those_of_the_input_log(battle: str, side: int) -> None:
    trace = parse_log((GOLDEN / f"{battle}.spectator.log").read_text())
    asked = [number for number, code in enumerate(trace.choices[:, side]) if code != CHOICE_NOT_ASKED]
    real = inputs(battle, side)
    shown = [(number, line) for number, line in zip(asked, real, strict=True) if trace.choices[number, side] >= 0]

    assert [said(trace, number, side) for number, _ in shown] == [
        "switch" if line.startswith("switch") else line for _, line in shown
    ]
    assert len(shown) > LEAST_SHOWN * len(real)


@pytest.mark.parametrize("battle", BATTLES)
@pytest.mark.parametrize("side", [0, 1])
def test_the_labels_of_a_view_without_a_sheet_are_those_of_the_input_log(battle: str, side: int) -> None:
    trace = parse_log((GOLDEN / f"{battle}.spectator.log").read_text())
    arrays, actions = seen_from(trace, side)
    moves = tables.moves().keys
    real = inputs(battle, side)
    assert not any(trace.is_team_known)
    assert len(real) == len(actions)

    for number, (line, action) in enumerate(zip(real, actions.tolist(), strict=True)):
        if action >= CHOICE_SWITCH:
            assert line.startswith("switch")
            assert arrays["own"][number, action - CHOICE_SWITCH, layout.SPECIES] > 0
        elif action >= 0:
            assert line.split(" ")[:2] == ["move", moves[arrays["moves"][number, action % NUM_MOVES, 0]]]


def test_a_rated_battle_of_a_real_server_is_read() -> None:
    trace = parse_log((GOLDEN / "server-room-battle-gen9randombattle-352.log").read_text())

    assert (trace.format_id, trace.ratings) == ("gen9randombattle", (1000, 1000))
    assert trace.winner in (0, 1)


def test_a_team_sheet_fills_the_team_from_the_start() -> None:
    log = (GOLDEN / "gen9ou-31.spectator.log").read_text()
    start = (GOLDEN / "gen9ou-31.input.log").read_text().split('"team":"')
    sheets = [text.split('"')[0] for text in start[1:]]
    trace = parse_log("".join(f"|showteam|p{side}|{sheet}\n" for side, sheet in enumerate(sheets, 1)) + log)

    for side, sheet in enumerate(sheets):
        real = {(entry.species, entry.item, (*entry.moves, 0, 0, 0)[:4]) for entry in read_sheet(sheet)}
        table = trace.teams[side].tolist()
        found = {(mon[layout.TEAM_SPECIES], mon[layout.TEAM_ITEM], tuple(mon[6:10])) for mon in table}
        assert found == real
