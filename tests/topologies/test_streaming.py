"""A run that is watched trains as if it were not, whatever becomes of those who watch."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from tests.topologies.fleet_of_toys import found_fleet, package_of
from tests.topologies.shown_play import (
    QUICK,
    goes_on,
    pictures,
    playing,
    standing,
    toy,
    viewer_process,
    viewing,
    watching,
)
from tests.topologies.test_solo_resume import fingerprint
from tests.waiting import PATIENCE_S, until

from gamefleet.testing.local_ssh import free_port
from gamefleet.topologies.actors_only.plan import ActorsPlan
from gamefleet.topologies.actors_only.wiring import opened
from gamefleet.topologies.streaming.settings import StreamingSettings
from gamefleet.topologies.streaming.shows import LOOK_INTERVAL_S
from gamefleet.topologies.streaming.wiring import streamed
from gamefleet.transport.rendezvous import Endpoint, publish_endpoint, withdraw_endpoint
from gamefleet.transport.token import Token, new_token, write_token
from gamefleet.watch.subscription import Wish


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "stream"


@pytest.fixture
def token(place: Path) -> Token:
    return write_token(place / "token")


def test_whoever_watches_sees_the_best_agents_and_what_is_said_of_them(place: Path, token: Token) -> None:
    with viewing(token) as (hub, port), playing(place, port):
        watcher = watching(hub)
        assert set(pictures(watcher, 10)) == {"m0/0", "m0/1"}
        agents = hub.agents()
        assert [agent["id"] for agent in agents] == ["m0/0", "m0/1"]
        assert {(agent["game"], agent["run"], agent["origin"]) for agent in agents} == {("grid", "run", "start")}
        assert hub.as_json()["streaming"]["producers"] == 1


def test_nothing_is_drawn_while_nobody_watches(place: Path, token: Token) -> None:
    with viewing(token) as (hub, port), playing(place, port) as play:
        until(lambda: hub.agents(), "the player's roster")
        scene = play.solo.actor.vector.scene
        assert goes_on(play)
        assert not scene.wanted.any()
        assert not scene.pictures.any()
        watcher = watching(hub)
        pictures(watcher, 3)
        watcher.close()
        until(lambda: hub.statistics()["frames_per_s"] == 0, "the end of the pictures")
        scene.pictures[:] = 0
        assert goes_on(play)
        assert not scene.pictures.any()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_watched_run_is_bit_identical_to_one_that_nobody_watches(num_workers: int, place: Path, token: Token) -> None:
    with toy(num_workers=num_workers) as alone:
        for _ in range(60):
            alone.run_round()
        expected = fingerprint(alone)
    with viewing(token) as (hub, port), toy(num_workers=num_workers) as solo:
        settings = StreamingSettings(enabled=True, port=port, frames_per_s=60.0)
        with streamed(solo.actor, settings, places=[place], member="m0", run="r", environ={}, link=QUICK):
            watcher = watching(hub, Wish(frames_per_s=60.0))
            until(lambda: hub.statistics()["players"] == 1, "the player")
            seen = 0
            for _ in range(60):
                solo.run_round()
                seen += len(watcher.next(0.02))
            assert seen > 0
            assert fingerprint(solo) == expected


def test_a_viewer_that_goes_is_not_missed_and_one_that_comes_back_is_found(place: Path, token: Token) -> None:
    port = free_port()
    with playing(place, port) as play:
        assert goes_on(play)
        for _ in range(3):
            with viewing(token, port) as (hub, _port):
                pictures(watching(hub), 3)
            assert goes_on(play)
        until(lambda: standing(place).kind == "connecting", "word that the viewer is gone")


def test_a_laptop_that_falls_asleep_holds_nothing_up_and_sees_more_when_it_wakes(place: Path, token: Token) -> None:
    port = free_port()
    viewer = viewer_process(place / "token", port)
    assert viewer.stdout is not None
    try:
        with playing(place, port) as play:
            first = viewer.stdout.readline()
            os.kill(viewer.pid, signal.SIGSTOP)
            until(lambda: standing(place).kind == "connecting", "word that the viewer is silent")
            scene = play.solo.actor.vector.scene
            assert goes_on(play)
            scene.pictures[:] = 0
            assert goes_on(play)
            assert not scene.pictures.any()
            os.kill(viewer.pid, signal.SIGCONT)
            until(lambda: standing(place).kind == "connected", "the viewer that woke")
            later = [int(viewer.stdout.readline().split()[1]) for _ in range(10)]
            assert later[-1] > int(first.split()[1])
    finally:
        viewer.kill()
        viewer.wait()
        viewer.stdout.close()


def test_a_wrong_token_is_said_and_one_that_is_mended_works_without_a_restart(place: Path, token: Token) -> None:
    right = new_token()
    with viewing(right) as (hub, port), playing(place, port) as play:
        until(lambda: standing(place).kind == "refused", "word that the token is wrong")
        assert "token" in standing(place).why
        assert goes_on(play)
        assert hub.statistics()["players"] == 0
        write_token(place / "token", right, replace=True)
        pictures(watching(hub), 3)


def test_of_several_tokens_the_one_that_fits_is_found(place: Path, token: Token, tmp_path: Path) -> None:
    own = write_token(tmp_path / ".config" / "gamefleet" / "token")
    with viewing(own) as (hub, port), playing(place, port, environ={"HOME": str(tmp_path)}):
        pictures(watching(hub), 3)


def test_without_a_token_nobody_is_called(place: Path) -> None:
    token = new_token()
    before = threading.active_count()
    with viewing(token) as (hub, port), playing(place, port) as play:
        until(lambda: standing(place).kind == "waiting", "word that there is no token")
        assert goes_on(play)
        assert hub.statistics()["players"] == 0
        assert not play.solo.actor.vector.scene.wanted.any()
    assert threading.active_count() == before


def test_a_viewer_is_found_by_what_it_published_wherever_its_port_is(place: Path, token: Token) -> None:
    with viewing(token) as (hub, port), playing(place, free_port()) as play:
        assert goes_on(play)
        publish_endpoint(place, "laptop", Endpoint(host="localhost", port=port))
        pictures(watching(hub), 3)
        withdraw_endpoint(place, "laptop")


def test_without_any_settings_a_run_is_shown_to_who_leaves_word_in_its_folder_and_to_nobody_else(
    place: Path, token: Token
) -> None:
    before = threading.active_count()
    with viewing(token) as (hub, port):
        around = threading.active_count()
        with playing(place, None) as play:
            assert threading.active_count() == around + 2, "one that plays and one that waits, nothing more"
            publish_endpoint(place, "dashboard", Endpoint(host="localhost", port=port))
            pictures(watching(hub), 3)
            assert goes_on(play)
    assert threading.active_count() == before


def test_two_viewers_see_the_same_pictures_and_one_that_goes_takes_nothing_from_the_other(
    place: Path, token: Token
) -> None:
    with viewing(token) as (one, first), viewing(token) as (other, second), playing(place, first):
        publish_endpoint(place, "other", Endpoint(host="localhost", port=second))
        watchers = [watching(one), watching(other)]
        assert [set(pictures(watcher, 10)) for watcher in watchers] == [{"m0/0", "m0/1"}] * 2

        withdraw_endpoint(place, "other")
        until(lambda: other.statistics()["players"] == 0, "end of the second show")
        pictures(watchers[0], 5)


def test_a_viewer_that_is_reached_by_two_ways_shows_each_agent_once(place: Path, token: Token) -> None:
    with viewing(token) as (hub, port), playing(place, port):
        pictures(watching(hub), 2)
        publish_endpoint(place, "again", Endpoint(host="localhost", port=port))
        time.sleep(2 * LOOK_INTERVAL_S)  # it looks for viewers meanwhile, and finds this one a second time
        assert [agent["id"] for agent in hub.agents()] == ["m0/0", "m0/1"]


def test_a_port_of_somebody_else_is_told_from_a_viewer(place: Path, token: Token) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger, playing(place, stranger.getsockname()[1]) as play:
        connection, _ = stranger.accept()
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        connection.close()
        assert goes_on(play)
        with viewing(token) as (hub, port):
            publish_endpoint(place, "laptop", Endpoint(host="127.0.0.1", port=port))
            pictures(watching(hub), 3)


def test_a_game_without_pictures_plays_on_unwatched(
    place: Path, token: Token, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with (
        toy("chain") as solo,
        streamed(
            solo.actor, StreamingSettings(enabled=True), places=[place], member="m0", run="r", environ={}, link=QUICK
        ),
    ):
        solo.run_round()
    assert "has no pictures" in caplog.text


def test_a_slow_watcher_gets_new_pictures_and_delays_no_other(place: Path, token: Token) -> None:
    with viewing(token) as (hub, port), playing(place, port):
        slow, fast = watching(hub), watching(hub)
        pictures(slow, 2)
        pictures(fast, 40)
        newest = max(shown.frame.number for shown in fast.next(PATIENCE_S))
        late = slow.take()
        assert late
        assert all(shown.frame.number >= newest - 3 for shown in late)
        slow.close()


def test_two_players_of_one_name_are_told_apart(place: Path, token: Token) -> None:
    with viewing(token) as (hub, port), playing(place, port, member="twin"), playing(place, port, member="twin"):
        until(lambda: len(hub.agents()) == 4, "both players")
        assert {agent["id"] for agent in hub.agents()} == {"twin/0", "twin/1", "twin~2/0", "twin~2/1"}
        watcher = watching(hub, Wish(agents=("twin/1", "twin~2/0")))
        assert set(pictures(watcher, 12)) == {"twin/1", "twin~2/0"}


def test_a_laptop_that_only_plays_shows_its_games_too(place: Path, token: Token, tmp_path: Path) -> None:
    found_fleet(tmp_path, toy="grid")
    with viewing(token) as (hub, port):
        plan = ActorsPlan(
            shared_dir=tmp_path,
            member="laptop",
            state_folder=tmp_path / "members",
            streaming=StreamingSettings(enabled=True, port=port),
        )
        with opened(package_of("grid"), plan) as member:
            watcher = watching(hub)
            seen: list[str] = []
            end = time.monotonic() + PATIENCE_S
            while len(seen) < 4 and time.monotonic() < end:
                member.turn()
                seen += [shown.id for shown in watcher.next(0.01)]
        assert set(seen) == {"laptop/0", "laptop/1"}
    assert not (place / "standing.json").exists()
