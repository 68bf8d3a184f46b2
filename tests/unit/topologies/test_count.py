"""How many updates are due, also when a resume changes the ratio of learning to playing."""

from dataclasses import asdict

from gamefleet.topologies.solo import Schedule


def schedule(**changes: float) -> Schedule:
    settings = {"replay_ratio": 2.0, "learning_starts_steps": 100, "batch_size": 4, "unroll": 10, **changes}
    return Schedule(round_length=1, **settings)  # type: ignore[arg-type]


def test_each_recorded_step_is_trained_on_as_often_as_the_ratio_says() -> None:
    count = schedule().count

    assert count.due(steps=50, updates=0) == 0
    assert count.due(steps=119, updates=0) == 0
    assert count.due(steps=120, updates=0) == 1
    assert count.due(steps=1100, updates=0) == 50
    assert count.due(steps=1100, updates=49) == 1
    assert count.due(steps=1100, updates=60) == 0


def test_a_resume_with_the_same_settings_goes_on_counting() -> None:
    saved = asdict(schedule().count)

    assert asdict(schedule().count.going_on(saved, steps=1115, updates=50)) == saved


def test_a_resume_with_smaller_batches_makes_up_for_nothing() -> None:
    count = schedule(batch_size=2).count.going_on(asdict(schedule().count), steps=1100, updates=50)

    assert count.due(steps=1100, updates=50) == 0
    assert count.due(steps=1110, updates=50) == 1


def test_a_resume_with_larger_batches_does_not_wait_until_the_ratio_is_made_up() -> None:
    count = schedule(batch_size=8).count.going_on(asdict(schedule().count), steps=1100, updates=50)

    assert count.due(steps=1140, updates=50) == 1


def test_a_resume_before_learning_starts_still_waits_for_it() -> None:
    count = schedule(batch_size=2).count.going_on(asdict(schedule().count), steps=20, updates=0)

    assert count.due(steps=100, updates=0) == 0
    assert count.due(steps=110, updates=0) == 1
