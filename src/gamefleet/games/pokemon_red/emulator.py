"""PyBoy behind six functions.

Job: run frames, press buttons, read memory and pictures, save and load. Place in the data flow: the only module of
this package that imports the emulator. Left out: what the bytes mean.

Speed rules, measured: no window, no sound (3.8 times slower), no hooks (each hit costs), many frames per `tick` with
only the last one rendered (5 times slower when all are), emulation speed unlimited.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import IncompatibleError, MissingDependencyError
from gamefleet.games.pokemon_red.reader import Memory

PRESS_FRAMES = 8
STEP_FRAMES = 24
_GREYS = (0xFFFFFF, 0x999999, 0x555555, 0x000000)


def _open_pyboy(rom: bytes) -> Any:
    """A PyBoy that plays a ROM from memory; typed loosely because PyBoy ships no types."""
    try:
        with warnings.catch_warnings():
            # The SDL package announces on import which library it loads; no window is ever opened.
            warnings.simplefilter("ignore", UserWarning)
            from pyboy import PyBoy
    except ImportError as error:
        raise MissingDependencyError(
            "The Game Boy emulator is not installed",
            value=str(error),
            remedy="Install it with: pip install 'gamefleet[red]'",
        ) from error
    pyboy = PyBoy(
        io.BytesIO(rom),
        window="null",
        sound_emulated=False,
        cgb=False,
        color_palette=_GREYS,
        log_level="ERROR",
    )
    pyboy.set_emulation_speed(0)
    return pyboy


class Emulator:
    """One Game Boy.

    Args:
        rom: The ROM's bytes.
    """

    def __init__(self, rom: bytes) -> None:
        self._pyboy = _open_pyboy(rom)
        self.memory: Memory = self._pyboy.memory
        # A live view of the last rendered frame, uint8 `[144, 160, 4]`, RGB and an unused channel.
        self.picture: NDArray[np.uint8] = self._pyboy.screen.ndarray

    def press(self, button: str, *, render: bool = True) -> None:
        """Press a button for 8 frames and let 24 pass.

        Args:
            button: `down`, `left`, `right`, `up`, `a`, `b`, `start` or `select`.
            render: Draw the last frame.
        """
        self._pyboy.button(button, PRESS_FRAMES)
        self._pyboy.tick(STEP_FRAMES, render, False)

    def wait(self, frames: int, *, render: bool = False) -> None:
        """Let frames pass.

        Args:
            frames: How many, of 1/60 s; none for 0.
            render: Draw the last one.
        """
        if frames:
            self._pyboy.tick(frames, render, False)

    def write(self, address: int, value: int) -> None:
        """Write one byte of memory."""
        self._pyboy.memory[address] = value

    def rgb(self) -> NDArray[np.uint8]:
        """The last rendered frame, uint8 `[144, 160, 3]`; a copy."""
        return self.picture[:, :, :3].copy()

    def save(self) -> bytes:
        """The emulator's state, 150 kB, its picture included."""
        buffer = io.BytesIO()
        self._pyboy.save_state(buffer)
        return buffer.getvalue()

    def load(self, state: bytes) -> None:
        """Go to a saved state of the same ROM.

        Args:
            state: What `save` returned, or PyBoy wrote.

        Raises:
            IncompatibleError: PyBoy cannot read it.
        """
        from pyboy.utils import PyBoyException

        try:
            self._pyboy.load_state(io.BytesIO(state))
        except PyBoyException as error:
            raise IncompatibleError(
                f"The emulator cannot read a saved state: {error}",
                where=f"{len(state)} bytes",
                remedy="It is damaged, or a newer PyBoy wrote it: update with pip install -U pyboy, or save again.",
            ) from error

    def close(self) -> None:
        """Stop; nothing is written beside the ROM."""
        self._pyboy.stop(save=False)
