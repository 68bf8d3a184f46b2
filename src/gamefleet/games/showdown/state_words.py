"""What single words of a line say: which Pokémon, how many HP, which effect.

Job: pieces of text to numbers, each read once per process where it comes again. Place in the data flow: below the
message functions of `state_*`. Left out: who is spoken of (`state_board`).
"""

from __future__ import annotations

import functools
from typing import Final

from gamefleet.games.showdown import layout, tables

GENDERS: Final = {"N": 1, "M": 2, "F": 3}
FULL_PERMILLE: Final = 1000
STATUS_IDS: Final = {name: number for number, name in enumerate(layout.STATUSES)}


class StateError(ValueError):
    """A line contradicts the battle so far, or is no line of the protocol.

    Args:
        reason: One word for counting: `malformed`, `unknown_name` or `team_too_large`.
        detail: The piece of text that was refused.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail[:120]!r}")
        self.reason = reason
        self.detail = detail[:120]


@functools.lru_cache(maxsize=1 << 14)
def read_details(details: str) -> tuple[int, int, int]:
    """Species id, level and gender of "Corviknight, L84, M, shiny".

    Raises:
        StateError: The species is unknown or the level is no number.
    """
    first, *rest = details.split(", ")
    species = tables.species().id(first)
    if not species:
        raise StateError("unknown_name", first)
    level, gender = 100, 1
    for word in rest:
        if word in GENDERS:
            gender = GENDERS[word]
        elif word[:1] == "L" and word[1:].isascii() and word[1:].isdigit():
            level = min(int(word[1:6]), 9999)
    return species, level, gender


@functools.lru_cache(maxsize=1 << 14)
def read_arrival(details: str) -> tuple[int, int, int, int]:
    """As `read_details`, and the Tera type of one that arrives terastallized ("Corviknight, L84, tera:Water"), else -1.

    Raises:
        StateError: The species is unknown or the level is no number.
    """
    is_tera = "tera:" in details
    tera_type = tables.types().id(details[details.index("tera:") + 5 :].split(",")[0]) if is_tera else -1
    return *read_details(details), tera_type


@functools.lru_cache(maxsize=1 << 14)
def read_condition(condition: str) -> tuple[int, int]:
    """HP in permille and status of "89/100 par", "0 fnt", "12/48" or "9/48y", as the spectator sees it.

    Raises:
        StateError: It is none of these.
    """
    hp, max_hp, status = _numbers(condition)
    if max_hp in (48, 100):
        return hp * FULL_PERMILLE // max_hp, status
    return seen_permille(hp, max_hp, is_percent=True), status


@functools.lru_cache(maxsize=1 << 14)
def read_exact_condition(condition: str, is_percent: bool) -> tuple[int, int]:
    """As `read_condition` for a player's own Pokémon: "625/703" rounded to what the spectator sees."""
    hp, max_hp, status = _numbers(condition)
    return seen_permille(hp, max_hp, is_percent=is_percent), status


def seen_permille(hp: int, max_hp: int, *, is_percent: bool) -> int:
    """Exact `hp` of `max_hp` as the simulator shows it to others: whole per cents (100 only when full) or 48ths."""
    if hp == 0:
        return 0
    if is_percent:
        percent = -(-100 * hp // max_hp)
        return 10 * (99 if percent == 100 and hp < max_hp else percent)
    return max(48 * hp // max_hp, 1) * FULL_PERMILLE // 48


def _numbers(condition: str) -> tuple[int, int, int]:
    fraction, _, status = condition.partition(" ")
    code = STATUS_IDS.get(status)
    if code is None:
        raise StateError("malformed", condition)
    if fraction == "0":
        return 0, 1, STATUS_IDS["fnt"]
    hp, _, max_hp = fraction.partition("/")
    max_hp = max_hp.rstrip("gyr")
    if not (hp.isascii() and hp.isdigit() and max_hp.isascii() and max_hp.isdigit() and len(hp) + len(max_hp) < 13):
        raise StateError("malformed", condition)
    if not int(max_hp) or int(hp) > int(max_hp):
        raise StateError("malformed", condition)
    return int(hp), int(max_hp), code


@functools.lru_cache(maxsize=1 << 12)
def effect_key(effect: str) -> str:
    """The simulator's id of an effect as lines write it: "move: Taunt", "ability: Flash Fire" or "Encore"."""
    _, colon, name = effect.partition(": ")
    return tables.to_id(name if colon else effect)
