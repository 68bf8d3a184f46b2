"""Compare the actions of a record's views with what the players told the simulator.

Job: hold labels against inputs, by name: the place of a view, the move or Pokémon that stands there, and the input log.
Place in the data flow: beside `truth`, which compares the trace that the views are read from. Left out: forced choices
are compared, too; what is not learned from is for `replays.records` to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown import tables
from gamefleet.games.showdown.observe import Arrays
from gamefleet.games.showdown.replays.records import seen_from
from gamefleet.games.showdown.replays.trace import Trace
from gamefleet.games.showdown.state_lists import lists
from gamefleet.games.showdown.truth import Agreement

LABEL, PLACE, OWN_MOVES = "label", "label at a known place", "own moves"
"""What is counted: labels that say what the input log says; labels of a move or Pokémon that the view knows; own moves
that are known among the 24 of a team, at the first decision."""

OWN_FACTS = ("own item", "own ability", "own move")
"""What a view knows of its own team at the first decision, and whether that is true."""


def compare_views(trace: Trace, battle: Mapping[str, Any], agreement: Agreement) -> None:
    """Add the labels of both views of one battle to `agreement`; a battle with other decisions has none to compare."""
    decisions = battle["decisions"]
    if len(decisions) != len(trace.choices):
        return
    for side in range(at.NUM_SIDES):
        arrays, actions = seen_from(trace, side)
        known = int((arrays["own"][:1, :, at.MOVES : at.MOVES + at.NUM_MOVES] > 0).sum())
        agreement.right[OWN_MOVES] += known
        agreement.wrong[OWN_MOVES] += at.TEAM_SIZE * at.NUM_MOVES - known
        if len(actions):
            _compare_own(arrays, decisions[0]["sides"][side]["mons"], agreement, f"{battle['id']} p{side + 1}")
        asked = np.flatnonzero(trace.choices[:, side] != at.CHOICE_NOT_ASKED).tolist()
        for number, (decision, action) in enumerate(zip(asked, actions.tolist(), strict=True)):
            told = _told(decisions[decision], side)
            if action >= 0 and told not in ("", "pass"):
                said, is_known = _said(arrays, number, action)
                where = f"{battle['id']} decision {decision} p{side + 1}: {said} is {told}"
                agreement.add(LABEL, _is_same(said, told, decisions[decision], side), where)
                agreement.add(PLACE, is_known, where)


def _compare_own(arrays: Arrays, mons: Sequence[Mapping[str, Any]], agreement: Agreement, where: str) -> None:
    """The own team at the first decision, at which nobody has lost anything."""
    bases = lists().bases
    slot_of = {bases[int(species)]: own for own in arrays["own"][0] if (species := own[at.BASE_SPECIES])}
    for mon in mons:
        own = slot_of.get(bases[tables.species().id(mon["species"])])
        if own is None:
            continue
        where_mon = f"{where} {mon['name']}"
        if own[at.ITEM]:
            item = tables.items().id(mon["item"]) if mon["item"] else tables.NONE
            agreement.add("own item", item == own[at.ITEM], f"{where_mon}: {own[at.ITEM]} is {mon['item']}")
        if own[at.BASE_ABILITY]:
            ability = tables.abilities().id(mon["baseAbility"])
            agreement.add("own ability", ability == own[at.BASE_ABILITY], f"{where_mon}: {mon['baseAbility']}")
        for move in own[at.MOVES : at.MOVES + at.NUM_MOVES]:
            key = tables.moves().keys[int(move)]
            is_known = not move or key in mon["moves"] or key.startswith("hiddenpower")
            agreement.add("own move", is_known, f"{where_mon}: {key} is none of {mon['moves']}")


def _told(decision: Mapping[str, Any], side: int) -> str:
    """What a side told the simulator, without its name."""
    texts = [text.partition(" ")[2] for text in decision["choices"] if text.startswith(f"p{side + 1} ")]
    return texts[0] if texts else ""


def _said(arrays: Arrays, number: int, action: int) -> tuple[str, bool]:
    """What an action says in words of the input log, a Pokémon by its species, and whether the view knows it."""
    if action >= at.CHOICE_SWITCH:
        species = int(arrays["own"][number, action - at.CHOICE_SWITCH, at.BASE_SPECIES])
        return f"switch {tables.species().keys[lists().bases[species]]}", species > 0
    move = int(arrays["moves"][number, action % at.NUM_MOVES, 0])
    mimicked = int(arrays["sides"][number, 0, at.MIMICKED_MOVE])
    shown = mimicked if mimicked and move == lists().mimic else move
    return f"move {tables.moves().keys[shown]}", move > 0


def _is_same(said: str, told: str, decision: Mapping[str, Any], side: int) -> bool:
    kind, _, what = said.partition(" ")
    word, _, rest = told.partition(" ")
    if word != kind:
        return False
    if kind == "switch":
        uid = decision["orders"][side][int(rest) - 1]
        mon = next(mon for mon in decision["sides"][side]["mons"] if mon["uid"] == uid)
        return what == tables.species().keys[lists().bases[tables.species().id(mon["species"])]]
    move = rest.partition(" ")[0]
    return what == move or (what.startswith("hiddenpower") and move.startswith("hiddenpower"))
