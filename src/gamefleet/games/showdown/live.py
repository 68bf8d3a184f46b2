"""A battle as one of its players lives it: what the network sees now, and what its actions are called.

Job: turn one side's channel and requests into an observation with the legal actions, and an action into the
simulator's words. Place in the data flow: lanes and servers -> here -> a policy -> back. Left out: what lines mean
(`state`), and how rows become arrays (`observe`): recorded battles go through the same two.

The row is that of a spectator, the same that a recorded battle has. What only this side knows comes from its requests,
as in a record it comes from the team sheet, or from the end of an own Illusion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown import observe, tables
from gamefleet.games.showdown.observe_legal import packed_legal
from gamefleet.games.showdown.state import BattleState
from gamefleet.games.showdown.state_illusion import shift_to
from gamefleet.games.showdown.state_words import read_details

Request = Mapping[str, Any]
Rows = NDArray[np.int16]

FORM_WORDS: Final = (
    ("canMegaEvo", "mega"),
    ("canUltraBurst", "ultra"),
    ("canDynamax", "dynamax"),
    ("canTerastallize", "terastallize"),
)
"""What a request calls a form's gimmick, and what a choice calls it; a Pokémon has one at most."""

FALLBACK: Final = "default"
"""The simulator's own choice, where a request asks for what no action stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveDecision:
    """One moment at which a side chooses.

    Args:
        obs: Arrays of `observe.ARRAYS`, of one decision.
        row: int16 `[WIDTH]`, as a record would have it, before an own Illusion is seen through.
        teams: int16 `[2, slot, TEAM_WIDTH]`, what this side knows of its team, as a record would have it.
        words: What each legal action is called in a choice.
    """

    obs: dict[str, NDArray[Any]]
    row: Rows
    teams: Rows
    words: Mapping[int, str]


class LiveBattle:
    """One side of a battle that is being played.

    Args:
        side: 0 for p1, 1 for p2.
    """

    def __init__(self, side: int) -> None:
        self.side = side
        self.state = BattleState(own_side=side)
        self._members: dict[str, Rows] = {}
        self._copies: dict[int, list[int]] = {}

    def hear(self, lines: Sequence[str]) -> None:
        """Take in lines of this side's channel.

        Raises:
            StateError: A line contradicts the battle so far.
        """
        for line in lines:
            if not is_private(line):
                self.state.feed(line)

    def meet(self, request: Request) -> None:
        """Note the own team from a request that is no decision (a team preview)."""
        for member in request["side"]["pokemon"]:
            self._facts(member)

    def decide(self, request: Request) -> LiveDecision:
        """The decision that a request asks for."""
        row = np.array(self.state.snapshot(self._must_switch(request)), np.int16)
        slots = self.slots(request, row)
        seen = self._undisguised(request, row, slots)
        teams = self._teams(request, seen, slots)
        arrays: dict[str, NDArray[Any]] = dict(observe.observe(seen[None], teams, self.side))
        words = self._words(request, slots, teams[self.side], arrays["moves"][0, :, 0])
        legal = np.zeros(at.NUM_CHOICES, np.bool_)
        legal[list(words)] = True
        obs = {name: array[0] for name, array in arrays.items()}
        return LiveDecision(obs=obs | {"legal": packed_legal(legal)}, row=row, teams=teams, words=words)

    def ending(self, last: LiveDecision | None) -> LiveDecision:
        """The situation after the battle's end, in which nothing is legal.

        Args:
            last: The last decision, from which comes what only this side knows; None where there was none.
        """
        row = np.array(self.state.snapshot(), np.int16)
        teams = np.zeros((at.NUM_SIDES, at.TEAM_SIZE, at.TEAM_WIDTH), np.int16) if last is None else last.teams
        obs = {name: array[0] for name, array in observe.observe(row[None], teams, self.side).items()}
        nothing = packed_legal(np.zeros(at.NUM_CHOICES, np.bool_))
        return LiveDecision(obs={**obs, "legal": nothing}, row=row, teams=teams, words={})

    def _must_switch(self, request: Request) -> tuple[int, int]:
        """Who sends in another Pokémon: the request says it of this side.

        The other side is asked at the same time where both have a fainted one; where this side only leaves (U-turn), a
        fainted opponent is replaced later.
        """
        if not request.get("forceSwitch"):
            return (0, 0)
        own = 2 if request["side"]["pokemon"][0].get("reviving") else 1
        theirs = int(self._has_fainted(self.side) and self._has_fainted(at.other(self.side)))
        return (own, theirs) if self.side == 0 else (theirs, own)

    def _has_fainted(self, side: int) -> bool:
        board = self.state.board
        place = board.active_at[side]
        return place >= 0 and bool(board.row[place + at.FLAGS] & at.FLAG_FAINTED)

    def _undisguised(self, request: Request, row: Rows, slots: Sequence[int]) -> Rows:
        """The row as this side knows it: its own disguised Pokémon stands under its own name."""
        disguise, before = self.state.board.arrived[self.side]
        pairs = zip(slots, request["side"]["pokemon"], strict=True)
        active = [(slot, member) for slot, member in pairs if member["active"]]
        if disguise < 0 or not active or active[0][0] == disguise:
            return row
        (true_slot, member), seen = active[0], row.tolist()
        shift_to(seen, self.side, disguise, true_slot, before)
        block = at.mon_at(self.side, true_slot)
        species, level, gender = read_details(member["details"])
        seen[block + at.SPECIES] = seen[block + at.BASE_SPECIES] = species
        seen[block + at.LEVEL], seen[block + at.GENDER] = level, gender
        return np.array(seen, np.int16)

    def _teams(self, request: Request, row: Rows, slots: Sequence[int]) -> Rows:
        """The team table that a record would have: the own team as it was brought, and a copied set of moves."""
        teams = np.zeros((at.NUM_SIDES, at.TEAM_SIZE, at.TEAM_WIDTH), np.int16)
        for slot, member in zip(slots, request["side"]["pokemon"], strict=True):
            teams[self.side, slot] = self._facts(member)
        source = int(row[at.side_at(self.side) + at.MOVE_SOURCE])
        if source:
            self._note_copy(request, source)
            owner, slot = divmod(source - 1, at.TEAM_SIZE)
            ids = self._copies.get(source, [])
            teams[owner, slot, at.TEAM_MOVES : at.TEAM_MOVES + at.NUM_MOVES] = ids + [0] * (at.NUM_MOVES - len(ids))
        return teams

    def _note_copy(self, request: Request, source: int) -> None:
        """Remember the moves that Transform copied: one that is locked into a move does not say the others."""
        moves = request["active"][0]["moves"] if request.get("active") else ()
        if len(moves) > 1 or (moves and source not in self._copies):
            self._copies[source] = [move_id(move["id"]) for move in moves][: at.NUM_MOVES]

    def slots(self, request: Request, row: Rows) -> list[int]:
        """The team slot of each Pokémon in the order of the request; those never shown take the slots that are left."""
        free, found = list(range(at.TEAM_SIZE)), []
        for member in request["side"]["pokemon"]:
            kin = [slot for slot in free if self._is_member(row, slot, member["details"])]
            found.append(kin[0] if kin else -1)
            if kin:
                free.remove(kin[0])
        unseen = iter(free)
        return [slot if slot >= 0 else next(unseen) for slot in found]

    def _is_member(self, row: Rows, slot: int, details: str) -> bool:
        """Whether the Pokémon that was seen at a slot is the one with these details, whatever its forme is now."""
        start = at.mon_at(self.side, slot)
        seen, bases = int(row[start + at.BASE_SPECIES]), self.state.board.lists.bases
        species, level, gender = read_details(details)
        looks = (int(row[start + at.LEVEL]), int(row[start + at.GENDER]))
        return bool(seen) and bases[seen] == bases[species] and looks == (level, gender)

    def _facts(self, member: Mapping[str, Any]) -> Rows:
        """What a member of the own team was at the beginning of the battle, as a row of the team table."""
        if member["ident"] not in self._members:
            self._members[member["ident"]] = _team_row(member)
        return self._members[member["ident"]]

    def _words(self, request: Request, slots: Sequence[int], team: Rows, shown: Rows) -> dict[int, str]:
        """What each legal action is called.

        Args:
            request: The request.
            slots: Of the request's Pokémon.
            team: The own team table.
            shown: Ids of the moves at the places of the view.
        """
        words: dict[int, str] = {}
        trapped = False
        if request.get("active"):
            active = request["active"][0]
            trapped = bool(active.get("trapped"))
            words |= _move_words(active, [int(move) for move in shown])
        if not trapped:
            words |= _switch_words(request, slots, team)
        return words or {at.CHOICE_MOVE: FALLBACK}


def _switch_words(request: Request, slots: Sequence[int], team: Rows) -> dict[int, str]:
    members, places = request["side"]["pokemon"], observe.view_order(team).places
    wants_fainted = bool(members[0].get("reviving"))
    words = {}
    for number, (member, slot) in enumerate(zip(members, slots, strict=True), start=1):
        if not member["active"] and member["condition"].endswith(" fnt") == wants_fainted:
            words[at.CHOICE_SWITCH + int(places[slot])] = f"switch {number}"
    return words


def is_private(line: str) -> bool:
    """Whether only the side itself is sent a line (an own Pressure in the third generation): no record has it."""
    return line.startswith("|-ability|") and line.endswith("|[silent]")


def move_id(name: str) -> int:
    """The id of a move as a request names it (`hiddenpowerfire60`, `return102`); Hidden Power has one for all types."""
    table = tables.moves()
    if name.startswith("hiddenpower"):
        return table.id("hiddenpower")
    return table.id(name) or table.id(name.rstrip("0123456789"))


def _team_row(member: Mapping[str, Any]) -> Rows:
    species, level, gender = read_details(member["details"])
    row = np.zeros(at.TEAM_WIDTH, np.int16)
    row[at.TEAM_SPECIES], row[at.TEAM_LEVEL], row[at.TEAM_GENDER] = species, level, gender
    row[at.TEAM_ITEM] = tables.items().id(member["item"]) if member["item"] else tables.NONE
    row[at.TEAM_ABILITY] = tables.abilities().id(member["baseAbility"]) or tables.NONE
    row[at.TEAM_TERA] = tables.types().id(member.get("teraType", ""))
    moves = [move_id(name) for name in member["moves"]][: at.NUM_MOVES]
    row[at.TEAM_MOVES : at.TEAM_MOVES + len(moves)] = moves
    row[at.TEAM_FLAGS] = at.TEAM_FLAG_SHEET
    return row


def _move_words(active: Mapping[str, Any], shown: Sequence[int]) -> dict[int, str]:
    """Actions that use a move. One that stands at no place (Struggle, a recharge) gets the first place that is free."""
    gimmick = next((word for flag, word in FORM_WORDS if active.get(flag)), "")
    z_moves = active.get("canZMove") or ()
    words = {}
    for number, (move, place) in enumerate(zip(active["moves"], places_of(active["moves"], shown), strict=False)):
        if move.get("disabled"):
            continue
        text = f"move {number + 1}"
        words[at.CHOICE_MOVE + place] = text
        if gimmick:
            words[at.CHOICE_MOVE_GIMMICK + place] = f"{text} {gimmick}"
        if number < len(z_moves) and z_moves[number]:
            words[at.CHOICE_Z_MOVE + place] = f"{text} zmove"
    return words


def places_of(moves: Sequence[Mapping[str, Any]], shown: Sequence[int]) -> list[int]:
    """The place in the view of each move of a request."""
    free = list(range(at.NUM_MOVES))
    places = []
    for move in moves:
        number = move_id(move["id"])
        same = [place for place in free if shown[place] == number and number]
        places.append(same[0] if same else -1)
        if same:
            free.remove(same[0])
    rest = iter(free)
    return [place if place >= 0 else next(rest, 0) for place in places]
