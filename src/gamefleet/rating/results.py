"""Results of games between two players, kept as lines that are only ever appended.

Job: what one game gave, its file, and its sums. Place in the data flow: a ladder appends, ratings read. Left out:
playing (`schedule` says what is played; the game plays), and what results say about strength (`bradley_terry`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import RunFolderError
from gamefleet.files import explained

WIN, TIE, LOSS = 1.0, 0.5, 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One game.

    Args:
        first: Name of one player.
        second: Name of the other.
        score: What the first got: 1 a win, 0.5 a tie, 0 a loss.
        block: Games with the same pair and block share their chance (teams, seed) with the sides swapped.
        is_swapped: Whether the first had the second side of the block.
        end: How it ended, in the game's word; for people.
    """

    first: str
    second: str
    score: float
    block: int = 0
    is_swapped: bool = False
    end: str = ""

    @property
    def pair(self) -> tuple[str, str]:
        """Both names in alphabetical order."""
        return (self.first, self.second) if self.first < self.second else (self.second, self.first)

    @property
    def pair_score(self) -> float:
        """What the alphabetically first player got."""
        return self.score if self.first < self.second else 1.0 - self.score


def append_results(path: Path, results: Iterable[Result]) -> None:
    """Append results as JSON lines, in one write: what is cut off by a crash is at most the last line.

    Raises:
        RunFolderError: The file cannot be written.
    """
    text = "".join(json.dumps(asdict(result), sort_keys=True) + "\n" for result in results)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # A line that was cut off must not swallow the next one.
        with path.open("a+b") as file:
            if file.tell() and not ends_with_newline(path):
                text = "\n" + text
            file.write(text.encode())


def ends_with_newline(path: Path) -> bool:
    """Whether the last line of a file that is not empty is whole."""
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"


def read_results(path: Path) -> list[Result]:
    """Results in the order in which they were appended; none where there is no file.

    Raises:
        RunFolderError: A whole line is no result; names it.
    """
    if not path.exists():
        return []
    with explained(path):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(read_line(line))
        except (ValueError, TypeError, KeyError) as error:
            if not line.endswith("}"):  # a crash cut it off: that game is played again
                continue
            raise RunFolderError(
                f"Line {number} of the results is none: {error}",
                value=line[:80],
                where=path,
                remedy="Remove that line, or move the file away and play again.",
            ) from error
    return found


def read_line(line: str) -> Result:
    """One line of the file.

    Raises:
        ValueError: It is no JSON, or its score is no score.
        KeyError: A field is missing.
    """
    content = json.loads(line)
    score = float(content["score"])
    if score not in (WIN, TIE, LOSS):
        raise ValueError(f"a score is 0, 0.5 or 1, not {score}")
    return Result(
        first=str(content["first"]),
        second=str(content["second"]),
        score=score,
        block=int(content.get("block", 0)),
        is_swapped=bool(content.get("is_swapped", False)),
        end=str(content.get("end", "")),
    )


def players_of(results: Iterable[Result]) -> tuple[str, ...]:
    """Names of all who played, in alphabetical order."""
    return tuple(sorted({name for result in results for name in result.pair}))


def points(results: Iterable[Result], players: Sequence[str]) -> NDArray[np.float64]:
    """What each player got against each other.

    Args:
        results: Games; those of other players are left out.
        players: Names, in the order of rows and columns.

    Returns:
        Float64 [players, players]: sum of scores of the row's player; a tie counts a half for both.
    """
    place = {name: index for index, name in enumerate(players)}
    table = np.zeros((len(players), len(players)))
    for result in results:
        if result.first in place and result.second in place:
            row, column = place[result.first], place[result.second]
            table[row, column] += result.score
            table[column, row] += 1.0 - result.score
    return table
