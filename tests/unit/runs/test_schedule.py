"""Checkpoints are due by steps and by the clock, but do not eat the time."""

from __future__ import annotations

from gamefleet.runs.schedule import CheckpointSchedule


def test_saves_are_due_every_so_many_steps_counted_from_the_last() -> None:
    schedule = CheckpointSchedule(interval_steps=100, interval_s=600, step=1050, clock=lambda: 0.0)

    assert not schedule.is_due(1149)
    assert schedule.is_due(1150)
    schedule.note_save(1160, 0.0)
    assert not schedule.is_due(1250)
    assert schedule.is_due(1260)


def test_slow_steps_are_saved_by_the_clock() -> None:
    now = [0.0]
    schedule = CheckpointSchedule(interval_steps=10_000, interval_s=600, step=0, clock=lambda: now[0])
    now[0] = 599.0
    assert not schedule.is_due(5)
    now[0] = 600.0
    assert schedule.is_due(5)


def test_nothing_is_due_while_nothing_has_happened() -> None:
    now = [0.0]
    schedule = CheckpointSchedule(interval_steps=100, interval_s=600, step=7, clock=lambda: now[0])
    now[0] = 10_000.0

    assert not schedule.is_due(7)


def test_a_save_that_takes_a_second_waits_ten_seconds_for_the_next() -> None:
    now = [0.0]
    schedule = CheckpointSchedule(interval_steps=100, interval_s=600, step=0, clock=lambda: now[0])
    schedule.note_save(100, seconds=1.0)
    now[0] = 9.0
    assert not schedule.is_due(5000)
    now[0] = 10.0
    assert schedule.is_due(5000)
