"""Compare what the parser reads in a Showdown log with what the simulator says was true.

Job: play battles with `truth.js`, and count agreements and disagreements of a trace with the truth. Place in
the data flow: tests and benchmarks of `games.showdown.replays`. Left out: what to do about a disagreement.

A fact that no spectator can know is not compared: an Illusion that nobody has seen through, and HP or status that a
benched Pokémon regains unseen (Regenerator, Natural Cure).
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from gamefleet.games.showdown import layout, tables
from gamefleet.games.showdown.layout import mon_at, side_at
from gamefleet.games.showdown.replays.trace import Trace
from gamefleet.games.showdown.state_lists import lists
from gamefleet.games.showdown.state_words import read_condition

SCRIPT: Final = Path(__file__).with_suffix(".js")
UNSEEN_HEALERS: Final = ("regenerator", "naturalcure")
MAX_EXAMPLES: Final = 40
Row = Any


@dataclass(slots=True)
class Agreement:
    """Counts by what was compared ("choice", "hp", "status" ...): right, wrong, and the first wrong ones in words."""

    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, what: str, is_right: bool, example: str) -> None:
        """Count one comparison of `what`."""
        (self.right if is_right else self.wrong)[what] += 1
        if not is_right and len(self.examples) < MAX_EXAMPLES:
            self.examples.append(f"{what}: {example}")

    def share(self, what: str) -> float:
        """Share of comparisons of `what` that agree; 1 when there was none."""
        total = self.right[what] + self.wrong[what]
        return self.right[what] / total if total else 1.0


def play(
    package: Path, battle_format: str, first_seed: int, num_battles: int, flags: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Battles with their truth, from a simulator process of their own.

    Args:
        package: Folder of the npm package pokemon-showdown.
        battle_format: Such as "gen9randombattle".
        first_seed: Seed of the first battle; the next ones follow.
        num_battles: How many.
        flags: Of truth.js.
    """
    command = ["node", str(SCRIPT), str(package.resolve()), battle_format, str(first_seed), str(num_battles), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)


def compare(trace: Trace, battle: Mapping[str, Any], agreement: Agreement) -> None:
    """Add one battle's comparisons to `agreement`."""
    decisions = battle["decisions"]
    asked = [tuple(bool(side["asked"]) for side in decision["sides"]) for decision in decisions]
    found = [
        (bool(a != layout.CHOICE_NOT_ASKED), bool(b != layout.CHOICE_NOT_ASKED)) for a, b in trace.choices.tolist()
    ]
    agreement.add("decisions", asked == found, f"{battle['id']}: {len(asked)} asked, {len(found)} found")
    if asked != found:
        return
    views = [trace.view_rows(side).tolist() for side in (0, 1)]
    slots = [_slots(trace, side, decisions[0]["sides"][side]["mons"]) for side in (0, 1)]
    doubtful: tuple[set[int], set[int]] = (set(), set())
    for number, decision in enumerate(decisions):
        where = f"{battle['id']} turn {decision['turn']} decision {number}"
        _compare_field(views[0][number], decision, agreement, where)
        for side in (0, 1):
            row = views[side][number]
            truth = decision["sides"][side]
            _compare_side(row, side, truth, agreement, where)
            _doubt(row, side, truth["mons"], slots[side], doubtful[side])
            for mon in truth["mons"]:
                if mon["uid"] in slots[side] and (mon["active"] or mon["uid"] not in doubtful[side]):
                    _compare_mon(row, (side, slots[side][mon["uid"]]), mon, agreement, where)
        _compare_choices(trace, number, decision, slots, (agreement, where))


