"""What a log says about the battle as a whole: who, which format, how it ended.

Job: players, ratings, format, day, team sheets, winner. Place in the data flow: `parse` calls it for these lines.
Left out: what happens in the battle.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from gamefleet.games.showdown.replays.reasons import ReplayRejected
from gamefleet.games.showdown.replays.trace import FORFEIT, NORMAL, RULE, TIE, TIMER
from gamefleet.games.showdown.state_board import side_of
from gamefleet.games.showdown.tables import to_id

OTHER_RULES: Final = (
    "letsgo",
    "mixandmega",
    "sharedpower",
    "pokebilities",
    "partnersincrime",
    "bonustype",
    "sketchmons",
)
"""Words of formats whose choices or Pokémon are not those of the main games."""
END_WORDS: Final = (
    (" forfeited", FORFEIT),
    (" lost by having an inappropriate name", FORFEIT),
    ("lost due to inactivity", TIMER),
    ("lost because of their inactivity", TIMER),
    ("Endless Battle Clause activated", RULE),
    ("means to perform restorative berry-cycling", RULE),
    ("You have hit the turn limit", RULE),
    ("Going to tiebreaker", RULE),
)
"""What lines say that end a battle whose Pokémon have not all fainted."""
SECONDS_PER_DAY: Final = 86_400
HASH_BYTES: Final = 8
MAX_RATING: Final = 9999
MAX_FORMAT_CHARACTERS: Final = 64
"""Of a format's id; the longest real ones take half of it."""


@dataclass(slots=True, kw_only=True)
class Heading:
    """What the lines outside the fighting have said so far.

    Args:
        names: Every name that each side has had, the present one last.
        ratings: Before the battle, None when not shown.
        format_id: As `tier` says it, without the generation.
        day: Days since 1970-01-01 of the first time stamp.
        sheets: Packed team of each side, "" when not shown.
        winner: 0, 1 or -1 for a tie; None before the end.
        end_reason: One of `trace.END_REASONS`, as lines say it; `ending` judges it.
    """

    names: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    ratings: list[int | None] = field(default_factory=lambda: [None, None])
    format_id: str = ""
    day: int | None = None
    sheets: list[str] = field(default_factory=lambda: ["", ""])
    winner: int | None = None
    end_reason: str = NORMAL


def on_player(heading: Heading, parts: list[str]) -> None:
    """`|player|p1|NAME|AVATAR|RATING`; a blank name says that the player left."""
    if len(parts) > 3 and parts[3]:
        side = side_of(parts[2])
        heading.names[side].append(parts[3])
        if len(parts) > 5 and parts[5].isascii() and parts[5].isdigit() and heading.ratings[side] is None:
            heading.ratings[side] = min(int(parts[5][:9]), MAX_RATING)


def on_game_type(heading: Heading, parts: list[str]) -> None:
    """`|gametype|singles`."""
    if parts[2] != "singles":
        raise ReplayRejected("not_singles", parts[2])


def on_tier(heading: Heading, parts: list[str]) -> None:
    """`|tier|[Gen 9] OU`."""
    heading.format_id = to_id(parts[2])
    if len(heading.format_id) > MAX_FORMAT_CHARACTERS:
        raise ReplayRejected("unknown_format", f"{len(heading.format_id)} characters")
    if any(word in heading.format_id for word in OTHER_RULES):
        raise ReplayRejected("other_rules", parts[2])


def on_time(heading: Heading, parts: list[str]) -> None:
    """`|t:|1795235188`."""
    if heading.day is None and parts[2].isascii() and parts[2].isdigit():
        heading.day = min(int(parts[2][:12]) // SECONDS_PER_DAY, 1 << 15)


def on_show_team(heading: Heading, parts: list[str]) -> None:
    """`|showteam|p1|PACKED TEAM`; the packed team itself is written with `|`."""
    heading.sheets[side_of(parts[2])] = "|".join(parts[3:])


def on_message(heading: Heading, parts: list[str]) -> None:
    """`|-message|NAME forfeited.` and what else the server says when it ends a battle."""
    text = "|".join(parts[2:])
    for word, reason in END_WORDS:
        if word in text:
            heading.end_reason = reason
            return


def on_win(heading: Heading, parts: list[str]) -> None:
    """`|win|NAME`: the side that has, or once had, this name."""
    name = "|".join(parts[2:])
    for same in (lambda known: known == name, lambda known: bool(to_id(name)) and to_id(known) == to_id(name)):
        sides = [side for side in (0, 1) if any(same(known) for known in heading.names[side])]
        if len(sides) == 1:
            heading.winner = sides[0]
            return
    raise ReplayRejected("no_winner", name)


def on_tie(heading: Heading, parts: list[str]) -> None:
    """`|tie`."""
    heading.winner = TIE


def hashed(text: str, salt: bytes) -> str:
    """A salted hash of `text`, so that a data set names nobody."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES, key=salt[:64]).hexdigest()
