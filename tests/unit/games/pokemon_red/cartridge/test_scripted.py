import random
from typing import Any

import pytest

from gamefleet.games.pokemon_red.scripted import Solver

STORY = [39, 0, 32, 33, 34, 35, 57, 56, 37, 36, 24, 1378, 1379, 1380, 114, 119, 118, 1504, 994, 995, 996, 1393, 1394]
BUTTONS = {"down", "left", "right", "up", "a", "b", "start"}


def test_the_solver_wins_both_badges_from_power_on(console: Any, journey: Any) -> None:
    assert journey.finished
    assert 800 <= journey.steps <= 2500
    console.load(journey.end)
    assert console.memory[0xD356] & 3 == 3
    assert console.memory[0xD72A] & 3 == 3


def test_the_story_s_events_are_set_in_order(journey: Any) -> None:
    assert [event for event in journey.order if event in STORY] == STORY
    assert {186, 190, 191} <= set(journey.order)


def test_the_journey_leaves_a_party_money_and_an_index(console: Any, journey: Any) -> None:
    console.load(journey.end)
    assert console.memory[0xD163] >= 1
    assert console.memory[0xD16B + 0x21] >= 12
    assert int(console.money()) > 1000
    assert console.memory[0xD2F7] & 1
    assert sum(byte.bit_count() for byte in console.read(0xD30A, 19)) >= 6


def test_the_gate_move_is_known_once_the_shears_are_there(console: Any, journey: Any) -> None:
    console.load(journey.end)
    assert 0xC4 in console.read(0xD31E, 20)[::2]
    assert 15 in console.read(0xD16B + 8, 4)


def test_the_solver_only_presses_known_buttons_and_leaves_memory_alone(console: Any) -> None:
    before = console.read(0xC000, 0x2000)
    assert Solver(console.read).next_button() in BUTTONS
    assert console.read(0xC000, 0x2000) == before


def test_a_fresh_solver_goes_on_from_the_middle_of_the_story(console: Any, journey: Any) -> None:
    console.load(journey.after[56])
    console.solve(lambda: console.event(24), limit=300)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_the_solver_wins_after_any_random_beginning(console: Any, seed: int) -> None:
    chance = random.Random(seed)
    console.write(0xDC00, 1 + seed, 3 * seed)
    for _ in range(seed * 300):
        console.act(chance.choice(sorted(BUTTONS)))
    console.solve(Solver(console.read).finished)
