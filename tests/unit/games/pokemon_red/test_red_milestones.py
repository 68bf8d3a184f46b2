from gamefleet.games.pokemon_red.milestones import MilestoneBook, cell, milestones, story_progress

NAMES = [milestone.name for milestone in milestones()]


def reached(book: MilestoneBook) -> set[str]:
    return {name for name, is_reached in zip(NAMES, book.reached, strict=True) if is_reached}


def test_each_kind_of_milestone_is_ticked_off(image) -> None:
    book, memory = MilestoneBook(), image().write("wCurMap", 37)
    book.open(memory.state())
    assert reached(book) == set()
    book.note(memory.write("wCurMap", 0).state())
    assert reached(book) == {"enter_pallet_town"}
    book.note(memory.set_event(34).state())
    book.note(memory.add_partner(level=7, health=1, max_health=1).state())
    book.note(memory.write("wPokedexOwned", 0b11).state())
    book.note(memory.write("wObtainedBadges", 1).write("wStatusFlags4", 1).state())
    assert reached(book) == {
        *("enter_pallet_town", "got_starter", "partner_1", "level_7", "dex_2", "badge_1", "got_lapras")
    }


def test_milestones_stay_reached_within_an_episode_and_not_beyond(image) -> None:
    book, memory = MilestoneBook(), image()
    book.open(memory.state())
    book.note(memory.write("wCurMap", 1).state())
    assert reached(book) == {"enter_pallet_town", "enter_viridian_city"}
    book.open(memory.state())
    assert reached(book) == {"enter_viridian_city"}


def test_progress_counts_the_main_line_and_flags_outside_the_array(image) -> None:
    state = image().set_event(34).set_event(104).write("wStatusFlags4", 1).write("wObtainedBadges", 3).state()
    assert story_progress(state.story) == 2


def test_cells_part_where_place_progress_or_badges_do(image) -> None:
    base = image().write("wYCoord", 4).write("wXCoord", 4).state()
    near = image().write("wYCoord", 7).write("wXCoord", 5).state()
    far = image().write("wYCoord", 8).write("wXCoord", 4).state()
    badge = image().write("wYCoord", 4).write("wXCoord", 4).write("wObtainedBadges", 1).state()
    key = cell(base, story_progress=0, cell_tiles=4)
    assert cell(near, story_progress=0, cell_tiles=4) == key
    others = {
        cell(far, story_progress=0, cell_tiles=4),
        cell(badge, story_progress=0, cell_tiles=4),
        cell(base, story_progress=1, cell_tiles=4),
        cell(near, story_progress=0, cell_tiles=1),
    }
    assert len(others | {key}) == 5


def test_a_cell_is_the_same_on_every_machine(image) -> None:
    state = image().write("wCurMap", 12).write("wYCoord", 9).write("wXCoord", 5).state()
    # The finaliser of splitmix64 over 12 | 2 << 8 | 1 << 16 | 3 << 32, computed apart.
    z = ((12 | 2 << 8 | 1 << 16 | 3 << 32) + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    assert cell(state, story_progress=3, cell_tiles=4) == z ^ z >> 31
