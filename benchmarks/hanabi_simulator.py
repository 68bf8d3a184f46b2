"""How many moves of Hanabi per second does one core play, encodings included?

Standard game, random legal moves, one process, in turns with OpenSpiel and, where there is a Python that has it, with
the Hanabi Learning Environment (`HANABI_LEARNING_ENVIRONMENT_PYTHON` names it: the package does not build with current
tools unless CMAKE_POLICY_VERSION_MINIMUM=3.5 is set, so it has an environment of its own). What counts is CPU time.
Every contender finds the legal moves, chooses one, moves, and encodes what the next player sees; `HanabiBatch` also
writes everything else that actors need. Goals at 256 games and above: 1.5 times OpenSpiel's fastest path, 20 times the
Learning Environment's `rl_env`.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyspiel
from numpy.typing import NDArray
from open_spiel.python.observation import make_observation

from gamefleet.games.batch import empty_rows
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.game import HanabiBatch, make_game, make_spec
from gamefleet.games.hanabi.observe import Encoder
from gamefleet.games.hanabi.shuffle import decks_of, sorted_deck
from gamefleet.games.hanabi.simulator import Simulator, bytes_of_words
from table import Row, report

Player = Callable[[int], None]
"""Plays so many moves, over all its games together."""

BASELINE = "OpenSpiel, own deck, set_from"

LEARNING_ENVIRONMENT = """
import random, sys, time
from hanabi_learning_environment import pyhanabi, rl_env

def play_rl_env(count):
    env = rl_env.make("Hanabi-Full", num_players=2)
    seen = env.reset()
    for _ in range(count):
        mine = seen["player_observations"][seen["current_player"]]
        seen, _, is_over, _ = env.step(random.choice(mine["legal_moves"]))
        if is_over:
            seen = env.reset()

def play_pyhanabi(count):
    game = pyhanabi.HanabiGame({"players": 2, "random_start_player": False})
    encoder = pyhanabi.ObservationEncoder(game, pyhanabi.ObservationEncoderType.CANONICAL)
    state = None
    while count:
        if state is None or state.is_terminal():
            state = game.new_initial_state()
        if state.cur_player() == pyhanabi.CHANCE_PLAYER_ID:
            state.deal_random_card()
            continue
        encoder.encode(state.observation(state.cur_player()))
        state.apply_move(random.choice(state.legal_moves()))
        count -= 1

for name, play in (("rl_env", play_rl_env), ("pyhanabi + ObservationEncoder", play_pyhanabi)):
    before = time.process_time()
    play(int(sys.argv[1]))
    print(name, time.process_time() - before, sep="\\t")
