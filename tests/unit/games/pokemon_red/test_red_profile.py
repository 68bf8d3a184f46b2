import hashlib
from pathlib import Path

import pytest

from gamefleet.errors import RomError
from gamefleet.games.pokemon_red import profile


def rom_with_title(title: bytes, size: int = 0x8000) -> bytes:
    rom = bytearray(size)
    rom[0x134 : 0x134 + len(title)] = title
    return bytes(rom)


def test_an_empty_path_plays_the_embedded_cartridge() -> None:
    chosen = profile.open_profile("")
    assert (chosen.name, chosen.randomize_by, len(chosen.rom)) == ("cartridge", "seed_bytes", 32768)
    assert profile.rom_title(chosen.rom) != profile.RED_TITLE
    assert chosen.rom[0x104:0x134] == bytes(48), "no logo is shipped"


def test_the_cartridge_is_recognised_as_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "copy.gb"
    path.write_bytes(profile.open_profile("").rom)
    assert profile.open_profile(str(path)).name == "cartridge"


def test_title_and_hash_together_choose_the_red_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    rom = rom_with_title(b"POKEMON RED", 0x100000)
    monkeypatch.setattr(profile, "RED_SHA1", hashlib.sha1(rom, usedforsecurity=False).hexdigest())
    chosen = profile.identify(rom, embedded=b"", where="red.gb")
    assert (chosen.name, chosen.randomize_by) == ("red", "idle_frames")


def test_a_changed_red_is_refused_with_what_was_found() -> None:
    rom = rom_with_title(b"POKEMON RED")
    sha1 = hashlib.sha1(rom, usedforsecurity=False).hexdigest()
    with pytest.raises(RomError, match=rf"'POKEMON RED', sha1 {sha1}, 32768 bytes.*my\.gb.*another revision"):
        profile.identify(rom, embedded=b"", where="my.gb")


def test_another_game_is_refused_with_its_title() -> None:
    with pytest.raises(RomError, match=r"'TETRIS'.*another game.*game\.rom empty"):
        profile.identify(rom_with_title(b"TETRIS"), embedded=b"", where="my.gb")


def test_something_that_is_no_rom_is_refused() -> None:
    with pytest.raises(RomError, match="11 bytes"):
        profile.identify(b"hello world", embedded=b"", where="my.gb")


def test_a_missing_rom_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RomError, match=r"No such file.*gone\.gb.*leave game\.rom empty"):
        profile.open_profile(str(tmp_path / "gone.gb"))


def test_a_title_that_is_no_text_does_not_break_the_message() -> None:
    assert profile.rom_title(rom_with_title(b"\xff\x01A")) == "??A"
