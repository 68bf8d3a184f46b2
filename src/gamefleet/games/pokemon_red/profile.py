"""Which ROM is played, and what differs between the two that are known.

Job: find the ROM's bytes, check what they are, and say how an episode starts on them. Place in the data flow: `game`
opens a profile once. Left out: everything that both ROMs share, which is nearly everything: our cartridge keeps its
state at the commercial game's addresses.

No ROM but our own cartridge is distributed or downloaded; a user's own file is only read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gamefleet.errors import RomError

RED_TITLE = "POKEMON RED"
RED_SHA1 = "ea9bcae617fdf159b045185467ae58b2e4a48b9a"
_TITLE = slice(0x134, 0x144)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A ROM and how its episodes start.

    Args:
        name: `cartridge` or `red`.
        rom: The ROM's bytes.
        sha1: Their SHA-1, 40 hex digits; part of every saved state.
        randomize_by: `seed_bytes` writes the reset's seed where the cartridge keeps its random numbers; `idle_frames`
            waits for a number of frames that the seed decides, which moves the commercial game's random numbers.
    """

    name: Literal["cartridge", "red"]
    rom: bytes
    sha1: str
    randomize_by: Literal["seed_bytes", "idle_frames"]


def rom_title(rom: bytes) -> str:
    """The title in a ROM's header, without padding.

    Args:
        rom: The whole ROM.

    Returns:
        Up to 16 characters; anything outside printable ASCII is shown as `?`.
    """
    raw = rom[_TITLE].split(b"\0")[0]
    return "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in raw).strip()


def open_profile(path: str) -> Profile:
    """The profile for a setting of `game.rom`.

    Args:
        path: A file, or empty for the embedded cartridge.

    Returns:
        The profile with the ROM's bytes.

    Raises:
        RomError: The file is missing, unreadable, or not one of the two known ROMs.
    """
    # Imported here: the cartridge's bytes are only needed once a game starts.
    from gamefleet.games.pokemon_red import cartridge

    embedded = cartridge.rom_bytes()
    rom = read_rom(Path(path)) if path else embedded
    return identify(rom, embedded=embedded, where=path or "embedded cartridge")


def read_rom(path: Path) -> bytes:
    """Read a user's ROM.

    Args:
        path: The file.

    Returns:
        Its bytes.

    Raises:
        RomError: It cannot be read.
    """
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise RomError(
            f"The ROM cannot be read: {error.strerror or error}",
            value=str(path),
            where="game.rom",
            remedy="Give the path of your own copy of Pokémon Red, or leave game.rom empty to play our cartridge.",
        ) from error


def identify(rom: bytes, *, embedded: bytes, where: str) -> Profile:
    """Choose the profile by title and SHA-1.

    Args:
        rom: The ROM in question.
        embedded: The bytes of our cartridge.
        where: Its path, for the error.

    Returns:
        The profile.

    Raises:
        RomError: Another game, another revision or a damaged file; the message says what was found.
    """
    sha1 = hashlib.sha1(rom, usedforsecurity=False).hexdigest()
    if rom == embedded:
        return Profile(name="cartridge", rom=rom, sha1=sha1, randomize_by="seed_bytes")
    title = rom_title(rom)
    if title == RED_TITLE and sha1 == RED_SHA1:
        return Profile(name="red", rom=rom, sha1=sha1, randomize_by="idle_frames")
    if title == RED_TITLE:
        remedy = "This is another revision or a changed or damaged file; only the unmodified international one is known"
    else:
        remedy = "This is another game; its memory means other things"
    raise RomError(
        "This ROM is not one that this version knows",
        value=f"title {title!r}, sha1 {sha1}, {len(rom)} bytes",
        where=where,
        remedy=f"{remedy}. Wanted: title {RED_TITLE!r}, sha1 {RED_SHA1}, 1048576 bytes. "
        "Leave game.rom empty to play the cartridge that comes with the package.",
    )
