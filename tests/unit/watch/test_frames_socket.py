"""What a browser gets through its socket, from a real server."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from tests.unit.watch.test_hub import PNG, facts, granted, header, offer, player, row
from tests.waiting import PATIENCE_S, until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gamefleet.transport.frames import FRAME, ROSTER
from gamefleet.transport.link import Link
from gamefleet.transport.token import Token, new_token
from gamefleet.watch.frames_socket import MOST_SOCKETS
from gamefleet.watch.hub import Hub
from gamefleet.watch.players import player_listener
from gamefleet.watch.serving import Serving, take_place
from gamefleet.watch.viewer import viewer_app

LOOK = {"top_k": 2, "width": 800, "height": 600, "fps": 15.0}


@dataclass(frozen=True)
class Site:
    """A viewer's server."""

    hub: Hub
    token: Token
    port: int

    def open(self, **headers: str) -> ClientConnection:
        origin = headers.pop("origin", f"http://127.0.0.1:{self.port}")
        return connect(f"ws://127.0.0.1:{self.port}/ws/frames", origin=origin, proxy=None, max_size=1 << 22)  # type: ignore[arg-type]


@pytest.fixture
def site() -> Iterator[Site]:
    token = new_token()
    listener = player_listener("127.0.0.1", 0, token, name="viewer")
    hub = Hub(listener, listening=f"127.0.0.1:{listener.address[1]}")
    place = take_place("127.0.0.1", 0, usual_port=0)
    serving = Serving(viewer_app(hub, view=LOOK, extra=lambda: {"tunnel": "open"}), place)
    serving.start()
    yield Site(hub=hub, token=token, port=place.port)
    serving.close()
    hub.close()


def read(message: Any) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack("<I", message[:4])
    return json.loads(message[4 : 4 + length]), message[4 + length :]


def send(link: Link, number: int, env: int = 0) -> None:
    offer(link, FRAME, header(env, number), [PNG], key=f"env{env}")


def test_a_browser_gets_the_best_agents_pictures_with_what_is_said_of_them(site: Site) -> None:
    with player(site.hub, site.token) as link, site.open() as browser:
        offer(link, ROSTER, {"agents": [row(0)]})
        browser.send(json.dumps({"watch": "best", "top_k": 1, "fps": 15}))
        granted(link)
        send(link, 7)
        said, picture = read(browser.recv(PATIENCE_S))
        assert (said["id"], said["number"], said["codec"], said["width"]) == ("m0/0", 7, "png", 10)
        assert picture == PNG


def test_the_next_picture_waits_until_the_last_one_was_drawn(site: Site) -> None:
    with player(site.hub, site.token) as link, site.open() as browser:
        offer(link, ROSTER, {"agents": [row(0)]})
        browser.send(json.dumps({"watch": ["m0/0"], "fps": 60}))
        granted(link)
        send(link, 1)
        assert read(browser.recv(PATIENCE_S))[0]["number"] == 1
        granted(link)
        for number in (2, 3):
            send(link, number)
        with pytest.raises(TimeoutError):
            browser.recv(0.5)
        browser.send(json.dumps({"got": "m0/0"}))
        assert read(browser.recv(PATIENCE_S))[0]["number"] == 3
        browser.send(json.dumps({"got": 3}))
        granted(link)
        send(link, 4)
        assert read(browser.recv(PATIENCE_S))[0]["number"] == 4


def test_a_page_that_is_hidden_asks_for_nothing_and_nothing_is_granted(site: Site) -> None:
    with player(site.hub, site.token) as link, site.open() as browser:
        offer(link, ROSTER, {"agents": [row(0)]})
        browser.send(json.dumps({"watch": ["m0/0"]}))
        assert granted(link)
        browser.send(json.dumps({"watch": []}))
        while granted(link):
            pass