def _slots(trace: Trace, side: int, mons: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Team slot of each Pokémon of the truth, by its number there."""
    bases = lists().bases
    species = trace.teams[side, :, layout.TEAM_SPECIES].tolist()
    slot_of = {bases[number]: slot for slot, number in enumerate(species) if number}
    found = {mon["uid"]: slot_of.get(bases[tables.species().id(mon["species"])]) for mon in mons}
    return {uid: slot for uid, slot in found.items() if slot is not None}


def _doubt(
    row: Row, side: int, mons: Sequence[Mapping[str, Any]], slots: Mapping[int, int], doubtful: set[int]
) -> None:
    """Keep count of who is not comparable: imitated or healed out of sight, and not seen as itself since."""
    for mon in mons:
        is_shown_as_itself = row[side_at(side) + layout.ACTIVE] == slots.get(mon["uid"], -1)
        if mon["active"] and is_shown_as_itself and mon["ability"] not in UNSEEN_HEALERS:
            doubtful.discard(mon["uid"])
        elif mon["active"] and mon["ability"] in UNSEEN_HEALERS:
            doubtful.add(mon["uid"])
        elif mon["illusion"] and mon["active"]:
            doubtful.update((mon["uid"], mon["shown"]))


def _compare_field(row: Row, decision: Mapping[str, Any], agreement: Agreement, where: str) -> None:
    at = layout.FIELD
    weather, terrain = tables.WEATHERS[row[at + layout.WEATHER]], tables.TERRAINS[row[at + layout.TERRAIN]]
    agreement.add("weather", weather == decision["weather"], f"{where}: {weather} is {decision['weather']}")
    agreement.add("terrain", terrain == decision["terrain"], f"{where}: {terrain} is {decision['terrain']}")
    rooms = {key for place, key in enumerate(layout.FIELD_EFFECTS) if row[at + layout.TRICK_ROOM + place]}
    true_rooms = set(decision["pseudo"]) & set(layout.FIELD_EFFECTS)
    agreement.add("rooms", rooms == true_rooms, f"{where}: {rooms} is {true_rooms}")
    agreement.add("turn", row[at + layout.TURN] == decision["turn"], where)


def _compare_side(row: Row, side: int, truth: Mapping[str, Any], agreement: Agreement, where: str) -> None:
    at = side_at(side)
    columns = {key: row[at + layout.CONDITIONS + place] for place, key in enumerate(layout.SIDE_CONDITIONS)}
    shown = {key: value if key in layout.HAZARDS else 1 for key, value in columns.items() if value}
    real = {key: value for key, value in truth["conditions"].items() if key in layout.SIDE_CONDITIONS}
    real = {key: value if key in layout.HAZARDS else 1 for key, value in real.items()}
    agreement.add("side conditions", shown == real, f"{where} p{side + 1}: {shown} is {real}")
    active = next((mon for mon in truth["mons"] if mon["active"]), None)
    if active is None or active["fainted"]:
        return
    boosts = [row[at + place] for place in range(len(layout.BOOST_NAMES))]
    true_boosts = [truth["boosts"].get(name, 0) for name in layout.BOOST_NAMES]
    agreement.add("boosts", boosts == true_boosts, f"{where} p{side + 1} {active['name']}: {boosts} is {true_boosts}")


def _compare_mon(
    row: Row,
    place: tuple[int, int],
    mon: Mapping[str, Any],
    agreement: Agreement,
    where: str,
) -> None:
    at = mon_at(*place)
    flags = row[at + layout.FLAGS]
    is_active = bool(flags & layout.FLAG_ACTIVE)
    if not flags & layout.FLAG_SEEN or (mon["illusion"] and not is_active):
        return
    where = f"{where} p{place[0] + 1} {mon['name']}"
    agreement.add("active", is_active == mon["active"], where)
    permille, status = read_condition(mon["condition"])
    hp, shown_status = row[at + layout.HP_PERMILLE], layout.STATUSES[row[at + layout.STATUS]]
    agreement.add("hp", hp == permille, f"{where}: {hp} is {permille}")
    agreement.add("status", shown_status == layout.STATUSES[status], f"{where}: {shown_status} is {mon['condition']}")
    agreement.add("fainted", bool(flags & layout.FLAG_FAINTED) == mon["fainted"], where)
    _compare_facts(row, at, mon, agreement, where)


def _compare_facts(row: Row, at: int, mon: Mapping[str, Any], agreement: Agreement, where: str) -> None:
    """What was revealed of a Pokémon: it must be true, but need not be complete."""
    if not mon["fainted"]:
        species = tables.species().keys[row[at + layout.SPECIES]]
        real = tables.species().keys[tables.species().id(mon["now"])]
        agreement.add("species", species == real, f"{where}: {species} is {mon['now']}")
    if row[at + layout.ITEM] and not mon["fainted"]:
        item = tables.items().keys[row[at + layout.ITEM]]
        agreement.add("item", item == mon["item"], f"{where}: {item} is {mon['item']}")
    if row[at + layout.ABILITY] > tables.NONE and mon["active"] and not mon["fainted"]:
        ability = tables.abilities().keys[row[at + layout.ABILITY]]
        agreement.add("ability", ability == mon["ability"], f"{where}: {ability} is {mon['ability']}")
    moves = [tables.moves().keys[number] for number in row[at + layout.MOVES : at + layout.MOVES + 4] if number]
    unknown = [move for move in moves if move not in mon["moves"] and not move.startswith("hiddenpower")]
    agreement.add("moves", not unknown, f"{where}: {unknown} not in {mon['moves']}")
    for place, move in enumerate(moves):
        if move in mon["moves"]:
            used, real_used = row[at + layout.PP_USED + place], mon["pp"][mon["moves"].index(move)]
            agreement.add("pp", used <= real_used, f"{where} {move}: {used} is {real_used}")
            (agreement.right if used == real_used else agreement.wrong)["pp exactly"] += 1


def _compare_choices(
    trace: Trace,
    number: int,
    decision: Mapping[str, Any],
    slots: Sequence[Mapping[int, int]],
    report: tuple[Agreement, str],
) -> None:
    agreement, where = report
    for text in decision["choices"]:
        player, _, choice = text.partition(" ")
        side = int(player[1]) - 1
        code = int(trace.choices[number, side])
        if choice in ("pass", "") or code == layout.CHOICE_NOT_ASKED:
            continue
        kind = "switch" if choice.startswith("switch") else "move"
        (agreement.right if code >= 0 else agreement.wrong)[f"{kind} shown"] += 1
        if code < 0:
            continue
        real = _true_code(trace, number, side, choice, (decision["orders"][side], slots[side]))
        said = _said(trace, number, side, code)
        agreement.add("choice", code in real, f"{where} {player}: {said} is {choice}")
        agreement.right["forced"] += bool(trace.choice_flags[number, side] & layout.CHOICE_FLAG_FORCED)


def _moves_in_use(trace: Trace, number: int, side: int) -> list[int]:
    row = trace.view_rows(side)[number]
    source = int(row[side_at(side) + layout.MOVE_SOURCE])
    mon = source - 1 if source else side * layout.TEAM_SIZE + int(row[side_at(side) + layout.ACTIVE])
    table = trace.teams.reshape(layout.NUM_MONS, layout.TEAM_WIDTH)[mon]
    known = [int(move) for move in table[layout.TEAM_MOVES : layout.TEAM_MOVES + layout.NUM_MOVES]]
    mimicked = int(row[side_at(side) + layout.MIMICKED_MOVE])
    return [mimicked if mimicked and move == tables.moves().ids["mimic"] else move for move in known]


def _said(trace: Trace, number: int, side: int, code: int) -> str:
    if code >= layout.CHOICE_SWITCH:
        return f"switch to slot {code - layout.CHOICE_SWITCH}"
    move = _moves_in_use(trace, number, side)[code % layout.NUM_MOVES]
    return f"move {tables.moves().keys[move]} + {code // layout.NUM_MOVES}"


def _true_code(
    trace: Trace, number: int, side: int, choice: str, who: tuple[Sequence[int], Mapping[int, int]]
) -> set[int]:
    """Codes that say what the input log says; a move may stand in two places of a table (Hidden Power)."""
    word, _, rest = choice.partition(" ")
    if word == "switch":
        order, slots = who
        slot = slots.get(order[int(rest) - 1])
        return set() if slot is None else {layout.CHOICE_SWITCH + slot}
    move, _, gimmick = rest.partition(" ")
    row = trace.view_rows(side)[number]
    active = mon_at(side, int(row[side_at(side) + layout.ACTIVE]))
    is_going_on = gimmick == "dynamax" and row[active + layout.FLAGS] & layout.FLAG_DYNAMAXED
    variant = layout.CHOICE_MOVE if not gimmick or is_going_on else layout.CHOICE_MOVE_GIMMICK
    variant = layout.CHOICE_Z_MOVE if gimmick == "zmove" else variant
    keys = tables.moves().keys
    known = [keys[number] for number in _moves_in_use(trace, number, side)]
    return {variant + place for place, key in enumerate(known) if key == move or _are_hidden_power(key, move)}


def _are_hidden_power(first: str, second: str) -> bool:
    return first.startswith("hiddenpower") and second.startswith("hiddenpower")


def shares(agreement: Agreement) -> str:
    """A table of all shares, one line each."""
    names = sorted(set(agreement.right) | set(agreement.wrong))
    rows = [(name, agreement.right[name], agreement.wrong[name], agreement.share(name)) for name in names]
    return "\n".join(
        f"{name:16} {right:9d} {wrong:7d} {np.round(100 * share, 3):8}%" for name, right, wrong, share in rows
    )
