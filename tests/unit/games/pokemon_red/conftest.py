"""Hand-written work RAM, and the states it decodes to."""

from collections.abc import Callable
from typing import Any

import pytest

from gamefleet.games.pokemon_red import tables
from gamefleet.games.pokemon_red.game import PokemonRed, make_game
from gamefleet.games.pokemon_red.reader import StateReader
from gamefleet.games.pokemon_red.state import State


class Image:
    """64 kB of memory that is written by symbol and read by address, as PyBoy's is."""

    def __init__(self) -> None:
        self._bytes = bytearray(0x10000)

    def __getitem__(self, address: int | slice) -> Any:
        return list(self._bytes[address]) if isinstance(address, slice) else self._bytes[address]

    def write(self, symbol: str, *values: int, offset: int = 0) -> "Image":
        start = tables.symbols()[symbol].address + offset
        self._bytes[start : start + len(values)] = bytes(values)
        return self

    def set_event(self, index: int) -> "Image":
        address = tables.symbols()["wEventFlags"].address + index // 8
        self._bytes[address] |= 1 << index % 8
        return self

    def add_partner(self, *, level: int, health: int, max_health: int, species: int = 1) -> "Image":
        count = self[tables.symbols()["wPartyCount"].address]
        start = 44 * count
        self.write("wPartyMons", species, health >> 8, health & 255, offset=start)
        self.write("wPartyMons", level, max_health >> 8, max_health & 255, offset=start + 0x21)
        return self.write("wPartyCount", count + 1)

    def state(self) -> State:
        return StateReader(self).read()


@pytest.fixture
def image() -> Callable[[], Image]:
    return Image


@pytest.fixture(scope="session")
def cartridge_game() -> PokemonRed:
    from gamefleet.games.pokemon_red.config import PokemonRedConfig

    return make_game(PokemonRedConfig())
