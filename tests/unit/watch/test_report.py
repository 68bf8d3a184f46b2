"""A run as one file: everything is in it, nothing is loaded, hostile names stay names."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gamefleet.files import write_json
from gamefleet.runs.events import EventWriter
from gamefleet.runs.metrics import MetricsWriter
from gamefleet.runs.paths import RunPaths
from gamefleet.watch.report import Surroundings, page
from gamefleet.watch.report_curves import draw_curve, short
from gamefleet.watch.run_view import RunView

HOSTILE = "</td><script>harm()</script><img src=x onerror=harm()>"
FILM = b"not really a film"


class Elements(HTMLParser):
    """All elements with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    paths = RunPaths(tmp_path / "red1")
    paths.media.mkdir(parents=True)
    write_json(paths.manifest, {"game": HOSTILE, "name": "red1"})
    write_json(paths.resolved, {"run": {"total_steps": 900}, "note": {"deep": {HOSTILE: HOSTILE}}})
    (paths.media / "step-000000900.mp4").write_bytes(FILM)
    with MetricsWriter(paths.metrics("train"), attempt=1) as metrics:
        for step in range(100, 1000, 100):
            metrics.write(step, {"episode/return": step / 10, "learner/loss": 1 / step, HOSTILE: 1.0})
    with EventWriter(paths.events("train"), attempt=1) as events:
        events.write("attempt_started", step=0, resumed_step=-1)
        events.write("milestone_reached", step=300, milestone=HOSTILE)
    return paths


def report_of(*runs: RunPaths, around: Surroundings | None = None, with_film: bool = True) -> str:
    views = [RunView(paths.name, paths) for paths in runs]
    for view in views:
        view.look()
        while view.read_on():
            pass
    return page("red1", views, around or Surroundings(), with_film=with_film, now=1.8e9)


def test_everything_that_is_known_of_a_run_is_in_the_file(run: RunPaths) -> None:
    member = {"member": "laptop-01", "kind": "learner", "samples": 12345, "reason": "its norm was too large"}
    leg = {"number": 1, "job": "4001", "outcome": "killed", "started_at": 1.7e9}
    text = report_of(run, around=Surroundings(members=[member], chains=[{"name": "m01", "legs": [leg]}]))

    assert "Last 90 at step 900; from 10 to 90. 9 values." in text
    assert "run.total_steps</td><td>900" in text
    assert f"data:video/mp4;base64,{base64.b64encode(FILM).decode()}" in text
    assert all(word in text for word in ("laptop-01", "12345", "its norm was too large", "4001", "killed"))
    assert text.count("<svg") == 3


def test_a_film_can_be_left_out(run: RunPaths) -> None:
    assert "<video" not in report_of(run, with_film=False)


def test_names_that_others_chose_stay_text(run: RunPaths) -> None:
    member = dict.fromkeys(("member", "kind", "host", "reason"), HOSTILE)
    chain = {"name": HOSTILE, "state": HOSTILE, "legs": [{"job": HOSTILE, "host": HOSTILE, "outcome": HOSTILE}]}
    troubles = [HOSTILE]
    text = report_of(run, around=Surroundings(members=[member], chains=[chain], troubles=troubles))

    tags = {tag for tag, _ in Elements(text).found}
    assert not tags & {"script", "img", "iframe", "object", "embed", "link", "form", "base"}
    assert text.count("&lt;script&gt;") >= 9


def test_the_file_refers_to_nothing_outside_of_it(run: RunPaths) -> None:
    text = report_of(run)

    attributes = [(name, value or "") for _, given in Elements(text).found for name, value in given.items()]
    assert [
        value for name, value in attributes if name in ("src", "href", "poster") and not value.startswith("data:")
    ] == []
    assert not [name for name, _ in attributes if name.startswith("on")]
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'" in text


def test_a_run_that_wrote_nothing_yet_and_one_that_is_damaged_are_reported_too(tmp_path: Path) -> None:
    empty, damaged = RunPaths(tmp_path / "empty"), RunPaths(tmp_path / "damaged")
    empty.root.mkdir()
    damaged.metrics_folder.mkdir(parents=True)
    damaged.metrics("train").write_bytes(b"\xff\x00 rubbish\n[1]\n")

    text = report_of(empty, damaged)
    assert text.count("No metrics were written.") == 2
    assert "2 lines could not be read" in text


@pytest.mark.parametrize("values", [[0.0], [1e308, -1e308], [5e-324, 0.0], [1.0, 1.0], [-3.0, 7.0, 1e-9]])
def test_a_curve_of_any_numbers_is_drawn_with_numbers(values: list[float]) -> None:
    drawing = draw_curve({"step": list(range(len(values))), "low": values, "high": values, "last": values})

    places = [float(number) for pair in re.findall(r'points="([^"]*)"', drawing) for number in re.split("[ ,]", pair)]
    assert all(-1 <= place <= 421 for place in places)


def test_numbers_at_axes_are_short() -> None:
    assert [short(value) for value in (0.0, 0.031, 999.0, 40_000.0, 1_250_000.0)] == [
        "0",
        "0.031",
        "999",
        "40K",
        "1.25M",
    ]
