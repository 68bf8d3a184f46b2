"""What a member that only plays does in each situation, and what it says about it."""

from __future__ import annotations

import pytest

from gamefleet.topologies.actors_only.mood import Mood, Situation, Teller, judge

HOUR_S = 3600.0


@pytest.mark.parametrize(
    ("now", "mood"),
    [
        (Situation(has_weights=True), Mood.PLAYING),
        (Situation(has_weights=True, quiet_s=HOUR_S), Mood.PLAYING),
        (Situation(has_weights=False), Mood.EXPECTING),
        (Situation(has_weights=True, is_held_back=True, quiet_s=60.0), Mood.WAITING),
        (Situation(has_weights=True, is_held_back=True, quiet_s=HOUR_S), Mood.PAUSED),
        (Situation(has_weights=True, is_held_back=True, trouble="gone"), Mood.AWAY),
        (Situation(has_weights=True, is_held_back=True, trouble="full", is_full=True), Mood.FULL),
    ],
)
def test_the_mood_follows_from_the_situation(now: Situation, mood: Mood) -> None:
    assert judge(now) is mood


def hear(teller: Teller, now: Situation, at: float) -> str:
    return teller.hear(judge(now), now, at)


PLAYING = Situation(has_weights=True, version=4)
HELD = Situation(has_weights=True, is_held_back=True, unread_bytes=5_000_000, num_readers=1, version=4)


def test_a_short_wait_is_not_worth_a_line() -> None:
    teller = Teller(10.0)

    lines = [hear(teller, now, at) for at, now in enumerate([PLAYING, HELD, HELD, PLAYING, HELD, PLAYING])]

    assert lines == ["playing with version 4", "", "", "", "", ""]


def test_each_change_is_told_once() -> None:
    teller = Teller(10.0)
    pause = Situation(has_weights=True, is_held_back=True, unread_bytes=5_000_000, version=4, quiet_s=HOUR_S)
    situations = [(0, PLAYING), (1, HELD), (12, HELD), (13, HELD), (1800, pause), (1811, pause), (1900, PLAYING)]

    lines = [line for at, now in situations if (line := hear(teller, now, float(at)))]

    assert lines == [
        "playing with version 4",
        "waiting: 5.0 MB of experience that nobody has read; 1 learners at work",
        "paused: nothing new for 60 minutes (version 4), and 5.0 MB of experience that nobody has read. Going on by "
        "itself when something comes.",
        "playing with version 4",
    ]


def test_trouble_is_told_with_its_reason() -> None:
    teller = Teller(0.0)
    away = Situation(has_weights=True, trouble="The shared folder is not there.")

    assert hear(teller, away, 0.0) == (
        "the shared folder cannot be used: The shared folder is not there. Going on as soon as it is back."
    )
