"""Whatever happens to the line or to either side, no update is lost or applied twice; real processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.topologies import remote_cases
from tests.topologies.remote_cases import Found

from gamefleet.transport.link_settings import LinkTimes

USUAL = LinkTimes()
"""What users have."""

NOTICED_WITHIN_S = 25.0


@pytest.fixture
def needs_root() -> None:
    if not remote_cases.is_root():
        pytest.skip("needs root")


def check(found: Found) -> None:
    assert found.is_equal, found
    assert max(found.detected_s, default=0.0) < NOTICED_WITHIN_S, found


@pytest.mark.long
def test_a_learner_that_is_killed_at_any_moment_loses_and_repeats_nothing() -> None:
    check(remote_cases.killed("learner", 2))


@pytest.mark.long
@pytest.mark.parametrize("who", ["learner", "coordinator"])
def test_twenty_five_deaths_of_a_side_change_nothing(who: str) -> None:
    check(remote_cases.killed(who, 25, seed=1))


@pytest.mark.long
def test_a_learner_that_sleeps_for_half_a_minute_is_noticed_and_waited_for() -> None:
    check(remote_cases.asleep(30.0, USUAL))


@pytest.mark.long
@pytest.mark.usefixtures("needs_root")
def test_packets_that_are_dropped_without_a_word_are_noticed(require_program: Callable[[str, str], str]) -> None:
    require_program("ip", "apt-get install --no-install-recommends iproute2")
    check(remote_cases.half_open(2.5))


@pytest.mark.long
def test_a_learner_with_an_older_checkpoint_takes_both_back_to_one_that_they_have() -> None:
    check(remote_cases.older_checkpoint())


@pytest.mark.long
def test_bytes_that_come_twice_in_another_order_or_changed_cost_a_connection_only() -> None:
    check(remote_cases.disturbed(10))


@pytest.mark.long
def test_a_tunnel_that_dies_and_comes_back_is_used_again(require_program: Callable[[str, str], str]) -> None:
    require_program("sshd", "apt-get install --no-install-recommends openssh-server")
    check(remote_cases.tunnel(2))


@pytest.mark.long
def test_of_two_coordinators_of_a_run_the_newer_one_goes_on_and_the_older_one_is_told() -> None:
    check(remote_cases.two_coordinators())


@pytest.mark.long
def test_strangers_at_the_port_disturb_nobody() -> None:
    check(remote_cases.strangers(300))


def test_frames_that_cannot_be_end_a_connection_and_take_no_memory() -> None:
    check(remote_cases.fuzzed(2000))


@pytest.mark.long
def test_twenty_thousand_impossible_frames_take_no_memory() -> None:
    check(remote_cases.fuzzed(20_000, seed=1))


@pytest.mark.long
@pytest.mark.usefixtures("needs_root")
def test_a_full_disk_at_the_learner_pauses_the_run_until_there_is_room() -> None:
    check(remote_cases.full_disk())
