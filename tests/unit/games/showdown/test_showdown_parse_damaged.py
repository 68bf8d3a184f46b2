"""Damaged logs are refused by name, or read as the battle that their text still tells: never half of one."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from gamefleet.games.showdown import CORPUS, layout, tables
from gamefleet.games.showdown.layout import CHOICE_SWITCH, NUM_MOVES, side_at
from gamefleet.games.showdown.replays.parse import REASONS, ReplayRejected, parse_log
from gamefleet.games.showdown.replays.sources import read_unit, units_of
from gamefleet.games.showdown.replays.trace import Trace, pack, unpack
from gamefleet.games.showdown.state_lists import lists
from gamefleet.games.showdown.state_moves import move_id

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "showdown"
BATTLES = sorted(path.name.removesuffix(".spectator.log") for path in GOLDEN.glob("*.spectator.log"))
EMBEDDED = {"gen6ou": 0, "gen7ou": 7, "gen8ou": 2}
"""Format -> number of a battle of it: with Mega Evolution and Illusion, with a Z-move, with Dynamax."""

HARD = ("|-mega|", "|-zpower|", "|Dynamax", "|replace|", "|-transform|")
KINDS_OF_DAMAGE = 8
FUZZ_CASES = 20_000
TURNS = 8

Choice = tuple[str, str]
"""What a side chose, in words: ("move", id) or ("switch", species)."""


def genuine(battle: str) -> list[str]:
    return (GOLDEN / f"{battle}.spectator.log").read_text().split("\n")


def embedded(battle_format: str) -> list[str]:
    unit = next(unit for unit in units_of(CORPUS) if unit.name.startswith(battle_format + "."))
    raw = next(itertools.islice(read_unit(CORPUS, unit), EMBEDDED[battle_format], None))
    return [line for line in str((raw or {})["log"]).split("\n") if not line.startswith("|showteam|")]


def turn_at(lines: Sequence[str], turn: int) -> int:
    return lines.index(f"|turn|{turn}")


def is_refused(lines: Sequence[str]) -> str:
    with pytest.raises(ReplayRejected) as refusal:
        parse_log("\n".join(lines))
    return refusal.value.reason


@pytest.mark.parametrize("battle", BATTLES)
def test_a_log_without_some_of_its_turns_is_refused(battle: str) -> None:
    lines = genuine(battle)
    whole = parse_log("\n".join(lines)).num_turns

    for first in range(1, whole):
        for last in {first + 1, min(first + 5, whole)}:
            assert is_refused([*lines[: turn_at(lines, first)], *lines[turn_at(lines, last) :]]) in (
                "contradiction",
                "malformed",
                "unknown_name",
            )


@pytest.mark.parametrize("battle", BATTLES)
@pytest.mark.parametrize("number", ["99", "0", "-1", "7"])
def test_a_turn_that_does_not_follow_is_refused_wherever_it_stands(battle: str, number: str) -> None:
    lines = genuine(battle)

    for turn in (1, 4, 9):
        at = turn_at(lines, turn)
        assert is_refused([*lines[:at], f"|turn|{number}", *lines[at:]]) == "contradiction"


@pytest.mark.parametrize("battle", BATTLES)
def test_the_beginning_of_a_battle_with_its_winner_is_refused(battle: str) -> None:
    lines = genuine(battle)
    end = [line for line in lines if line == "|tie" or line.startswith("|win|")]
    whole = parse_log("\n".join(lines)).num_turns

    for turn in range(1, whole + 1):
        assert is_refused([*lines[: turn_at(lines, turn) + 1], *end]) == "ends_early"
        assert is_refused([*lines[: turn_at(lines, turn)], "|", *end]) in ("ends_early", "no_decisions")


def keep_turns(lines: Sequence[str], turns: int) -> list[str]:
    """The first turns of a log, after which its loser gives up."""
    winner = next(line for line in lines if line.startswith("|win|"))
    names = [line.split("|")[3] for line in lines if line.startswith("|player|") and line.split("|")[3]]
    loser = next(name for name in names if name != winner[5:])
    return [*lines[: turn_at(lines, turns)], f"|-message|{loser} forfeited.", "|", winner]


def damaged(logs: Sequence[Sequence[str]], chosen: Sequence[str], random_numbers: random.Random) -> list[str]:
    """A log with one to four things wrong with it."""
    lines = list(chosen)
    for _ in range(random_numbers.randint(1, 4)):
        kind, at = random_numbers.randrange(KINDS_OF_DAMAGE), random_numbers.randrange(len(lines))
        other = random_numbers.randrange(len(lines))
        if kind == 0:
            del lines[at:]
        elif kind == 1:
            del lines[at : at + random_numbers.randint(1, 25)]
        elif kind == 2:
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 3:
            lines.insert(at, random_numbers.choice(random_numbers.choice(logs)))
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
    return "\n".join(lines).split("\n")  # what was put in may hold an end of a line


@dataclass(frozen=True)
class Told:
    """What a log says, read without the parser: numbers of its turns, and the lines before the first and of each."""

    numbers: list[str]
    segments: list[list[str]]
    has_given_up: bool

    @classmethod
    def of(cls, lines: Sequence[str]) -> "Told":
        protocol = [line for line in lines if line[:1] == "|"]
        end = next((n for n, line in enumerate(protocol) if line.split("|")[1] in ("win", "tie")), len(protocol))
        protocol = protocol[:end]
        starts = [number for number, line in enumerate(protocol) if line.split("|")[1] == "turn"]
        return cls(
            numbers=[protocol[start].split("|")[2] for start in starts],
            segments=[protocol[a:b] for a, b in itertools.pairwise([0, *starts, len(protocol)])],
            has_given_up=any(" forfeited" in line for line in protocol),
        )

    def is_told(self, turn: int, side: int, choice: Choice) -> bool:
        """Whether a line of the turn shows a choice of this kind by this side; of an ordinary move, this move."""
        kind, what = choice
        who = f"p{side + 1}"
        for line in self.segments[turn]:
            parts = [*line.split("|"), "", "", ""]
            if kind == "switch" and parts[1] in ("switch", "-heal") and parts[2][:2] == who:
                return True
            if kind == "move" and parts[1] in ("move", "cant") and parts[2][:2] == who:
                shown = move_id(parts[3] if parts[1] == "move" else parts[4])
                if tables.moves().keys[shown] == what or shown not in lists().ordinary or what == "mimic":
                    return True
        return False


def chosen_in(trace: Trace) -> Iterator[tuple[int, int, int, Choice]]:
    """Turn, number within the turn, side and words of every choice that is shown."""
    turns = trace.rows[:, layout.FIELD + layout.TURN].tolist()
    for decision, pair in enumerate(trace.choices.tolist()):
        for side, code in enumerate(pair):
            if code >= 0:
                number = decision - turns.index(turns[decision])
                yield turns[decision], number, side, words(trace, decision, side, code)


def words(trace: Trace, decision: int, side: int, code: int) -> Choice:
    if code >= CHOICE_SWITCH:
        species = int(trace.teams[side, code - CHOICE_SWITCH, layout.TEAM_SPECIES])
        return "switch", tables.species().keys[lists().bases[species]]
    row = trace.view_rows(side)[decision]
    source = int(row[side_at(side) + layout.MOVE_SOURCE])
    mon = source - 1 if source else side * layout.TEAM_SIZE + int(row[side_at(side) + layout.ACTIVE])
    table = trace.teams.reshape(layout.NUM_MONS, layout.TEAM_WIDTH)[mon]
    return "move", tables.moves().keys[int(table[layout.TEAM_MOVES + code % NUM_MOVES])]


def check(trace: Trace, lines: Sequence[str], whole: Sequence[str], uncut: Trace) -> None:
    """What was read of a damaged log is what its text tells, and where that is undamaged, what the uncut log tells."""
    told, real = Told.of(lines), Told.of(whole)
    assert [int(number) for number in told.numbers] == list(range(1, trace.num_turns + 1))
    assert trace.num_turns == uncut.num_turns or told.has_given_up, "a battle without a part of it"
    asked = trace.rows[trace.rows[:, layout.FIELD + layout.PHASE] == layout.PHASE_TURN, layout.FIELD + layout.TURN]
    np.testing.assert_array_equal(asked, np.arange(1, trace.num_turns + 1))
    found = {key: choice for *key_parts, choice in chosen_in(trace) for key in [tuple(key_parts)]}
    for (turn, _, side), choice in found.items():
        assert told.is_told(turn, side, choice), (turn, side, choice)
    if any(line.startswith("|replace|") for line in [*lines, *whole]):
        return  # an Illusion's end says of earlier turns who it was
    expected = {key: choice for *key_parts, choice in chosen_in(uncut) for key in [tuple(key_parts)]}
    for key in found.keys() & expected.keys():
        turn, _, side = key
        if turn >= len(real.segments) or told.segments[turn] != real.segments[turn]:
            continue
        is_plain = all(move_id(line.split("|")[3]) in lists().ordinary for line in moves_of(real, turn, side))
        if is_plain:
            assert found[key] == expected[key], key


def moves_of(told: Told, turn: int, side: int) -> list[str]:
    """Lines of moves of a side; a Max Move or Z-move tells its base only by what else is known."""
    return [line for line in told.segments[turn] if line.startswith(f"|move|p{side + 1}")]


@pytest.fixture(scope="module")
def logs() -> list[list[str]]:
    """Short battles with everything that is hard, and one with its natural end."""
    golden = [keep_turns(genuine(battle), TURNS) for battle in ("gen1randombattle-13", "gen1ou-12", "gen9ou-31")]
    package = [embedded(battle_format) for battle_format in EMBEDDED]
    found = [*golden, *(keep_turns(lines, min(TURNS, 8)) for lines in package), package[-1], package[0]]
    assert {mark for mark in HARD for lines in found if any(mark in line for line in lines)} == set(HARD)
    return found


@pytest.mark.parametrize("cases", [400, pytest.param(FUZZ_CASES, marks=pytest.mark.long)])
def test_damaged_logs_are_refused_by_name_or_read_as_they_tell(logs: list[list[str]], cases: int) -> None:
    uncut = [parse_log("\n".join(lines)) for lines in logs]
    random_numbers = random.Random(1)
    read, reasons = 0, set[str]()
    for _ in range(cases):
        number = random_numbers.randrange(len(logs))
        lines = damaged(logs, logs[number], random_numbers)
        try:
            trace = parse_log("\n".join(lines))
        except ReplayRejected as refusal:
            reasons.add(refusal.reason)
            continue
        read += 1
        check(trace, lines, logs[number], uncut[number])
        assert unpack(pack(trace)).choices.shape == (len(trace.rows), 2)

    assert reasons <= set(REASONS)
    assert cases // 10 < read < cases * 9 // 10, "the damage should neither always nor never matter"
