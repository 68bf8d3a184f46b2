from gamefleet.games.pokemon_red.places import Places


def walk(image, places: Places, *tiles: tuple[int, int, int]) -> list[bool]:
    return [
        places.visit(image().write("wCurMap", map_id).write("wYCoord", y).write("wXCoord", x).state())
        for map_id, y, x in tiles
    ]


def test_a_tile_is_new_once_per_map(image) -> None:
    places = Places()
    assert walk(image, places, (0, 1, 1), (0, 1, 2), (0, 1, 1), (1, 1, 1)) == [True, True, False, True]
    assert (places.num_tiles(0), places.num_tiles(1), places.num_tiles(2), places.num_maps) == (2, 1, 0, 2)


def test_the_window_reaches_over_the_edges_of_a_map(image) -> None:
    places = Places()
    walk(image, places, (0, 0, 0), (0, 255, 255))
    corner = image().write("wYCoord", 255).write("wXCoord", 255).state()
    assert places.window(corner).shape == (9, 10)
    assert places.window(corner)[4, 4] == 1
    assert places.window(image().state())[4, 4] == 1


def test_places_survive_export_and_import(image) -> None:
    places, again = Places(), Places()
    walk(image, places, (0, 3, 7), (0, 3, 8), (12, 200, 0))
    again.import_state(places.export_state())
    assert again.export_state() == places.export_state()
    assert walk(image, again, (0, 3, 7), (12, 200, 1)) == [False, True]
    assert again.num_tiles(12) == 2
