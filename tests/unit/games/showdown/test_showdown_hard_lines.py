"""Lines that are easily misread, as the simulator writes them: who knows a move, whose ability it is, what binds."""

from collections.abc import Mapping

import pytest

from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown import tables
from gamefleet.games.showdown.replays.parse import parse_log
from gamefleet.games.showdown.replays.trace import Trace

HEAD = """|gametype|singles
|player|p1|Alice|1|1500
|player|p2|Bob|2|1400
|gen|{generation}
|tier|[Gen {generation}] OU
|
|teamsize|p1|6
|teamsize|p2|6
|start
|switch|p1a: Ann|{first}|100/100
|switch|p2a: Ben|{second}|100/100
"""
END = "\n|-message|Alice forfeited.\n|\n|win|Bob"
NOTHING, NO_ITEM = "", "no item"
HIDDEN = at.CHOICE_NOT_SHOWN


def read(*turns: str, first: str = "Mew", second: str = "Alakazam", generation: int = 9, before: str = "") -> Trace:
    """A battle of these turns; the last decision is the beginning of the turn after them."""
    lines = [f"|turn|{number}\n|\n{turn}\n|\n|upkeep" for number, turn in enumerate(turns, 1)]
    head = HEAD.format(generation=generation, first=first, second=second)
    return parse_log(head + before + "\n".join([*lines, f"|turn|{len(turns) + 1}"]) + END)


def mon(trace: Trace, side: int, slot: int = 0, decision: int = -1) -> Mapping[str, str]:
    """What a spectator knows of a Pokémon, in words."""
    row = trace.rows[decision]
    start = at.mon_at(side, slot)
    moves = [
        tables.moves().names[int(move)] for move in row[start + at.MOVES : start + at.MOVES + at.NUM_MOVES] if move
    ]
    return {
        "species": tables.species().keys[int(row[start + at.SPECIES])],
        "base species": tables.species().keys[int(row[start + at.BASE_SPECIES])],
        "item": item_of(int(row[start + at.ITEM])),
        "ability": tables.abilities().keys[int(row[start + at.ABILITY])],
        "base ability": tables.abilities().keys[int(row[start + at.BASE_ABILITY])],
        "moves": ", ".join(moves),
    }


def item_of(number: int) -> str:
    return NO_ITEM if number == tables.NONE else tables.items().keys[number]


def brought(trace: Trace, side: int, slot: int = 0) -> tuple[str, str, str]:
    """Item, ability and moves with which a Pokémon came, as the whole battle tells them."""
    row = trace.teams[side, slot]
    moves = [tables.moves().names[int(move)] for move in row[at.TEAM_MOVES : at.TEAM_MOVES + at.NUM_MOVES] if move]
    item, ability = item_of(int(row[at.TEAM_ITEM])), tables.abilities().keys[int(row[at.TEAM_ABILITY])]
    return item, ability, ", ".join(moves)


def side(trace: Trace, number: int, column: int, decision: int = -1) -> int:
    return int(trace.rows[decision, at.side_at(number) + column])


