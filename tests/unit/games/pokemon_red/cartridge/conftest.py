"""An emulator with the cartridge in it, and states along one scripted play-through."""

import io
import warnings
from collections.abc import Callable, Iterator

import pytest

from gamefleet.games.pokemon_red.cartridge import rom_bytes
from gamefleet.games.pokemon_red.scripted import Solver

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the display library announces itself on import
    from pyboy import PyBoy

BOOT_FRAMES = 200
MAX_STEPS = 5000


class Console:
    """A Game Boy that plays the cartridge, one agent action at a time."""

    def __init__(self) -> None:
        rom = io.BytesIO(rom_bytes())
        self.pyboy = PyBoy(rom, window="null", sound_emulated=False, log_level="ERROR")
        self.pyboy.set_emulation_speed(0)
        self.pyboy.tick(BOOT_FRAMES, False)
        self.memory = self.pyboy.memory

    def act(self, *buttons: str, held: int = 8, frames: int = 24) -> None:
        for button in buttons:
            self.pyboy.button_press(button)
            self.pyboy.tick(held, False)
            self.pyboy.button_release(button)
            self.pyboy.tick(frames - held, False)

    def read(self, address: int, length: int) -> bytes:
        return bytes(self.memory[address : address + length])

    def write(self, address: int, *values: int) -> None:
        for offset, value in enumerate(values):
            self.memory[address + offset] = value

    def place(self) -> tuple[int, int, int]:
        """Map, column, row."""
        return self.memory[0xD35E], self.memory[0xD362], self.memory[0xD361]

    def event(self, index: int) -> bool:
        return bool(self.memory[0xD747 + index // 8] >> index % 8 & 1)

    def events(self) -> list[int]:
        return [index for index in range(2560) if self.event(index)]

    def money(self) -> str:
        return self.read(0xD347, 3).hex()

    def save(self) -> bytes:
        buffer = io.BytesIO()
        self.pyboy.save_state(buffer)
        return buffer.getvalue()

    def load(self, state: bytes) -> None:
        self.pyboy.load_state(io.BytesIO(state))

    def solve(self, until: Callable[[], bool], limit: int = MAX_STEPS) -> int:
        """Let the solver play until something holds; returns the actions it took."""
        solver = Solver(self.read)
        for step in range(limit):
            if until():
                return step
            self.act(solver.next_button())
        raise AssertionError(f"not reached in {limit} actions: {self.place()}, events {self.events()}")

    def is_free(self) -> bool:
        """No battle, text or cut-scene."""
        return not (self.memory[0xD057] or self.memory[0xCFC4] or self.memory[0xCD6B])


class Journey:
    """One play-through by the solver: the state right after each event, and what was seen on the way."""

    def __init__(self, console: Console) -> None:
        self.order: list[int] = []
        self.after: dict[int, bytes] = {}
        self.on_map: dict[int, bytes] = {}
        self.in_wild_battle = b""
        self.steps = 0
        solver = Solver(console.read)
        while not solver.finished() and self.steps < MAX_STEPS:
            console.act(solver.next_button())
            self.steps += 1
            self._look(console)
        self.finished = solver.finished()
        self.end = console.save()

    def _look(self, console: Console) -> None:
        for event in set(console.events()) - set(self.order):
            self.order.append(event)
            self.after[event] = console.save()
        map_id = console.memory[0xD35E]
        if map_id not in self.on_map and console.is_free():
            self.on_map[map_id] = console.save()
        if console.memory[0xD057] == 1 and console.event(36) and not self.in_wild_battle:
            self.in_wild_battle = console.save()


@pytest.fixture(scope="session")
def shared_console() -> Iterator[Console]:
    console = Console()
    yield console
    console.pyboy.stop(save=False)


@pytest.fixture(scope="session")
def power_on(shared_console: Console) -> bytes:
    return shared_console.save()


@pytest.fixture(scope="session")
def journey(shared_console: Console, power_on: bytes) -> Journey:
    shared_console.load(power_on)
    return Journey(shared_console)


@pytest.fixture
def console(shared_console: Console, power_on: bytes) -> Console:
    """The cartridge right after power-on."""
    shared_console.load(power_on)
    return shared_console
