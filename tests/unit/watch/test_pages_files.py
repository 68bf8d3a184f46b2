"""The pages' files: small, from here only, and never text taken for code."""

import re
from pathlib import Path

import pytest

PAGE_BYTES = 300_000

PAGES = {
    "index.html": ("app.js", "vendor/uplot/uPlot.iife.min.js", "vendor/uplot/uPlot.min.css"),
    "view.html": ("view.js",),
}
IMPORT = re.compile(r'^(?:import|export)\b[^;]*?["\'](?:\./|/static/)([\w./-]+)["\']', re.MULTILINE)


@pytest.fixture(scope="module")
def folder(repository: Path) -> Path:
    return repository / "src" / "gamefleet" / "watch" / "pages"


def needed(folder: Path, name: str) -> set[str]:
    """A module and everything that it imports."""
    found: set[str] = set()
    todo = [name]
    while todo:
        found.add(here := todo.pop())
        todo += [] if here.startswith("vendor") else set(IMPORT.findall((folder / here).read_text())) - found
    return found


@pytest.mark.parametrize("page", PAGES)
def test_a_page_weighs_little(folder: Path, page: str) -> None:
    files = {page, "style.css", "theme.js", "icon.svg", "map.js"}.union(*(needed(folder, name) for name in PAGES[page]))

    assert sum((folder / name).stat().st_size for name in files) < PAGE_BYTES
    assert len(files) > 8


def test_no_file_is_loaded_from_elsewhere(folder: Path) -> None:
    ours = [path for path in folder.glob("*") if path.suffix in (".html", ".js", ".css", ".svg")]
    text = {path.name: path.read_text().replace("http://www.w3.org/2000/svg", "") for path in ours}

    assert [name for name, content in text.items() if re.search(r"https?://(?!\$)|//cdn|@import", content)] == []


def test_no_text_becomes_markup_or_code(folder: Path) -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|javascript:"
    scripts = [*folder.glob("*.js"), *folder.parents[1].glob("games/*/*.js")]

    assert len(scripts) > 15
    assert [path.name for path in scripts if re.search(forbidden, path.read_text())] == []


def test_pages_hold_no_script_or_style_of_their_own(folder: Path) -> None:
    for page in PAGES:
        text = (folder / page).read_text()
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text), page


def test_what_others_wrote_says_where_it_is_from(folder: Path) -> None:
    vendored = folder / "vendor" / "uplot"
    version = re.search(r"\(v([\d.]+)\)", (vendored / "uPlot.iife.min.js").read_text()[:100])

    assert version is not None
    assert f"Version {version.group(1)}" in (vendored / "README.md").read_text()
    assert "MIT" in (vendored / "LICENSE").read_text()
