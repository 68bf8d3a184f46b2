"""What is learned: no choice that could not be another one, and less of an outcome after which somebody gave up."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gamefleet.games.recorded import ACTION, OUTCOME, OUTCOME_WEIGHT
from gamefleet.games.showdown import RECORDED, tables
from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown.replays.parse import parse_log
from gamefleet.games.showdown.replays.records import NEAR_END, seen_from, trajectory
from gamefleet.games.showdown.replays.trace import Trace

HEAD = """|gametype|singles
|player|p1|Alice|1|1500
|player|p2|Bob|2|1400
|gen|{generation}
|tier|[Gen {generation}] OU
|
|teamsize|p1|{size}
|teamsize|p2|6
|start
|switch|p1a: Bo|Great Tusk|100/100
|switch|p2a: Ann|Dragapult, F|100/100
|turn|1
|
|move|p1a: Bo|Headlong Rush|p2a: Ann
|
|upkeep
|turn|2
|
|switch|p1a: Ann|Corviknight, M|100/100
|
|upkeep
|turn|3
|
"""
END = {
    "forfeit": "|-message|Alice forfeited.\n|\n|win|Bob",
    "timer": "|-message|Alice lost due to inactivity.\n|\n|win|Bob",
    "normal": "|faint|p1a: Ann\n|switch|p1a: Bo|Great Tusk|1/100\n|faint|p1a: Bo\n|\n|win|Bob",
}
FIRST = 2
"""Number of the decision at turn 3."""


def turns(*moves: str, first: int = 3) -> str:
    """Turns in which the first side does what is said."""
    lines = [f"{move}\n|\n|upkeep\n|turn|{turn}\n|" for turn, move in enumerate(moves, first + 1)]
    return "\n".join(lines) + "\n"


def parse(body: str, generation: int = 9, end: str = "forfeit", size: int = 2) -> Trace:
    return parse_log(HEAD.format(generation=generation, size=size) + body + END[end])


def move(name: str) -> str:
    return f"|move|p1a: Ann|{name}|p2a: Ann"


def said(trace: Trace) -> list[str]:
    """What is learned of each decision of the first side, from turn 3 on."""
    arrays = trajectory(trace, 0)
    words = []
    for number, action in enumerate(arrays[ACTION].tolist()):
        ids = arrays["moves"][number, :, 0]
        name = "switch" if action >= at.CHOICE_SWITCH else tables.moves().names[int(ids[action % at.NUM_MOVES])]
        words.append(name if action >= 0 else "")
    return words[FIRST:]


def legal_moves(trace: Trace, decision: int) -> set[str]:
    """Names of the plain moves that are legal at a decision of the first side."""
    arrays = trajectory(trace, 0)
    legal = np.unpackbits(arrays["legal"], axis=1, count=RECORDED.num_actions).astype(bool)
    ids: NDArray[np.int16] = arrays["moves"][decision, :, 0]
    return {tables.moves().names[int(ids[place])] for place in range(at.NUM_MOVES) if legal[decision, place]}


SCARF = "|-enditem|p1a: Ann|Choice Scarf|[from] move: Knock Off|[of] p2a: Ann"


def test_a_choice_item_leaves_one_move_and_staying_or_leaving_is_what_is_learned() -> None:
    body = turns(
        move("Body Press"),
        "|switch|p1a: Bo|Great Tusk|100/100",
        "|switch|p1a: Ann|Corviknight, M|100/100",
        move("Brave Bird"),
        move("Brave Bird"),
        "|switch|p1a: Bo|Great Tusk|100/100",
        "|switch|p1a: Ann|Corviknight, M|100/100",
        f"|move|p1a: Ann|Body Press|p2a: Ann\n{SCARF}",
        move("Roost"),
    )
    trace = parse(body)

    assert said(trace)[:9] == [
        "Body Press",
        "switch",
        "switch",
        "Brave Bird",
        "Brave Bird",
        *["switch"] * 2,
        "Body Press",
        "Roost",
    ]
    assert legal_moves(trace, FIRST) == {"Body Press", "Brave Bird", "Roost"}, "the item was known, no move was used"
    assert legal_moves(trace, FIRST + 1) == {"Body Press"}, "locked, as a request would say"
    assert legal_moves(trace, FIRST + 4) == {"Brave Bird"}
    assert legal_moves(trace, FIRST + 7) == {"Body Press", "Brave Bird", "Roost"}, "it came in anew"
    assert legal_moves(trace, FIRST + 8) == {"Body Press", "Brave Bird", "Roost"}, "the item is gone"


def test_a_locked_move_that_nobody_could_leave_is_not_learned_from() -> None:
    faint = "|switch|p1a: Bo|Great Tusk|1/100\n|faint|p1a: Bo\n|\n|switch|p1a: Ann|Corviknight, M|100/100"
    locked = [move("Body Press"), move("Body Press"), f"{move('Body Press')}\n{SCARF}"]
    trace = parse(turns(faint, *locked, move("Roost")), generation=5)

    learned = said(trace)
    assert learned[2:5] == ["Body Press", "", ""]
    assert learned[5] == "Roost"


def test_another_move_than_the_last_one_proves_that_none_was_locked() -> None:
    """Magic Room, Klutz, or an item that came later."""
    trace = parse(turns(move("Body Press"), move("Roost"), f"{move('Body Press')}\n{SCARF}"))

    assert said(trace)[:3] == ["Body Press", "Roost", "Body Press"]
    assert legal_moves(trace, FIRST + 1) == {"Body Press", "Roost"}


def test_an_encore_leaves_one_move_and_the_choice_to_leave() -> None:
    trace = parse(
        turns(
            move("Roost"),
            f"{move('Roost')}\n|-start|p1a: Ann|Encore",
            move("Roost"),
            f"{move('Roost')}\n|-end|p1a: Ann|Encore",
            move("Body Press"),
        )
    )

    assert said(trace)[:5] == ["Roost", "Roost", "Roost", "Roost", "Body Press"]
    assert legal_moves(trace, FIRST + 2) == {"Roost"}
    assert legal_moves(trace, FIRST + 4) == {"Roost", "Body Press"}


def test_a_rampage_cannot_be_left_and_is_not_learned_from() -> None:
    trace = parse(turns(move("Outrage"), move("Outrage") + "|[from] lockedmove", move("Roost")))

    assert said(trace)[:3] == ["Outrage", "", "Roost"]


def test_max_moves_are_free_although_a_choice_item_locks() -> None:
    body = turns(
        move("Body Press"),
        "|-start|p1a: Ann|Dynamax\n|move|p1a: Ann|Max Guard|p1a: Ann",
        f"|-end|p1a: Ann|Dynamax\n{move('Iron Defense')}\n{SCARF}",
        move("Brave Bird"),
        move("Roost"),
    )
    trace = parse(body, generation=8)
    arrays, _ = seen_from(trace, 0)
    legal = np.unpackbits(arrays["legal"], axis=1, count=RECORDED.num_actions).astype(bool)

    assert legal[FIRST + 1, at.CHOICE_MOVE_GIMMICK : at.CHOICE_Z_MOVE].sum() == 4
    assert legal[FIRST + 2, : at.NUM_MOVES].sum() == 4, "Dynamaxed"


@pytest.mark.parametrize("end", ["forfeit", "timer"])
@pytest.mark.parametrize("view", [0, 1])
def test_the_outcome_counts_less_towards_an_end_that_was_given_up(end: str, view: int) -> None:
    weights = trajectory(parse(turns(*[move("Roost")] * 12), end=end), view)[OUTCOME_WEIGHT]

    assert weights.dtype == np.float32
    assert (weights[:-NEAR_END] == 1).all()
    assert (np.diff(weights[-NEAR_END - 1 :]) < 0).all()
    assert 0 < weights[-1] < 0.2


def test_the_outcome_of_a_battle_that_was_played_out_counts_throughout() -> None:
    trace = parse(turns(*[move("Roost")] * 12), end="normal")

    for view in (0, 1):
        arrays = trajectory(trace, view)
        assert (arrays[OUTCOME_WEIGHT] == 1).all()
        assert arrays[OUTCOME_WEIGHT].shape == arrays[OUTCOME].shape
