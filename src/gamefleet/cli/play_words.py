"""What the simulator tells a player, in sentences.

Job: turn lines of its protocol into what a person wants to read. Place in the data flow: `play_showdown` prints it.
Left out: choices, and everything that a program reads from these lines.

Source: "PROTOCOL.md" and "SIM-PROTOCOL.md" of smogon/pokemon-showdown.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

SILENT = frozenset(
    (
        "t:",
        "upkeep",
        "gametype",
        "player",
        "teamsize",
        "gen",
        "tier",
        "rated",
        "rule",
        "clearpoke",
        "teampreview",
        "start",
        "win",
        "tie",
        "request",
        "split",
        "debug",
        "raw",
        "html",
        "uhtml",
        "inactive",
        "inactiveoff",
        "j",
        "l",
        "n",
        "c",
        "c:",
        "-anim",
        "-hint",
        "-hitcount",
        "-notarget",
    )
)
"""Messages that say nothing new to a person."""

STATUS = MappingProxyType(
    {
        "par": "paralysed",
        "brn": "burned",
        "frz": "frozen",
        "slp": "asleep",
        "psn": "poisoned",
        "tox": "badly poisoned",
        "fnt": "fainted",
    }
)
STATS = MappingProxyType(
    {
        "atk": "Attack",
        "def": "Defense",
        "spa": "Special Attack",
        "spd": "Special Defense",
        "spe": "Speed",
        "accuracy": "accuracy",
        "evasion": "evasiveness",
    }
)
REASONS = MappingProxyType({"flinch": "it flinches", "recharge": "it must recharge", "nopp": "no PP are left"})

SENTENCES = MappingProxyType(
    {
        "move": "{0} uses {1}",
        "faint": "{0} faints",
        "cant": "{0} cannot move: {why}",
        "detailschange": "{0} is now {1}",
        "-formechange": "{0} is now {1}",
        "-damage": "  {0}: {hp}{source}",
        "-heal": "  {0} recovers: {hp}{source}",
        "-sethp": "  {0}: {hp}{source}",
        "-status": "  {0} is now {status}",
        "-curestatus": "  {0} is no longer {status}",
        "-boost": "  {0}: {stat} rises by {2}",
        "-unboost": "  {0}: {stat} falls by {2}",
        "-setboost": "  {0}: {stat} is set to {2}",
        "-clearallboost": "  all changes of stats are gone",
        "-clearboost": "  {0}: all changes of stats are gone",
        "-fail": "  it fails",
        "-miss": "  it misses",
        "-block": "  {0} is protected by {1}",
        "-immune": "  it has no effect on {0}",
        "-supereffective": "  it is super effective",
        "-resisted": "  it is not very effective",
        "-crit": "  a critical hit",
        "-ohko": "  a one-hit knock-out",
        "-nothing": "  but nothing happens",
        "-fieldstart": "  {0} begins",
        "-fieldend": "  {0} ends",
        "-sidestart": "  {1} on {0}",
        "-sideend": "  {1} is gone from {0}",
        "-start": "  {0}: {1} begins",
        "-end": "  {0}: {1} ends",
        "-singleturn": "  {0}: {1}",
        "-singlemove": "  {0}: {1}",
        "-activate": "  {0}: {1}",
        "-prepare": "  {0} prepares {1}",
        "-mustrecharge": "  {0} must recharge",
        "-ability": "  {0} has the ability {1}",
        "-item": "  {0} has {1}",
        "-enditem": "  {0} no longer has {1}",
        "-transform": "  {0} turns into {1}",
        "-terastallize": "  {0} terastallizes: {1}",
        "-mega": "  {0} mega-evolves with {2}",
        "-zpower": "  {0} uses its Z-Power",
        "-message": "  {0}",
        "message": "{0}",
        "error": "{0}",
        "bigerror": "{0}",
    }
)


def spoken(line: str, side: str) -> str:
    """A line of the protocol for a person, empty where it says nothing new.

    Args:
        line: Of the protocol.
        side: Of this person, `p1` or `p2`.
    """
    kind, *rest = [*line.split("|")[1:], ""][: line.count("|") or 1]
    said = [part for part in rest if not part.startswith("[")]
    if not kind or kind in SILENT or "[silent]" in rest:
        return ""
    if kind == "turn":
        return f"\n--- turn {said[0]} ---"
    if kind == "-weather":
        return weather(said, rest)
    if kind in ("switch", "drag", "replace", "poke"):
        return entrance(kind, said, side)
    words = [named(part, side) for part in said]
    sentence = SENTENCES.get(kind)
    if sentence is None or ("{" in sentence and not words):
        return capitalised(f"{kind.lstrip('-')}: {', '.join(word for word in words if word)}")
    facts = {
        "hp": health(said[1]) if len(said) > 1 else "",
        "source": source(rest, side),
        "status": STATUS.get(said[1], said[1]) if len(said) > 1 else "",
        "stat": STATS.get(said[1], said[1]) if len(said) > 1 else "",
        "why": why(said[1]) if len(said) > 1 else "",
    }
    return capitalised(sentence.format(*words, *[""] * 3, **facts).rstrip())


def named(text: str, side: str) -> str:
    """A Pokémon with its owner, a side, or an effect without the protocol's prefix."""
    place, colon, name = text.partition(": ")
    if colon and place[:2] in ("p1", "p2") and len(place) <= 3:
        is_own = place[:2] == side
        if len(place) == 2:
            return "your side" if is_own else "the agent's side"
        return f"your {name}" if is_own else f"the agent's {name}"
    return name if colon and place in ("move", "ability", "item", "condition") else text


def health(text: str) -> str:
    """HP as the protocol writes them: exact for the own side, of a hundred for the other."""
    points, _, status = text.partition(" ")
    if status == "fnt":
        return "no HP left"
    have, _, most = points.partition("/")
    left = f"{have} % left" if most == "100" else f"{have} of {most} HP left" if most else points
    return f"{left}, {STATUS[status]}" if status in STATUS else left


def source(parts: Sequence[str], side: str) -> str:
    """Where a change comes from, in brackets; empty where nothing is said."""
    found = next((part.removeprefix("[from] ") for part in parts if part.startswith("[from]")), "")
    return f" ({STATUS.get(found, named(found, side))})" if found else ""


def why(text: str) -> str:
    """Why somebody cannot move."""
    return REASONS.get(text, f"it is {STATUS[text]}" if text in STATUS else named(text, ""))


def weather(said: Sequence[str], parts: Sequence[str]) -> str:
    """What the sky does, when that changes."""
    if "[upkeep]" in parts:
        return ""
    return "  The weather clears" if not said or said[0] == "none" else f"  The weather is now {said[0]}"


def entrance(kind: str, said: Sequence[str], side: str) -> str:
    """Somebody comes in, or is shown before the battle."""
    is_own = said[0][:2] == side
    species = said[1].split(",")[0] if len(said) > 1 else ""
    if kind == "poke":
        return f"  {'You have' if is_own else 'The agent has'} {species}"
    who = "You send" if is_own else "The agent sends"
    hp = f" ({health(said[2])})" if len(said) > 2 else ""
    return f"{who} out {said[0].partition(': ')[2] or species}{hp}"


def capitalised(text: str) -> str:
    """The first letter large, whatever stands before it."""
    bare = text.lstrip()
    return f"{text[: len(text) - len(bare)]}{bare[:1].upper()}{bare[1:]}"
