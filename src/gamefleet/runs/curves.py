"""Curves of a run as a picture.

Job: draw metrics over steps into a PNG without a display. Place in the data flow: reads what `metrics` wrote. Left out:
the live pages of the dashboard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gamefleet.errors import MissingDependencyError
from gamefleet.files import open_atomic

Curve = Sequence[tuple[float, float]]
"""Points (step, value)."""


def draw_curves(path: Path, panels: Mapping[str, Mapping[str, Curve]], *, title: str) -> None:
    """Draw one panel per metric, one line per label.

    Args:
        path: The PNG to write.
        panels: Panel title -> line label -> curve; a curve of one point is drawn as a horizontal line (a baseline).
        title: Title over all panels.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("Drawing needs matplotlib", remedy="pip install 'gamefleet[red]'") from error
    columns = max(1, min(2, len(panels)))  # a run of one episode may have nothing to show yet
    rows = max(1, -(-len(panels) // columns))
    figure = Figure(figsize=(5.2 * columns, 3.0 * rows + 0.5), dpi=110, layout="constrained")
    figure.suptitle(title)
    for position, (name, lines) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, columns, position)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("steps")
        axes.grid(alpha=0.3)
        for number, (label, curve) in enumerate(lines.items()):
            if len(curve) == 1:
                axes.axhline(curve[0][1], linestyle="--", label=label, color=f"C{number}")
            else:
                axes.plot([step for step, _ in curve], [value for _, value in curve], label=label)
        if len(lines) > 1:
            axes.legend(fontsize=8, loc="best", framealpha=0.6)
    with open_atomic(path) as stream:
        figure.savefig(stream, format="png")


def smooth(curve: Curve, half_life: float = 2.0) -> list[tuple[float, float]]:
    """Exponential moving average over points, weight halved every `half_life` points; the first point starts it."""
    keep = 0.5 ** (1.0 / half_life)
    result: list[tuple[float, float]] = []
    for step, value in curve:
        level = value if not result else keep * result[-1][1] + (1.0 - keep) * value
        result.append((step, level))
    return result
