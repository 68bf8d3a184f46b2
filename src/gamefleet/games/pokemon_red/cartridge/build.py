"""Builds the cartridge with sdcc: `python -m gamefleet.games.pokemon_red.cartridge.build [--check]`.

Job: write the generated tables into a temporary folder, compile and link them with `src/`, lay the program out as a
32 KB image with a valid header, and store it next to its sha256. Place in the data flow: the last step of
world + art + src -> `cartridge.gb`. Left out: running the cartridge.

The same sources always give the same bytes: nothing in the image depends on the time, the folder or the machine.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gamefleet.errors import GamefleetError, MissingDependencyError

from . import tables
from .world import load_world

HERE = Path(__file__).parent
CARTRIDGE = HERE / "cartridge.gb"
CHECKSUM = HERE / "cartridge.sha256"
TITLE = b"SEEDTOWN"
ROM_SIZE = 0x8000
CODE_START = 0x180
DATA_START = 0xDC10
LOGO = slice(0x104, 0x134)
HEADER = slice(0x134, 0x14D)
EFFORT = ("--max-allocs-per-node", "12000")  # a smaller program for a longer compilation
ASSEMBLY_FIRST = ("crt0.s", "fast.s")


def generated_sources() -> dict[str, str]:
    """The files that the build writes, by name."""
    world = load_world()
    return {
        "ids.h": tables.ids_header(world),
        "table_art.c": tables.art_source(),
        "table_creatures.c": tables.creature_source(world),
        "table_things.c": tables.things_source(world),
        "table_maps.c": tables.map_source(world),
    }


def _run(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        raise GamefleetError("The cartridge does not compile", where=" ".join(command), remedy=result.stderr[-2000:])


def compile_image(folder: Path) -> str:
    """Compile and link everything in a folder.

    Args:
        folder: An empty folder; the sources are copied into it.

    Returns:
        The program as Intel HEX text.

    Raises:
        MissingDependencyError: When sdcc is not installed.
        GamefleetError: When the compiler or the linker refuses the sources.
    """
    if shutil.which("sdcc") is None:
        raise MissingDependencyError(
            "The compiler of the cartridge is missing", value="sdcc", remedy="Install it: apt-get install sdcc"
        )
    for source in sorted((HERE / "src").iterdir()):
        shutil.copy(source, folder)
    for name, text in generated_sources().items():
        (folder / name).write_text(text, encoding="ascii")
    objects = []
    for name in ASSEMBLY_FIRST:
        _run(["sdasgb", "-o", Path(name).with_suffix(".rel").name, name], folder)
        objects.append(Path(name).with_suffix(".rel").name)
    for path in sorted(folder.glob("*.c")):
        _run(["sdcc", "-msm83", "--std-c11", "--opt-code-size", *EFFORT, "-c", path.name], folder)
        objects.append(path.with_suffix(".rel").name)
    places = ["--code-loc", hex(CODE_START), "--data-loc", hex(DATA_START)]
    _run(["sdcc", "-msm83", "--no-std-crt0", *places, "-o", "game.ihx", *objects], folder)
    return (folder / "game.ihx").read_text(encoding="ascii")


def image_from_hex(text: str) -> bytearray:
    """Lay Intel HEX records out as a 32 KB image.

    Raises:
        GamefleetError: When the program does not fit.
    """
    image = bytearray(b"\xff" * ROM_SIZE)
    for line in text.splitlines():
        record = bytes.fromhex(line[1:])
        count, address, kind = record[0], record[1] << 8 | record[2], record[3]
        if kind:
            continue
        if address + count > ROM_SIZE:
            raise GamefleetError("The cartridge is larger than 32 KB", value=hex(address + count), where="game.ihx")
        image[address : address + count] = record[4 : 4 + count]
    return image


def write_header(image: bytearray) -> None:
    """Fill in the title and the checksums; the logo stays empty; no banks, no save memory."""
    image[LOGO] = bytes(0x30)
    image[HEADER] = bytes(0x19)
    image[0x134 : 0x134 + len(TITLE)] = TITLE
    checksum = 0
    for byte in image[HEADER]:
        checksum = checksum - byte - 1 & 0xFF
    image[0x14D] = checksum
    image[0x14E:0x150] = bytes(2)
    image[0x14E:0x150] = (sum(image) & 0xFFFF).to_bytes(2, "big")


def build() -> bytes:
    """Build the cartridge from its sources.

    Returns:
        The image, 32,768 bytes.
    """
    with tempfile.TemporaryDirectory(prefix="cartridge-") as folder:
        image = image_from_hex(compile_image(Path(folder)))
    write_header(image)
    return bytes(image)


def free_bytes(image: bytes) -> int:
    """Bytes left at the image's end."""
    return len(image) - len(image.rstrip(b"\xff"))


def check(image: bytes) -> None:
    """Compare a fresh image with the committed one.

    Raises:
        GamefleetError: When they differ.
    """
    committed = CARTRIDGE.read_bytes() if CARTRIDGE.exists() else b""
    if image != committed:
        raise GamefleetError(
            "The committed cartridge is not what its sources give",
            value=hashlib.sha256(image).hexdigest(),
            where=CARTRIDGE.name,
            remedy="Run `make cartridge` and commit cartridge.gb and cartridge.sha256 with the sources.",
        )


def store(image: bytes) -> None:
    """Write the image and its sha256 next to the sources."""
    CARTRIDGE.write_bytes(image)
    CHECKSUM.write_text(f"{hashlib.sha256(image).hexdigest()}  {CARTRIDGE.name}\n", encoding="ascii")


def main(arguments: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = argparse.ArgumentParser(description="Build the game that gamefleet ships.")
    parser.add_argument("--check", action="store_true", help="rebuild and compare with the committed file")
    options = parser.parse_args(arguments)
    try:
        image = build()
        if options.check:
            check(image)
        else:
            store(image)
    except GamefleetError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{hashlib.sha256(image).hexdigest()}  {CARTRIDGE.name}, {free_bytes(image)} bytes free\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