"""


def open_spiel_player(*, own_deck: bool, encode: str) -> Player:
    game = pyspiel.load_game("hanabi")
    deck = sorted_deck(HanabiConfig()).tolist()
    observer = make_observation(game)

    def start() -> tuple[Any, list[int]]:
        return game.new_initial_state(), random.sample(deck, len(deck))

    def play(num_moves: int) -> None:
        state, cards = start()
        while num_moves:
            if state.is_chance_node():
                if own_deck:
                    state.apply_action(cards.pop())
                else:
                    outcomes, chances = zip(*state.chance_outcomes(), strict=True)
                    state.apply_action(random.choices(outcomes, chances)[0])
            elif state.is_terminal():
                state, cards = start()
            else:
                if encode == "set_from":
                    observer.set_from(state, state.current_player())
                elif encode == "list":
                    state.observation_tensor()
                state.apply_action(random.choice(state.legal_actions()))
                num_moves -= 1

    return play


def random_legal(legal: NDArray[np.uint8], num_actions: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """One of the legal actions in each row."""
    bits = np.unpackbits(legal, axis=1, count=num_actions)
    return (bits * rng.random(bits.shape, np.float32)).argmax(axis=1)


def simulator_player(num_envs: int) -> Player:
    config, rng = HanabiConfig(), np.random.default_rng(0)
    simulator = Simulator(config, num_envs)
    encoder = Encoder(config, simulator.state)
    envs, seeds = np.arange(num_envs), iter(range(10**9))

    def deal(rows: NDArray[np.int64]) -> None:
        simulator.deal(rows, decks_of(config, [next(seeds) for _ in rows]))

    deal(envs)

    def play(num_moves: int) -> None:
        for _ in range(num_moves // num_envs):
            legal = bytes_of_words(simulator.legal_words(envs), config.num_actions)
            encoder.encode(envs, simulator.state.seat)
            simulator.move(envs, random_legal(legal, config.num_actions, rng))
            over = np.flatnonzero(simulator.state.is_over)
            if over.size:
                deal(over)

    return play


def batch_player(num_envs: int) -> Player:
    config, rng = HanabiConfig(), np.random.default_rng(0)
    rows = empty_rows(make_spec(config), num_envs)
    batch = HanabiBatch(config, rows)
    envs, seeds = np.arange(num_envs), iter(range(10**9))
    batch.reset(envs, [next(seeds) for _ in envs])

    def play(num_moves: int) -> None:
        for _ in range(num_moves // num_envs):
            batch.step(envs, random_legal(rows.obs["legal"], config.num_actions, rng).astype(np.int16))
            over = np.flatnonzero(rows.terminated)
            if over.size:
                batch.reset(over, [next(seeds) for _ in over])

    return play


def single_player() -> Player:
    game = make_game(HanabiConfig())

    def play(num_moves: int) -> None:
        step = game.reset(0)
        for number in range(num_moves):
            legal = np.flatnonzero(np.unpackbits(step.obs["legal"], count=game.spec.num_actions))
            step = game.step(int(random.choice(legal)))
            if step.terminated:
                step = game.reset(number)

    return play


def learning_environment(python: str, num_moves: int) -> dict[str, float]:
    """CPU seconds of each of its paths for so many moves."""
    done = subprocess.run(
        [python, "-c", LEARNING_ENVIRONMENT, str(num_moves)], capture_output=True, text=True, check=True
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return {f"Learning Environment, {name}": float(seconds) for name, seconds in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--moves", type=int, default=16_384, help="per contender and round")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/hanabi_simulator.md")
    arguments = parser.parse_args()
    players = {
        "OpenSpiel, chance_outcomes, list": open_spiel_player(own_deck=False, encode="list"),
        "OpenSpiel, own deck, list": open_spiel_player(own_deck=True, encode="list"),
        BASELINE: open_spiel_player(own_deck=True, encode="set_from"),
        "OpenSpiel, own deck, no encoding": open_spiel_player(own_deck=True, encode=""),
        **{f"Simulator and Encoder, {n} games": simulator_player(n) for n in (32, 100, 256, 1024, 4096)},
        **{f"HanabiBatch, {n} games": batch_player(n) for n in (32, 100, 256, 1024)},
        "make_game, one game": single_player(),
    }
    seconds: dict[str, list[float]] = {name: [] for name in players}
    python = os.environ.get("HANABI_LEARNING_ENVIRONMENT_PYTHON", "")
    for _ in range(arguments.rounds):
        for name, play in players.items():
            # One game alone is slow: a tenth of the moves says the same.
            share = 10 if name == "make_game, one game" else 1
            before = time.process_time()
            play(arguments.moves // share)
            seconds[name].append((time.process_time() - before) * share)
        if python:
            for name, spent in learning_environment(python, arguments.moves // 8).items():
                seconds.setdefault(name, []).append(spent * 8)
    report("hanabi_simulator", (__doc__ or "").splitlines()[0], rows_of(seconds, arguments.moves), arguments.write)


def rows_of(seconds: dict[str, list[float]], num_moves: int) -> list[Row]:
    """Median speeds, and their ratios round by round, because all contenders share the noise of a round."""
    slow = "Learning Environment, rl_env"
    rows: list[Row] = []
    for name, spent in seconds.items():
        row: Row = {
            "contender": name,
            "moves per CPU second": num_moves / float(np.median(spent)),
            f"times {BASELINE}": float(np.median(np.divide(seconds[BASELINE], spent))),
        }
        if slow in seconds:
            row[f"times {slow}"] = float(np.median(np.divide(seconds[slow], spent)))
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
