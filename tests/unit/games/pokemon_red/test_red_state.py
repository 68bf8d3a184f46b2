from gamefleet.games.pokemon_red import tables
from gamefleet.games.pokemon_red.reader import StateReader
from gamefleet.games.pokemon_red.state import describe_flags, money_of


def test_place_and_facing_are_read_from_their_addresses(image) -> None:
    memory = image().write("wCurMap", 12).write("wYCoord", 30).write("wXCoord", 7)
    state = memory.write("wSpritePlayerStateData1FacingDirection", 8).state()
    assert (state.map_id, state.y, state.x, state.facing) == (12, 30, 7, 2)


def test_events_become_one_integer_with_their_bits(image) -> None:
    state = image().set_event(0).set_event(34).set_event(2522).state()
    assert state.story.events == 1 | 1 << 34 | 1 << 2522


def test_badges_and_flags_outside_the_array_are_decoded(image) -> None:
    memory = image().write("wObtainedBadges", 0b101).write("wSSAnne2FCurScript", 4).write("wStatusFlags1", 0x40)
    state = memory.write("wNumHoFTeams", 2).state()
    assert state.story.flags == (1, 1, 0, 2, 1)
    assert state.story.num_badges == 2
    assert state.has_won


def test_the_party_is_read_as_far_as_it_is_filled(image) -> None:
    memory = image().add_partner(level=5, health=300, max_health=301, species=0x99)
    memory.write("wPartyMons", 77, offset=44)  # left over from a partner who was put away
    (partner,) = memory.state().party
    assert (partner.species, partner.level, partner.health, partner.max_health) == (0x99, 5, 300, 301)


def test_moves_and_their_uses_are_decoded_without_the_bonus_bits(image) -> None:
    memory = image().add_partner(level=5, health=1, max_health=1)
    memory.write("wPartyMons", 33, 45, 0, 0, offset=8).write("wPartyMons", 0xC0 | 35, 40, 0, 0, offset=0x1D)
    (partner,) = memory.state().party
    assert partner.moves == (33, 45, 0, 0)
    assert partner.move_points == (35, 40, 0, 0)


def test_the_bag_ends_after_its_last_item(image) -> None:
    memory = image().write("wNumBagItems", 2).write("wBagItems", 4, 5, 20, 1, 0xFF, 9, 9)
    assert memory.state().belongings.bag == bytes([4, 5, 20, 1])


def test_a_full_bag_and_a_damaged_count_stay_within_twenty_kinds(image) -> None:
    memory = image().write("wNumBagItems", 200)
    assert len(memory.state().belongings.bag) == 40


def test_money_is_six_decimal_digits(image) -> None:
    assert image().write("wPlayerMoney", 0x12, 0x34, 0x56).state().belongings.money == 123456
    assert money_of(bytes([0, 0x30, 0])) == 3000


def test_the_opponent_is_read_only_in_battle(image) -> None:
    memory = image().write("wEnemyMonHP", 0, 20).write("wEnemyMonMaxHP", 0, 40).write("wEnemyMonLevel", 7)
    memory.write("wBattleMonHP", 1, 0).write("wBattleMonMaxHP", 1, 4)
    assert memory.state().situation.enemy == (0, 0, 0, 0)
    situation = memory.write("wIsInBattle", 1).state().situation
    assert situation.enemy == (0, 20, 40, 7)
    assert situation.own_health == (256, 260)


def test_parts_that_did_not_change_are_the_same_object(image) -> None:
    memory = image().add_partner(level=5, health=10, max_health=10)
    reader = StateReader(memory)
    first = reader.read()
    memory.write("wXCoord", 3)
    second = reader.read()
    assert second.story is first.story
    assert second.party is first.party
    assert second.belongings is first.belongings
    memory.set_event(5)
    third = reader.read()
    assert third.story is not first.story
    assert third.party is first.party


def test_an_empty_party_after_a_full_one_is_empty(image) -> None:
    memory = image().add_partner(level=5, health=10, max_health=10)
    reader = StateReader(memory)
    reader.read()
    memory.write("wPartyCount", 0)
    assert reader.read().party == ()


def test_the_flag_table_lists_every_event_and_only_set_ones_on_request(image) -> None:
    state = image().set_event(34).write("wStatusFlags4", 1).state()
    assert len(list(describe_flags(state))) == len(tables.events()) + 5
    assert [(row.name, row.index) for row in describe_flags(state, only_set=True)] == [
        ("EVENT_GOT_STARTER", 34),
        ("GOT_LAPRAS", None),
    ]