def test_a_browser_that_goes_is_forgotten(site: Site) -> None:
    with site.open() as browser:
        browser.send(json.dumps({"watch": "best"}))
        until(lambda: site.hub.statistics()["watchers"] == 1, "the browser")
    until(lambda: site.hub.statistics()["watchers"] == 0, "its end")


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100, "[]", "{", json.dumps({"watch": ["a"] * 1000}), json.dumps({"watch": "all"}), '{"top_k": -1}',
        json.dumps({"watch": ["a" * 1000]}), '{"fps": 1e9}', "[" * 50_000, '{"watch": "best", "fps": NaN}',
    ],
)  # fmt: skip
def test_a_request_that_breaks_the_rules_ends_the_socket(site: Site, text: str) -> None:
    with site.open() as browser:
        browser.send(text)
        with pytest.raises(ConnectionClosed):
            browser.recv(PATIENCE_S)
    until(lambda: site.hub.statistics()["watchers"] == 0, "its end")


def test_an_oversized_request_ends_the_socket_before_it_is_read(site: Site) -> None:
    with site.open() as browser:
        browser.send("x" * (1 << 20))
        with pytest.raises(ConnectionClosed):
            browser.recv(PATIENCE_S)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_pages_of_other_sites_see_nothing(site: Site, origin: str) -> None:
    with pytest.raises(InvalidStatus):
        site.open(origin=origin)


def test_another_name_for_this_machine_is_refused_and_paths_lead_nowhere_else(site: Site) -> None:
    address = f"http://127.0.0.1:{site.port}"
    with httpx2.Client(trust_env=False) as client:
        assert client.get(f"{address}/", headers={"host": "evil.example"}).status_code == 421
        assert "screens" in client.get(f"{address}/").text
        for path in (
            "/static/../../errors.py",
            "/static/%2e%2e/viewer.py",
            "/static//etc/passwd",
            "/static/view.html/x",
        ):
            assert client.get(address + path).status_code == 404


def test_the_page_is_told_who_plays_and_why_nothing_comes(site: Site) -> None:
    address = f"http://127.0.0.1:{site.port}/api/agents"
    with httpx2.Client(trust_env=False) as client:
        answer = client.get(address).json()
        assert answer["view"] == LOOK
        assert answer["agents"] == []
        assert "No player" in answer["streaming"]["why"]
        assert answer["streaming"]["tunnel"] == "open"
        with player(site.hub, site.token, facts(member="<script>alert(1)</script>")) as link:
            offer(link, ROSTER, {"agents": [row(0, reward=float("inf"))]})
            until(site.hub.agents, "the roster")
            (agent,) = client.get(address).json()["agents"]
            assert agent["member"] == "<script>alert(1)</script>"
            assert agent["reward"] == 0.0


def test_browsers_beyond_the_limit_are_told_to_come_later(site: Site) -> None:
    with ExitStack() as browsers:
        for _ in range(MOST_SOCKETS):
            browsers.enter_context(site.open())
        until(lambda: site.hub.statistics()["watchers"] == MOST_SOCKETS, "all browsers")
        with site.open() as late, pytest.raises(ConnectionClosed, match="too many"):
            late.recv(PATIENCE_S)
    until(lambda: site.hub.statistics()["watchers"] == 0, "their end")


def test_a_browser_that_never_answers_holds_no_other_up(site: Site) -> None:
    with player(site.hub, site.token) as link, site.open() as stuck, site.open() as lively:
        offer(link, ROSTER, {"agents": [row(0)]})
        for browser in (stuck, lively):
            browser.send(json.dumps({"watch": ["m0/0"], "fps": 60}))
        until(lambda: site.hub.statistics()["watchers"] == 2, "both")
        seen = []
        for number in range(1, 9):
            granted(link)
            send(link, number)
            seen.append(read(lively.recv(PATIENCE_S))[0]["number"])
            lively.send(json.dumps({"got": "m0/0"}))
            time.sleep(0.02)
        assert seen[-1] == 8
        assert read(stuck.recv(PATIENCE_S))[0]["number"] == 1
