"""Play is held to a number of steps per second, and no round that was slow is made up for."""

import pytest

from gamefleet.actors.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_without_a_limit_nobody_waits() -> None:
    pace = Pace(None, 0, monotonic=Clock())
    pace.note(1_000_000)

    assert pace.left_s() == 0.0


def test_a_round_is_waited_for_as_long_as_its_steps_take_at_the_limit() -> None:
    clock = Clock()
    pace = Pace(50.0, 7_000, monotonic=clock)  # a resumed run has its steps behind it
    assert pace.left_s() == 0.0

    clock.now += 0.2
    pace.note(7_100)
    assert pace.left_s() == pytest.approx(1.8)
    clock.now += 1.9
    assert pace.left_s() <= 0.0


def test_a_slow_round_is_not_made_up_for() -> None:
    clock = Clock()
    pace = Pace(50.0, 0, monotonic=clock)
    clock.now += 60.0
    pace.note(100)
    assert pace.left_s() == 0.0

    pace.note(200)
    assert pace.left_s() == 2.0
