import hashlib
import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from gamefleet.errors import MissingDependencyError
from gamefleet.games.pokemon_red import cartridge
from gamefleet.games.pokemon_red.cartridge import assets, build
from gamefleet.games.pokemon_red.cartridge.tables import bcd, pack_rows, paginate
from gamefleet.games.pokemon_red.cartridge.world import load_world
from gamefleet.games.pokemon_red.cartridge.world_types import CELL_KINDS

ROUTE_1, MART, LAB, GRAVELTON = 12, 42, 40, 2
GRASS_RATE, REPEL, SEED = 0xD887, 0xD0DB, 0xDC00


# ---- the file ----


def test_the_header_names_our_game_and_carries_no_logo() -> None:
    image = cartridge.rom_bytes()
    assert len(image) == 32768
    assert image[0x134:0x143].rstrip(b"\0") == b"SEEDTOWN"
    assert image[0x104:0x134] == bytes(48)
    assert image[0x147:0x14A] == bytes(3)  # no banks, smallest size, no save memory
    assert image[0x14D] == -sum(byte + 1 for byte in image[0x134:0x14D]) & 0xFF


def test_the_committed_checksum_is_that_of_the_committed_file() -> None:
    assert hashlib.sha256(cartridge.rom_bytes()).hexdigest() == cartridge.rom_sha256()


@pytest.mark.long
def test_a_rebuild_gives_the_committed_bytes() -> None:
    if shutil.which("sdcc") is None:
        message = "The compiler sdcc is missing: apt-get install sdcc"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    build.check(build.build())


def test_the_build_says_how_to_install_a_missing_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="apt-get install sdcc"):
        build.compile_image(tmp_path)


def test_a_differing_image_is_refused_with_the_way_to_renew_it() -> None:
    with pytest.raises(build.GamefleetError, match="make cartridge"):
        build.check(bytes(32768))


# ---- the tables ----


def test_texts_are_wrapped_into_pages_of_two_lines() -> None:
    assert paginate("One two three four five six seven") == "One two three four\nfive six seven"
    assert paginate("{a}|gained strength and courage and much more") == (
        "\x01\ngained strength\fand courage and\nmuch more"
    )


def test_runs_of_cells_are_packed_up_to_eight() -> None:
    lawn, tree = 0, [kind.letter for kind in CELL_KINDS].index("T")
    assert pack_rows(["........", "TT......"]) == [lawn | 7 << 5, tree | 1 << 5, lawn | 5 << 5]


def test_prices_are_written_as_decimal_digits() -> None:
    assert bcd(350) == "0x0350"


def test_every_map_can_be_left_and_reached_again() -> None:
    maps = load_world().maps
    assert len(maps) >= 12
    for data in maps.values():
        assert any(data.id in {warp.to for warp in maps[target.to].warps} for target in data.warps), data.key


def test_map_ids_and_tilesets_are_those_of_the_commercial_game_s_table() -> None:
    assert {0, 1, 2, 3, 12, 13, 14, 37, 40, 41, 42, 51, 54, 59, 65} <= set(load_world().maps)
    assert load_world().maps[59].tileset == 17


# ---- walking ----


def test_the_game_begins_at_home_within_200_frames(console: Any) -> None:
    assert console.place() == (37, 5, 2)
    assert console.is_free()


def test_one_action_walks_one_cell_in_a_new_direction(console: Any) -> None:
    for button, place in (
        ("left", (37, 4, 2)),
        ("down", (37, 4, 3)),
        ("right", (37, 5, 3)),
        ("up", (37, 5, 2)),
    ):
        console.act(button)
        assert console.place() == place
        assert console.memory[0xCFC5] == 0


def test_a_short_tap_turns_in_place(console: Any) -> None:
    console.act("left", held=3)
    assert console.place() == (37, 5, 2)
    assert console.memory[0xC109] == 8


def test_what_blocks_the_way_turns_the_player_without_a_step(console: Any) -> None:
    console.act("up", "right")  # the bed
    assert console.place() == (37, 5, 1)
    assert console.memory[0xC109] == 12


