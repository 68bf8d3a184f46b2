"""What does the replay cost beside copying the same bytes?

Slots are those of Pokémon Red, played at random on the built-in cartridge. Adding and drawing are measured against a
plain copy of as many bytes between places that are as cold, in turns, in CPU time. `add` is dominated by the number of
arrays, not of bytes, so that its price is also given for one assignment per array, the least that separate arrays can
cost. Saves show what a checkpoint pays when all, little or nothing is new; the first one compresses everything.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gamefleet.experience.replay import Replay
from gamefleet.experience.settings import ReplaySettings
from gamefleet.experience.types import SequenceBatch, Slots
from gamefleet.games.pokemon_red import PACKAGE
from gamefleet.games.pokemon_red.config import PokemonRedConfig
from gamefleet.games.pokemon_red.game import make_spec
from table import report

NUM_ENVS, STATE_SIZE, NUM_STEPS, BATCH_SIZE = 8, 256, 5, 32
CAPACITY_STEPS = 200_000
NUM_PLAYED = 4096
CHECKPOINT_STEPS = 10_000


def play(num_steps: int) -> dict[str, NDArray[np.generic]]:
    """Observations of one game, `[time, ...]`."""
    game = PACKAGE.make_game(PokemonRedConfig(max_episode_steps=10**6))
    game.reset(0)
    rng = np.random.default_rng(0)
    seen: list[dict[str, NDArray[np.generic]]] = []
    for action in rng.integers(game.spec.num_actions, size=num_steps).tolist():
        obs = game.step(action).obs
        seen.append({name: array.copy() for name, array in obs.items()})
    game.close()
    return {name: np.stack([obs[name] for obs in seen]) for name in seen[0]}


def vector_steps(played: dict[str, NDArray[np.generic]]) -> list[Slots]:
    """One `Slots` per vector step; each environment is at another time of the same recording."""
    shift = NUM_PLAYED // NUM_ENVS
    times = (np.arange(NUM_PLAYED)[:, None] + shift * np.arange(NUM_ENVS)) % NUM_PLAYED
    return [
        Slots(
            obs={name: array[row] for name, array in played.items()},
            action=np.ones(NUM_ENVS, np.int16),
            reward=np.ones(NUM_ENVS, np.float32),
            is_first=np.zeros(NUM_ENVS, np.bool_),
            is_last=np.zeros(NUM_ENVS, np.bool_),
            is_terminal=np.zeros(NUM_ENVS, np.bool_),
        )
        for row in times
    ]


def arrays_of(slots: Slots | SequenceBatch) -> list[NDArray[np.generic]]:
    return [*slots.obs.values(), slots.action, slots.reward, slots.is_first, slots.is_last, slots.is_terminal]


def cpu_seconds(act: Callable[[], object]) -> float:
    before = time.process_time()
    act()
    return time.process_time() - before


class Contenders:
    """A full replay, and copies of the same size without it."""

    def __init__(self) -> None:
        layout = {array.name: (array.shape, array.dtype) for array in make_spec(PokemonRedConfig()).observations}
        settings = ReplaySettings(capacity_steps=CAPACITY_STEPS)
        self.replay = Replay(
            layout, settings, num_streams=NUM_ENVS, state_size=STATE_SIZE, num_steps=NUM_STEPS, seed=0
        )  # fmt: skip
        self.steps = vector_steps(play(NUM_PLAYED))
        # Noise, as real states are to a compressor; as many as a prime, so that windows rarely begin with the same.
        self.states = np.random.default_rng(1).normal(size=(1021, NUM_ENVS, STATE_SIZE)).astype(np.float32)
        self.added = 0
        self.add(CAPACITY_STEPS // NUM_ENVS + 1)
        self.step_bytes = sum(array.nbytes for array in arrays_of(self.steps[0]))
        batch = self.replay.sample(BATCH_SIZE)
        drawn = [*arrays_of(batch), batch.previous_action, batch.previous_reward, batch.state]
        self.batch_bytes = sum(array.nbytes for array in drawn)
        self.memory = np.ones(CAPACITY_STEPS * self.step_bytes // NUM_ENVS, np.uint8)
        self.bundle = np.ones(self.step_bytes, np.uint8)
        self.rings = [np.ones((NUM_ENVS, CAPACITY_STEPS // NUM_ENVS, *a.shape[1:]), a.dtype) for a in
                      arrays_of(self.steps[0])]  # fmt: skip
        self.rng = np.random.default_rng(0)

    def add(self, count: int) -> None:
        """Append vector steps to the replay."""
        for _ in range(count):
            self.replay.add(self.steps[self.added % NUM_PLAYED], self.states[self.added % 1021])
            self.added += 1

    def copy_steps(self, count: int) -> None:
        """Copy as many bytes as vector steps hold."""
        size, memory, bundle = self.step_bytes, self.memory, self.bundle
        for i in range(count):
            start = (self.added + i) * size % (memory.size - size)
            memory[start : start + size] = bundle

    def assign_arrays(self, count: int) -> None:
        """Assign each array of vector steps to a place in a ring of its own, and nothing else."""
        for i in range(count):
            step, slot = self.steps[i % NUM_PLAYED], (self.added + i) % (CAPACITY_STEPS // NUM_ENVS)
            for ring, array in zip(self.rings, arrays_of(step), strict=True):
                ring[:, slot] = array

    def sample(self, count: int) -> None:
        """Draw batches."""
        for _ in range(count):
            self.replay.sample(BATCH_SIZE)

    def copy_batches(self, count: int) -> None:
        """Copy as many bytes as batches hold, from random places into fresh memory."""
        for start in self.rng.integers(self.memory.size - self.batch_bytes, size=count).tolist():
            self.memory[start : start + self.batch_bytes].copy()


def measure_copies(
    contenders: Contenders, num_rounds: int, num_adds: int, num_samples: int
) -> list[dict[str, str | float]]:
    plans = {
        "add, 8 environments": (contenders.add, num_adds),
        "one assignment per array": (contenders.assign_arrays, num_adds),
        "memcpy of a vector step": (contenders.copy_steps, num_adds),
        "sample, 32 windows of 85 slots": (contenders.sample, num_samples),
        "memcpy of a batch": (contenders.copy_batches, num_samples),
    }
    seconds = {name: np.zeros(num_rounds) for name in plans}
    for number in range(num_rounds):
        for name, (act, count) in plans.items():
            seconds[name][number] = cpu_seconds(lambda act=act, count=count: act(count)) / count
    rows: list[dict[str, str | float]] = []
    for name in plans:
        is_step = plans[name][1] == num_adds
        reference = seconds["memcpy of a vector step" if is_step else "memcpy of a batch"]
        rows.append(
            {
                "what": name,
                "KB": (contenders.step_bytes if is_step else contenders.batch_bytes) / 1e3,
                "us CPU": float(np.median(seconds[name])) * 1e6,
                "memcpy / this": float(np.median(reference / seconds[name])),
            }
        )
    return rows


def measure_saves(contenders: Contenders) -> list[dict[str, str | float]]:
    rows: list[dict[str, str | float]] = []
    with tempfile.TemporaryDirectory() as scratch:
        previous: Path | None = None
        full = 0.0
        for name, num_new in (
            ("save of 200,000 steps", 0),
            ("save, nothing new", 0),
            ("save, 10,000 steps new", CHECKPOINT_STEPS),
        ):
            contenders.add(num_new // NUM_ENVS)
            folder = Path(scratch) / f"{len(rows)}"
            folder.mkdir()
            seconds = cpu_seconds(lambda folder=folder, previous=previous: contenders.replay.save(folder, previous))
            full = full or seconds
            written = sum(path.stat().st_size for path in folder.iterdir() if path.stat().st_nlink == 1)
            rows.append(
                {"what": name, "KB": written / 1e3, "us CPU": seconds * 1e6, "full save / this": full / seconds}
            )
            previous = folder
        seconds = cpu_seconds(lambda: contenders.replay.load(folder))
        rows.append({"what": "load", "us CPU": seconds * 1e6, "full save / this": full / seconds})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--adds", type=int, default=500, help="vector steps per round and contender")
    parser.add_argument("--samples", type=int, default=20, help="batches per round and contender")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/replay.md")
    arguments = parser.parse_args()
    contenders = Contenders()
    rows = measure_copies(contenders, arguments.rounds, arguments.adds, arguments.samples)
    rows += measure_saves(contenders)
    report("replay", "What does the replay cost beside copying the same bytes?", rows, arguments.write)


if __name__ == "__main__":
    main()
