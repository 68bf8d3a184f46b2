"""How many of the emulator's steps survive when many games are stepped together?

Every contender plays the built-in cartridge with random actions, in turns, in one run. What counts is steps per second
of CPU time, user and system, of all processes involved: the price of a step on machines where every core is busy.
Goals: 0.80 of the bare emulator, and 1.15 times Gymnasium's AsyncVectorEnv on the same environment. Gymnasium's side is
spared its infos, which it would pickle through pipes, although ours carries the same facts in its arrays.
"""

from __future__ import annotations

import argparse
import io
import time
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import psutil
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

from gamefleet.actors.shared import SharedMemoryVector
from gamefleet.actors.steps import Restart, Vector
from gamefleet.actors.vector import InlineVector
from gamefleet.games.gymnasium_adapter import make_gymnasium
from gamefleet.games.pokemon_red import PACKAGE, cartridge
from gamefleet.games.pokemon_red.config import PokemonRedConfig
from gamefleet.games.pokemon_red.game import ACTIONS
from table import report

NUM_ACTIONS = len(ACTIONS)
BOOT_FRAMES = 241
SETTINGS: dict[str, Any] = {"max_episode_steps": 10**6, "auto_skip_text": False, "randomize_start": False}

Player = Callable[[int], None]
"""Plays so many steps, over all its games together."""


def bare_player() -> Player:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        from pyboy import PyBoy
    pyboy = PyBoy(io.BytesIO(cartridge.rom_bytes()), window="null", sound_emulated=False, cgb=False, log_level="ERROR")
    pyboy.set_emulation_speed(0)
    pyboy.tick(BOOT_FRAMES, True)
    rng = np.random.default_rng(0)

    def play(num_steps: int) -> None:
        for action in rng.integers(NUM_ACTIONS, size=num_steps).tolist():
            pyboy.button(ACTIONS[action], 8)
            pyboy.tick(24, True, False)

    return play


def game_player() -> Player:
    game = PACKAGE.make_game(PokemonRedConfig(**SETTINGS))
    game.reset(0)
    rng = np.random.default_rng(0)

    def play(num_steps: int) -> None:
        for action in rng.integers(NUM_ACTIONS, size=num_steps).tolist():
            game.step(action)

    return play


def vector_player(vector: Vector) -> Player:
    count = vector.num_envs
    vector.send(np.zeros(count, np.int16), {env: Restart(seed=env) for env in range(count)})
    vector.receive()
    rng = np.random.default_rng(0)

    def play(num_steps: int) -> None:
        for actions in rng.integers(NUM_ACTIONS, size=(num_steps // count, count)).astype(np.int16):
            vector.send(actions, {})
            vector.receive()

    return play


class WithoutInfo(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment that says nothing but what every environment must."""

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step without info."""
        obs, reward, terminated, truncated, _ = super().step(action)
        return obs, reward, terminated, truncated, {}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset without info."""
        return super().reset(seed=seed, options=options)[0], {}


def make_env() -> WithoutInfo:
    return WithoutInfo(make_gymnasium("pokemon_red", **SETTINGS))


def gymnasium_player(envs: Any) -> Player:
    envs.reset(seed=0)
    rng = np.random.default_rng(0)

    def play(num_steps: int) -> None:
        for actions in rng.integers(NUM_ACTIONS, size=(num_steps // envs.num_envs, envs.num_envs)):
            envs.step(actions)

    return play


def cpu_seconds() -> float:
    """CPU time of this process and all its children, user and system."""
    children = psutil.Process().children(recursive=True)
    return time.process_time() + sum(sum(child.cpu_times()[:2]) for child in children)


def measure(players: dict[str, Player], num_rounds: int, steps_per_round: int) -> dict[str, list[float]]:
    """CPU seconds per round and contender; the contenders take turns within each round."""
    seconds: dict[str, list[float]] = {name: [] for name in players}
    for _ in range(num_rounds):
        for name, play in players.items():
            before = cpu_seconds()
            play(steps_per_round)
            seconds[name].append(cpu_seconds() - before)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=1600, help="per contender and round")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/vectorised_steps.md")
    arguments = parser.parse_args()
    config = PokemonRedConfig(**SETTINGS)
    inline = InlineVector([PACKAGE.make_game(config) for _ in range(8)])
    shared = {
        (envs, workers): SharedMemoryVector(PACKAGE, config, num_envs=envs, num_workers=workers)
        for envs, workers in ((8, 2), (16, 2))
    }
    asynchronous, sync = AsyncVectorEnv([make_env] * 8), SyncVectorEnv([make_env] * 8)
    players = {
        "bare PyBoy, press + tick(24)": bare_player(),
        "Game.step, one game": game_player(),
        "InlineVector, 8 games": vector_player(inline),
        "SharedMemoryVector, 8 games on 2 workers": vector_player(shared[8, 2]),
        "SharedMemoryVector, 16 games on 2 workers": vector_player(shared[16, 2]),
        "gymnasium SyncVectorEnv, 8 games": gymnasium_player(sync),
        "gymnasium AsyncVectorEnv, 8 games": gymnasium_player(asynchronous),
    }
    try:
        seconds = measure(players, arguments.rounds, arguments.steps)
    finally:
        for vector in (inline, *shared.values(), asynchronous, sync):
            vector.close()
    bare, *_, gymnasium_async = (np.array(column) for column in seconds.values())
    report(
        "vectorised_steps",
        "How many of the emulator's steps survive when many games are stepped together?",
        [
            {
                "what": name,
                "us CPU per step": float(np.median(column)) / arguments.steps * 1e6,
                "vs bare": float(np.median(bare / column)),
                "vs AsyncVectorEnv": float(np.median(gymnasium_async / column)),
            }
            for name, column in seconds.items()
        ],
        arguments.write,
    )


if __name__ == "__main__":
    main()
