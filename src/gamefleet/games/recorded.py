"""What a game with recorded play offers: records to learn from, without playing.

Job: the types through which the trainer of recorded play sees a game. Place in the data flow: raw text of a battle ->
`parse` -> a record that the packed files keep -> `read_view` -> decisions that the network learns to make. Left out:
files, order and batches (`experience`), losses (`learners`), and how a game is played live (`games.base`).

Words: a *record* is one game from its beginning to its end, stored once. A *view* is the game as one side saw it; a
record has as many as there are sides. A *decision* is one moment at which that side chose. The decisions of one view,
in order, are a *trajectory*.

Axes: `decisions` in order of time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gamefleet.games.base import ArraySpec

ACTION = "action"
"""Array of a view: int16 `[decisions]`, what was chosen; -1 where the record does not show it."""

OUTCOME = "outcome"
"""Array of a view: float32 `[decisions]`, how the game ended for this side: 1 won, 0.5 a tie, 0 lost."""

OUTCOME_WEIGHT = "outcome_weight"
"""Array that a view may have: float32 `[decisions]`, how much `OUTCOME` counts as a target, in [0, 1]; a game that was
given up was not yet lost. Where it is missing every outcome counts fully."""

NOT_SEEN = (ACTION, OUTCOME, OUTCOME_WEIGHT)
"""Arrays of a view that are learned from and not seen."""

ViewArrays = Mapping[str, NDArray[Any]]
"""The observation's arrays with a leading axis `decisions`, and those of `NOT_SEEN`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One recorded game, as the packed files keep it.

    Args:
        data: The game's own compact format; holds no code.
        lengths: Decisions of each view.
        ratings: Of each side, by the game's own scale; -1 where not known.
        day: Days since 1970-01-01, -1 where not known.
        group: What records are selected by, such as a battle format.
    """

    data: bytes
    lengths: tuple[int, ...]
    ratings: tuple[int, ...]
    day: int
    group: str


class RecordRejected(ValueError):  # noqa: N818 - a verdict about a game, not a fault
    """A raw game that cannot be learned from; never a fault of the program.

    Args:
        reason: From the game's closed list of reasons, which are counted.
        detail: What was found, for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """Who plays in a match.

    Args:
        name: Of a scripted player (`Matches.scripted`), or any name for a network.
        network: As `RecordedGame.make_network` makes it, with its weights; None for a scripted player.
        temperature: Of a network's choice: 0 takes the likeliest action, 1 draws by its probabilities.
        device: Where the network is.
        memory_decisions: Decisions that a network looks back on, the present one included: as many as the rows had from
            which it learned.
    """

    name: str
    network: Any = None
    temperature: float = 0.0
    device: str = "cpu"
    memory_decisions: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchOrder:
    """What two contestants play.

    Args:
        format: Of the games, such as a battle format.
        blocks: Numbers of the blocks. A block is one start (teams, chance) played twice, with the sides exchanged; it
            follows from format, seed and number alone.
        seed: Of all blocks.
        on_server: Play through a real server of one's own, with its logins and clocks, instead of on the bare game.
    """

    format: str
    blocks: Sequence[int]
    seed: int = 0
    on_server: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchGame:
    """How one game of a match ended.

    Args:
        score: Of the first contestant: 1 won, 0.5 a tie, 0 lost.
        block: Of the order.
        is_swapped: Whether the first contestant had the second side.
        end: How it ended, for people: empty in the ordinary way.
    """

    score: float
    block: int
    is_swapped: bool
    end: str = ""


PlayMatch = Callable[[Contestant, Contestant, MatchOrder], Iterator[MatchGame]]
"""Plays an order; raises `ConfigError` for a name or format that is not known, `MissingDependencyError` for what is not
installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """How players of a game are compared.

    Args:
        scripted: Players that need no training, weakest first.
        formats: Where the others are not asked for, the first one is played; others may exist.
        play: Plays a match.
        check_format: Raises `ConfigError` for a format that cannot be played; None where that shows only in a match.
    """

    scripted: tuple[str, ...]
    formats: tuple[str, ...]
    play: PlayMatch
    check_format: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedGame:
    """What a game's folder offers to whoever learns from its records.

    Functions that run in worker processes are named by import path, `module:function`.

    Args:
        version: Changes when the meaning of the arrays changes.
        num_views: Points of view per record.
        arrays: The named arrays of one decision.
        actions: Action names; an action is an index into them.
        legal: Name of the array with the legal actions; see `GameSpec.legal`.
        parse: `(raw: Mapping[str, Any]) -> Record`, from one raw game; raises `RecordRejected`.
        read_view: `(data: bytes, view: int) -> ViewArrays`; raises `IncompatibleError` for bytes that are no record.
        make_network: `(settings) -> torch.nn.Module`, see `learners.sequence`; `settings` has `size` and overrides.
        sizes: Names that `settings["size"]` may have, smallest first.
        embedded: Folder with raw games that come with gamefleet.
        embedded_records: `() -> records` of those games, in a fixed order; None where none come with gamefleet.
        mock: `(count, seed) -> records` of the right form without any sense, for tests of everything around them.
        describe: `(data, network, device) -> {panel: JSON value}`, a record as people want to see it on the dashboard,
            with what a network thinks of each decision; None where no panel shows records.
        matches: How networks are compared with scripted players and each other, or None.
    """

    version: str
    num_views: int
    arrays: tuple[ArraySpec, ...]
    actions: tuple[str, ...]
    legal: str
    parse: str
    read_view: str
    make_network: Callable[[Mapping[str, Any]], Any]
    sizes: tuple[str, ...]
    embedded: Path
    mock: Callable[[int, int], Iterator[Record]]
    embedded_records: Callable[[], Iterator[Record]] | None = None
    describe: Callable[[bytes, Any, str], Mapping[str, Any]] | None = None
    matches: Matches | None = None

    @property
    def num_actions(self) -> int:
        """Number of actions."""
        return len(self.actions)

    def observation_json(self) -> dict[str, Any]:
        """Arrays and actions as plain JSON values, for the compatibility hash."""
        return {"arrays": {spec.name: spec.as_json() for spec in self.arrays}, "actions": list(self.actions)}
