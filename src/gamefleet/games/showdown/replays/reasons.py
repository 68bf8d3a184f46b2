"""Why a log is not used: a closed list, counted by whoever parses many.

Job: the one error that parsing may end with. Place in the data flow: raised by `parse`. Left out: counting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gamefleet.games.recorded import RecordRejected

REASONS: Final[Mapping[str, str]] = {
    "not_singles": "doubles, triples, multi or free-for-all",
    "other_rules": "a format with other rules than the main games",
    "unknown_format": "the generation or the format is not said before the battle begins",
    "unknown_name": "a Pokémon that the tables do not have, or that nobody sent in",
    "team_too_large": "more than six Pokémon on a side",
    "contradiction": "lines that cannot follow each other, such as a turn that is not the next one",
    "malformed": "a line that is no line of the protocol, or is cut short",
    "unfinished": "no winner and no tie: the log ends too early",
    "no_winner": "the winner's name is neither player's",
    "ends_early": "a winner although the loser's Pokémon stand and nobody gave up: a part of the battle is missing",
    "no_decisions": "the battle ended before its first turn",
    "too_long": "more text or turns than a battle can have",
}


class ReplayRejected(RecordRejected):
    """A log that cannot be used; `reason` is one of `REASONS`."""
