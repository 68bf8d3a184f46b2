"""A battle as a spectator knows it, one line at a time: the same type for recorded logs and for live play.

Job: turn lines of the simulator's protocol into a row (see `layout`). Place in the data flow: `replays.parse` feeds
it a whole log, live play the lines as they come; `observe` reads the rows. Left out: what was chosen
(`replays.choices`), and everything that only a player knows, apart from rounding its own exact HP to what the
spectator sees.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import Final

from gamefleet.games.showdown import (
    state_field,
    state_forms,
    state_health,
    state_knowledge,
    state_moves,
    state_presence,
    state_volatiles,
)
from gamefleet.games.showdown.layout import FIELD, MUST_SWITCH, PHASE, PHASE_SWITCH, side_at
from gamefleet.games.showdown.state_board import Board
from gamefleet.games.showdown.state_words import StateError

Message = Callable[[Board, list[str]], None]

MESSAGES: Final[Mapping[str, Message]] = {
    "gen": state_presence.on_generation,
    "rule": state_presence.on_rule,
    "teamsize": state_presence.on_team_size,
    "poke": state_presence.on_poke,
    "clearpoke": state_presence.on_clear_poke,
    "switch": state_presence.on_switch,
    "drag": state_presence.on_switch,
    "replace": state_presence.on_replace,
    "detailschange": state_forms.on_details_change,
    "-formechange": state_forms.on_forme_change,
    "-transform": state_forms.on_transform,
    "-mega": state_forms.on_mega,
    "-burst": state_forms.on_mega,
    "-primal": state_forms.on_mega,
    "-zpower": state_forms.on_z_power,
    "-terastallize": state_forms.on_terastallize,
    "-damage": state_health.on_damage,
    "-heal": state_health.on_heal,
    "-sethp": state_health.on_set_hp,
    "faint": state_health.on_faint,
    "-status": state_health.on_status,
    "-curestatus": state_health.on_cure_status,
    "-cureteam": state_health.on_cure_team,
    "-boost": state_health.on_boost,
    "-unboost": state_health.on_unboost,
    "-setboost": state_health.on_set_boost,
    "-clearboost": state_health.on_clear_boost,
    "-clearallboost": state_health.on_clear_all_boost,
    "-clearpositiveboost": state_health.on_clear_positive,
    "-clearnegativeboost": state_health.on_clear_negative,
    "-restoreboost": state_health.on_clear_negative,
    "-copyboost": state_health.on_copy_boost,
    "-swapboost": state_health.on_swap_boost,
    "-invertboost": state_health.on_invert_boost,
    "-item": state_knowledge.on_item,
    "-enditem": state_knowledge.on_end_item,
    "-ability": state_knowledge.on_ability,
    "-endability": state_knowledge.on_end_ability,
    "-immune": state_knowledge.note_reason,
    "-fail": state_knowledge.note_reason,
    "-block": state_knowledge.note_reason,
    "move": state_moves.on_move,
    "cant": state_moves.on_cannot,
    "-prepare": state_moves.on_prepare,
    "-mustrecharge": state_moves.on_must_recharge,
    "-weather": state_field.on_weather,
    "-fieldstart": state_field.on_field_start,
    "-fieldend": state_field.on_field_end,
    "-fieldactivate": state_field.on_field_activate,
    "-sidestart": state_field.on_side_start,
    "-sideend": state_field.on_side_end,
    "-swapsideconditions": state_field.on_swap_side_conditions,
    "-start": state_volatiles.on_start,
    "-end": state_volatiles.on_end,
    "-singleturn": state_volatiles.on_single,
    "-singlemove": state_volatiles.on_single,
    "-activate": state_volatiles.on_activate,
    "turn": state_field.on_turn,
}
"""Every message that changes what a spectator knows; all others are passed over."""


class BattleState:
    """What a spectator of one battle knows after the lines so far.

    Args:
        own_side: 0 or 1 when the lines come from that player's own channel, which shows its HP exactly; None for a
            spectator's lines. The rows are the same either way.
    """

    __slots__ = ("board",)

    def __init__(self, own_side: int | None = None) -> None:
        self.board = Board(own_side)

    @property
    def row(self) -> array[int]:
        """int16 [WIDTH], see `layout`; it goes on changing, `snapshot` does not."""
        return self.board.row

    def feed(self, line: str) -> None:
        """Take one line of the protocol in; lines that mean nothing here are passed over.

        Raises:
            StateError: The line is malformed or contradicts the battle so far.
        """
        parts = line.split("|")
        if len(parts) > 1:
            message = MESSAGES.get(parts[1])
            if message is not None:
                apply(self.board, message, parts)

    def snapshot(self, must_switch: tuple[int, int] = (0, 0)) -> array[int]:
        """A copy of the row as it is at a decision.

        Args:
            must_switch: For each side what `layout.MUST_SWITCH` holds: (0, 0) at the beginning of a turn.
        """
        return decision_row(self.board.row, must_switch)


def decision_row(row: array[int], must_switch: tuple[int, int]) -> array[int]:
    """A copy of `row` that says who has to send in another Pokémon."""
    copy = row[:]
    if must_switch != (0, 0):
        copy[FIELD + PHASE] = PHASE_SWITCH
        copy[side_at(0) + MUST_SWITCH], copy[side_at(1) + MUST_SWITCH] = must_switch
    return copy


def apply(board: Board, message: Message, parts: list[str]) -> None:
    """Let `message` change `board`, with one kind of error for every way in which a line can be wrong.

    Raises:
        StateError: The line is malformed or contradicts the battle so far.
    """
    try:
        message(board, parts)
    except (IndexError, KeyError, OverflowError) as error:
        raise StateError("malformed", "|".join(parts)) from error
    except ValueError as error:
        raise error if isinstance(error, StateError) else StateError("malformed", "|".join(parts)) from error
