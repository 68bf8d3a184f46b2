"""Chunks of a real emulator can be played again bit for bit, and altered ones are found out."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gamefleet.actors.actor import Actor
from gamefleet.actors.chunks import ChunkRecorder
from gamefleet.actors.curriculum import Sight, Wishes, from_beginning
from gamefleet.actors.policy import RandomPolicy
from gamefleet.actors.resimulate import check
from gamefleet.actors.saved import SavedState
from gamefleet.actors.steps import Restart
from gamefleet.actors.vector import make_vector
from gamefleet.experience.bounded import compress
from gamefleet.experience.chunk_file import ChunkContent, ChunkFacts, StoredChunk, decode, encode
from gamefleet.games.base import Game
from gamefleet.games.pokemon_red import PACKAGE
from gamefleet.games.pokemon_red.config import PokemonRedConfig

NUM_ENVS, NUM_STEPS, CHUNK_STEPS = 2, 220, 40
CONFIG = PokemonRedConfig(max_episode_steps=90)
FACTS = ChunkFacts(member="ann", environment="e000", seq=1, compatibility="0" * 32, weights_version=0, epsilon=1.0)


class Restless:
    """Saves game 0 now and then, cuts game 1 short now and then, and starts every other episode at a saved state."""

    def __init__(self) -> None:
        self._saved: list[SavedState] = []
        self._num_seen = self._num_chosen = 0

    def choose(self, env: int, rng: np.random.Generator) -> Restart:
        self._num_chosen += 1
        beginning = from_beginning(rng)
        return self._saved[-1].restart(beginning.seed) if self._saved and self._num_chosen % 2 else beginning

    def observe(self, sight: Sight) -> Wishes:
        self._num_seen += 1
        return Wishes(
            save=(0,) if self._num_seen % 50 == 25 else (), interrupt=(1,) if self._num_seen % 70 == 60 else ()
        )

    def keep(self, saved: SavedState) -> None:
        self._saved.append(saved)

    def export_state(self) -> dict[str, Any]:
        return {}

    def import_state(self, state: Any) -> None:
        pass


def make_game() -> Game:
    return PACKAGE.make_game(CONFIG)


SPEC = PACKAGE.make_spec(CONFIG)


@pytest.fixture(scope="module")
def played() -> tuple[list[ChunkContent], set[str]]:
    """Chunks of random play, after a trip through their files, and what the run's episodes were: `outcome origin`."""
    vector = make_vector(PACKAGE, CONFIG, num_envs=NUM_ENVS, num_workers=0)
    policy = RandomPolicy(num_actions=SPEC.num_actions, num_envs=NUM_ENVS, seed=0)
    with closing(Actor(vector=vector, policy=policy, curriculum=Restless(), seed=0)) as actor:
        recorder = ChunkRecorder(vector, chunk_steps=CHUNK_STEPS)
        chunks, episodes = [], set()
        for _ in range(NUM_STEPS):
            moment = actor.step()
            episodes |= {f"{episode.outcome} {episode.origin.split('#')[0]}" for episode in moment.episodes}
            chunks += recorder.observe(moment)
        chunks += recorder.cut()
    files = [encode(StoredChunk(facts=FACTS, content=chunk.content)) for chunk in chunks]
    return [decode(data).content for data in files], episodes


def test_honest_chunks_pass_over_the_ends_of_episodes_and_restarts_of_the_curriculum(
    played: tuple[list[ChunkContent], set[str]],
) -> None:
    contents, episodes = played
    assert episodes >= {"truncated start", "interrupted start", "interrupted cell"}
    assert sum(content.num_slots - 1 for content in contents) >= NUM_ENVS * (NUM_STEPS - 10)
    assert {check(make_game, content, SPEC) for content in contents} == {""}


def changed(content: ChunkContent, name: str, time: int, value: Any) -> ChunkContent:
    array = getattr(content.slots, name).copy()
    array[time] = value
    return replace(content, slots=replace(content.slots, **{name: array}))


def test_altered_chunks_are_found_out(played: tuple[list[ChunkContent], set[str]]) -> None:
    contents, _ = played
    content = contents[3]
    assert "reward" in check(make_game, changed(content, "reward", 5, content.slots.reward[5] + 1e-6), SPEC)
    assert "is_terminal" in check(make_game, changed(content, "is_terminal", -1, True), SPEC)
    for name, array in content.slots.obs.items():
        altered = array.copy()
        altered[7].reshape(-1).view(np.uint8)[0] ^= 1
        lie = replace(content, slots=replace(content.slots, obs={**content.slots.obs, name: altered}))
        assert check(make_game, lie, SPEC) == f"Slot 7: the game shows another {name!r}."


def test_other_starts_and_starts_that_are_none_are_found_out(played: tuple[list[ChunkContent], set[str]]) -> None:
    contents, _ = played
    content = contents[3]
    for other in contents[:3]:
        assert check(make_game, replace(content, start=other.start), SPEC) != ""
    for start in (b"", b"nonsense", content.start[:-5], compress(b"nonsense", level=1)):
        assert check(make_game, replace(content, start=start), SPEC).startswith("It cannot be played: ")


def test_changed_actions_are_found_out_unless_nothing_can_be_seen_of_them(
    played: tuple[list[ChunkContent], set[str]],
) -> None:
    """A button that does nothing may be swapped for another that does nothing: that would have been honest, too."""
    contents, _ = played
    content = contents[0]
    times = range(0, content.num_slots - 8, 4)
    actions = [(content.slots.action[time] + 1 + time % 3) % SPEC.num_actions for time in times]
    found = [
        check(make_game, changed(content, "action", time, action), SPEC)
        for time, action in zip(times, actions, strict=True)
    ]
    assert sum(difference != "" for difference in found) >= 0.7 * len(found)
