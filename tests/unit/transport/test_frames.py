"""The lossy channel's messages and credits."""

import math
from typing import Any

import numpy as np
import pytest

from gamefleet.transport.frames import (
    FRAME_BYTES,
    GRANT_LASTS_S,
    MOST_AGENTS,
    NAME_CHARACTERS,
    Credits,
    MalformedMessageError,
    read_facts,
    read_frame,
    read_grants,
    read_roster,
)
from gamefleet.transport.pictures import encode

PNG = encode(np.zeros((8, 10, 3), np.uint8)).data
HEADER: dict[str, Any] = {
    "env": 3, "number": 7, "codec": "png", "width": 10, "height": 8,
    "progress": 2.0, "reward": 1.5, "steps": 40, "milestones": 1, "at": 1e9,
}  # fmt: skip
ROW: dict[str, Any] = {"env": 0, "progress": 1.0, "milestones": 1, "reward": 2.0, "steps": 3, "origin": "start"}
FACTS: dict[str, Any] = {"member": "m0", "run": "demo", "game": "grid", "num_envs": 2, "picture": [8, 10]}


def test_a_frame_is_read_as_it_was_sent() -> None:
    frame = read_frame(HEADER, [memoryview(PNG)])
    assert frame.header() == HEADER
    assert frame.data == PNG


@pytest.mark.parametrize(
    "changes",
    [
        {"env": -1}, {"env": MOST_AGENTS}, {"codec": "svg"}, {"width": 0}, {"width": 100_000}, {"steps": -1},
        {"progress": "much"}, {"number": 1 << 60}, {"width": 11},
    ],
)  # fmt: skip
def test_a_frame_that_breaks_a_rule_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessageError):
        read_frame({**HEADER, **changes}, [PNG])


def test_a_frame_without_a_picture_with_two_or_with_an_enormous_one_is_refused() -> None:
    for payload in ([], [PNG, PNG], [b""], [PNG + bytes(FRAME_BYTES)], [b"<script>alert(1)</script>"]):
        with pytest.raises(MalformedMessageError):
            read_frame(HEADER, payload)


def test_numbers_that_are_none_become_zero_because_json_has_no_word_for_them() -> None:
    frame = read_frame({**HEADER, "reward": math.nan, "progress": math.inf}, [PNG])
    assert (frame.reward, frame.progress) == (0.0, 0.0)
    (row,) = read_roster({"agents": [{**ROW, "reward": -math.inf}]})
    assert row.reward == 0.0


def test_names_are_cut_and_lose_what_cannot_be_printed() -> None:
    facts = read_facts({**FACTS, "member": "a\x1b[31m\n\u202eb" + "c" * 500, "run": "<b>x</b>"})
    assert facts.member.startswith("a[31mb")
    assert len(facts.member) == NAME_CHARACTERS
    assert facts.run == "<b>x</b>"  # harmless as text; pages put it in as nothing else


@pytest.mark.parametrize("changes", [{"member": "x" * 5000}, {"num_envs": 10**9}, {"picture": [1]}, {"game": 3}])
def test_a_player_that_says_impossible_things_of_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessageError):
        read_facts({**FACTS, **changes})


def test_an_oversized_roster_is_refused_whole() -> None:
    with pytest.raises(MalformedMessageError):
        read_roster({"agents": [{**ROW, "env": 1}] * (MOST_AGENTS + 1)})
    with pytest.raises(MalformedMessageError):
        read_roster({"agents": [{**ROW, "origin": "x" * 100_000}]})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_nothing_is_due_without_a_credit(clock: Clock) -> None:
    credits = Credits(top_k=2, frames_per_s=15.0, clock=clock)
    assert credits.due() == []
    credits.replace([(1, 0, 15.0)])
    assert credits.due() == []
    credits.replace([(1, 1, 15.0)])
    assert credits.due() == [1]
    credits.spend(1)
    clock.now += 1.0
    assert credits.due() == []


def test_pictures_come_at_the_speed_that_was_asked_for_and_no_faster_than_the_settings_allow(clock: Clock) -> None:
    credits = Credits(top_k=2, frames_per_s=10.0, clock=clock)
    taken = {0: 0, 1: 0}
    for _ in range(600):
        credits.replace([(0, 3, 60.0), (1, 3, 4.0)])
        for env in credits.due():
            taken[env] += 1
        clock.now += 1 / 60
    assert taken[0] == pytest.approx(100, abs=2)
    assert taken[1] == pytest.approx(40, abs=2)


def test_only_the_first_top_k_are_shown_at_full_speed(clock: Clock) -> None:
    credits = Credits(top_k=1, frames_per_s=10.0, clock=clock)
    taken = {4: 0, 2: 0, 3: 0}
    for _ in range(200):
        credits.replace([(4, 3, 10.0), (2, 3, 10.0), (3, 3, 0.5)])
        for env in credits.due():
            taken[env] += 1
        clock.now += 0.05
    assert taken == {4: 100, 2: 10, 3: 5}


def test_a_grant_that_is_not_renewed_runs_out(clock: Clock) -> None:
    credits = Credits(top_k=1, frames_per_s=10.0, clock=clock)
    credits.replace([(0, 1000, 10.0)])
    clock.now = GRANT_LASTS_S + 0.1
    assert credits.due() == []
    assert credits.is_empty


def test_a_malformed_grant_is_refused() -> None:
    assert list(read_grants({"grants": [[0, 3, 15.0]]})) == [(0, 3, 15.0)]
    for grants in ([[0, -1, 15.0]], [[0, 3, 1e9]], [[-1, 3, 1.0]], [["a"]], "x", [[0, 3, math.nan]]):
        with pytest.raises(MalformedMessageError):
            read_grants({"grants": grants})
