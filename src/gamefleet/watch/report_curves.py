"""Curves as drawings that need no script.

Job: one small SVG per curve, with its band from the smallest to the largest value of each stretch. Place in the data
flow: curves of `run_view` -> `report`. Left out: interaction; the dashboard's pages have it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 420, 150
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 8, 20
NUM_TICKS = 4
LARGEST, SMALLEST = 1e300, 1e-290


def draw_curve(curve: Mapping[str, Sequence[float]]) -> str:
    """One curve.

    Args:
        curve: `step`, `low`, `high` and `last`, equally long and not empty; only numbers reach the drawing.

    Returns:
        An `<svg>` element.
    """
    steps = [float(step) for step in curve["step"]]
    # Differences of numbers at the ends of what a float holds would be infinite.
    lows, highs, lasts = (
        [min(LARGEST, max(-LARGEST, value)) for value in curve[key]] for key in ("low", "high", "last")
    )
    first, last = steps[0], max(steps[-1], steps[0] + 1)
    bottom, top = _range(min(lows), max(highs))

    def x(step: float) -> float:
        return LEFT + (step - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - bottom) / (top - bottom) * (HEIGHT - TOP - BOTTOM)

    band = [(x(s), y(v)) for s, v in zip(steps, highs, strict=True)]
    band += [(x(s), y(v)) for s, v in zip(reversed(steps), reversed(lows), strict=True)]
    line = [(x(s), y(v)) for s, v in zip(steps, lasts, strict=True)]
    marks = [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
        f'<text x="{LEFT - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{short(v)}</text>'
        for v in _ticks(bottom, top)
    ]
    ends = [
        f'<text x="{LEFT}" y="{HEIGHT - 5}">{short(first)}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 5}" text-anchor="end">{short(last)}</text>',
    ]
    dot = f'<circle cx="{line[0][0]:.1f}" cy="{line[0][1]:.1f}" r="3"/>' if len(line) == 1 else ""
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{"".join(marks + ends)}'
        f'<polygon points="{_points(band)}"/><polyline points="{_points(line)}"/>{dot}</svg>'
    )


def short(value: float) -> str:
    """A number for an axis: 1.2M, 40K, 0.031."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _range(low: float, high: float) -> tuple[float, float]:
    room = (high - low) * 0.06 if high > low else abs(high) * 0.1 or 1.0
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two, about `NUM_TICKS` of them."""
    rough = (high - low) / NUM_TICKS
    if rough < SMALLEST:
        return []
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10, 20) if size * factor >= rough)
    first = math.ceil(low / step)
    return [round(number * step, 12) for number in range(first, math.floor(high / step) + 1)]
