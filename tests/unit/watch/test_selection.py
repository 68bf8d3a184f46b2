"""Which agents are shown."""

from gamefleet.watch.selection import PATIENCE_S, Selection, Standing


def standings(**ranks: tuple[float, float]) -> list[Standing]:
    return [Standing(id=name, progress=progress, reward=reward) for name, (progress, reward) in ranks.items()]


def test_the_best_are_those_with_most_progress_and_among_equals_with_most_reward() -> None:
    chosen = Selection(2).choose(standings(a=(1, 90), b=(2, 0), c=(1, 95), d=(0, 500)), 0.0)
    assert chosen == ("b", "c")


def test_fewer_agents_than_places_are_all_shown_and_late_ones_fill_up() -> None:
    selection = Selection(3)
    assert selection.choose(standings(a=(0, 0)), 0.0) == ("a",)
    assert selection.choose(standings(a=(0, 0), z=(9, 9)), 0.1) == ("a", "z")
    assert selection.choose([], 0.2) == ()


def test_who_is_better_for_a_moment_only_takes_nobodys_place() -> None:
    selection = Selection(1)
    selection.choose(standings(a=(2, 0), b=(1, 0)), 0.0)
    assert selection.choose(standings(a=(2, 0), b=(3, 0)), 1.0) == ("a",)
    assert selection.choose(standings(a=(2, 0), b=(1, 0)), 2.0) == ("a",)
    assert selection.choose(standings(a=(2, 0), b=(3, 0)), 3.0) == ("a",)
    assert selection.choose(standings(a=(2, 0), b=(3, 0)), 3.0 + PATIENCE_S) == ("b",)


def test_a_little_more_reward_changes_nothing_for_however_long() -> None:
    selection = Selection(1)
    selection.choose(standings(a=(2, 10.0)), 0.0)
    for second in range(100):
        assert selection.choose(standings(a=(2, 10.0), b=(2, 10.9)), float(second)) == ("a",)
    for second in range(100, 110):
        chosen = selection.choose(standings(a=(2, 10.0), b=(2, 12.0)), float(second))
    assert chosen == ("b",)


def test_two_agents_that_overtake_each_other_all_the_time_do_not_flicker() -> None:
    selection = Selection(1)
    shown = [
        selection.choose(standings(a=(5 + tick % 2, 0), b=(6 - tick % 2, 0)), tick * 0.5)[0] for tick in range(200)
    ]
    assert len(set(shown)) == 1


def test_who_stays_keeps_the_place_when_another_goes() -> None:
    selection = Selection(2)
    assert selection.choose(standings(a=(5, 0), b=(4, 0), c=(3, 0)), 0.0) == ("a", "b")
    assert selection.choose(standings(b=(4, 0), c=(3, 0)), 1.0) == ("c", "b")
    assert selection.choose(standings(b=(4, 0)), 2.0) == ("b",)


def test_an_agent_whose_episode_ended_gives_way_after_the_patience() -> None:
    selection = Selection(1)
    selection.choose(standings(a=(9, 0), b=(3, 0)), 0.0)
    assert selection.choose(standings(a=(0, 0), b=(3, 0)), 1.0) == ("a",)
    assert selection.choose(standings(a=(0, 0), b=(3, 0)), 1.0 + PATIENCE_S) == ("b",)


def test_several_challengers_take_several_places_at_once() -> None:
    selection = Selection(2)
    selection.choose(standings(a=(1, 0), b=(2, 0)), 0.0)
    selection.choose(standings(a=(1, 0), b=(2, 0), c=(5, 0), d=(6, 0)), 1.0)
    chosen = selection.choose(standings(a=(1, 0), b=(2, 0), c=(5, 0), d=(6, 0)), 1.0 + PATIENCE_S)
    assert set(chosen) == {"c", "d"}
