"""The dashboard's pages in a real browser, over a real run, a copy of it with a hostile name, and fifty members."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from tests.watch.conftest import Pages
from tests.watch.page_rules import CONTRAST, NAMELESS, WIDER_THAN_THE_WINDOW
from tests.watch.sites import HOSTILE, NUM_MEMBERS, Dashboard, make_site, providers

from gamefleet.runs.metrics import MetricsWriter, read_metrics
from gamefleet.runs.paths import RunPaths

READY = {
    "now": (".chart canvas", ".log li"),
    "map": (".map canvas", ".map table tbody tr"),
    "chain": (".lane svg rect",),
    "machines": ("tbody tr",),
    "averaging": ("tbody tr",),
    "runs": (".chart canvas", ".runs tbody tr"),
    "checks": (".checks li",),
}
"""What has to be there before a page counts as drawn."""

STEPS = ".facts div:nth-child(1) dd"


@pytest.fixture(scope="module")
def served(short_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard that stays as it is."""
    dashboard = Dashboard(make_site(tmp_path_factory.mktemp("site"), short_run), providers())
    dashboard.start()
    dashboard.answers.check_list.start()
    yield dashboard
    dashboard.stop()


@pytest.fixture
def own(short_run: Path, tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard whose runs a test may change."""
    dashboard = Dashboard(make_site(tmp_path, short_run), providers())
    dashboard.start()
    yield dashboard
    dashboard.stop()


def show(pages: Pages, dashboard: Dashboard, page: str, query: str = "") -> None:
    """Open a page and wait until it is drawn."""
    pages.open(dashboard.at(page + query))
    pages.wait_for("the tabs", lambda: pages.all("[role=tab]"))
    for selector in READY[page]:
        pages.find(selector)
    pages.wait_for("the state", lambda: "Reading the folder" not in pages.text("#state"))


def metrics_of(dashboard: Dashboard) -> Path:
    return RunPaths(dashboard.folders[0].parent / "short").metrics("train")


def count(number: float) -> str:
    return f"{number:,.0f}"


@pytest.mark.parametrize("page", READY)
def test_every_page_keeps_the_rules(pages: Pages, served: Dashboard, page: str) -> None:
    for scheme, width in (("light", 1280), ("dark", 390)):
        pages.prefer(scheme)
        pages.resize(width, 860, is_phone=width < 600)
        show(pages, served, page)

        assert pages.run(CONTRAST) == [], scheme
        assert pages.run(NAMELESS) == []
        assert pages.run(WIDER_THAN_THE_WINDOW) <= 0, width
        assert pages.complaints() == []
        assert pages.run("return window.harm ?? null") is None, "a name was run"


def test_the_first_page_says_what_the_files_say(pages: Pages, served: Dashboard) -> None:
    metrics = read_metrics(metrics_of(served))
    show(pages, served, "now")
    pages.wait_for_text(STEPS, count(metrics.rows[-1].step))

    shown = pages.run(
        "return Object.fromEntries([...document.querySelectorAll('.curves .chart')].map((chart) =>"
        " [chart.querySelector('.chart-title').textContent, chart.querySelector('.chart-value').textContent]))"
    )
    assert len(shown) == 6
    for name, text in shown.items():
        value = metrics.curve(name)[-1][1]
        assert float(text.replace(",", "")) == pytest.approx(value, rel=2e-3, abs=6e-5), name


def test_the_map_counts_what_the_run_wrote(pages: Pages, served: Dashboard) -> None:
    lines = (served.folders[0].parent / "short" / "visits" / "train.jsonl").read_text().splitlines()
    trails = [trail for line in lines for trail in json.loads(line).get("trails", {}).values()]
    steps = sum(sum(trail[3::4]) for trail in trails)
    show(pages, served, "map")

    pages.run("document.querySelector('.map details').open = true")
    rows = pages.run("return [...document.querySelectorAll('.map tbody tr')].map((row) => row.cells[2].textContent)")
    assert sum(int(row.replace(",", "")) for row in rows) == steps
    pages.press("+", ".map canvas")
    assert "steps" in pages.text(".map-hover") or "Nothing" in pages.text(".map-hover")


def test_two_runs_lie_on_the_same_axes_and_on_the_same_map(pages: Pages, served: Dashboard) -> None:
    other = served.answers.site.views[1].id
    show(pages, served, "runs")
    pages.run("document.querySelectorAll('.list input')[1].click()")
    pages.wait_for_text(".chart-value", HOSTILE)
    pages.wait_for("the choice in the address", lambda: "runs=short" in pages.driver.current_url)

    show(pages, served, "map")
    pages.run("const c = document.querySelector('[aria-label=\"Compare with\"]'); c.value = arguments[0];"
              " c.dispatchEvent(new Event('change'))", other)  # fmt: skip
    pages.wait_for("two maps", lambda: len(pages.all(".map-view canvas")) == 2)
    pages.run("const c = document.querySelector('[aria-label=\"How to compare\"]'); c.value = 'difference';"
              " c.dispatchEvent(new Event('change'))")  # fmt: skip
    pages.wait_for("one map", lambda: len(pages.all(".map-view canvas")) == 1)
    pages.wait_for_text(".map .legend", HOSTILE)


def test_the_map_can_stand_at_any_moment_of_the_run(pages: Pages, served: Dashboard) -> None:
    show(pages, served, "map")
    total = "return [...document.querySelectorAll('.map tbody tr')].reduce((n, row) => n + row.cells[2].textContent"
    total += ".replaceAll(',', '') * 1, 0)"
    pages.run("document.querySelector('.map details').open = true")
    whole = pages.run(total)
    move = "const r = document.querySelector('.map input[type=range]'); r.value = arguments[0];"
    move += " r.dispatchEvent(new Event('input'))"

    pages.run(move, "0")
    pages.wait_for("fewer visits", lambda: 0 < pages.run(total) < whole)
    pages.run(move, "999")
    pages.wait_for("all visits", lambda: pages.run(total) == whole)


def test_a_long_curve_says_how_many_values_it_puts_together_and_can_be_looked_at_closer(
    pages: Pages, own: Dashboard
) -> None:
    with MetricsWriter(metrics_of(own), attempt=2) as writer:
        for step in range(2500):
            writer.write(step, {"learner/loss": 9.0 if step == 1234 else 1.0})
    show(pages, own, "runs", "?metrics=learner%2Floss")
    pages.wait_for_text(".chart-note", "2,500 values in ")
    pages.wait_for("the one spike", lambda: "to 9" in pages.find(".chart-box").get_attribute("aria-label"))

    over = pages.find(".u-over")
    width = over.size["width"]
    ActionChains(pages.driver).move_to_element_with_offset(over, 0, 0).click_and_hold().move_by_offset(
        width // 5, 0
    ).release().perform()
    pages.wait_for("the chosen steps", lambda: "Steps 1,2" in pages.text("[role=status]:not(#state)"))
    pages.run("[...document.querySelectorAll('button')].find((one) => one.textContent === 'All steps').click()")
    pages.wait_for_text(".chart-note", "2,500 values in ")


def test_a_source_that_fails_says_so_in_its_place_and_nowhere_else(
    pages: Pages, short_run: Path, tmp_path: Path
) -> None:
    def fail(folders: Sequence[Path]) -> None:
        raise OSError(f"the shared folder is gone: {HOSTILE}")

    dashboard = Dashboard(make_site(tmp_path, short_run), replace(providers(), machines=fail))
    dashboard.start()
    try:
        pages.open(dashboard.at("machines"))
        pages.wait_for_text("main .trouble", f"the shared folder is gone: {HOSTILE}")
        pages.press("5")
        pages.find("[data-page=averaging] tbody tr")
        pages.wait_for("no trouble", lambda: not any(one.is_displayed() for one in pages.all("main .trouble")))
    finally:
        dashboard.stop()


def test_what_a_run_writes_is_on_the_page_within_two_seconds(pages: Pages, own: Dashboard) -> None:
    show(pages, own, "now")
    waits = []
    with MetricsWriter(metrics_of(own), attempt=2, resumed_step=10**9) as writer:
        for step in range(701_000, 711_000, 1_000):
            began = time.monotonic()
            writer.write(step, {"speed/steps_per_s": 12.0})
            pages.wait_for_text(STEPS, count(step))
            waits.append(time.monotonic() - began)
            if waits[-1] < 2.0:  # a busy machine gets further tries
                break
    assert waits[-1] < 2.0, waits


def test_a_page_outlives_its_server(pages: Pages, own: Dashboard) -> None:
    show(pages, own, "now")
    own.stop()
    pages.wait_for("the word that nobody answers", lambda: pages.find("#offline").is_displayed())
    assert "does not answer" in pages.text("#offline")
    assert pages.text(STEPS), "what was known is still shown"

    with MetricsWriter(metrics_of(own), attempt=2, resumed_step=10**9) as writer:
        writer.write(888_000, {"speed/steps_per_s": 12.0})
    own.start()
    pages.wait_for_text(STEPS, "888,000")
    pages.wait_for("the word to go", lambda: not pages.find("#offline").is_displayed())


def test_a_damaged_metrics_file_is_told_and_kills_nothing(pages: Pages, own: Dashboard) -> None:
    with metrics_of(own).open("ab") as stream:
        stream.write(b'\x00\xff{"step": "many"\n[1, 2\n{"attempt": 1, "step": 600, "time": 1.0, "val')
    show(pages, own, "runs")
    pages.wait_for_text(".runs .trouble", "could not be read")
    pages.press("1")
    pages.wait_for_text(STEPS, count(read_metrics(metrics_of(own)).rows[-1].step))
    assert pages.complaints() == []


def test_fifty_members_are_listed_sorted_and_named_as_they_are(pages: Pages, served: Dashboard) -> None:
    show(pages, served, "machines")
    assert len(pages.all("tbody tr")) == NUM_MEMBERS
    assert HOSTILE in pages.text("tbody")

    pages.run("[...document.querySelectorAll('.sort')].find((one) => one.textContent === 'Steps/s').click()")
    assert pages.text("tbody tr th") == "laptop-49"
    assert f"shut out: its norm was 14 times the median: {HOSTILE}" in pages.text("tbody")
    assert pages.all("main img") == []


def test_everything_can_be_reached_by_keys(pages: Pages, served: Dashboard) -> None:
    show(pages, served, "now")
    pages.press("4")
    pages.find("[data-page=machines]")
    pages.press(Keys.TAB)
    pages.run("document.querySelector('[role=tab][aria-selected=true]').focus()")
    pages.press(Keys.ARROW_RIGHT, "[role=tab][aria-selected=true]")
    pages.find("[data-page=averaging]")
    pages.wait_for("the tab's focus", lambda: pages.run("return document.activeElement.id") == "tab-averaging")
    outline = pages.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "the focus is not seen"

    pages.press("?")
    pages.wait_for("the list of keys", lambda: pages.find("#keys").is_displayed())
    assert "dark or light" in pages.text("#key-list")
    pages.press(Keys.ESCAPE)
    pages.wait_for("the list to go", lambda: not pages.find("#keys").is_displayed())


def test_the_choice_of_colours_is_remembered(pages: Pages, served: Dashboard) -> None:
    show(pages, served, "checks")
    ground = "return getComputedStyle(document.body).backgroundColor"
    before = pages.run(ground)
    pages.press("t")
    after = pages.run(ground)
    show(pages, served, "now")
    assert pages.run(ground) == after != before
    pages.run("localStorage.clear()")
