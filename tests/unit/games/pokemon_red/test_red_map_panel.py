"""The map of the game's areas: nothing lies on anything else, what is joined in the game touches here."""

from itertools import combinations
from pathlib import Path

import pytest

from gamefleet.games import open_game
from gamefleet.games.pokemon_red.cartridge.world import load_world
from gamefleet.games.pokemon_red.config import PokemonRedConfig
from gamefleet.games.pokemon_red.panel import Area, cartridge_areas, commercial_areas, map_data

WORLDS = {"cartridge": cartridge_areas, "commercial": commercial_areas}


@pytest.mark.parametrize("world", WORLDS)
def test_areas_do_not_overlap(world: str) -> None:
    def overlap(one: Area, two: Area) -> bool:
        across = one.x < two.x + two.width and two.x < one.x + one.width
        return across and one.y < two.y + two.height and two.y < one.y + one.height

    areas = WORLDS[world]()
    assert [(one.name, two.name) for one, two in combinations(areas, 2) if overlap(one, two)] == []
    assert len({area.id for area in areas}) == len(areas)


def test_the_commercial_game_has_its_outdoor_areas_where_they_join() -> None:
    areas = {area.name: area for area in commercial_areas()}

    assert len(areas) > 200
    town, route = areas["Pallet Town"], areas["Route 1"]
    assert (town.width, town.height) == (20, 18)
    assert (route.x, route.y + route.height) == (town.x, town.y)


def test_the_cartridge_has_its_own_sizes_and_walls() -> None:
    world = load_world()
    areas = {area.id: area for area in cartridge_areas()}

    assert areas.keys() == world.maps.keys()
    assert all((area.width, area.height) == (world.maps[n].width, world.maps[n].height) for n, area in areas.items())
    for warp in world.maps[0].warps:
        column, row = warp.at
        assert areas[0].walls[row][column] == "."


def test_one_can_walk_straight_from_one_outdoor_area_into_the_next() -> None:
    areas = {area.name: area for area in cartridge_areas()}
    town, route = areas["Seedtown"], areas["Route 1"]

    assert route.y + route.height == town.y
    door = next(warp for warp in load_world().maps[town.id].warps if warp.to == route.id)
    assert town.x + door.at[0] == route.x + door.arrive[0]


def test_indoor_areas_of_the_cartridge_lie_close_to_their_doors() -> None:
    areas = {area.name: area for area in cartridge_areas()}
    home, town = areas["Home"], areas["Seedtown"]

    assert abs(home.y - town.y) < 30
    assert min(abs(home.x - town.x - town.width), abs(town.x - home.x - home.width)) < 10


def test_the_panel_offers_a_script_and_data_for_each_kind_of_cartridge() -> None:
    (panel,) = open_game("pokemon_red").panels

    assert Path(panel.script).read_text().count("export default") == 1
    assert len(panel.data(PokemonRedConfig())["areas"]) == len(cartridge_areas())
    assert len(map_data(PokemonRedConfig(rom="red.gb"))["areas"]) == len(commercial_areas())
