"""The parser on hand-written hard cases: what is a decision, what was chosen, what is not shown, what is refused."""

import numpy as np
import pytest

from gamefleet.games.showdown import layout, tables
from gamefleet.games.showdown.layout import (
    CHOICE_FLAG_FORCED,
    CHOICE_MOVE_GIMMICK,
    CHOICE_NOT_ASKED,
    CHOICE_NOT_SHOWN,
    CHOICE_SWITCH,
    CHOICE_Z_MOVE,
    mon_at,
    side_at,
)
from gamefleet.games.showdown.replays.parse import REASONS, ReplayRejected, parse_log
from gamefleet.games.showdown.replays.trace import Trace

HEAD = """|gametype|singles
|player|p1|Alice|1|1500
|player|p2|Bob, the "2nd"|2|1400
|gen|{generation}
|tier|[Gen {generation}] OU
|
|t:|1700000000
|teamsize|p1|6
|teamsize|p2|6
|start
|switch|p1a: Ann|Corviknight, M|100/100
|switch|p2a: Ann|Dragapult, F|100/100
|turn|1
|
"""
WIN = '\n|\n|win|Bob, the "2nd"'
END = "\n|-message|Alice forfeited." + WIN
SHEET = "Ann|Corviknight|Leftovers|Pressure|bodypress,roost,uturn,bravebird|||M||||"


def parse(body: str, generation: int = 9, before: str = "", end: str = END) -> Trace:
    return parse_log(before + HEAD.format(generation=generation) + body + end)


def choices(trace: Trace) -> list[tuple[int, int]]:
    return [(int(first), int(second)) for first, second in trace.choices]


