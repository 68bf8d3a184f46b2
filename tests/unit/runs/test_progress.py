"""Progress is one plain line a minute in files and a live line on a terminal."""

from __future__ import annotations

import contextlib
import io
import os
import pty

import pytest

from gamefleet.runs.progress import PlainProgress, describe, number, progress_on


def test_a_line_a_minute_and_every_message() -> None:
    now = [0.0]
    stream = io.StringIO()
    progress = PlainProgress(stream, clock=lambda: now[0])
    for second in range(0, 181, 20):
        now[0] = float(second)
        progress.show(second, 1000, {"learner/loss": 0.5})
    progress.say("milestone first_badge")

    lines = stream.getvalue().splitlines()
    assert [line.split()[2] for line in lines[:-1]] == ["0", "60", "120", "180"]
    assert lines[-1].endswith("milestone first_badge")


def test_the_line_shows_what_matters_and_only_what_there_is() -> None:
    text = describe(2500, 10_000, {"speed/steps_per_s": 1234.5, "episode/return": 0.12345, "learner/q_max": 9.0})

    assert text == "step 2,500 of 10,000 (25.0 %)  steps/s 1,234  return 0.123"


def test_numbers_are_short() -> None:
    assert [number(value) for value in (0.0, 0.00012345, 12.3456, 999.4, 123_456.7)] == [
        "0",
        "0.000123",
        "12.3",
        "999",
        "123,457",
    ]


def test_a_file_gets_plain_lines() -> None:
    stream = io.StringIO()
    with progress_on(stream) as progress:
        progress.show(1, 10, {})

    assert "\x1b" not in stream.getvalue()
    assert "step 1 of 10 (10.0 %)" in stream.getvalue()


def shown_on_terminal(monkeypatch: pytest.MonkeyPatch, kind: str) -> str:
    monkeypatch.setenv("TERM", kind)
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal, progress_on(terminal) as progress:
        progress.show(1, 10, {"episode/return": 2.0})
        progress.say("worker 1 was replaced")
    shown = b"".join(iter(lambda: read_some(reader), b""))
    os.close(reader)
    return shown.decode()


def read_some(reader: int) -> bytes:
    """What a terminal holds by now, in pieces; nothing once its other end is closed and all was read."""
    with contextlib.suppress(OSError):  # how Linux says that the other end is closed
        return os.read(reader, 100_000)
    return b""


def test_a_terminal_gets_a_live_line_that_is_gone_at_the_end_while_messages_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = shown_on_terminal(monkeypatch, "xterm")

    assert "worker 1 was replaced" in shown
    assert "\x1b[2K" in shown, "the live line is cleared"


def test_a_terminal_that_cannot_redraw_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = shown_on_terminal(monkeypatch, "dumb")

    assert "\x1b" not in shown
    assert "step 1 of 10 (10.0 %)" in shown
