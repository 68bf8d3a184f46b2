import importlib.resources

import pytest

from gamefleet.games.pokemon_red import tables
from gamefleet.games.pokemon_red.milestones import milestones, quests

TABLES = ("wram", "events", "story_flags", "maps", "milestones", "quests")


@pytest.mark.parametrize("table", TABLES)
def test_every_table_names_its_source_in_its_first_line(table: str) -> None:
    path = importlib.resources.files("gamefleet.games.pokemon_red") / "tables" / f"{table}.tsv"
    assert path.read_text().startswith("# Source: ")


@pytest.mark.parametrize("table", ["wram", "events", "story_flags", "milestones"])
def test_every_row_says_what_it_means(table: str) -> None:
    assert all(row["meaning"].strip() for row in tables.rows(table))


def test_events_agree_with_the_emulators_own_table() -> None:
    from pyboy.plugins.game_wrapper_pokemon_gen1_constants import EVENT_FLAGS, EVENT_FLAGS_ADDRESS

    ours = {event.name.removeprefix("EVENT_").lower(): event.index for event in tables.events()}
    assert tables.symbols()["wEventFlags"].address == EVENT_FLAGS_ADDRESS
    assert len(ours) == 507
    assert {name.lower(): index for name, index in EVENT_FLAGS.items()} == ours


def test_an_events_address_and_bit_follow_from_its_index() -> None:
    start = tables.symbols()["wEventFlags"].address
    for row in tables.rows("events"):
        index = int(row["index"])
        assert (int(row["address"], 16), int(row["bit"])) == (start + index // 8, index % 8), row["flag"]


def test_the_main_line_ranks_its_events_without_gaps() -> None:
    ranks = sorted(event.story_order for event in tables.events() if event.story_order)
    assert ranks == list(range(1, 77))
    assert tables.event_mask(story_only=True).bit_count() == 76
    assert tables.event_mask(story_only=False).bit_count() == 507


@pytest.mark.parametrize(
    ("test", "byte", "value"),
    [("bit 6", 0x40, 1), ("bit 6", 0xBF, 0), ("equals 4", 4, 1), ("equals 4", 5, 0), ("count", 0b1011, 3)],
)
def test_a_story_flag_is_tested_as_its_row_says(test: str, byte: int, value: int) -> None:
    assert tables.StoryFlag(name="x", address=0, test=test, meaning="x").value(byte) == value


def test_milestones_refer_to_rows_that_exist() -> None:
    known = {
        "event": {event.name for event in tables.events()},
        "story": {flag.name for flag in tables.story_flags()},
        "map": {row.name for row in tables.maps().values()},
    }
    for milestone in milestones():
        if milestone.kind in known:
            assert milestone.value in known[milestone.kind], milestone.name
        else:
            assert milestone.kind in ("badges", "level", "dex", "party"), milestone.name
            assert int(milestone.value) > 0


def test_every_event_of_the_main_line_is_a_milestone_once() -> None:
    main_line = [event.name for event in tables.events() if event.story_order]
    listed = [milestone.value for milestone in milestones() if milestone.kind == "event"]
    assert sorted(listed) == sorted(main_line)


def test_counted_milestones_come_in_ascending_order() -> None:
    for kind in ("badges", "level", "dex", "party"):
        numbers = [int(milestone.value) for milestone in milestones() if milestone.kind == kind]
        assert numbers == sorted(set(numbers))


def test_quests_come_after_what_they_require_and_end_in_milestones() -> None:
    names = [milestone.name for milestone in milestones()]
    known: set[str] = set()
    for quest in quests():
        assert quest.goal in names
        assert set(quest.requires) <= known, quest.name
        assert quest.name not in known
        known.add(quest.name)


def test_outdoor_maps_have_a_place_on_the_stitched_map() -> None:
    placed = [row for row in tables.maps().values() if row.global_x is not None]
    assert len(placed) == 36
    assert all(row.global_y is not None and row.width_steps > 0 for row in placed)