def test_both_sides_are_asked_at_every_turn() -> None:
    trace = parse("|move|p1a: Ann|Roost|p1a: Ann\n|move|p2a: Ann|Hex|p1a: Ann\n|\n|upkeep\n|turn|2")

    assert choices(trace) == [(0, 0), (CHOICE_NOT_SHOWN, CHOICE_NOT_SHOWN)]
    assert (trace.winner, trace.end_reason, trace.num_turns, trace.ratings) == (1, "forfeit", 2, (1500, 1400))
    assert (trace.format_id, trace.generation, trace.day) == ("gen9ou", 9, 1_700_000_000 // 86_400)


def test_a_pokemon_that_faints_first_does_not_show_what_it_would_have_done() -> None:
    trace = parse(
        "|move|p2a: Ann|Hex|p1a: Ann\n|-damage|p1a: Ann|0 fnt\n|faint|p1a: Ann\n|\n|upkeep\n|\n"
        "|switch|p1a: Bo|Great Tusk|100/100\n|turn|2"
    )

    assert choices(trace)[:2] == [(CHOICE_NOT_SHOWN, 0), (CHOICE_SWITCH + 1, CHOICE_NOT_ASKED)]
    assert trace.rows[1, side_at(0) + layout.MUST_SWITCH] == 1
    assert trace.rows[1, side_at(0) + layout.ACTIVE] == 0, "the row is the one before the replacement"


def test_both_sides_may_have_to_replace_at_once() -> None:
    trace = parse(
        "|move|p2a: Ann|Explosion|p1a: Ann\n|faint|p2a: Ann\n|faint|p1a: Ann\n|\n|upkeep\n|\n"
        "|switch|p1a: Bo|Great Tusk|100/100\n|switch|p2a: Bo|Great Tusk|100/100\n|turn|2"
    )

    assert choices(trace)[1] == (CHOICE_SWITCH + 1, CHOICE_SWITCH + 1)


def test_u_turn_asks_again_in_the_middle_of_the_turn() -> None:
    trace = parse(
        "|move|p1a: Ann|U-turn|p2a: Ann\n|-damage|p2a: Ann|70/100\n|\n|t:|1700000001\n"
        "|switch|p1a: Bo|Great Tusk|100/100|[from] U-turn\n|move|p2a: Ann|Hex|p1a: Bo\n|\n|upkeep\n|turn|2"
    )

    assert choices(trace)[:2] == [(0, 0), (CHOICE_SWITCH + 1, CHOICE_NOT_ASKED)]
    assert trace.rows[1, mon_at(1, 0) + layout.HP_PERMILLE] == 700


def test_an_eject_button_asks_a_side_that_has_not_moved() -> None:
    trace = parse(
        "|move|p2a: Ann|Hex|p1a: Ann\n|-enditem|p1a: Ann|Eject Button\n|\n"
        "|switch|p1a: Bo|Great Tusk|100/100\n|\n|upkeep\n|turn|2"
    )

    assert choices(trace)[:2] == [(CHOICE_NOT_SHOWN, 0), (CHOICE_SWITCH + 1, CHOICE_NOT_ASKED)]


def test_nobody_chose_to_be_dragged_out() -> None:
    trace = parse("|move|p2a: Ann|Dragon Tail|p1a: Ann\n|drag|p1a: Bo|Great Tusk|100/100\n|\n|upkeep\n|turn|2")

    assert choices(trace)[0] == (CHOICE_NOT_SHOWN, 0)


def test_a_pursuit_that_kills_the_leaver_does_not_ask_again_in_older_generations() -> None:
    trace = parse(
        "|-activate|p1a: Ann|move: Pursuit\n|move|p2a: Ann|Pursuit|p1a: Ann|[from] Pursuit\n|-damage|p1a: Ann|0 fnt\n"
        "|faint|p1a: Ann\n|switch|p1a: Bo|Tyranitar, M|100/100\n|\n|upkeep\n|turn|2",
        generation=4,
    )

    assert choices(trace)[0] == (CHOICE_SWITCH + 1, 0)


@pytest.mark.parametrize(
    "called",
    [
        "|move|p1a: Ann|Metronome|p1a: Ann\n|move|p1a: Ann|Hex|p2a: Ann|[from] move: Metronome",
        "|cant|p1a: Ann|slp\n|move|p1a: Ann|Metronome|p1a: Ann\n|move|p1a: Ann|Hex|p2a: Ann|[from]Metronome",
        "|-activate|p1a: Ann|ability: Dancer\n|move|p1a: Ann|Quiver Dance|p1a: Ann|[from] ability: Dancer\n"
        "|move|p1a: Ann|Metronome|p1a: Ann\n|move|p1a: Ann|Hex|p2a: Ann|[from] move: Metronome",
        "|-singleturn|p1a: Ann|move: Instruct|[of] p2a: Ann\n|move|p1a: Ann|Hex|p2a: Ann\n"
        "|move|p1a: Ann|Metronome|p1a: Ann",
    ],
)
def test_called_moves_are_neither_chosen_nor_known(called: str) -> None:
    trace = parse(called + "\n|\n|upkeep\n|turn|2")

    assert choices(trace)[0][0] == 0
    assert trace.teams[0, 0, layout.TEAM_MOVES] == tables.moves().id("Metronome")
    assert trace.teams[0, 0, layout.TEAM_MOVES + 1] == 0


def test_what_cannot_be_chosen_otherwise_is_flagged() -> None:
    trace = parse(
        "|move|p1a: Ann|Outrage|p2a: Ann\n|move|p2a: Ann|Hyper Beam|p1a: Ann\n|-mustrecharge|p2a: Ann\n"
        "|\n|upkeep\n|turn|2\n|\n"
        "|move|p1a: Ann|Outrage|p2a: Ann|[from] lockedmove\n|cant|p2a: Ann|recharge\n|\n|upkeep\n|turn|3\n|\n"
        "|-start|p2a: Ann|Encore\n|\n|upkeep\n|turn|4\n|\n|move|p2a: Ann|Hyper Beam|p1a: Ann\n|\n|upkeep\n|turn|5"
    )

    assert [tuple(pair) for pair in (trace.choice_flags & CHOICE_FLAG_FORCED).tolist()[:4]] == [
        (0, 0),
        (1, 1),
        (0, 0),
        (0, 1),
    ]
    assert choices(trace)[1] == (0, CHOICE_NOT_SHOWN)


def test_an_encore_before_the_move_hides_what_was_chosen() -> None:
    trace = parse("|move|p2a: Ann|Encore|p1a: Ann\n|-start|p1a: Ann|Encore\n|move|p1a: Ann|Roost|p1a: Ann\n|turn|2")

    assert choices(trace)[0] == (CHOICE_NOT_SHOWN, 0)


@pytest.mark.parametrize(
    ("lines", "generation"),
    [
        ("|detailschange|p1a: Ann|Charizard-Mega-X, M\n|-mega|p1a: Ann|Charizard|Charizardite X", 6),
        ("|detailschange|p1a: Ann|Necrozma-Ultra\n|-burst|p1a: Ann|Necrozma|Ultranecrozium Z", 7),
        ("|-terastallize|p1a: Ann|Water", 9),
    ],
)
def test_a_gimmick_belongs_to_the_turns_move(lines: str, generation: int) -> None:
    trace = parse(lines + "\n|move|p1a: Ann|Roost|p1a: Ann\n|\n|upkeep\n|turn|2", generation=generation)

    assert choices(trace)[0][0] == CHOICE_MOVE_GIMMICK


def test_a_max_move_names_its_base_only_when_that_is_certain() -> None:
    lines = (
        "|-start|p1a: Ann|Dynamax\n|move|p1a: Ann|Max Airstream|p2a: Ann\n|\n|upkeep\n|turn|2\n|\n"
        "|move|p1a: Ann|Max Guard|p1a: Ann\n|turn|3"
    )

    assert choices(parse(lines, 8))[0][0] == CHOICE_NOT_SHOWN
    with_sheet = parse(lines, 8, before=f"|showteam|p1|{SHEET}\n")
    assert [pair[0] for pair in choices(with_sheet)[:2]] == [CHOICE_MOVE_GIMMICK + 3, 1]
    assert with_sheet.is_team_known == (True, False)


@pytest.mark.parametrize(
    "line", ["|move|p1a: Ann|Z-Splash|p1a: Ann|[anim]Splash", "|move|p1a: Ann|Splash|p1a: Ann|[zeffect]"]
)
def test_a_z_powered_status_move_is_its_own_base(line: str) -> None:
    trace = parse(f"|-zpower|p1a: Ann\n{line}\n|\n|upkeep\n|turn|2", 7)

    assert choices(trace)[0][0] == CHOICE_Z_MOVE
    assert trace.rows[1, side_at(0) + layout.GIMMICKS_USED] == layout.GIMMICK_Z_MOVE


def test_a_signature_z_move_reveals_its_crystal() -> None:
    trace = parse(
        "|move|p1a: Ann|Spirit Shackle|p2a: Ann\n|\n|upkeep\n|turn|2\n|\n|-zpower|p1a: Ann\n"
        "|move|p1a: Ann|Sinister Arrow Raid|p2a: Ann\n|turn|3",
        7,
    )

    assert [pair[0] for pair in choices(trace)[:2]] == [0, CHOICE_Z_MOVE]
    assert trace.teams[0, 0, layout.TEAM_ITEM] == tables.items().id("Decidium Z")


def test_transformed_choices_are_places_of_the_copied_moves() -> None:
    trace = parse(
        "|move|p2a: Ann|Hex|p1a: Ann\n|move|p1a: Ann|Transform|p2a: Ann\n|-transform|p1a: Ann|p2a: Ann\n"
        "|\n|upkeep\n|turn|2\n|\n"
        "|move|p2a: Ann|Draco Meteor|p1a: Ann\n|move|p1a: Ann|Draco Meteor|p2a: Ann\n|\n|upkeep\n|turn|3"
    )

    assert choices(trace)[1] == (1, 1)
    assert trace.teams[0, 0, layout.TEAM_MOVES + 1] == 0, "a copied move is not its own"


def test_a_transformation_in_the_middle_of_a_turn_hides_what_was_chosen_before() -> None:
    trace = parse("|-transform|p1a: Ann|p2a: Ann\n|move|p1a: Ann|Roost|p1a: Ann\n|\n|upkeep\n|turn|2")

    assert choices(trace)[0][0] == CHOICE_NOT_SHOWN


def test_an_illusion_is_undone_in_choices_and_in_the_owners_rows() -> None:
    trace = parse(
        "|switch|p1a: Bo|Great Tusk|100/100\n|move|p2a: Ann|Hex|p1a: Bo\n|\n|upkeep\n|turn|2\n|\n"
        "|switch|p1a: Ann|Corviknight, M|100/100\n|move|p2a: Ann|Hex|p1a: Ann\n|\n|upkeep\n|turn|3\n|\n"
        "|move|p1a: Ann|Night Daze|p2a: Ann\n|move|p2a: Ann|Hex|p1a: Ann\n|-damage|p1a: Ann|60/100\n"
        "|replace|p1a: Zoe|Zoroark, M\n|-end|p1a: Zoe|Illusion\n|\n|upkeep\n|turn|4"
    )

    assert [pair[0] for pair in choices(trace)[:3]] == [CHOICE_SWITCH + 1, CHOICE_SWITCH + 2, 0]
    assert trace.teams[0, 2, layout.TEAM_MOVES] == tables.moves().id("Night Daze")
    assert trace.rows[2, side_at(0) + layout.ACTIVE] == 0, "the opponent was deceived"
    assert trace.view_rows(1)[2, side_at(0) + layout.ACTIVE] == 0
    assert trace.view_rows(0)[2, side_at(0) + layout.ACTIVE] == 2
    assert trace.view_rows(0)[2, mon_at(0, 2) + layout.SPECIES] == tables.species().id("Zoroark")


def test_a_look_that_returns_with_other_hp_is_not_trusted() -> None:
    trace = parse(
        "|move|p1a: Ann|Roost|p1a: Ann\n|move|p2a: Ann|Hex|p1a: Ann\n|-damage|p1a: Ann|20/100\n|\n|upkeep\n|turn|2\n|\n"
        "|switch|p1a: Bo|Great Tusk|100/100\n|\n|upkeep\n|turn|3\n|\n"
        "|switch|p1a: Ann|Corviknight, M|77/100\n|\n|upkeep\n|turn|4"
    )

    assert [pair[0] for pair in choices(trace)[:3]] == [CHOICE_NOT_SHOWN, CHOICE_SWITCH + 1, CHOICE_NOT_SHOWN]


def test_revival_blessing_asks_who_revives() -> None:
    trace = parse(
        "|move|p2a: Ann|Hex|p1a: Ann\n|faint|p1a: Ann\n|\n|upkeep\n|\n|switch|p1a: Bo|Pawmot, M|100/100\n|turn|2\n|\n"
        "|move|p1a: Bo|Revival Blessing|p1a: Bo\n|\n"
        "|-heal|p1: Ann|50/100|[from] move: Revival Blessing\n|\n|upkeep\n|turn|3"
    )

    assert choices(trace)[3] == (CHOICE_SWITCH, CHOICE_NOT_ASKED)
    assert trace.rows[3, side_at(0) + layout.MUST_SWITCH] == 2


def test_what_the_simulator_says_of_a_move_that_could_not_be_made_is_a_choice() -> None:
    trace = parse("|cant|p1a: Ann|move: Taunt|Roost\n|cant|p2a: Ann|flinch\n|\n|upkeep\n|turn|2")

    assert choices(trace)[0] == (0, CHOICE_NOT_SHOWN)


def test_the_team_preview_is_no_decision_and_fixes_the_slots() -> None:
    preview = (
        "|clearpoke\n|poke|p1|Great Tusk|\n|poke|p1|Corviknight, M|\n|poke|p1|Urshifu-*, M|\n"
        "|poke|p2|Dragapult, F|\n|teampreview\n"
    )
    trace = parse(
        "|move|p2a: Ann|Hex|p1a: Ann\n|switch|p1a: U|Urshifu-Rapid-Strike, M|100/100\n|turn|2", before=preview
    )

    assert len(trace.rows) == 2
    assert trace.rows[0, side_at(0) + layout.ACTIVE] == 1
    assert trace.rows[1, side_at(0) + layout.ACTIVE] == 2
    assert trace.teams[0, 2, layout.TEAM_SPECIES] == tables.species().id("Urshifu-Rapid-Strike")


FAINTS = "\n|faint|p1a: Ann" + "".join(
    f"\n|switch|p1a: {name}|{name}|1/1\n|faint|p1a: {name}" for name in ("Ditto", "Mew", "Abra", "Onix", "Jynx")
)
ONE_EACH = HEAD.replace("|6\n", "|1\n")
UNTOLD = HEAD.replace("|teamsize|p1|6\n|teamsize|p2|6\n", "")


@pytest.mark.parametrize(
    ("end", "winner", "reason"),
    [
        (FAINTS + WIN, 1, "normal"),
        (f"{FAINTS}\n|player|p2|\n|player|p2|Carl|3\n|\n|win|Carl\n|raw|Carl's rating: 1500", 1, "normal"),
        (END, 1, "forfeit"),
        ("\n|-message|Alice forfeited by changing their name." + WIN, 1, "forfeit"),
        ("\n|-message|Alice lost due to inactivity." + WIN, 1, "timer"),
        ("\n|message|Time's up! Going to tiebreaker..." + WIN, 1, "rule"),
        ("\n|-message|This battle cannot progress. Endless Battle Clause activated!\n|\n|tie", -1, "tie"),
    ],
)
def test_battles_end_in_several_ways(end: str, winner: int, reason: str) -> None:
    trace = parse("|move|p2a: Ann|Hex|p1a: Ann", end=end)

    assert (trace.winner, trace.end_reason) == (winner, reason)


@pytest.mark.parametrize("head", [ONE_EACH, UNTOLD])
def test_a_battle_is_over_when_all_have_fainted_who_came_or_were_shown(head: str) -> None:
    log = head.format(generation=9) + "|move|p2a: Ann|Hex|p1a: Ann"

    assert parse_log(f"{log}\n|faint|p1a: Ann{WIN}").end_reason == "normal"
    assert parse_log(f"{log}\n|faint|p1a: Ann\n|faint|p2a: Ann\n|\n|tie").end_reason == "tie"
    for half in (log, f"{log}\n|faint|p2a: Ann"):
        with pytest.raises(ReplayRejected, match="ends_early"):
            parse_log(half + WIN)


@pytest.mark.parametrize("body", ["", FAINTS.rpartition("\n")[0], "|-message|Sleep Clause Mod activated."])
@pytest.mark.parametrize("end", [WIN, "\n|\n|tie"])
def test_nobody_loses_whose_pokemon_stand_and_who_did_not_give_up(body: str, end: str) -> None:
    with pytest.raises(ReplayRejected, match="ends_early"):
        parse(body, end=end)


def test_players_may_agree_on_a_tie_after_a_hundred_turns() -> None:
    turns = "".join(f"\n|upkeep\n|turn|{turn}\n|" for turn in range(2, 101))

    assert parse(turns, end="\n|\n|tie").end_reason == "tie"
    with pytest.raises(ReplayRejected, match="ends_early"):
        parse(turns.rpartition("\n|upkeep")[0], end="\n|\n|tie")


@pytest.mark.parametrize("turns", [(3,), (1,), (2, 2), (2, 99), (2, 4), (0,), (-1,)])
def test_a_turn_that_is_not_the_next_one_is_a_contradiction(turns: tuple[int, ...]) -> None:
    with pytest.raises(ReplayRejected, match="contradiction: turn"):
        parse("".join(f"\n|upkeep\n|turn|{turn}\n|" for turn in turns))


@pytest.mark.parametrize(
    "between",
    [
        "|move|p1a: Ann|Roost|p1a: Ann\n|\n|upkeep\n|\n",
        "|move|p2a: Ann|Hex|p1a: Ann\n|\n|",
        "|move|p1a: Ann|U-turn|p2a: Ann\n|\n|switch|p1a: Bo|Mew|1/1|[from] U-turn\n|move|p2a: Ann|Hex|p1a: Bo",
    ],
)
def test_two_turns_that_run_into_one_are_a_contradiction(between: str) -> None:
    with pytest.raises(ReplayRejected, match="contradiction: a side moves twice"):
        parse(f"{between}\n|move|p2a: Ann|Hex|p1a: Ann\n|\n|upkeep\n|turn|2")


def test_room_lines_change_nothing() -> None:
    plain = parse("|move|p2a: Ann|Hex|p1a: Ann\n|\n|upkeep\n|turn|2")
    noisy = parse(
        "|c|☆Alice|gg |turn|7\nplain words\n|j| Carl\n|l| Carl\n|inactive|Bob has 30 seconds left.\n"
        "|html|<b>|move|</b>\n"
        "|move|p2a: Ann|Hex|p1a: Ann\n|\n|raw|<div>\n|upkeep\n|turn|2\n|n| Alice2|alice"
    )

    np.testing.assert_array_equal(noisy.rows, plain.rows)
    np.testing.assert_array_equal(noisy.choices, plain.choices)


def test_names_are_hashed_with_the_salt() -> None:
    log = HEAD.format(generation=9) + END
    first, again, salted = parse_log(log), parse_log(log), parse_log(log, salt=b"secret")

    assert first.players == again.players != salted.players
    assert "Alice" not in repr(first.players)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (HEAD.format(generation=9).replace("singles", "doubles") + END, "not_singles"),
        (HEAD.format(generation=9).replace("[Gen 9] OU", "[Gen 9] Mix and Mega") + END, "other_rules"),
        (HEAD.format(generation=9).replace("|tier|[Gen 9] OU\n", "") + END, "unknown_format"),
        (HEAD.format(generation=9).replace("Dragapult", "Missingno Prime") + END, "unknown_name"),
        (HEAD.format(generation=9), "unfinished"),
        (HEAD.format(generation=9) + "|win|Carl", "no_winner"),
        (HEAD.format(generation=9).split("|turn|")[0] + END, "no_decisions"),
        (HEAD.format(generation=9) + "|-damage|p1a: Ann" + END, "malformed"),
        (HEAD.format(generation=9) + "|switch|p1a: A1|Ditto" + END, "malformed"),
        (HEAD.format(generation=9) + "|switch|p1b: A1|Ditto|1/1" + END, "malformed"),
        (HEAD.format(generation=9).replace("|turn|1", "|turn|x") + END, "malformed"),
        (HEAD.format(generation=9).replace("|turn|1", "|turn|2") + END, "contradiction"),
        (HEAD.format(generation=9) + WIN, "ends_early"),
        (
            HEAD.format(generation=1)
            + "|faint|p1a: Ann\n|switch|p1a: B|Ditto|1/1\n|switch|p1a: Ann|Corviknight, M|1/1"
            + END,
            "contradiction",
        ),
        ("x" * 5_000_000, "too_long"),
        ("", "unfinished"),
    ],
)
def test_refusals_have_a_reason_from_the_closed_list(log: str, reason: str) -> None:
    with pytest.raises(ReplayRejected) as refusal:
        parse_log(log)
    assert refusal.value.reason == reason
    assert reason in REASONS


def test_a_seventh_pokemon_is_refused() -> None:
    lines = "\n".join(
        f"|turn|{turn}\n|\n|switch|p1a: N{turn}|{name}|100/100"
        for turn, name in enumerate(("Ditto", "Mew", "Abra", "Onix", "Jynx", "Muk"), 2)
    )

    with pytest.raises(ReplayRejected, match="team_too_large"):
        parse(lines)
