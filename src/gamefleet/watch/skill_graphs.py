"""What the pages show of a graph of skills.

Job: read `scheduler_state.json` of each graph, which its scheduler replaces as a whole, and lay it out. Place in the
data flow: graph folder -> here -> `/api/skills`. Left out: what the states mean (`cluster.graph`), and drawing.

The file is another process's: whatever is missing or of another type is left out, and nothing of it is believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gamefleet.watch.facts import SmallFile
from gamefleet.watch.layers import layers

STATE_FILE = "scheduler_state.json"
GRAPH_INTERVAL_S = 0.5
MOST_SKILLS = 400
MOST_REJECTIONS = 100
LONGEST_TEXT = 2000
STATES = {"failed": "interrupted", "running": "training", "stopped": "paused", "done": "finished"}
"""State of a scheduler -> the word that the pages have a colour for, what needs attention first."""

Json = dict[str, Any]


@dataclass(slots=True)
class SkillGraphs:
    """The provider of `/api/skills`; a file is read again when it changed."""

    _files: dict[Path, SmallFile] = field(default_factory=dict)

    def __call__(self, folders: Sequence[Path]) -> Json:
        """Every graph of the folders."""
        graphs = [self._graph(folder) for folder in folders]
        told = {"sentence": " ".join(map(sentence, graphs)), "state": state_of(graphs)}
        return {"available": bool(graphs), "graphs": graphs, **told}

    def _graph(self, folder: Path) -> Json:
        file = self._files.setdefault(folder, SmallFile())
        file.look(folder / STATE_FILE)
        return {"name": folder.resolve().name, "folder": str(folder), "trouble": file.trouble} | graph(file.content)


def graph(state: Mapping[str, Any]) -> Json:
    """One graph as the page wants it."""
    skills = [skill(one) for one in _list(state.get("skills")) if _is_named(one)][:MOST_SKILLS]
    needs = {str(one["skill_name"]): one["dependencies"] for one in skills}
    return {
        **{name: shortened(state.get(name)) for name in ("env_name", "proposer", "state", "updated_at")},
        **{name: shortened(_mapping(state.get(name))) for name in ("settings", "usage", "frontier")},
        "skills": skills,
        "layers": layers(needs),
        "counts": dict(Counter(str(one.get("status", "unknown")) for one in skills)),
        "rejections": [rejection(one) for one in _list(state.get("rejections")) if _is_named(one)][-MOST_REJECTIONS:],
    }


def skill(told: Mapping[str, Any]) -> Json:
    """One skill, with objects and lists where the page expects them."""
    verdict = _mapping(told.get("verdict"))
    objects = {name: _mapping(told.get(name)) for name in ("skill", "progress", "proposal")}
    verdict |= {"reasons": _names(verdict.get("reasons")), "statistics": _mapping(verdict.get("statistics"))}
    failure = _mapping(told.get("failure")) or None
    listed = {"dependencies": _names(told.get("dependencies")), "verdict": verdict, "failure": failure}
    return dict(shortened({**told, **objects, **listed}))


def rejection(told: Mapping[str, Any]) -> Json:
    """One refused proposal."""
    return dict(shortened({**told, "reasons": _names(told.get("reasons"))}))


def state_of(graphs: Sequence[Mapping[str, Any]]) -> str:
    """One word of the pages' for all graphs: that of the one that needs attention most."""
    words = [STATES.get(str(one.get("state")), "unknown") for one in graphs]
    return next((word for word in STATES.values() if word in words), "unknown")


def sentence(told: Mapping[str, Any]) -> str:
    """The state of one graph in a sentence."""
    counts = told["counts"]
    parts = [f"{count} {status}" for status, count in sorted(counts.items())]
    num = len(told["skills"])
    skills = f"{num} {'skill' if num == 1 else 'skills'} ({', '.join(parts)})" if parts else "no skill yet"
    why = told["frontier"].get("why")
    return f"{told['name']}: {told.get('state') or 'state unknown'}, {skills}{f'; {why}' if why else ''}."


def shortened(value: Any, depth: int = 6) -> Any:
    """A JSON value with texts and lists that fit a page."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}…"
    if depth == 0 and isinstance(value, dict | list):
        return "…"
    if isinstance(value, dict):
        return {str(key): shortened(one, depth - 1) for key, one in list(value.items())[:MOST_SKILLS]}
    return [shortened(one, depth - 1) for one in value[:MOST_SKILLS]] if isinstance(value, list) else value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Json:
    return dict(value) if isinstance(value, dict) else {}


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("skill_name"), str)


def _names(value: Any) -> list[str]:
    return [name for name in _list(value) if isinstance(name, str)]
