"""The state: what single lines change, and that a player's own channel gives the rows that a spectator's log gives."""

from pathlib import Path

import pytest

from gamefleet.games.showdown import layout, tables
from gamefleet.games.showdown.layout import mon_at, side_at
from gamefleet.games.showdown.replays.parse import parse_log
from gamefleet.games.showdown.state import BattleState
from gamefleet.games.showdown.state_words import StateError, seen_permille

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "showdown"
BATTLES = sorted(path.name.removesuffix(".p1.log") for path in GOLDEN.glob("*.p1.log"))
START = """|gen|9
|teamsize|p1|6
|teamsize|p2|6
|switch|p1a: Ann|Corviknight, M|100/100
|switch|p2a: Ann|Dragapult, L84, F|100/100
|turn|1"""


def after(lines: str, own_side: int | None = None, start: str = START) -> BattleState:
    state = BattleState(own_side)
    for line in [*start.split("\n"), *lines.split("\n")]:
        state.feed(line)
    return state


def mon(state: BattleState, side: int, column: int, slot: int = 0) -> int:
    return state.row[mon_at(side, slot) + column]


def has_volatile(state: BattleState, side: int, key: str) -> bool:
    number = tables.volatiles()[key]
    word = state.row[side_at(side) + layout.VOLATILES + number // layout.WORD_BITS]
    return bool(word >> number % layout.WORD_BITS & 1)


@pytest.mark.parametrize(
    ("hp", "max_hp", "percent", "pixels"),
    [(300, 300, 1000, 1000), (299, 300, 990, 979), (1, 300, 10, 20), (0, 300, 0, 0)],
)
def test_exact_hp_are_rounded_as_the_simulator_shows_them(hp: int, max_hp: int, percent: int, pixels: int) -> None:
    assert seen_permille(hp, max_hp, is_percent=True) == percent
    assert seen_permille(hp, max_hp, is_percent=False) == pixels


def test_both_sides_may_use_the_same_nickname() -> None:
    state = after("|-damage|p2a: Ann|40/100 brn")

    assert mon(state, 0, layout.HP_PERMILLE) == 1000
    assert mon(state, 1, layout.HP_PERMILLE) == 400
    assert layout.STATUSES[mon(state, 1, layout.STATUS)] == "brn"


def test_one_side_may_use_a_nickname_twice() -> None:
    state = after(
        "|switch|p1a: Ann|Great Tusk|100/100\n|-damage|p1a: Ann|10/100\n|switch|p1a: Ann|Corviknight, M|90/100"
    )

    assert state.row[side_at(0) + layout.ACTIVE] == 0
    assert (mon(state, 0, layout.HP_PERMILLE), mon(state, 0, layout.HP_PERMILLE, slot=1)) == (900, 100)


def test_transform_copies_looks_and_stages_until_it_leaves() -> None:
    lines = "|-boost|p2a: Ann|spa|2\n|-transform|p1a: Ann|p2a: Ann"
    state = after(lines)

    assert mon(state, 0, layout.SPECIES) == mon(state, 1, layout.SPECIES)
    assert mon(state, 0, layout.BASE_SPECIES) == tables.species().id("Corviknight")
    assert state.row[side_at(0) + 2] == 2
    assert state.row[side_at(0) + layout.MOVE_SOURCE] == 1 + layout.TEAM_SIZE

    gone = after(lines + "\n|switch|p1a: Bo|Ditto|100/100")
    assert mon(gone, 0, layout.SPECIES) == tables.species().id("Corviknight")
    assert gone.row[side_at(0) + 2] == 0


def test_a_called_move_is_not_learned() -> None:
    state = after("|move|p1a: Ann|Sleep Talk|p1a: Ann\n|move|p1a: Ann|Roost|p1a: Ann|[from] move: Sleep Talk")

    assert mon(state, 0, layout.MOVES) == tables.moves().id("Sleep Talk")
    assert mon(state, 0, layout.MOVES + 1) == 0


def test_baton_pass_hands_on_stages_and_a_substitute_but_no_taunt() -> None:
    lines = "|-start|p1a: Ann|Substitute\n|-start|p1a: Ann|move: Taunt\n|-boost|p1a: Ann|atk|2\n"
    passed = after(lines + "|switch|p1a: Bo|Great Tusk|100/100|[from] Baton Pass")
    plain = after(lines + "|switch|p1a: Bo|Great Tusk|100/100")

    assert (passed.row[side_at(0)], has_volatile(passed, 0, "substitute"), has_volatile(passed, 0, "taunt")) == (
        2,
        True,
        False,
    )
    assert (plain.row[side_at(0)], has_volatile(plain, 0, "substitute")) == (0, False)


def test_layers_are_counted_and_screens_count_turns() -> None:
    state = after("|-sidestart|p2: B|Spikes\n|-sidestart|p2: B|Spikes\n|-sidestart|p1: A|Reflect\n|turn|2\n|turn|3")

    assert state.row[side_at(1) + layout.SPIKES] == 2
    assert state.row[side_at(0) + layout.REFLECT] == 3


def test_court_change_swaps_sides_and_goes_on_counting() -> None:
    state = after("|-sidestart|p1: A|Reflect\n|-sidestart|p1: A|Spikes\n|-swapsideconditions\n|turn|2")

    assert (state.row[side_at(0) + layout.REFLECT], state.row[side_at(1) + layout.REFLECT]) == (0, 2)
    assert (state.row[side_at(0) + layout.SPIKES], state.row[side_at(1) + layout.SPIKES]) == (0, 1)


def test_a_revived_pokemon_stands_again() -> None:
    state = after(
        "|-damage|p1a: Ann|0 fnt\n|faint|p1a: Ann\n|switch|p1a: Bo|Pawmot|100/100\n"
        "|-heal|p1: Ann|50/100|[from] move: Revival Blessing"
    )

    assert mon(state, 0, layout.HP_PERMILLE) == 500
    assert not mon(state, 0, layout.FLAGS) & layout.FLAG_FAINTED
    assert state.row[side_at(0) + layout.NUM_FAINTED] == 0


def test_an_illusion_gives_back_what_its_look_suffered() -> None:
    state = after(
        "|switch|p1a: Bo|Great Tusk|100/100\n|switch|p1a: Ann|Corviknight, M|100/100\n"
        "|-damage|p1a: Ann|30/100\n|move|p1a: Ann|U-turn|p2a: Ann\n|replace|p1a: Zoe|Zoroark-Hisui, M"
    )

    zoroark = tables.species().id("Zoroark-Hisui")
    assert (mon(state, 0, layout.HP_PERMILLE), mon(state, 0, layout.MOVES)) == (1000, 0)
    assert (mon(state, 0, layout.SPECIES, 2), mon(state, 0, layout.HP_PERMILLE, 2)) == (zoroark, 300)
    assert mon(state, 0, layout.MOVES, 2) == tables.moves().id("U-turn")
    assert state.row[side_at(0) + layout.ACTIVE] == 2


@pytest.mark.parametrize(
    ("line", "side", "column", "value"),
    [
        ("|-damage|p1a: Ann|88/100|[from] item: Rocky Helmet|[of] p2a: Ann", 1, layout.ITEM, ("items", "Rocky Helmet")),
        ("|-heal|p1a: Ann|94/100|[from] item: Leftovers", 0, layout.ITEM, ("items", "Leftovers")),
        ("|-enditem|p1a: Ann|Leftovers|[from] move: Knock Off|[of] p2a: Ann", 0, layout.ITEM, ("items", "none")),
        ("|-ability|p2a: Ann|Intimidate|boost", 1, layout.BASE_ABILITY, ("abilities", "Intimidate")),
        ("|-weather|RainDance|[from] ability: Drizzle|[of] p2a: Ann", 1, layout.ABILITY, ("abilities", "Drizzle")),
        ("|-terastallize|p1a: Ann|Water", 0, layout.TERA_TYPE, ("types", "Water")),
    ],
)
def test_lines_give_away_items_abilities_and_types(line: str, side: int, column: int, value: tuple[str, str]) -> None:
    table = {"items": tables.items(), "abilities": tables.abilities(), "types": tables.types()}[value[0]]

    assert mon(after(line), side, column) == table.id(value[1])


@pytest.mark.parametrize(
    "line",
    [
        "|switch|p3a: Ann|Ditto|1/1",
        "|-damage|p1a: Ann|x/100",
        "|-damage|p1a: Ann",
        "|faint|",
        "|switch|p1a: A|Nobody|100/100",
    ],
)
def test_a_line_that_cannot_be_is_refused(line: str) -> None:
    with pytest.raises(StateError):
        after(line)


@pytest.mark.parametrize("battle", BATTLES)
@pytest.mark.parametrize("side", [0, 1])
def test_a_players_own_channel_gives_the_rows_of_the_spectators_log(battle: str, side: int) -> None:
    trace = parse_log((GOLDEN / f"{battle}.spectator.log").read_text())
    lines = (GOLDEN / f"{battle}.p{side + 1}.log").read_text().split("\n")
    turns = {int(row[layout.FIELD + layout.TURN]): row for row in trace.rows if not row[layout.FIELD + layout.PHASE]}
    state, compared = BattleState(own_side=side), 0
    for line in lines:
        state.feed(line)
        if line.startswith("|turn|"):
            assert state.snapshot().tolist() == turns[int(line[6:])].tolist(), line
            compared += 1

    assert compared == trace.num_turns
