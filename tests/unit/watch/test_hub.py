"""Players that connect for real, well-behaved and hostile ones."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from tests.waiting import PATIENCE_S, until

from gamefleet.transport.frames import (
    FRAME,
    FRAME_BYTES,
    GRANT,
    MOST_AGENTS,
    NAME_CHARACTERS,
    PLAYER,
    ROSTER,
    VIEWER,
    read_frame,
)
from gamefleet.transport.link import Link
from gamefleet.transport.link_dialer import Dialer
from gamefleet.transport.pictures import encode
from gamefleet.transport.token import Token, new_token
from gamefleet.watch.hub import Hub
from gamefleet.watch.players import MOST_MALFORMED, SPEED_WINDOW_S, player_listener
from gamefleet.watch.subscription import MOST_WATCHED, Wish

PNG = encode(np.zeros((8, 10, 3), np.uint8)).data
XSS = "<img src=x onerror=alert(1)>"


@pytest.fixture
def token() -> Token:
    return new_token()


@pytest.fixture
def hub(token: Token) -> Iterator[Hub]:
    listener = player_listener("127.0.0.1", 0, token, name="viewer")
    hub = Hub(listener, listening=f"127.0.0.1:{listener.address[1]}")
    yield hub
    hub.close()


def address_of(hub: Hub) -> tuple[str, int]:
    host, _, port = str(hub.as_json()["streaming"]["listening"]).partition(":")
    return host, int(port)


def facts(**changes: Any) -> dict[str, Any]:
    return {"member": "m0", "run": "run", "game": "grid", "num_envs": 2, "picture": [8, 10], **changes}


def row(env: int, **changes: Any) -> dict[str, Any]:
    return {"env": env, "progress": 0.0, "milestones": 0, "reward": 0.0, "steps": 1, "origin": "start", **changes}


def header(env: int, number: int, **changes: Any) -> dict[str, Any]:
    return {**row(env), "number": number, "codec": "png", "width": 10, "height": 8, "at": 1.0, **changes}


@contextmanager
def player(hub: Hub, token: Token, said: dict[str, Any] | None = None, *, role: str = PLAYER) -> Iterator[Link]:
    """A connected player that does what a test says."""
    dialer = Dialer(
        lambda timeout_s: socket.create_connection(address_of(hub), timeout_s),
        token, name="player", role=role, peer_role=VIEWER, facts=facts() if said is None else said,
    )  # fmt: skip
    try:
        until(lambda: dialer.link.counts().connections or dialer.link.state.kind == "refused", "an answer")
        yield dialer.link
    finally:
        dialer.close(0.0)


def offer(link: Link, kind: str, header: dict[str, Any], payload: list[bytes] | None = None, key: str = "") -> None:
    until(lambda: link.offer(kind, header, payload or [], key=key), "room for a message")


def granted(link: Link) -> dict[int, int]:
    """The next grant."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        message = link.receive(0.5)
        if message is not None and message.kind == GRANT:
            return {env: credits for env, credits, _ in message.header["grants"]}
    raise AssertionError("no grant came")


def test_credits_come_when_somebody_watches_and_end_when_nobody_does(hub: Hub, token: Token) -> None:
    with player(hub, token) as link:
        offer(link, ROSTER, {"agents": [row(0), row(1)]})
        until(lambda: len(hub.agents()) == 2, "the roster")
        assert link.receive(0.6) is None
        watcher = hub.watch()
        watcher.wish(Wish(agents=("m0/1",)))
        assert set(granted(link)) == {1}
        watcher.close()
        assert granted(link) == {}


def test_pictures_that_nobody_asked_for_go_nowhere(hub: Hub, token: Token) -> None:
    watcher = hub.watch()
    watcher.wish(Wish(agents=("m0/1",), frames_per_s=60.0))
    with player(hub, token) as link:
        offer(link, ROSTER, {"agents": [row(0), row(1)]})
        granted(link)
        for number in range(40):
            offer(link, FRAME, header(0, number), [PNG], key="env0")
        offer(link, FRAME, header(1, 1), [PNG], key="env1")
        (shown,) = watcher.next(PATIENCE_S)
        assert shown.id == "m0/1"
        assert hub.statistics()["frames_per_s"] < 20


def test_a_watcher_that_takes_nothing_gets_no_credits_for_more(hub: Hub, token: Token) -> None:
    watcher = hub.watch()
    watcher.wish(Wish(agents=("m0/0",), frames_per_s=60.0))
    with player(hub, token) as link:
        offer(link, ROSTER, {"agents": [row(0)]})
        assert granted(link)[0] > 0
        offer(link, FRAME, header(0, 1), [PNG], key="env0")
        while granted(link):
            pass
        (shown,) = watcher.take()
        assert shown.frame.number == 1
        assert granted(link)[0] > 0


def test_the_newest_picture_takes_the_place_of_the_one_before(hub: Hub, token: Token) -> None:
    watcher = hub.watch()
    watcher.wish(Wish(agents=("m0/0",)))
    with player(hub, token) as link:
        offer(link, ROSTER, {"agents": [row(0)]})
        granted(link)
        for number in (1, 2, 3):
            offer(link, FRAME, header(0, number), [PNG], key="env0")
        until(lambda: hub.statistics()["frames_per_s"] > 0, "a picture")
        until(lambda: watcher._waiting and watcher._waiting["m0/0"].number == 3, "the newest")
        assert [shown.frame.number for shown in watcher.take()] == [3]


