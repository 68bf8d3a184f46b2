"""Names for the skills of an older program, which called them by titles.

Job: make every title a name that can be a folder, no two of them the same, and a text that can be shown.
Place in the data flow: under the migration of older runs. Left out: everything else about a skill.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping

MOST_LETTERS = 48

MOST_SHOWN = 150
"""Characters of a title that are shown: quoted, they still fit into the description of a skill."""

KEPT_FREE = re.compile(r"unused_[0-9]+", re.IGNORECASE)
"""What a graph calls the numbers that no skill has."""


def skill_name(title: str) -> str:
    """A title as a name: letters, digits and underscores, beginning with a letter."""
    plain = re.sub(r"[^A-Za-z0-9_]", "", title.strip().replace(" ", "_"))
    return (plain if re.match("[A-Za-z]", plain) else f"Skill_{plain}")[:MOST_LETTERS]


def shown(title: str) -> str:
    """A title for people: one printable line that is not too long."""
    kept = title if len(title) <= MOST_SHOWN else f"{title[: MOST_SHOWN - 3]}..."
    return "".join(letter if letter.isprintable() else "?" for letter in kept)


def unique_names(titles: Mapping[int, str]) -> dict[int, str]:
    """A name of its own for every skill, whatever the case of its letters; the same titles always get the same names.

    Args:
        titles: By index. Of several with one name, the one with the lowest index keeps it; the others' end with their
            index.
    """
    names: dict[int, str] = {}
    taken: set[str] = set()
    for index in sorted(titles):
        free = (name for name in _candidates(titles[index], index) if name.lower() not in taken)
        names[index] = next(name for name in free if not KEPT_FREE.fullmatch(name))
        taken.add(names[index].lower())
    return names


def _candidates(title: str, index: int) -> Iterator[str]:
    name = skill_name(title)
    yield name
    for number in itertools.count(1):
        ending = f"_{index}" if number == 1 else f"_{index}_{number}"
        yield name[: MOST_LETTERS - len(ending)] + ending