def visible_cells(map_id: int, column: int, row: int) -> list[int]:
    """The 360 tiles that the screen must show around a player's cell."""
    data, quarters = load_world().maps[map_id], assets.cell_art().quarters
    tiles = [0] * 360
    for y in range(9):
        for x in range(10):
            parts = quarters[data.kind((column + x - 4, row + y - 4)).name]
            for part, tile in enumerate(parts):
                tiles[(2 * y + part // 2) * 20 + 2 * x + part % 2] = tile
    return tiles


def background(console: Any) -> list[int]:
    """The 360 tiles that the background layer shows, from video memory."""
    first_row, first_column = console.memory[0xFF42] // 8, console.memory[0xFF43] // 8
    return [
        console.memory[0x9800 + (first_row + row) % 32 * 32 + (first_column + column) % 32]
        for row in range(18)
        for column in range(20)
    ]


def test_the_tile_map_mirror_shows_the_map_s_source_on_every_map(console: Any, journey: Any) -> None:
    assert set(journey.on_map) >= {0, 1, 2, 3, 12, 13, 14, 15, 37, 40, 41, 42, 51, 54, 59, 65}
    for map_id, state in journey.on_map.items():
        console.load(state)
        assert list(console.read(0xC3A0, 360)) == visible_cells(*console.place()), map_id


def test_video_memory_shows_the_mirror_after_walking_about(console: Any) -> None:
    for button in ("left", "down", "down", "down", "down", "down", *["right"] * 9, *["down"] * 8, "left", "up", "left"):
        console.act(button)
        console.act("b")
        assert background(console) == list(console.read(0xC3A0, 360))


def test_map_size_and_tileset_are_published(console: Any) -> None:
    assert (console.memory[0xD369], console.memory[0xD368], console.memory[0xD367]) == (4, 4, 1)


# ---- the story ----


def test_the_professor_s_scene_ignores_the_joypad_and_ends_in_the_lab(console: Any) -> None:
    console.solve(lambda: bool(console.memory[0xCD6B]))
    assert console.event(39)
    for _ in range(60):
        if not console.memory[0xCD6B]:
            break
        console.act("down")  # ignored: the scene walks by itself, and its texts turn by themselves
    assert console.place() == (LAB, 5, 3)
    assert console.event(33)


def test_nobody_leaves_the_lab_without_a_companion(console: Any, journey: Any) -> None:
    console.load(journey.after[33])
    console.solve(console.is_free)
    for _ in range(30):
        console.act("b")
        console.act("down")
    assert console.memory[0xD35E] == LAB
    assert console.memory[0xD163] == 0


def test_menus_open_with_start_and_close_with_b(console: Any) -> None:
    console.act("start")
    assert console.memory[0xCFC4] == 1
    assert (console.memory[0xCC25], console.memory[0xCC24]) == (13, 1)
    console.act("down")
    assert console.memory[0xCC26] == 1
    console.act("b")
    assert console.is_free()


def walk_to_bush(console: Any) -> None:
    """From the gardener's place to the cell west of the bush, looking at it."""
    for _ in range(40):
        if console.place() == (GRAVELTON, 21, 9):
            break
        console.act("b" if console.memory[0xCFC4] else "right")
    console.act("right")


def test_the_bush_bars_the_road_without_the_shears_and_falls_with_them(console: Any, journey: Any) -> None:
    console.load(journey.after[1504])
    console.solve(console.is_free)
    had = console.memory[0xD747 + 1504 // 8]
    console.write(0xD747 + 1504 // 8, had & ~1)
    walk_to_bush(console)
    console.act("a", "b", "b", "right", "right")
    assert console.place() == (GRAVELTON, 21, 9)
    console.write(0xD747 + 1504 // 8, had)
    console.act("a", "b", "b", "right", "right")
    assert console.place()[0] == 14


# ---- encounters ----


def walk_about(console: Any, steps: int, before: Callable[[], None] = lambda: None) -> int:
    """Walk up and down; returns the steps until an encounter, or `steps`."""
    for step in range(steps):
        before()
        console.act("down" if step % 2 else "up")
        if console.memory[0xD057]:
            return step
    return steps


def grass_state(console: Any, journey: Any) -> bytes:
    """A state in the tall grass of the first route."""
    world = load_world()
    console.load(journey.on_map[ROUTE_1])
    console.solve(lambda: console.event(34) and console.place()[0] == ROUTE_1 and console.is_free())
    console.write(REPEL, 255)
    for button in ("left", "left", "up", "up", "up", "up", "left", "left", "up", "up"):
        console.act(button)
    _, column, row = console.place()
    assert world.maps[ROUTE_1].kind((column, row)).wild, (column, row)
    console.write(REPEL, 0)
    return bytes(console.save())


def test_no_creature_appears_while_the_encounter_rate_is_zero(console: Any, journey: Any) -> None:
    console.load(grass_state(console, journey))
    assert walk_about(console, 80, lambda: console.write(GRASS_RATE, 0)) == 80


def test_creatures_appear_at_once_when_the_rate_is_highest(console: Any, journey: Any) -> None:
    console.load(grass_state(console, journey))
    assert walk_about(console, 12, lambda: console.write(GRASS_RATE, 255)) < 12
    assert console.memory[0xD057] == 1
    assert console.memory[0xCFE5]


def test_a_ward_keeps_creatures_away_and_counts_down(console: Any, journey: Any) -> None:
    console.load(grass_state(console, journey))
    console.write(REPEL, 200)
    console.write(GRASS_RATE, 255)
    assert walk_about(console, 20) == 20
    assert console.memory[REPEL] == 180


def test_the_seed_decides_what_appears(console: Any, journey: Any) -> None:
    state = grass_state(console, journey)
    meetings = set()
    for seed in range(1, 9):
        console.load(state)
        console.write(SEED, seed, 7 * seed)
        steps = walk_about(console, 40, lambda: console.write(GRASS_RATE, 60))
        meetings.add((steps, console.memory[0xCFE5], console.memory[0xCFF3]))
    assert len(meetings) > 3


# ---- battles, shops, healing ----


def test_a_ball_catches_a_weak_creature(console: Any, journey: Any) -> None:
    console.load(journey.in_wild_battle)
    console.write(0xCFE6, 0, 1)
    console.write(0xCFEC, 255)
    before = console.memory[0xD163]
    species = console.memory[0xCFE5]
    console.solve(lambda: console.memory[0xD057] == 0, limit=60)
    assert console.memory[0xD163] == before + 1
    assert console.memory[0xD164 + before] == species
    assert console.memory[0xD2F7 + (species - 1) // 8] >> (species - 1) % 8 & 1


def test_the_shop_takes_the_price_and_fills_the_bag(console: Any, journey: Any) -> None:
    console.load(journey.after[57])
    console.solve(console.is_free)
    before = int(console.money())
    console.act("left", "a", "a")  # greet, open the list
    console.act("down", "a", "a", "b", "b")  # one tonic
    assert int(console.money()) == before - 300
    assert 0x14 in console.read(0xD31E, 20)[::2]


def test_the_nurse_heals_and_becomes_the_place_to_wake_up(console: Any, journey: Any) -> None:
    console.load(journey.on_map[1])
    console.write(0xD16C, 0, 1)
    console.solve(lambda: console.memory[0xD719] == 1 and console.is_free(), limit=200)
    assert console.read(0xD16C, 2) == console.read(0xD16B + 0x22, 2)


@pytest.mark.parametrize(
    ("money", "half"), [("012345", "006172"), ("000001", "000000"), ("999999", "499999"), ("100000", "050000")]
)
def test_a_blackout_halves_the_money_digit_by_digit(console: Any, journey: Any, money: str, half: str) -> None:
    console.load(journey.in_wild_battle)
    console.write(0xD347, *bytes.fromhex(money))
    console.write(0xD719, 0)
    console.write(0xD163, 1)
    console.write(0xD015, 0, 1)  # one health point left,
    console.write(0xD025, 0, 1)  # too weak to win,
    console.write(0xD029, 0, 0)  # and slower than anyone
    console.write(0xCFE6, 0, 255)
    for _ in range(200):
        if console.memory[0xD057] == 0:
            break
        console.act("a")
    console.solve(console.is_free)
    assert console.money() == half
    assert console.place() == (0, 3, 5)
    assert console.read(0xD16C, 2) == console.read(0xD16B + 0x22, 2)


def test_the_same_buttons_give_the_same_memory(console: Any, journey: Any, power_on: bytes) -> None:
    hashes = set()
    for _ in range(2):
        console.load(power_on)
        console.solve(lambda: console.event(35))
        hashes.add(hashlib.sha256(console.read(0xC000, 0x2000)).hexdigest())
    assert len(hashes) == 1
