"""How much slower is one environment step than the emulator alone?

Both sides run the same ROM from the same moment with the same presses, in turns, in one process, on CPU time: a bare
PyBoy that presses a button and runs 24 frames with the last one rendered, and the environment, which also reads the
work RAM, packs the observation, settles the reward and ticks off milestones. Scenes are not skipped, so that both run
the same number of frames. Goal: 0.90 of the bare speed.
"""

from __future__ import annotations

import argparse
import io
import time
import warnings

import numpy as np

from gamefleet.games.pokemon_red import PACKAGE, cartridge
from gamefleet.games.pokemon_red.config import PokemonRedConfig
from gamefleet.games.pokemon_red.game import ACTIONS
from gamefleet.games.pokemon_red.observe import ARRAYS
from table import report

BOOT_FRAMES = 241
BLOCK_STEPS = 50


def open_bare() -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        from pyboy import PyBoy
    pyboy = PyBoy(io.BytesIO(cartridge.rom_bytes()), window="null", sound_emulated=False, cgb=False, log_level="ERROR")
    pyboy.set_emulation_speed(0)
    pyboy.tick(BOOT_FRAMES, True)
    return pyboy


def measure(num_blocks: int) -> tuple[float, float]:
    """CPU seconds of the bare loop and of the environment, over the same presses."""
    pyboy = open_bare()
    config = PokemonRedConfig(auto_skip_text=False, randomize_start=False, max_episode_steps=10**9)
    game = PACKAGE.make_game(config)
    game.reset(0)
    rng = np.random.default_rng(0)
    bare = environment = 0.0
    for _ in range(num_blocks):
        actions = rng.integers(len(ACTIONS), size=BLOCK_STEPS).tolist()
        start = time.process_time()
        for action in actions:
            pyboy.button(ACTIONS[action], 8)  # type: ignore[attr-defined]  # PyBoy ships no types
            pyboy.tick(24, True, False)  # type: ignore[attr-defined]
        middle = time.process_time()
        for action in actions:
            game.step(action)
        bare += middle - start
        environment += time.process_time() - middle
    return bare, environment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/environment_step.md")
    arguments = parser.parse_args()
    num_blocks = max(arguments.steps // BLOCK_STEPS, 1)
    bare, environment = measure(num_blocks)
    num_steps = num_blocks * BLOCK_STEPS
    report(
        "environment_step",
        "How much slower is one environment step than the emulator alone?",
        [
            {"what": "bare PyBoy, press + tick(24)", "us per step": bare / num_steps * 1e6, "ratio": 1.0},
            {"what": "Game.step", "us per step": environment / num_steps * 1e6, "ratio": bare / environment},
            {"what": "bytes per observation", "us per step": "", "ratio": float(sum(a.num_bytes for a in ARRAYS))},
        ],
        arguments.write,
    )


if __name__ == "__main__":
    main()