def test_hostile_names_are_cut_and_stay_text(hub: Hub, token: Token) -> None:
    said = facts(member=XSS + "\x00\u202e" + "m" * 900, run=XSS, game="\n" * 50)
    with player(hub, token, said) as link:
        offer(link, ROSTER, {"agents": [row(0, origin=XSS + "o" * 900, reward=float("nan"))]})
        until(hub.agents, "the roster")
        (agent,) = hub.agents()
        assert len(agent["id"]) <= NAME_CHARACTERS + len("/0")
        assert len(agent["origin"]) == NAME_CHARACTERS
        assert agent["run"] == XSS
        assert agent["game"] == ""
        assert agent["reward"] == 0.0
        assert all(text.isprintable() for text in agent.values() if isinstance(text, str))


@pytest.mark.parametrize(
    "said", [{}, facts(member="m" * 5000), facts(num_envs=10**9), facts(picture=[10**6, 8]), facts(num_envs="many")]
)
def test_a_player_that_does_not_say_who_it_is_is_sent_away(hub: Hub, token: Token, said: dict[str, Any]) -> None:
    with player(hub, token, said) as link:
        until(lambda: link.state.kind != "connected", "the end")
        assert link.counts().connections
        assert hub.statistics()["players"] == 0


def test_oversized_rosters_and_pictures_are_counted_and_left_out(hub: Hub, token: Token) -> None:
    watcher = hub.watch()
    watcher.wish(Wish(agents=("m0/0",)))
    with player(hub, token) as link:
        offer(link, ROSTER, {"agents": [row(0)]})
        granted(link)
        offer(link, ROSTER, {"agents": [row(env % MOST_AGENTS) for env in range(MOST_AGENTS + 1)]})
        offer(link, FRAME, header(0, 1), [PNG + bytes(FRAME_BYTES)], key="a")
        offer(link, FRAME, header(0, 1, width=2000, height=2000), [PNG], key="b")
        offer(link, FRAME, header(0, 1), [b"<svg onload=alert(1)>"], key="c")
        until(lambda: hub.statistics()["malformed"] == 4, "four faults")
        assert len(hub.agents()) == 1
        assert watcher.take() == []
        offer(link, FRAME, header(0, 2), [PNG], key="d")
        (shown,) = watcher.next(PATIENCE_S)
        assert shown.frame.number == 2


def test_a_player_that_lists_agents_it_does_not_have_has_only_its_own(hub: Hub, token: Token) -> None:
    with player(hub, token) as link:
        offer(link, ROSTER, {"agents": [row(env) for env in range(1000)]})
        until(hub.agents, "the roster")
        assert [agent["env"] for agent in hub.agents()] == [0, 1]


def test_a_player_that_goes_on_breaking_rules_is_sent_away(hub: Hub, token: Token) -> None:
    with player(hub, token) as link:
        sent = 0
        end = time.monotonic() + PATIENCE_S
        while link.state.kind == "connected" and time.monotonic() < end:
            sent += link.offer(ROSTER, {"agents": "none"}, key=str(sent))
        assert sent > MOST_MALFORMED
        assert link.state.kind != "connected"


def test_only_players_are_let_in(hub: Hub, token: Token) -> None:
    with player(hub, token, role="learner") as link:
        assert link.state.kind == "refused"
    with player(hub, new_token()) as link:
        assert link.state.kind == "refused"
        assert "token" in link.state.why
    assert hub.statistics()["players"] == 0


def test_the_best_of_all_players_are_chosen(hub: Hub, token: Token) -> None:
    with player(hub, token, facts(member="a")) as one, player(hub, token, facts(member="b")) as two:
        offer(one, ROSTER, {"agents": [row(0, progress=3.0), row(1, progress=1.0)]})
        offer(two, ROSTER, {"agents": [row(0, progress=2.0), row(1, progress=9.0)]})
        until(lambda: len(hub.agents()) == 4, "both rosters")
        assert set(hub.best(2)) == {"b/1", "a/0"}


def test_a_player_that_loses_its_way_and_finds_another_is_listed_at_every_moment(hub: Hub, token: Token) -> None:
    ways: list[socket.socket] = []

    def once(timeout_s: float) -> socket.socket:
        if ways:
            raise ConnectionRefusedError("this way is gone")
        ways.append(socket.create_connection(address_of(hub), timeout_s))
        return ways[0]

    said = facts(process="host:1")
    lost = Dialer(once, token, name="player", role=PLAYER, peer_role=VIEWER, facts=said)
    offer(lost.link, ROSTER, {"agents": [row(0), row(1)]})
    until(lambda: len(hub.agents()) == 2, "the roster")
    ways[0].shutdown(socket.SHUT_RDWR)
    until(lambda: hub.statistics()["players"] == 0, "the end of the first way")

    with player(hub, token, said):
        until(lambda: hub.statistics()["players"] == 1, "the second way")
        assert [agent["id"] for agent in hub.agents()] == ["m0/0", "m0/1"]
    lost.close(0.0)


def test_a_watcher_can_wish_for_no_more_than_fits_on_a_screen(hub: Hub) -> None:
    watcher = hub.watch()
    watcher.wish(Wish(agents=tuple(f"m0/{env}" for env in range(1000))))
    assert len(watcher.agents) == MOST_WATCHED


def test_a_viewer_that_nobody_asks_for_numbers_forgets_old_pictures(hub: Hub, token: Token) -> None:
    with player(hub, token) as link:
        until(lambda: hub.statistics()["players"], "a player")
        known = next(iter(hub._players))
        frame = read_frame(header(0, 1), [memoryview(PNG)])
        for second in range(1000):
            known._granted[0] = 1
            known._take(frame, float(second))
        assert len(known._arrivals[0]) <= SPEED_WINDOW_S + 1
        assert link.state.kind == "connected"
