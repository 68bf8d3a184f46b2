"""Hanabi's table and the page of two machines in a real browser: they show what the run wrote, and follow it."""

from collections.abc import Iterator

import pytest
from tests.watch.conftest import Pages
from tests.watch.page_rules import CONTRAST, NAMELESS, WIDER_THAN_THE_WINDOW
from tests.watch.sites import Dashboard
from tests.watch.table_runs import WHERE, find, lose, pair_run, played, table_run, tell

from gamefleet.cli.dashboard_checks import panels
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.panel import describe
from gamefleet.watch.providers import Providers

STAND_AT = """
[...document.querySelectorAll('.hanabi button')].find((one) => one.textContent === 'Pause')?.click();
const slider = document.querySelector('.hanabi input[type=range]');
slider.value = arguments[0];
slider.dispatchEvent(new Event('input'));
"""
FACES = """
const faces = (hand) => [...hand.querySelectorAll('.hb-face')].map((one) => one.textContent);
return [...document.querySelectorAll('.hb-hand')].map(faces);
"""
SQUARES = "return [...document.querySelectorAll('.hb-known')].map((one) => one.querySelectorAll('.can').length)"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("table")
    table_run(folder / "cards", games=3)
    pair_run(folder / "split")
    dashboard = Dashboard([folder], Providers(panels=panels))
    dashboard.start()
    yield dashboard
    dashboard.stop()


def keeps_the_rules(pages: Pages) -> None:
    assert pages.run(CONTRAST) == []
    assert pages.run(NAMELESS) == []
    assert pages.run(WIDER_THAN_THE_WINDOW) <= 0
    assert pages.complaints() == []


def test_the_table_shows_each_situation_of_the_game_and_the_scores(pages: Pages, served: Dashboard) -> None:
    config = HanabiConfig()
    frames = describe(config, played(config, 0))["frames"]
    for scheme, width in (("light", 1280), ("dark", 390)):
        pages.prefer(scheme)
        pages.resize(width, 860, is_phone=width < 600)
        pages.open(served.at("map?run=cards"))
        pages.find(".hb-hand")
        keeps_the_rules(pages)
    assert pages.text("[aria-selected=true]") == "Table"

    for move in (0, 20, len(frames) - 1):
        pages.run(STAND_AT, move)
        frame = frames[move]
        faces = [
            [f"{card % 5 + 1}{('red', 'yellow', 'green', 'white', 'blue')[card // 5]}" for card in hand if card >= 0]
            for hand in frame["hands"]
        ]
        assert pages.run(FACES) == faces
        possible = [card[0].bit_count() for hand in frame["known"] for card in hand if card[0]]
        assert pages.run(SQUARES) == possible
        assert f"{frame['score']} of 25" in pages.text(".hanabi .facts")
        assert f"Move {move} of {len(frames) - 1}" in pages.text(".hanabi output")
    assert "does not see this hand" not in pages.text(".hanabi"), "nobody moves after the end"
    assert len(pages.all(".bars tbody tr")) == 26
    assert "last 3 games" in pages.text(".hb-below")


def test_a_newer_game_waits_until_it_is_asked_for(pages: Pages, served: Dashboard) -> None:
    pages.open(served.at("map?run=cards"))
    pages.find(".hb-hand")
    pages.run(STAND_AT, 5)
    before = pages.run(FACES)

    config = HanabiConfig()
    newer = describe(config, played(config, 7))
    run = served.answers.view("cards").paths
    tell(run, {"step": 900, "time": 0, "environment": 1, "episodes": {"count": 0}, "panels": {"table": newer}})
    button = ".hanabi .bar button:nth-of-type(2)"
    pages.wait_for("a newer game", lambda: pages.run("return !document.querySelector(arguments[0]).disabled", button))
    assert pages.run(FACES) == before
    pages.find(button).click()
    pages.wait_for_text(".hanabi .bar", "at step 900")
    assert pages.complaints() == []


def test_the_machines_page_says_whether_the_learner_is_in_reach(pages: Pages, served: Dashboard) -> None:
    run = served.answers.view("split").paths
    pages.open(served.at("machines?run=split"))
    pages.wait_for_text(".pair", "at work")
    assert "150 MB" in pages.text(".pair")
    assert "3.1 %" in pages.text(".pair")

    lose(run)
    pages.wait_for_text("#state", f"Paused: the learner at {WHERE} is out of reach")
    pages.wait_for_text(".pair", "out of reach for")
    keeps_the_rules(pages)
    find(run)
    pages.wait_for_text("#state", "Training")
