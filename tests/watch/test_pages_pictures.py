"""Pictures of agents in a real browser: the wall, the followed agent, the first page, and the viewer's own page."""

import base64
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.keys import Keys
from tests.watch.conftest import Pages
from tests.watch.page_rules import CONTRAST, NAMELESS, WIDER_THAN_THE_WINDOW
from tests.watch.shown_players import Picture, ShownPlayer, listening_hub, pictures_of_play
from tests.watch.sites import HOSTILE, NUM_MEMBERS, Dashboard, make_site, providers

from gamefleet.files import write_json
from gamefleet.runs.metrics import MetricsWriter
from gamefleet.runs.paths import RunPaths
from gamefleet.transport.token import new_token
from gamefleet.watch.hub import Hub
from gamefleet.watch.serving import Serving, take_place
from gamefleet.watch.viewer import viewer_app

VIEW = {"top_k": 2, "width": 800, "height": 600, "fps": 15.0}
PIXELS = "return document.querySelector(arguments[0]).toDataURL('image/png')"


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    """Ten different ones."""
    found = pictures_of_play(40)
    kept = [found[0]]
    kept += [two for one, two in pairwise(found) if not np.array_equal(one, two)]
    assert len(kept) >= 10
    return kept[:10]


@pytest.fixture(scope="module")
def wall(tmp_path_factory: pytest.TempPathFactory, pictures: list[Picture]) -> Iterator[Dashboard]:
    """A dashboard with fifty members, two agents each, one of them with a hostile name."""
    token = new_token()
    hub, port = listening_hub(token)
    names = [HOSTILE, *(f"laptop-{number:02d}" for number in range(1, NUM_MEMBERS))]
    players = [ShownPlayer(name, port, token, pictures[:2]) for name in names]
    dashboard = Dashboard(
        make_site(tmp_path_factory.mktemp("wall"), small_run(tmp_path_factory.mktemp("run"))), providers(), hub=hub
    )
    dashboard.start()
    yield dashboard
    dashboard.stop()
    for player in players:
        player.close()
    hub.close()


def small_run(folder: Path) -> Path:
    """A run folder with a few metrics; its game shows its pictures elsewhere."""
    paths = RunPaths(folder)
    write_json(paths.manifest, {"game": "pokemon_red", "name": folder.name})
    with MetricsWriter(paths.metrics("train"), attempt=1) as metrics:
        metrics.write(100, {"speed/steps_per_s": 100.0})
    return folder


def serve_viewer(hub: Hub, port: int = 0) -> Serving:
    """The viewer's page, being served."""
    serving = Serving(viewer_app(hub, view=VIEW), take_place("127.0.0.1", port, usual_port=0))
    serving.start()
    return serving


def shown(pages: Pages, selector: str) -> Picture:
    """What a canvas holds, pixel by pixel."""
    data = pages.run(PIXELS, selector).partition(",")[2]
    return np.asarray(Image.open(BytesIO(base64.b64decode(data))).convert("RGB"))


def test_the_viewer_says_what_is_missing_and_then_shows_the_agent_as_the_game_draws_it(
    pages: Pages, pictures: list[Picture]
) -> None:
    token = new_token()
    hub, port = listening_hub(token)
    served = serve_viewer(hub)
    try:
        pages.open(served.place.address)
        pages.wait_for_text("#why", "No player has found the way")
        assert len(pages.all("#advice li")) >= 3
        assert pages.run(CONTRAST) == []

        player = ShownPlayer("laptop", port, token, pictures)
        pages.wait_for("two screens", lambda: len(pages.all(".screens canvas")) == 2)
        pages.wait_for_text("#state", "the best 2 of 10")
        best = '[data-id="laptop/9"] canvas'
        pages.wait_for("the picture", lambda: np.array_equal(shown(pages, best), pictures[9]))
        assert "progress 9.5" in pages.text('[data-id="laptop/9"]')

        width = pages.run("return document.querySelector(arguments[0]).getBoundingClientRect().width", best)
        assert width % 160 == 0, "enlarged by a whole number"
        assert pages.run(NAMELESS) == []
        pages.resize(390, 844, is_phone=True)
        pages.wait_for("the narrow page", lambda: pages.run(WIDER_THAN_THE_WINDOW) <= 0)
        assert pages.complaints() == []

        player.close()
        pages.wait_for_text("#state", "No new picture")
    finally:
        served.close()
        hub.close()


def test_the_viewers_page_goes_on_after_its_server_came_back(pages: Pages, pictures: list[Picture]) -> None:
    token = new_token()
    hub, port = listening_hub(token)
    served = serve_viewer(hub)
    player = ShownPlayer("laptop", port, token, pictures[:1])
    try:
        pages.open(served.place.address)
        pages.find(".screens canvas")
        served.close()
        pages.wait_for("the word that nobody answers", lambda: pages.find("#offline").is_displayed())
        served = serve_viewer(hub, served.place.port)
        before = player.drawn[0]
        pages.wait_for("pictures to be drawn again", lambda: player.drawn[0] > before + 3)
        pages.wait_for("the word to go", lambda: not pages.find("#offline").is_displayed())
    finally:
        player.close()
        served.close()
        hub.close()


@pytest.mark.long
def test_fifty_members_fill_a_wall_of_which_only_what_is_seen_is_asked_for(pages: Pages, wall: Dashboard) -> None:
    pages.open(wall.at("agents"))
    pages.wait_for("all agents", lambda: len(pages.all(".tile")) == 2 * NUM_MEMBERS)
    moving = "return document.querySelectorAll('.tile:not(.still)').length"
    pages.wait_for("pictures", lambda: pages.run(moving) >= 8)
    assert pages.run(moving) < NUM_MEMBERS, "the window holds no more"
    assert HOSTILE in pages.text(".wall")

    hub = wall.hub
    assert hub is not None
    far = pages.run("const all = document.querySelectorAll('.tile'); return all[all.length - 1].dataset.id")
    numbers = {agent["id"]: agent["fps"] for agent in hub.agents()}
    assert numbers[far] == 0, "nobody looks at it"
    pages.run("const all = document.querySelectorAll('.tile'); all[all.length - 1].scrollIntoView()")
    pages.wait_for("it to move", lambda: {a["id"]: a["fps"] for a in hub.agents()}[far] > 0)

    pages.run("document.querySelector('.tile').click()")
    pages.wait_for("the followed agent", lambda: pages.find(".follow").is_displayed())
    pages.wait_for_text(".follow .facts", "Progress")
    pages.press(Keys.ESCAPE, ".tile")
    pages.wait_for("the end of following", lambda: not pages.find(".follow").is_displayed())
    pages.run("document.querySelector('.tile').focus()")
    pages.press(Keys.ARROW_RIGHT, ".tile:focus")
    assert pages.run("return [...document.querySelectorAll('.tile')].indexOf(document.activeElement)") == 1
    assert pages.complaints() == []
    assert pages.run("return window.harm ?? null") is None


@pytest.mark.long
def test_the_first_page_shows_the_best_agent(pages: Pages, wall: Dashboard, pictures: list[Picture]) -> None:
    for scheme in ("dark", "light"):
        pages.prefer(scheme)
        pages.open(wall.at("now"))
        canvas = ".screen canvas"
        pages.find(canvas)
        pages.wait_for("the picture", lambda: np.array_equal(shown(pages, ".screen canvas"), pictures[1]))
        assert "progress 1.5" in pages.text(".caption")
        assert pages.run(CONTRAST) == []
    assert pages.complaints() == []