def has(trace: Trace, number: int, volatile: str, decision: int = -1) -> bool:
    bit = tables.volatiles()[volatile]
    return bool(side(trace, number, at.VOLATILES + bit // at.WORD_BITS, decision) >> bit % at.WORD_BITS & 1)


def chosen(trace: Trace, number: int = 0) -> list[int]:
    return [int(code) for code in trace.choices[:, number] if code != at.CHOICE_NOT_ASKED][:-1]


SPLASH = "|move|p2a: Ben|Splash|p2a: Ben"


# -- Imposter and Transform --------------------------------------------------------------------------------------------
def test_imposter_copies_an_ability_and_keeps_its_own() -> None:
    trace = read(
        "|move|p1a: Ann|Body Press|p2a: Ben\n|move|p2a: Ben|Body Press|p1a: Ann",
        "|switch|p1a: Cid|Snorlax, M|100/100\n|move|p2a: Ben|Roost|p2a: Ben",
        first="Ditto",
        second="Corviknight, M",
        before="|-transform|p1a: Ann|p2a: Ben|[from] ability: Imposter\n|-ability|p1a: Ann|Pressure\n"
        "|-ability|p2a: Ben|Pressure\n",
    )

    first = mon(trace, 0, decision=0)
    assert (first["species"], first["base species"]) == ("corviknight", "ditto")
    assert (first["ability"], first["base ability"]) == ("pressure", "imposter")
    assert side(trace, 0, at.MOVE_SOURCE, 0) == 1 + at.TEAM_SIZE
    assert chosen(trace) == [0, at.CHOICE_SWITCH + 1]
    assert brought(trace, 0)[1:] == ("imposter", ""), "copied moves are not its own"
    assert brought(trace, 1)[2] == "Body Press, Roost"
    assert mon(trace, 0)["species"] == "ditto", "it is itself again on the bench"


@pytest.mark.parametrize(
    "shown",
    [
        "|-ability|p1a: Ann|Intimidate|boost",
        "|-activate|p1a: Ann|ability: Intimidate",
        "|-immune|p1a: Ann|[from] ability: Intimidate",
        "|-heal|p1a: Ann|100/100|[from] ability: Intimidate",
    ],
)
def test_what_a_transformed_pokemon_shows_is_not_its_own_ability(shown: str) -> None:
    trace = read(
        f"|move|p1a: Ann|Transform|p2a: Ben\n|-transform|p1a: Ann|p2a: Ben\n{shown}\n{SPLASH}",
        "|switch|p1a: Cid|Snorlax, M|100/100\n" + SPLASH,
        second="Gyarados, F",
    )

    assert (mon(trace, 0, decision=1)["ability"], brought(trace, 0)[1]) == ("intimidate", NOTHING)
    assert mon(trace, 0)["ability"] == NOTHING, "what it had is unknown"


# -- Mimic -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("learned", ["|-start|p1a: Ann|Mimic|Recover", "|-activate|p1a: Ann|move: Mimic|Recover"])
@pytest.mark.parametrize("generation", [1, 3, 7])
def test_a_mimicked_move_is_chosen_as_mimic_and_not_known(learned: str, generation: int) -> None:
    trace = read(
        "|move|p2a: Ben|Recover|p2a: Ben\n|move|p1a: Ann|Splash|p1a: Ann",
        f"|move|p2a: Ben|Recover|p2a: Ben\n|move|p1a: Ann|Mimic|p2a: Ben\n{learned}",
        "|move|p2a: Ben|Recover|p2a: Ben\n|move|p1a: Ann|Recover|p1a: Ann",
        "|switch|p1a: Cid|Snorlax|100/100\n|move|p2a: Ben|Recover|p2a: Ben",
        "|switch|p1a: Ann|Mew|100/100\n|move|p2a: Ben|Recover|p2a: Ben",
        "|move|p2a: Ben|Recover|p2a: Ben\n|move|p1a: Ann|Mimic|p2a: Ben\n" + learned.replace("Recover", "Thunder Wave"),
        generation=generation,
    )

    assert chosen(trace) == [0, 1, 1, at.CHOICE_SWITCH + 1, at.CHOICE_SWITCH, 1]
    assert brought(trace, 0)[2] == "Splash, Mimic"
    mimicked = [tables.moves().keys[side(trace, 0, at.MIMICKED_MOVE, number)] for number in (2, 3, 4, 5, 6)]
    assert mimicked == ["recover", "recover", NOTHING, NOTHING, "thunderwave"]
    used = trace.rows[3, at.PP_USED : at.PP_USED + 2].tolist()
    assert used == [1, 1], "a mimicked move has PP of its own"


# -- formes ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("species", "line", "forme", "ability"),
    [
        ("Aegislash, M", "Aegislash-Blade||[from] ability: Stance Change", "aegislashblade", "stancechange"),
        ("Meloetta", "Meloetta-Pirouette|[msg]", "meloettapirouette", NOTHING),
        ("Morpeko, M", "Morpeko-Hangry||[from] ability: Hunger Switch", "morpekohangry", "hungerswitch"),
        ("Castform, M", "Castform-Rainy|[msg]|[from] ability: Forecast", "castformrainy", "forecast"),
        ("Cramorant, F", "Cramorant-Gulping|", "cramorantgulping", NOTHING),
    ],
)
def test_a_forme_change_lasts_until_it_leaves_and_tells_of_an_ability(
    species: str, line: str, forme: str, ability: str
) -> None:
    trace = read(
        f"|-formechange|p1a: Ann|{line}\n{SPLASH}",
        f"|switch|p1a: Cid|Snorlax, M|100/100\n{SPLASH}",
        f"|switch|p1a: Ann|{species}|100/100\n{SPLASH}",
        first=species,
    )
    own = tables.to_id(species.partition(",")[0])

    changed = mon(trace, 0, decision=1)
    assert (changed["species"], changed["base species"], changed["ability"]) == (forme, own, ability)
    assert mon(trace, 0, decision=2)["species"] == own
    assert chosen(trace)[1:] == [at.CHOICE_SWITCH + 1, at.CHOICE_SWITCH], "it is the same Pokémon"
    assert brought(trace, 0)[1] == ability


def test_a_forme_that_stays_is_known_again_under_its_new_name() -> None:
    trace = read(
        "|move|p1a: Ann|Flip Turn|p2a: Ben\n|\n|detailschange|p1a: Ann|Palafin-Hero, F\n"
        f"|switch|p1a: Cid|Morpeko, M|100/100|[from] Flip Turn\n{SPLASH}",
        f"|switch|p1a: Ann|Palafin-Hero, F|100/100\n|-activate|p1a: Ann|ability: Zero to Hero\n{SPLASH}",
        first="Palafin, F",
    )

    assert chosen(trace) == [0, at.CHOICE_SWITCH + 1, at.CHOICE_SWITCH]
    assert (mon(trace, 0)["species"], mon(trace, 0, 2)["species"]) == ("palafinhero", NOTHING)
    assert tables.species().keys[int(trace.teams[0, 0, at.TEAM_SPECIES])] == "palafin"


# -- Gigantamax --------------------------------------------------------------------------------------------------------
def test_a_gigantamax_chooses_its_moves_under_other_names() -> None:
    known = ["Flamethrower", "Air Slash", "Protect", "Dragon Claw"]
    trace = read(
        *(f"|move|p1a: Ann|{name}|p2a: Ben\n{SPLASH}" for name in known),
        f"|-start|p1a: Ann|Dynamax|Gmax\n|move|p1a: Ann|G-Max Wildfire|p2a: Ben\n{SPLASH}",
        f"|move|p1a: Ann|Max Guard|p1a: Ann\n|-singleturn|p1a: Ann|Max Guard\n{SPLASH}",
        f"|move|p1a: Ann|Max Airstream|p2a: Ben\n{SPLASH}\n|\n|-end|p1a: Ann|Dynamax",
        first="Charizard, M",
        generation=8,
    )

    assert chosen(trace)[4:] == [at.CHOICE_MOVE_GIMMICK, 2, 1]
    assert brought(trace, 0)[2] == ", ".join(known)
    assert trace.teams[0, 0, at.TEAM_FLAGS] & at.TEAM_FLAG_GIGANTAMAX
    flags = [int(trace.rows[decision, at.FLAGS]) for decision in (4, 5, 7)]
    assert [bool(flag & at.FLAG_DYNAMAXED) for flag in flags] == [False, True, False]
    assert side(trace, 0, at.GIMMICKS_USED) == at.GIMMICK_DYNAMAX


# -- called moves ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("caller", ["Copycat", "Metronome", "Mirror Move", "Assist", "Me First", "Nature Power"])
@pytest.mark.parametrize("mark", ["[from] move: {}", "[from]{}", "[from]move: {}"])
def test_a_called_move_is_neither_chosen_nor_known(caller: str, mark: str) -> None:
    turn = f"|move|p1a: Ann|{caller}|p1a: Ann\n|move|p1a: Ann|Body Slam|p2a: Ben|{mark.format(caller)}"
    trace = read(turn, turn)

    assert chosen(trace) == [0, 0]
    assert brought(trace, 0)[2] == caller
    assert trace.rows[2, at.PP_USED] == 2


# -- moves that bind ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["Bide", "move: Bide"])
def test_bide_binds_until_it_ends(name: str) -> None:
    trace = read(
        f"|move|p1a: Ann|Bide|p1a: Ann\n|-start|p1a: Ann|{name}\n|move|p2a: Ben|Psychic|p1a: Ann",
        f"|-activate|p1a: Ann|{name}\n|move|p2a: Ben|Psychic|p1a: Ann",
        f"|-end|p1a: Ann|{name}\n|-damage|p2a: Ben|56/100\n|move|p2a: Ben|Psychic|p1a: Ann",
        "|move|p1a: Ann|Splash|p1a: Ann\n|move|p2a: Ben|Psychic|p1a: Ann",
        generation=4,
    )

    assert chosen(trace) == [0, HIDDEN, HIDDEN, 1]
    locked = [tables.moves().keys[side(trace, 0, at.LOCKED_MOVE, number)] for number in range(5)]
    assert locked == [NOTHING, "bide", "bide", NOTHING, NOTHING]
    assert [has(trace, 0, "bide", number) for number in range(5)] == [False, True, True, False, False]


def test_a_trap_of_the_first_generation_goes_on_and_holds_its_victim() -> None:
    trace = read(
        "|move|p1a: Ann|Wrap|p2a: Ben\n|-damage|p2a: Ben|91/100\n|cant|p2a: Ben|partiallytrapped",
        "|move|p1a: Ann|Wrap|p2a: Ben|[from] Wrap\n|-damage|p2a: Ben|82/100",
        "|switch|p2a: Cid|Snorlax|100/100\n|move|p1a: Ann|Wrap|p2a: Cid|[miss]\n|-miss|p1a: Ann",
        first="Dragonite",
        generation=1,
    )

    assert chosen(trace) == [0, 0, 0]
    assert chosen(trace, 1) == [HIDDEN, HIDDEN, at.CHOICE_SWITCH + 1]
    forced = trace.choice_flags[:, :] & at.CHOICE_FLAG_FORCED
    assert forced[:3].tolist() == [[0, 1], [1, 0], [0, 0]]
    assert trace.rows[3, at.PP_USED] == 2, "a turn in which it goes on costs nothing"


def test_a_trap_of_later_generations_holds_until_its_user_leaves() -> None:
    trace = read(
        "|move|p1a: Ann|Fire Spin|p2a: Ben\n|-activate|p2a: Ben|move: Fire Spin|[of] p1a: Ann",
        "|-damage|p2a: Ben|88/100|[from] move: Fire Spin|[partiallytrapped]",
        "|switch|p1a: Cid|Snorlax, F|100/100\n|-end|p2a: Ben|Fire Spin|[partiallytrapped]|[silent]",
        first="Charizard, M",
    )

    assert [has(trace, 1, "partiallytrapped", number) for number in range(4)] == [False, True, True, False]
    assert not has(trace, 0, "partiallytrapped", 1)


def test_shed_tail_hands_on_a_substitute_and_nothing_else() -> None:
    trace = read(
        "|move|p1a: Ann|Swords Dance|p1a: Ann\n|-boost|p1a: Ann|atk|2",
        "|move|p1a: Ann|Shed Tail|p1a: Ann\n|-start|p1a: Ann|Substitute|[from] move: Shed Tail\n|\n"
        f"|switch|p1a: Cid|Snorlax, F|100/100|[from] Shed Tail\n{SPLASH}",
        "|move|p2a: Ben|Psychic|p1a: Cid\n|-end|p1a: Cid|Substitute\n|move|p1a: Cid|Splash|p1a: Cid",
        first="Cyclizar, M",
    )

    assert chosen(trace) == [0, 1, at.CHOICE_SWITCH + 1, 0]
    assert (has(trace, 0, "substitute", 3), has(trace, 0, "substitute", 4)) == (True, False)
    assert side(trace, 0, at.BOOSTS, 3) == 0
    assert int(trace.rows[3, at.mon_at(0, 1) + at.HP_PERMILLE]) == 1000


# -- abilities that change hands ---------------------------------------------------------------------------------------
def test_a_skill_swap_exchanges_abilities_until_they_leave() -> None:
    trace = read(
        "|move|p1a: Ann|Skill Swap|p2a: Ben\n|-activate|p1a: Ann|Skill Swap|Levitate|Synchronize|[of] p2a: Ben",
        "|-immune|p1a: Ann|[from] ability: Levitate",
        "|switch|p1a: Cid|Snorlax, F|100/100\n|switch|p2a: Dan|Snorlax, F|100/100",
        first="Alakazam, M",
        second="Weezing, F",
    )

    assert [mon(trace, number, decision=2)["ability"] for number in (0, 1)] == ["levitate", "synchronize"]
    assert [mon(trace, number)["ability"] for number in (0, 1)] == ["synchronize", "levitate"]
    assert [brought(trace, number)[1] for number in (0, 1)] == ["synchronize", "levitate"]


def test_a_skill_swap_that_names_nothing_makes_what_is_shown_later_no_own_ability() -> None:
    """As the third and fourth generation write it."""
    trace = read(
        "|-ability|p2a: Ben|Pressure",
        "|move|p1a: Ann|Skill Swap|p2a: Ben\n|-activate|p1a: Ann|Skill Swap|||[of] p2a: Ben",
        "|-ability|p2a: Ben|Synchronize",
        f"|switch|p1a: Cid|Snorlax, F|100/100\n{SPLASH}",
        first="Alakazam, M",
        second="Weezing, F",
        generation=4,
    )

    swapped = [mon(trace, number, decision=2)["ability"] for number in (0, 1)]
    assert swapped == ["pressure", NOTHING], "the unknown one went over"
    assert mon(trace, 1, decision=3)["ability"] == "synchronize"
    assert [brought(trace, number)[1] for number in (0, 1)] == [NOTHING, "pressure"]
    assert mon(trace, 0)["ability"] == NOTHING


def test_an_ability_that_was_put_on_is_not_its_own() -> None:
    trace = read(
        "|move|p1a: Ann|Worry Seed|p2a: Ben\n|-ability|p2a: Ben|Insomnia|[from] move: Worry Seed",
        "|-immune|p2a: Ben|[from] ability: Insomnia",
    )

    assert (mon(trace, 1)["ability"], mon(trace, 1)["base ability"], brought(trace, 1)[1]) == (
        "insomnia",
        *[NOTHING] * 2,
    )


# -- items that change hands -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("move", ["Trick", "Switcheroo"])
def test_both_first_items_of_a_swap_are_told(move: str) -> None:
    trace = read(
        f"|move|p1a: Ann|{move}|p2a: Ben\n|-activate|p1a: Ann|move: Trick|[of] p2a: Ben\n"
        f"|-item|p2a: Ben|Choice Scarf|[from] move: {move}\n|-item|p1a: Ann|Leftovers|[from] move: {move}",
    )

    assert (brought(trace, 0)[0], brought(trace, 1)[0]) == ("choicescarf", "leftovers")
    assert (mon(trace, 0)["item"], mon(trace, 1)["item"]) == ("leftovers", "choicescarf")


def test_a_swap_against_nothing_tells_who_had_nothing() -> None:
    """First the other one's item is taken, then given back."""
    swap = "|move|p1a: Ann|Trick|p2a: Ben\n|-activate|p1a: Ann|move: Trick|[of] p2a: Ben\n"
    trace = read(
        swap + "|-enditem|p2a: Ben|Leftovers|[silent]|[from] move: Trick\n|-item|p1a: Ann|Leftovers|[from] move: Trick",
        swap + "|-item|p2a: Ben|Leftovers|[from] move: Trick\n|-enditem|p1a: Ann|Leftovers|[silent]|[from] move: Trick",
    )

    assert (mon(trace, 0, decision=1)["item"], mon(trace, 1, decision=1)["item"]) == ("leftovers", NO_ITEM)
    assert (mon(trace, 0)["item"], mon(trace, 1)["item"]) == (NO_ITEM, "leftovers")
    assert (brought(trace, 0)[0], brought(trace, 1)[0]) == (NO_ITEM, "leftovers")


def test_a_second_swap_tells_of_the_third_pokemon_only() -> None:
    swap = "|move|p1a: Ann|Trick|p2a: {0}\n|-activate|p1a: Ann|move: Trick|[of] p2a: {0}\n"
    trace = read(
        swap.format("Ben")
        + "|-item|p2a: Ben|Choice Scarf|[from] move: Trick\n|-item|p1a: Ann|Leftovers|[from] move: Trick",
        "|switch|p2a: Dan|Snorlax, M|100/100\n"
        + swap.format("Dan")
        + "|-item|p2a: Dan|Leftovers|[from] move: Trick\n|-enditem|p1a: Ann|Leftovers|[silent]|[from] move: Trick",
    )

    assert [brought(trace, *place)[0] for place in ((0, 0), (1, 0), (1, 1))] == ["choicescarf", "leftovers", NO_ITEM]
    assert [mon(trace, *place)["item"] for place in ((0, 0), (1, 0), (1, 1))] == [NO_ITEM, "choicescarf", "leftovers"]


@pytest.mark.parametrize("move", ["Thief", "Covet"])
def test_a_thief_came_with_nothing(move: str) -> None:
    trace = read(
        f"|move|p1a: Ann|{move}|p2a: Ben\n|-item|p1a: Ann|Leftovers|[from] move: {move}|[of] p2a: Ben",
        "|-heal|p1a: Ann|100/100|[from] item: Leftovers",
    )

    assert (brought(trace, 0)[0], brought(trace, 1)[0]) == (NO_ITEM, "leftovers")
    assert (mon(trace, 0)["item"], mon(trace, 1)["item"]) == ("leftovers", NO_ITEM)
