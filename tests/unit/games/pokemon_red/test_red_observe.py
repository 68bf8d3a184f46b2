import numpy as np

from gamefleet.games.pokemon_red.observe import ARRAYS, Observer, ScreenPacker, share_of_255, unpack_screen
from gamefleet.games.pokemon_red.places import Places
from gamefleet.games.pokemon_red.render import picture_of

GREYS = np.array([0, 85, 153, 255], np.uint8)


def blank_picture() -> np.ndarray:
    return np.zeros((144, 160, 4), np.uint8)


def observe(state, picture: np.ndarray | None = None) -> dict[str, np.ndarray]:
    places = Places()
    places.visit(state)
    observer = Observer(blank_picture() if picture is None else picture)
    observer.show(state, places)
    return observer.arrays


def test_an_observation_stays_within_its_budget_of_bytes() -> None:
    assert sum(array.num_bytes for array in ARRAYS) <= 2100


def test_packing_keeps_the_level_of_every_second_pixel() -> None:
    levels = np.random.default_rng(0).integers(4, size=(144, 160))
    picture = GREYS[levels][..., None].repeat(4, axis=2)
    packed = np.zeros((72, 20), np.uint8)
    ScreenPacker(picture, packed).pack()
    assert (unpack_screen(packed) == levels[::2, ::2]).all()
    assert packed[0, 0] & 3 == levels[0, 0]


def test_the_picture_of_an_observation_shows_its_levels(image) -> None:
    levels = np.random.default_rng(1).integers(4, size=(72, 80)).repeat(2, axis=0).repeat(2, axis=1)
    picture = GREYS[levels][..., None].repeat(4, axis=2)
    obs = observe(image().state(), picture)
    assert (picture_of(obs) == picture[..., :3]).all()
    assert (picture_of(obs, show_visited=True)[64:80, 64:80, 2] == picture[64:80, 64:80, 2] // 2).all()


def test_the_players_tile_is_in_the_middle_of_the_visited_mask(image) -> None:
    bits = np.unpackbits(observe(image().write("wYCoord", 9).state())["visited"])[:90].reshape(9, 10)
    assert bits[4, 4] == 1
    assert bits.sum() == 1


def test_events_keep_the_bytes_of_the_game(image) -> None:
    events = observe(image().set_event(9).set_event(2522).state())["events"]
    assert events[1] == 0b10
    assert events[315] == 0b100
    assert np.count_nonzero(events) == 2


def test_place_badges_and_flags_are_shown(image) -> None:
    memory = image().write("wCurMap", 54).write("wYCoord", 3).write("wXCoord", 4).write("wObtainedBadges", 3)
    obs = observe(memory.write("wSpritePlayerStateData1FacingDirection", 12).state())
    assert obs["position"].tolist() == [54, 3, 4, 3]
    assert obs["badges"].tolist() == [3]
    assert obs["story"].tolist() == [0, 0, 0, 2, 0]


def test_partners_are_shown_with_health_as_a_share(image) -> None:
    memory = (
        image().add_partner(level=9, health=10, max_health=20, species=5).add_partner(level=3, health=1, max_health=600)
    )
    party = observe(memory.state())["party"]
    assert party[0, :4].tolist() == [5, 9, 127, 0]
    assert party[1, :3].tolist() == [1, 3, 1]
    assert not party[2:].any()


def test_the_bag_is_cleared_behind_its_last_item(image) -> None:
    memory = image().write("wNumBagItems", 2).write("wBagItems", 4, 5, 20, 1)
    places, observer = Places(), Observer(blank_picture())
    first = memory.state()
    places.visit(first)
    observer.show(first, places)
    observer.show(memory.write("wNumBagItems", 1).state(), places)
    assert observer.arrays["bag"][:2].tolist() == [[4, 5], [0, 0]]


def test_an_update_equals_a_fresh_observation(image) -> None:
    memory = image()
    places, observer = Places(), Observer(blank_picture())
    for write in (
        lambda: memory.write("wXCoord", 5),
        lambda: memory.write("wIsInBattle", 2).write("wEnemyMonHP", 0, 5).write("wEnemyMonMaxHP", 0, 9),
        lambda: memory.add_partner(level=5, health=3, max_health=9),
        lambda: memory.write("wPlayerMoney", 0, 0x50, 0),
        lambda: memory.set_event(100),
        lambda: memory.write("wFontLoaded", 1).write("wCurrentMenuItem", 2),
    ):
        write()
        state = memory.state()
        places.visit(state)
        observer.show(state, places)
        fresh = Observer(blank_picture())
        fresh.show(state, places)
        for name, array in fresh.arrays.items():
            assert (observer.arrays[name] == array).all(), name


def test_one_hit_point_is_not_none() -> None:
    assert share_of_255(1, 700) == 1
    assert share_of_255(0, 700) == 0
    assert share_of_255(5, 0) == 0
    assert share_of_255(700, 700) == 255
