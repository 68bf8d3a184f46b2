"""Progress for whoever watches the terminal.

Job: one live line on a terminal, one plain line a minute otherwise (logs of batch jobs stay readable). Place in the
data flow: the training loop tells it rows of metrics. Left out: files.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

PLAIN_INTERVAL_S = 60.0
SHOWN = {
    "speed/steps_per_s": "steps/s",
    "episode/return": "return",
    "start/milestones": "milestones",
    "start/cells": "cells seen",
    "run/milestones_reached": "milestones ever",
    "run/updates": "updates",
    "learner/loss": "loss",
    "policy/loss": "policy loss",
    "policy/accuracy": "accuracy",
    "value/accuracy": "winner foreseen",
    "speed/decisions_per_s": "decisions/s",
    "speed/utilisation": "utilisation",
}
"""Metrics in the line, with their short names."""


class Progress(Protocol):
    """Someone to tell."""

    def show(self, step: int, total_steps: int, values: Mapping[str, float]) -> None:
        """The newest numbers."""
        ...

    def say(self, text: str) -> None:
        """Something happened: one line that stays."""
        ...


class PlainProgress:
    """One line a minute, and every message.

    Args:
        stream: Where to write.
        clock: In seconds.
        interval_s: Between lines.
    """

    def __init__(
        self,
        stream: IO[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        interval_s: float = PLAIN_INTERVAL_S,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._interval_s = interval_s
        self._last = -float("inf")

    def show(self, step: int, total_steps: int, values: Mapping[str, float]) -> None:
        """See `Progress.show`."""
        if self._clock() - self._last >= self._interval_s:
            self._last = self._clock()
            self.say(describe(step, total_steps, values))

    def say(self, text: str) -> None:
        """See `Progress.say`."""
        self._stream.write(f"{time.strftime('%H:%M:%S')} {text}\n")
        self._stream.flush()


class LiveProgress:
    """A line at the bottom of a terminal that is always current.

    Args:
        live: The region that is redrawn.
    """

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, step: int, total_steps: int, values: Mapping[str, float]) -> None:
        """See `Progress.show`."""
        grid = Table.grid(padding=(0, 2))
        cells = [f"[bold]{100 * step / total_steps:.1f} %[/] of {total_steps:,} steps"]
        cells += [f"{name} [bold]{number(values[key])}[/]" for key, name in SHOWN.items() if key in values]
        grid.add_row(*cells)
        self._live.update(grid)

    def say(self, text: str) -> None:
        """See `Progress.say`."""
        self._live.console.print(Text(f"{time.strftime('%H:%M:%S')} {text}"))


@contextmanager
def progress_on(stream: IO[str] | None = None) -> Iterator[Progress]:
    """Progress for a stream: live on a terminal that can redraw a line, plain lines otherwise.

    Args:
        stream: Standard error when None.
    """
    target = sys.stderr if stream is None else stream
    console = Console(file=target)
    if not target.isatty() or console.is_dumb_terminal:
        yield PlainProgress(target)
        return
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        yield LiveProgress(live)


def describe(step: int, total_steps: int, values: Mapping[str, float]) -> str:
    """The plain line."""
    parts = [f"step {step:,} of {total_steps:,} ({100 * step / total_steps:.1f} %)"]
    parts += [f"{name} {number(values[key])}" for key, name in SHOWN.items() if key in values]
    return "  ".join(parts)


def number(value: float) -> str:
    """A number as short as it can be read: four digits, no exponent for large counts."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
