"""Battles in a real browser: a person plays an agent without the public client, and the dashboard replays a battle."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
import zstandard
from tests.waiting import PATIENCE_S
from tests.watch.conftest import Pages
from tests.watch.page_rules import CONTRAST, NAMELESS, WIDER_THAN_THE_WINDOW
from tests.watch.run_folders import make_run
from tests.watch.sites import Dashboard

from gamefleet.cli.dashboard_checks import panels
from gamefleet.cli.play_showdown import BattleRequest, accept_all, page_address
from gamefleet.files import write_bytes, write_json
from gamefleet.games.showdown import PACKAGE
from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown.corpus import FOLDER
from gamefleet.games.showdown.panel import replay_of
from gamefleet.games.showdown.players_network import NetworkPlayer, Opinion, random_policy
from gamefleet.games.showdown.replays.parse import parse_log
from gamefleet.games.showdown.replays.trace import Trace
from gamefleet.games.showdown.server import local_server
from gamefleet.topologies.config import make_config
from gamefleet.topologies.snapshot import WORDS
from gamefleet.watch.providers import Providers

STAND_AT = """
[...document.querySelectorAll('.showdown button')].find((one) => one.textContent === 'Pause')?.click();
const slider = document.querySelector('.showdown input[type=range]');
slider.value = arguments[0];
slider.dispatchEvent(new Event('input'));
"""
BEGIN = "document.querySelector('#begin').click()"
CHOOSE = "document.querySelector('#choices button')?.click()"
LEARNED = {"policy/loss": 1.5, "speed/updates_per_s": 2.0, "speed/decisions_per_s": 128.0, "data/epoch": 0.0}
HIDDEN = "return [...document.querySelectorAll('h2')].find((one) => one.textContent === 'Milestones').parentNode.hidden"
OVER = ("You won.", "You lost.", "A tie.")


def battle(number: int) -> Trace:
    """One of the battles that come with gamefleet."""
    with (FOLDER / "gen1ou.jsonl.zst").open("rb") as stream:
        lines = zstandard.ZstdDecompressor().stream_reader(stream).read().splitlines()
    return parse_log(msgspec.json.decode(lines[number])["log"])


def opinions(trace: Trace, side: int) -> list[Opinion]:
    """Of a policy that is always sure of the first legal action."""
    count = int((trace.choices[:, side] != at.CHOICE_NOT_ASKED).sum())
    return [Opinion(probabilities=np.eye(at.NUM_CHOICES, dtype=np.float32)[0], win_chance=0.625)] * count


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dashboard, Any]]:
    folder = tmp_path_factory.mktemp("battles")
    trace = battle(0)
    told = replay_of(trace, (opinions(trace, 0), opinions(trace, 1)))
    for name, words in (("told", {"step": 7, "time": time.time(), "panels": {"battle": told}}), ("silent", None)):
        paths = make_run(folder / name, game="showdown")
        write_json(paths.resolved, make_config(PACKAGE, {}).resolved())
        if words:
            attempt = {"attempt": 1, "resumed_step": -1}
            row = {"attempt": 1, "step": 500, "time": time.time(), "values": LEARNED}
            write_bytes(paths.metrics("train"), f"{json.dumps(attempt)}\n{json.dumps(row)}\n".encode())
            write_bytes(paths.media / WORDS, json.dumps(words).encode())
    dashboard = Dashboard([folder], Providers(panels=panels))
    dashboard.start()
    yield dashboard, told
    dashboard.stop()


def test_the_dashboard_replays_a_battle_with_what_the_policy_thinks(
    pages: Pages, served: tuple[Dashboard, Any]
) -> None:
    dashboard, told = served
    for scheme, width in (("light", 1280), ("dark", 390)):
        pages.prefer(scheme)
        pages.resize(width, 860, is_phone=width < 600)
        pages.open(dashboard.at("map?run=told"))
        pages.find(".sd-mon")
        pages.wait_for_text(".showdown", "Newest battle")
        assert pages.run(CONTRAST) == []
        assert pages.run(NAMELESS) == []
        assert pages.run(WIDER_THAN_THE_WINDOW) <= 0
        assert pages.complaints() == []
    for decision in (0, 5, len(told["frames"]) - 1):
        pages.wait_for_text(".showdown", "step 7")
        pages.run(STAND_AT, decision)
        frame = told["frames"][decision]
        shown = [mon["name"] for side in frame["sides"] for mon in side["mons"] if mon]
        found = pages.run("return [...document.querySelectorAll('.sd-name strong')].map((one) => one.textContent)")
        assert found == shown
        assert "63 % to win" in pages.text(".showdown")


def test_a_run_that_learns_from_records_is_not_asked_for_pictures_and_milestones(
    pages: Pages, served: tuple[Dashboard, Any]
) -> None:
    pages.open(served[0].at("now?run=told"))

    pages.wait_for_text(".sleep", "This run learns from records.")
    pages.wait_for_text(".facts", "Decisions/s")
    pages.wait_for_text(".curves", "policy/loss")
    assert pages.run(HIDDEN)
    assert pages.complaints() == []


def test_a_run_that_has_not_told_of_a_battle_shows_an_example(pages: Pages, served: tuple[Dashboard, Any]) -> None:
    pages.open(served[0].at("map?run=silent"))
    pages.find(".sd-mon")

    pages.wait_for_text(".showdown", "An example that comes with gamefleet")


@pytest.mark.long
@pytest.mark.usefixtures("simulator")
def test_a_person_plays_a_battle_in_the_browser(pages: Pages) -> None:
    request = BattleRequest(against="agent", format="gen1randombattle", seed=1)
    agent = NetworkPlayer("agent", random_policy)
    with local_server() as server:
        playing = threading.Thread(target=lambda: asyncio.run(accept_all(server.websocket, request, agent, most=1)))
        playing.start()
        pages.open(page_address(server.page, request))
        # The agent may log in after the person; until then a challenge is answered that nobody is there.
        pages.wait_for_text("#said", "You are Person")
        pages.wait_for("the first choices", lambda: pages.run(BEGIN) or pages.all("#choices button"))
        assert pages.run(NAMELESS) == []
        assert len(pages.all("#choices button")) >= 5
        pages.wait_for("the end", lambda: pages.run(CHOOSE) or pages.text("#said") in OVER)
        playing.join(PATIENCE_S)
        assert not playing.is_alive()
        assert "Turn 2" in pages.text("#log")
        assert pages.complaints() == []
