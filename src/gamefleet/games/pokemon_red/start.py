"""From power-on to the first moment an agent can act.

Job: bring a ROM to the start of its story, and make one start unlike another. Place in the data flow: `game` boots once
and starts every episode from the emulator state that is left behind. Left out: the starts that a
curriculum chooses, which `restore_state` goes to.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from gamefleet.errors import ConfigError, RomError
from gamefleet.games.pokemon_red import tables
from gamefleet.games.pokemon_red.emulator import Emulator
from gamefleet.games.pokemon_red.profile import Profile
from gamefleet.games.pokemon_red.saved import is_packed, unpack

# The cartridge shows its first scene after about 120 frames.
_CARTRIDGE_FRAMES = 240
# The commercial game's title, introduction and two names take about 100 presses when nothing is read.
_MAX_INTRODUCTION_PRESSES = 2000
_FADE_IN_FRAMES = 120
_IS_TIMER_COUNTING = 1
# Where the cartridge promises to keep its 16-bit random seed.
_SEED_ADDRESS = 0xDC00


def load_start(emulator: Emulator, path: str, *, game_version: str, rom_sha1: str) -> None:
    """Go to the state that a user wants every episode to start at.

    Args:
        emulator: Any state.
        path: A state of ours or a PyBoy state.
        game_version: The version that reads it.
        rom_sha1: The ROM being played.

    Raises:
        ConfigError: The file cannot be read.
        IncompatibleError: It is no state, or one of another version or ROM.
    """
    try:
        data = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The start state cannot be read: {error.strerror or error}",
            value=path,
            where="game.start_state",
            remedy="Give the path of a state that exists, or leave it empty to start at the beginning.",
        ) from error
    is_ours = is_packed(data)
    emulator.load(unpack(data, game_version=game_version, rom_sha1=rom_sha1).emulator if is_ours else data)


def boot(emulator: Emulator, profile: Profile) -> None:
    """Run until the player stands in the first room.

    Args:
        emulator: Just switched on.
        profile: The ROM it plays.

    Raises:
        RomError: The introduction did not end.
    """
    if profile.name == "cartridge":
        emulator.wait(_CARTRIDGE_FRAMES)
    else:
        _skip_introduction(emulator)


def _skip_introduction(emulator: Emulator) -> None:
    """Press A and START in turn: A answers every text and menu, START ends the two name keyboards and the title.

    The game counts playing time from the first moment in the first room: that flag says that the introduction is over.
    """
    status = tables.symbols()["wStatusFlags6"].address
    for press in range(_MAX_INTRODUCTION_PRESSES):
        if emulator.memory[status] & _IS_TIMER_COUNTING:
            emulator.wait(_FADE_IN_FRAMES)
            return
        emulator.press("start" if press % 2 else "a", render=False)
    raise RomError(
        "The game's introduction did not end",
        value=f"{_MAX_INTRODUCTION_PRESSES} presses",
        where="power-on",
        remedy="Check that the ROM starts in another emulator.",
    )


def randomize(emulator: Emulator, profile: Profile, seed: int) -> None:
    """Let a seed decide the game's random numbers.

    Args:
        emulator: At the start of the story.
        profile: How its random numbers are reached.
        seed: Any integer.
    """
    digest = hashlib.blake2b(str(seed).encode(), digest_size=2).digest()
    if profile.randomize_by == "idle_frames":
        emulator.wait(digest[0])
        return
    for offset, byte in enumerate(digest):
        emulator.write(_SEED_ADDRESS + offset, byte)
