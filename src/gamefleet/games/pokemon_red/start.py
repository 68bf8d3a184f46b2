"""From power-on to the first moment an agent can act.

Job: bring a ROM to the start of its story. Place in the data flow: `game` runs it once and starts every episode from
the emulator state it leaves behind. Left out: randomising a start, which each reset does.
"""

from __future__ import annotations

from gamefleet.errors import RomError
from gamefleet.games.pokemon_red import tables
from gamefleet.games.pokemon_red.emulator import Emulator
from gamefleet.games.pokemon_red.profile import Profile

# The cartridge shows its first scene after about 120 frames.
_CARTRIDGE_FRAMES = 240
# The commercial game's title, introduction and two names take about 100 presses when nothing is read.
_MAX_INTRODUCTION_PRESSES = 2000
_FADE_IN_FRAMES = 120
_IS_TIMER_COUNTING = 1


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
