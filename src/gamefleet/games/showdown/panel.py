"""What the dashboard's replay player needs: a battle decision by decision.

Job: put rows, choices and a policy's opinions together as people want to see them. Place in the data flow: records, or
observations of live battles -> the run folder and the dashboard -> `panel.js` in the browser. Left out: drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from gamefleet.games.base import Observation
from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown import tables
from gamefleet.games.showdown.config import ShowdownConfig
from gamefleet.games.showdown.corpus import FOLDER
from gamefleet.games.showdown.players_network import Opinion
from gamefleet.games.showdown.replays.parse import parse_log
from gamefleet.games.showdown.replays.records import seen_from
from gamefleet.games.showdown.replays.trace import Trace

Json = dict[str, Any]
Row = NDArray[np.int16]

EXAMPLE: Final = "gen9ou.jsonl.zst"
"""Whose first battle is shown where a run has not told of one."""

FORM_WORDS: Final = {6: "Mega Evolution", 7: "Mega Evolution", 8: "Dynamax", 9: "Terastallization"}
WEATHER_NAMES: Final = ("", "rain", "sun", "sandstorm", "hail", "snow", "heavy rain", "harsh sun", "strong winds")


def battle_data(config: ShowdownConfig) -> Json:
    """What the panel knows before a run tells of a battle: an example."""
    with (FOLDER / EXAMPLE).open("rb") as stream:
        reader = zstandard.ZstdDecompressor().stream_reader(stream)
        text = b""
        while b"\n" not in text:
            text += reader.read(1 << 14)
    log = msgspec.json.decode(text.partition(b"\n")[0])["log"]
    return {"format": config.battle_format, "example": replay_of(parse_log(log))}


def replay_of(trace: Trace, opinions: tuple[Sequence[Opinion], Sequence[Opinion]] = ((), ())) -> Json:
    """A recorded battle.

    Args:
        trace: The battle.
        opinions: For each side what a policy thinks of each of its decisions, in order; empty for none.

    Returns:
        `frames`, one per decision, and what the battle was.
    """
    views = [_View(trace, side, opinions[side]) for side in range(at.NUM_SIDES)]
    frames = []
    for number, row in enumerate(trace.rows):
        frame = frame_of(row)
        for side, view in enumerate(views):
            frame["sides"][side].update(view.at(number))
        frames.append(frame)
    ratings = [None if rating is None else int(rating) for rating in trace.ratings]
    facts = {"format": trace.format_id, "winner": trace.winner, "end": trace.end_reason, "ratings": ratings}
    return {**facts, "frames": frames}


class _View:
    """What one side chose, and what a policy thinks of it."""

    def __init__(self, trace: Trace, side: int, opinions: Sequence[Opinion]) -> None:
        self._asked = np.flatnonzero(trace.choices[:, side] != at.CHOICE_NOT_ASKED)
        self._arrays, self._actions = seen_from(trace, side)
        self._opinions = opinions

    def at(self, decision: int) -> Json:
        """What is told of a decision beside the situation."""
        place = int(np.searchsorted(self._asked, decision))
        if place >= len(self._asked) or self._asked[place] != decision:
            return {"asked": False, "choice": None, "policy": None}
        names = action_names(self._arrays["own"][place], self._arrays["moves"][place], self._arrays["field"][place])
        action = int(self._actions[place])
        opinion = self._opinions[place] if place < len(self._opinions) else None
        choice = names[action] if action >= 0 else None
        return {"asked": True, "choice": choice, "policy": None if opinion is None else thought(opinion, names)}


def thought(opinion: Opinion, names: Sequence[str]) -> Json:
    """A policy's chance of winning, and its actions from the likeliest down."""
    order = np.argsort(-opinion.probabilities, kind="stable")
    likely = [[names[action], round(float(opinion.probabilities[action]), 4)] for action in order.tolist()]
    return {"win": round(opinion.win_chance, 4), "actions": [pair for pair in likely if pair[1] > 0]}


