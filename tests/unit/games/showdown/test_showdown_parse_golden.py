"""Genuine battles: what the parser reads is what the simulator's input log says; damaged logs are refused."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from gamefleet.games.showdown import layout, tables
from gamefleet.games.showdown.layout import CHOICE_NOT_ASKED, CHOICE_SWITCH, NUM_MOVES, side_at
from gamefleet.games.showdown.replays.parse import REASONS, ReplayRejected, parse_log
from gamefleet.games.showdown.replays.records import seen_from
from gamefleet.games.showdown.replays.teams import read_sheet
from gamefleet.games.showdown.replays.trace import Trace, pack, unpack

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "showdown"
BATTLES = sorted(path.name.removesuffix(".input.log") for path in GOLDEN.glob("*.input.log"))
LEAST_SHOWN = 0.7
KINDS_OF_DAMAGE = 8
FUZZ_CASES = 20_000


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


def damaged(logs: Sequence[str], random_numbers: random.Random) -> str:
    """A log with one to four things wrong with it."""
    lines = random_numbers.choice(logs).split("\n")
    for _ in range(random_numbers.randint(1, 4)):
        kind, at = random_numbers.randrange(KINDS_OF_DAMAGE), random_numbers.randrange(len(lines))
        other = random_numbers.randrange(len(lines))
        if kind == 0:
            del lines[at:]
        elif kind == 1:
            del lines[at : at + random_numbers.randint(1, 5)]
        elif kind == 2:
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 3:
            lines.insert(at, random_numbers.choice(random_numbers.choice(logs).split("\n")))
        elif kind == 4:
            parts = lines[at].split("|")
            parts[random_numbers.randrange(len(parts))] = random_numbers.choice(
                ("", "p1a: ", "9999999", "-1", "[of] p9", "é\x00", "0/0")
            )
            lines[at] = "|".join(parts)
        elif kind == 5:
            lines[at] = lines[at][: random_numbers.randint(0, len(lines[at]))]
        elif kind == 6:
            lines[at:at] = lines[other : other + 10]
        else:
            lines[at] = "".join(chr(random_numbers.randrange(1, 0x2FF)) for _ in range(random_numbers.randrange(40)))
        lines = lines or [""]
    return "\n".join(lines)


@pytest.mark.long
def test_damaged_logs_are_refused_by_name_or_read_whole() -> None:
    logs = sorted((path.read_text() for path in GOLDEN.glob("*.spectator.log")), key=len)[:4]
    short = ["\n".join(keep_turns(log, 6)) for log in logs]
    random_numbers = random.Random(1)
    read, reasons = 0, set[str]()
    for _ in range(FUZZ_CASES):
        log = damaged(short, random_numbers)
        try:
            trace = parse_log(log)
        except ReplayRejected as refusal:
            reasons.add(refusal.reason)
            continue
        read += 1
        assert "\n|win|" in log or "\n|tie" in log, "no battle without its end"
        assert unpack(pack(trace)).choices.shape == (len(trace.rows), 2)

    assert reasons <= set(REASONS)
    assert FUZZ_CASES // 10 < read < FUZZ_CASES * 9 // 10, "the damage should neither always nor never matter"


def keep_turns(log: str, turns: int) -> list[str]:
    """The first `turns` turns of a log, and its end."""
    lines = log.split("\n")
    return [*lines[: lines.index(f"|turn|{turns}")], *[line for line in lines if line.startswith("|win|")]]
