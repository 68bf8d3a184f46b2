"""What do files of experience cost beside copying the same bytes, and how large are they?

Chunks are those of Pokémon Red, played at random on the built-in cartridge, without recurrent states and with some of
the usual size, which are noise to a compressor. Writing and reading a chunk in memory is measured against a plain copy
of its arrays, in turns, in CPU time. Recording is what a recorder takes beside a step of playing, most of it for saving
one state per chunk; playing a chunk again is compared with playing it the first time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import numpy as np

from gamefleet.actors.actor import Actor
from gamefleet.actors.chunks import ChunkRecorder
from gamefleet.actors.curriculum import Beginning
from gamefleet.actors.policy import RandomPolicy
from gamefleet.actors.resimulate import check
from gamefleet.actors.vector import make_vector
from gamefleet.experience.chunk_file import ChunkContent, ChunkFacts, StoredChunk, decode, encode
from gamefleet.games.pokemon_red import PACKAGE
from gamefleet.games.pokemon_red.config import PokemonRedConfig
from table import Row, report

NUM_ENVS, CHUNK_STEPS, STATE_SIZE = 4, 400, 256
CONFIG = PokemonRedConfig(max_episode_steps=10**6)
FACTS = ChunkFacts(member="m0", environment="e000", seq=1, compatibility="0" * 32, weights_version=0, epsilon=1.0)


def cpu_seconds(act: Callable[[], object]) -> float:
    before = time.process_time()
    act()
    return time.process_time() - before


def play(num_chunks: int) -> tuple[list[ChunkContent], float, float]:
    """Chunks of each game, and the seconds of one step of all games: of playing it, and of recording it."""
    vector = make_vector(PACKAGE, CONFIG, num_envs=NUM_ENVS, num_workers=0)
    policy = RandomPolicy(num_actions=vector.spec.num_actions, num_envs=NUM_ENVS, seed=0)
    contents: list[ChunkContent] = []
    playing = recording = 0.0
    with closing(Actor(vector=vector, policy=policy, curriculum=Beginning(), seed=0)) as actor:
        recorder = ChunkRecorder(vector, chunk_steps=CHUNK_STEPS)
        recorder.observe(actor.step())
        num_steps = num_chunks * CHUNK_STEPS + 1
        for _ in range(num_steps):
            before = time.process_time()
            moment = actor.step()
            between = time.process_time()
            contents += [chunk.content for chunk in recorder.observe(moment)]
            playing += between - before
            recording += time.process_time() - between
    return contents, playing / num_steps, recording / num_steps


def with_states(contents: list[ChunkContent], size: int) -> list[StoredChunk]:
    rng = np.random.default_rng(1)
    return [
        StoredChunk(
            facts=FACTS,
            content=replace(content, state=np.tanh(rng.normal(size=(content.num_slots, size))).astype(np.float32)),
        )
        for content in contents
    ]


def arrays_of(chunk: StoredChunk) -> list[np.ndarray]:
    slots = chunk.content.slots
    flags = [slots.action, slots.reward, slots.is_first, slots.is_last, slots.is_terminal]
    return [*slots.obs.values(), *flags, chunk.content.state]


def measure(chunks: list[StoredChunk], num_rounds: int) -> list[Row]:
    files = [encode(chunk) for chunk in chunks]
    raw_bytes = sum(array.nbytes for chunk in chunks for array in arrays_of(chunk))
    steps = sum(chunk.content.num_slots - 1 for chunk in chunks)
    kind = f"{chunks[0].content.state.shape[1]} states"
    plans: dict[str, Callable[[], object]] = {
        f"memcpy, {kind}": lambda: [array.copy() for chunk in chunks for array in arrays_of(chunk)],
        f"encode, {kind}": lambda: [encode(chunk) for chunk in chunks],
        f"decode, {kind}": lambda: [decode(data) for data in files],
    }
    seconds = {name: np.zeros(num_rounds) for name in plans}
    for number in range(num_rounds):
        for name, act in plans.items():
            seconds[name][number] = cpu_seconds(act)
    reference = seconds[f"memcpy, {kind}"]
    return [
        {
            "what": name,
            "MB/s": raw_bytes / float(np.median(taken)) / 1e6,
            "memcpy / this": float(np.median(reference / taken)),
            "raw bytes per step": raw_bytes / steps,
            "stored bytes per step": sum(map(len, files)) / steps,
            "us CPU per step": float(np.median(taken)) / steps * 1e6,
        }
        for name, taken in seconds.items()
    ]


def measure_play(contents: list[ChunkContent], playing: float, recording: float) -> list[Row]:
    game = PACKAGE.make_game(CONFIG)
    spec = game.spec
    game.close()
    chosen = contents[:NUM_ENVS]
    again = cpu_seconds(lambda: [check(lambda: PACKAGE.make_game(CONFIG), content, spec) for content in chosen])
    seconds = {
        "play a step": playing / NUM_ENVS,
        "record it, states included": recording / NUM_ENVS,
        "play it again": again / sum(content.num_slots - 1 for content in chosen),
    }
    return [
        {"what": name, "us CPU per step": taken * 1e6, "play / this": seconds["play a step"] / taken}
        for name, taken in seconds.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=5, help="chunks per game")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/chunks.md")
    arguments = parser.parse_args()
    contents, playing, recording = play(arguments.chunks)
    rows = [row for size in (0, STATE_SIZE) for row in measure(with_states(contents, size), arguments.rounds)]
    rows += measure_play(contents, playing, recording)
    report("chunks", "What do files of experience cost, and how large are they?", rows, arguments.write)


if __name__ == "__main__":
    main()
