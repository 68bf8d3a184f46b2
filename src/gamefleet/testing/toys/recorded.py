"""A toy with recorded play whose optimum is known: do what the last cue said.

Job: records, views and a small network for tests of everything that learns from records. Place in the data flow: as a
real game's folder. Left out: playing it; there is nothing to play.

At each decision a view sees a cue; the right action is the cue before it, so what is learned needs memory, and needs
the trajectories in a packed row to be kept apart. The first action is not shown. In a `plain` record the first cue
tells the winner, and all that is shown can be known: both losses fall to 0, both accuracies rise to 1. In a `hidden`
record a coin tells the winner, whoever lost did something else throughout, and only learning from what went better than
expected finds the right action every time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import IncompatibleError
from gamefleet.games.base import ArraySpec, Game, GamePackage, GameSpec
from gamefleet.games.recorded import ACTION, OUTCOME, Record, RecordedGame

NUM_CUES = 4
MAGIC = b"toy1"
PLAIN, HIDDEN = 0, 1
LENGTHS = (3, 24)
"""Shortest and longest trajectory."""


@dataclass(frozen=True, slots=True)
class RecordedToySettings:
    """There is nothing to set."""


def make_record(rng: np.random.Generator, *, kind: int) -> Record:
    """One record with two views.

    Args:
        rng: Draws it.
        kind: `PLAIN` or `HIDDEN`.
    """
    lengths = tuple(int(length) for length in rng.integers(LENGTHS[0], LENGTHS[1] + 1, 2))
    winner = int(rng.integers(2))
    cues = [rng.integers(NUM_CUES, size=length).astype(np.uint8) for length in lengths]
    if kind == PLAIN:
        for view in (0, 1):
            cues[view][0] = rng.integers(2) + (2 if view == winner else 0)
    data = MAGIC + bytes([kind, winner, *lengths]) + b"".join(cue.tobytes() for cue in cues)
    return Record(data=data, lengths=lengths, ratings=(1000 + int(rng.integers(500)), 1200), day=20_000, group="toy")


def mock(count: int, seed: int) -> Iterator[Record]:
    """Plain records."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield make_record(rng, kind=PLAIN)


def mock_hidden(count: int, seed: int) -> Iterator[Record]:
    """Hidden records."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield make_record(rng, kind=HIDDEN)


def read_view(data: bytes, view: int) -> dict[str, NDArray[Any]]:
    """See `RecordedGame.read_view`."""
    if data[:4] != MAGIC or len(data) < 8:
        raise IncompatibleError("This is no record of the toy", value=data[:8])
    kind, winner, *lengths = data[4:8]
    begin = 8 + (lengths[0] if view else 0)
    cue = np.frombuffer(data[begin : begin + lengths[view]], np.uint8)
    has_won = view == winner
    action = np.full(len(cue), -1, np.int16)
    action[1:] = cue[:-1] if has_won or kind == PLAIN else (cue[:-1] + 1) % NUM_CUES
    legal = np.ones((len(cue), NUM_CUES), np.bool_)
    legal[np.arange(len(cue)), (np.maximum(action, 0) + 2) % NUM_CUES] = False
    outcome = np.full(len(cue), float(has_won), np.float32)
    return {"cue": cue.copy(), "legal": np.packbits(legal, axis=1), ACTION: action, OUTCOME: outcome}


def parse(raw: Mapping[str, Any]) -> Record:
    """See `RecordedGame.parse`; a raw game of the toy is a seed."""
    return make_record(np.random.default_rng(int(raw["seed"])), kind=PLAIN)


def make_network(settings: Mapping[str, Any]) -> Any:
    """See `RecordedGame.make_network`."""
    from gamefleet.testing.toys.recorded_network import RecordedToyNetwork

    return RecordedToyNetwork(int(settings.get("width", 32)))


def recorded(mock_records: Any = mock) -> RecordedGame:
    """What the toy offers, with plain or hidden records."""
    return RecordedGame(
        version="1",
        num_views=2,
        arrays=(
            ArraySpec(name="cue", shape=(), dtype="uint8", low=0, high=NUM_CUES - 1, meaning="what to do next time"),
            ArraySpec(name="legal", shape=(1,), dtype="uint8", low=0, high=255, meaning="legal actions, packed"),
        ),
        actions=tuple(f"do {cue}" for cue in range(NUM_CUES)),
        legal="legal",
        parse="gamefleet.testing.toys.recorded:parse",
        read_view="gamefleet.testing.toys.recorded:read_view",
        make_network=make_network,
        sizes=("tiny",),
        embedded=Path(__file__).parent,
        mock=mock_records,
    )


def not_played(*_arguments: Any) -> Any:
    """The toy has records and no game.

    Raises:
        NotImplementedError: Always.
    """
    raise NotImplementedError("the recorded toy cannot be played")


def make_game(config: RecordedToySettings) -> Game:
    """See `not_played`."""
    game: Game = not_played(config)
    return game


def make_spec(config: RecordedToySettings) -> GameSpec:
    """What a game of the toy would be."""
    offered = recorded()
    return GameSpec(
        name="recorded_toy",
        version="1",
        observations=offered.arrays,
        actions=offered.actions,
        reward_terms=("win",),
        milestones=(),
        max_episode_steps=LENGTHS[1],
    )


def reward_json(config: RecordedToySettings) -> dict[str, Any]:
    """The toy has no reward but the outcome."""
    return {}


def package(mock_records: Any = mock) -> GamePackage:
    """The toy, with plain or hidden records as its mock data."""
    return GamePackage(
        name="recorded_toy",
        module="gamefleet.testing.toys.recorded",
        config_type=RecordedToySettings,
        make_game=make_game,
        make_encoder=not_played,
        reward_json=reward_json,
        make_spec=make_spec,
        recorded=recorded(mock_records),
    )


PACKAGE = package()
