"""A run as one page that opens anywhere, without a server, a script or a network.

Job: gather what a run folder holds and write it as HTML: state, curves, milestones, film, members, jobs, settings.
Place in the data flow: run views and what the command line adds -> one file. Left out: anything that moves.

Names and settings come from files that others may have written: all text is escaped, and the page forbids itself
scripts and everything that would be loaded from elsewhere.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from gamefleet.watch import run_account
from gamefleet.watch.report_curves import draw_curve
from gamefleet.watch.run_view import RunView

POINTS = 400
"""Stretches of a curve; more would be narrower than a pixel."""

MOMENT = re.compile(r"\w+_at \d")

FILMS = {".mp4": "video/mp4", ".webm": "video/webm"}
LARGEST_FILM_BYTES = 40 << 20

Json = Mapping[str, Any]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"

STYLE = """
:root { color-scheme: light dark; --line: #8884; --quiet: light-dark(#525c69, #98a3b2);
  --curve: light-dark(#0072b2, #56b4e9); --wash: light-dark(#fff4d6, #2e2612); }
body { font: 14px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; max-width: 1100px; margin: 0 auto;
  padding: 24px 16px 60px; background: light-dark(#fff, #14181d); color: light-dark(#171c23, #e3e7ed);
  overflow-wrap: break-word; }
h1 { font-size: 22px; margin: 0; } h2 { font-size: 18px; margin: 36px 0 8px; }
h3 { font-size: 14px; margin: 24px 0 6px; }
.quiet { color: var(--quiet); } .warn { background: var(--wash); padding: 8px 12px; border-radius: 5px; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(330px, 100%), 1fr)); gap: 16px; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 6px; padding: 8px; min-width: 0; }
figcaption { font-size: 12px; } svg { width: 100%; height: auto; display: block; }
svg text { font: 11px system-ui, sans-serif; fill: var(--quiet); } svg line { stroke: var(--line); }
polyline { fill: none; stroke: var(--curve); stroke-width: 1.5; } polygon { fill: var(--curve); opacity: 0.22; }
circle { fill: var(--curve); } video { max-width: 100%; width: 480px; image-rendering: pixelated; display: block; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { color: var(--quiet); font-weight: 500; } summary { cursor: pointer; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the run folders do not say themselves.

    Args:
        members: Rows as of `/api/machines`.
        chains: As of `/api/chain`.
        meanings: Metric -> unit and meaning.
        troubles: What could not be found out, in sentences.
    """

    members: Sequence[Json] = ()
    chains: Sequence[Json] = ()
    meanings: Mapping[str, tuple[str, str]] | None = None
    troubles: Sequence[str] = ()


def page(title: str, views: Sequence[RunView], around: Surroundings, *, with_film: bool, now: float) -> str:
    """The whole page.

    Args:
        title: Of the report.
        views: The runs, read to their end.
        around: What else is known.
        with_film: Whether the newest film of each run goes into the page.
        now: Seconds since 1970.
    """
    written = time.strftime("%Y-%m-%d %H:%M", time.localtime(now))
    runs = "".join(_run(view, around, with_film=with_film, is_alone=len(views) == 1) for view in views)
    troubles = "".join(f'<p class="warn">{escape(text)}</p>' for text in around.troubles)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f'<h1>{escape(title)}</h1><p class="quiet">Written {written} by gamefleet. This file needs nothing else.</p>'
        f"{troubles}{runs}{_members(around.members)}{_chains(around.chains)}</body></html>\n"
    )


def _run(view: RunView, around: Surroundings, *, with_film: bool, is_alone: bool) -> str:
    now = run_account.now(view)
    problems = "".join(f'<p class="warn">{escape(text)}</p>' for text in view.problems())
    speed = f", {now['steps_per_s']:,.0f} steps/s at the end" if now["steps_per_s"] else ""
    total = f" of {now['total_steps']:,}" if now["total_steps"] else ""
    said = str(now["sentence"])
    return (
        f"<section>{'' if is_alone else f'<h2>{escape(view.paths.name)}</h2>'}"
        f"<p>{escape(said[:1].upper() + said[1:])}</p>"
        f'<p class="quiet">{escape(view.facts.game)}: step {now["step"]:,}{total}{speed}.</p>{problems}'
        f"{_film(view) if with_film else ''}{_curves(view, now['curves'], around.meanings or {})}"
        f"{'' if now['is_recorded'] else _milestones(now['milestones']['reached'])}"
        f"{_attempts(view)}{_settings(view)}</section>"
    )


def _curves(view: RunView, first: Sequence[str], meanings: Mapping[str, tuple[str, str]]) -> str:
    curves = view.metrics.curves
    if not curves:
        return "<h3>Curves</h3><p>No metrics were written.</p>"
    rest = sorted(set(curves) - set(first))
    shown = "".join(_figure(name, curves[name].view(points=POINTS), meanings) for name in first if name in curves)
    others = "".join(_figure(name, curves[name].view(points=POINTS), meanings) for name in rest)
    more = f"<details><summary>All other metrics ({len(rest)})</summary><div class=curves>{others}</div></details>"
    return f'<h3>Curves</h3><div class="curves">{shown}</div>{more if rest else ""}'


def _figure(name: str, curve: Json, meanings: Mapping[str, tuple[str, str]]) -> str:
    unit, meaning = meanings.get(name, ("", ""))
    dense = (
        f" {curve['num_points']:,} values in {len(curve['step']):,} stretches: line = last, band = least to most."
        if curve["is_decimated"]
        else f" {curve['num_points']:,} values."
    )
    facts = (
        f"Last {curve['last'][-1]:.6g} at step {curve['step'][-1]:,}; "
        f"from {min(curve['low']):.6g} to {max(curve['high']):.6g}.{dense}"
    )
    said = f"{escape(unit)}{': ' if unit and meaning else ''}{escape(meaning)}"
    return (
        f"<figure><figcaption><b>{escape(name)}</b> <span class=quiet>{said}</span></figcaption>"
        f"{draw_curve(curve)}<figcaption class=quiet>{facts}</figcaption></figure>"
    )


def newest_film(view: RunView) -> Path | None:
    """The newest film of a run that is small enough to be carried along."""
    films = [path for path in view.media() if path.suffix.lower() in FILMS]
    small = [path for path in films if path.stat().st_size <= LARGEST_FILM_BYTES]
    return max(small, key=lambda path: path.stat().st_mtime, default=None)


def _film(view: RunView) -> str:
    path = newest_film(view)
    if path is None:
        return ""
    data = base64.b64encode(path.read_bytes()).decode()
    kind = FILMS[path.suffix.lower()]
    return (
        f"<h3>The agent playing</h3><video controls muted loop playsinline src='data:{kind};base64,{data}'></video>"
        f"<p class=quiet>{escape(path.name)}</p>"
    )


def _milestones(reached: Sequence[Json]) -> str:
    rows = [(words(one["name"]), _whole(one["step"]), clock(one["time"])) for one in reached]
    return "<h3>Milestones</h3>" + (table(("milestone", "step", "reached"), rows) or "<p>None yet.</p>")


def _attempts(view: RunView) -> str:
    kinds = ("attempt_started", "attempt_ended", "checkpoint_rejected", "worker_restarted", "sharing_failed")
    rows = [
        (clock(one.time_s), words(one.kind), _whole(one.step), details(one.text))
        for one in view.events.newest
        if one.kind in kinds
    ]
    return "<h3>Starts and ends</h3>" + table(("when", "what", "step", "details"), rows) if rows else ""


def details(text: str) -> str:
    """What an event says, for people; moments in it are for programs, its own time stands beside it."""
    return words(", ".join(part for part in text.split(", ") if not MOMENT.match(part)))


def _settings(view: RunView) -> str:
    rows = list(flat(view.facts.resolved.content))
    if not rows:
        return ""
    return f"<details><summary>Settings ({len(rows)})</summary>{table(('setting', 'value'), rows)}</details>"


def _members(members: Sequence[Json]) -> str:
    keys = ("member", "kind", "host", "steps_per_s", "samples", "updates", "merges", "rejected", "version", "reason")
    rows = [[_cell(member.get(key)) for key in keys] for member in members]
    return "<h2>Members</h2>" + table([words(key) for key in keys], rows) if rows else ""


def _chains(chains: Sequence[Json]) -> str:
    keys = ("number", "job", "host", "from_step", "to_step", "outcome", "gap_s")
    parts = []
    for chain in chains:
        rows = [
            [clock(leg.get("started_at")), clock(leg.get("ended_at")), *(_cell(leg.get(key)) for key in keys)]
            for leg in chain.get("legs", ())
        ]
        heading = ": ".join(str(chain[key]) for key in ("name", "state", "reason") if chain.get(key))
        parts.append(f"<h3>{escape(heading)}</h3>{table(['started', 'ended', *map(words, keys)], rows)}")
    return f"<h2>Jobs</h2>{''.join(parts)}" if parts else ""


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of texts; empty without rows."""
    if not rows:
        return ""
    head = "".join(f"<th scope=col>{escape(text)}</th>" for text in headings)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def flat(settings: Json, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Settings as (dotted name, value)."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _cell(value)


def clock(seconds: object) -> str:
    """A moment, empty when it is not known."""
    if not isinstance(seconds, int | float) or not 0 < seconds < 4e9:
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def words(name: object) -> str:
    """`milestone_reached` as `milestone reached`."""
    return str(name).replace("_", " ")


def _whole(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else ""


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