def action_names(own: Row, moves: Row, field: Row) -> list[str]:
    """What each action is called in one situation, from arrays of `observe`."""
    move_names = [tables.moves().names[int(move)] or "?" for move in moves[:, 0]]
    form = FORM_WORDS.get(int(field[at.GENERATION]), "form")
    species = [tables.species().names[int(mon[at.SPECIES])] or "?" for mon in own]
    return [
        *move_names,
        *(f"{name} + {form}" for name in move_names),
        *(f"{name} as Z-move" for name in move_names),
        *(f"to {name}" for name in species),
    ]


def describe(config: ShowdownConfig, observations: Sequence[Observation]) -> Json:
    """A live battle as far as it was played, from the learner's observations; the learner is the first side."""
    frames = []
    for obs in observations:
        row = np.zeros(at.WIDTH, np.int16)
        row[: at.SIDES] = np.concatenate((obs["own"].ravel(), obs["opponent"].ravel()))
        row[at.SIDES : at.FIELD] = obs["sides"].ravel()
        row[at.FIELD :] = obs["field"]
        frame = frame_of(row)
        for side in frame["sides"]:
            side.update({"asked": side is frame["sides"][0], "choice": None, "policy": None})
        frames.append(frame)
    facts = {"format": config.battle_format, "winner": None, "end": "", "ratings": [None, None]}
    return {**facts, "frames": frames}


def frame_of(row: Row) -> Json:
    """One situation as a spectator sees it."""
    field = row[at.FIELD :]
    rooms = zip(at.FIELD_EFFECTS, field[at.TRICK_ROOM : at.TRICK_ROOM + len(at.FIELD_EFFECTS)].tolist(), strict=True)
    effects = [WEATHER_NAMES[int(field[at.WEATHER])], tables.TERRAINS[int(field[at.TERRAIN])]]
    return {
        "turn": int(field[at.TURN]),
        "field": [name for name in (*effects, *(name for name, turns in rooms if turns)) if name],
        "sides": [_side_of(row, side) for side in range(at.NUM_SIDES)],
    }


def _side_of(row: Row, side: int) -> Json:
    block = row[at.side_at(side) : at.side_at(side) + at.SIDE_WIDTH]
    counts = block[at.CONDITIONS : at.CONDITIONS + len(at.SIDE_CONDITIONS)].tolist()
    stages = block[at.BOOSTS : at.BOOSTS + len(at.BOOST_NAMES)].tolist()
    mons = [_mon_of(row[at.mon_at(side, slot) : at.mon_at(side, slot) + at.MON_WIDTH]) for slot in range(at.TEAM_SIZE)]
    return {
        "active": int(block[at.ACTIVE]),
        "mons": mons,
        "conditions": [[name, count] for name, count in zip(at.SIDE_CONDITIONS, counts, strict=True) if count],
        "boosts": [[name, stage] for name, stage in zip(at.BOOST_NAMES, stages, strict=True) if stage],
    }


def _mon_of(block: Row) -> Json | None:
    """One Pokémon; None while nobody has seen it."""
    if not block[at.SPECIES]:
        return None
    moves = [tables.moves().names[int(move)] for move in block[at.MOVES : at.MOVES + at.NUM_MOVES] if move]
    tera = int(block[at.TERA_TYPE])
    return {
        "name": tables.species().names[int(block[at.SPECIES])],
        "hp": int(block[at.HP_PERMILLE]),
        "status": at.STATUSES[int(block[at.STATUS])],
        "level": int(block[at.LEVEL]),
        "item": tables.items().names[int(block[at.ITEM])] if block[at.ITEM] > 1 else "",
        "ability": tables.abilities().names[int(block[at.ABILITY])] if block[at.ABILITY] > 1 else "",
        "tera": tables.types().names[tera] if tera and block[at.FLAGS] & at.FLAG_TERASTALLIZED else "",
        "moves": moves,
    }
