"""What people mistype is answered with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from gamefleet.cli.report import report
from gamefleet.cli.view import has_screen, show_window
from gamefleet.errors import ConfigError
from gamefleet.transport.link_listener import listen
from gamefleet.watch.serving import take_place


@pytest.mark.parametrize("port", [-1, 65_536, 99_999])
def test_a_number_that_is_no_port_is_said_to_be_none(port: int) -> None:
    with pytest.raises(ConfigError, match="This is no port"):
        take_place("127.0.0.1", port, usual_port=0)
    with pytest.raises(ConfigError, match="This is no port"):
        listen("127.0.0.1", port)


@pytest.mark.parametrize("name", ["DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"])
def test_a_window_needs_a_screen(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert has_screen({name: "x"})
    assert not has_screen({"TERM": "xterm"})
    for each in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(each, raising=False)
    with pytest.raises(ConfigError, match="no screen"):
        show_window(None, None, None, opens=False)  # type: ignore[arg-type]  # it gets no further than the question


def test_a_report_may_be_written_into_a_folder(tmp_path: Path) -> None:
    (tmp_path / "runs" / "red").mkdir(parents=True)
    (tmp_path / "runs" / "red" / "manifest.json").write_text('{"game":"tag"}')
    report("red", output=tmp_path, runs_folder=tmp_path / "runs")
    assert (tmp_path / "red-report.html").read_text().startswith("<!doctype html>")
