"""The Game Boy game that gamefleet ships, and its bytes.

Job: hand out the committed cartridge, verified. Place in the data flow: the environment and the tests load the bytes
into an emulator. Left out: building it (`build.py`), its world (`world.py`) and playing it (`..scripted`).
"""

from __future__ import annotations

import hashlib
from importlib import resources

from gamefleet.errors import RomError

__all__ = ["rom_bytes", "rom_sha256"]


def rom_sha256() -> str:
    """The sha256 of the committed cartridge, as lower-case hexadecimal digits."""
    return (resources.files(__package__) / "cartridge.sha256").read_text(encoding="ascii").split()[0]


def rom_bytes() -> bytes:
    """The cartridge, 32,768 bytes.

    Returns:
        The image as an emulator loads it.

    Raises:
        RomError: When the file does not have the sha256 that is stored next to it.
    """
    data = (resources.files(__package__) / "cartridge.gb").read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != rom_sha256():
        raise RomError(
            "The shipped cartridge is damaged",
            value=found,
            where="cartridge.gb",
            remedy="Reinstall gamefleet, or rebuild it: python -m gamefleet.games.pokemon_red.cartridge.build",
        )
    return data
