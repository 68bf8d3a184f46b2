"""How a graph of dependencies is laid out: in layers, with few crossings.

Job: give every node a layer one past its last dependency, and an order within it. Place in the data flow: skills of a
graph -> here -> the page, which draws columns. Left out: drawing.

The order within a layer is found by sweeps that put each node at the mean place of its neighbours (Sugiyama, Tagawa and
Toda, "Methods for Visual Understanding of Hierarchical System Structures", 1981).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SWEEPS = 4


def layers(dependencies: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The nodes, layer by layer.

    Args:
        dependencies: Node -> what it depends on. Names that are no nodes are left out; in a circle, which no sound
            graph has, one dependency is ignored, so that a damaged file can be drawn, too.
    """
    known = {name: [other for other in needs if other in dependencies] for name, needs in dependencies.items()}
    depth = depths(known)
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in dependencies:
        rows[depth[name]].append(name)
    children: dict[str, list[str]] = {name: [] for name in known}
    for name, needs in known.items():
        for other in needs:
            children[other].append(name)
    place: dict[str, float] = {}
    for row in rows:
        _note_places(row, place)
    for _ in range(SWEEPS):
        for row in rows[1:]:
            _order(row, known, place)
        for row in reversed(rows[:-1]):
            _order(row, children, place)
    return rows


def depths(dependencies: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The longest way to each node from one without dependencies; without recursion, since a file may be hostile."""
    depth: dict[str, int] = {}
    for start in dependencies:
        way = [start]
        on_way = {start}
        while way:
            name = way[-1]
            missing = [other for other in dependencies[name] if other not in depth and other not in on_way]
            if missing:
                way.append(missing[0])
                on_way.add(missing[0])
                continue
            depth[name] = 1 + max((depth[other] for other in dependencies[name] if other in depth), default=-1)
            on_way.discard(way.pop())
    return depth


def _order(row: list[str], neighbours: Mapping[str, Sequence[str]], place: dict[str, float]) -> None:
    def mean(name: str) -> float:
        places = [place[other] for other in neighbours[name]]
        return sum(places) / len(places) if places else place[name]

    row.sort(key=mean)
    _note_places(row, place)


def _note_places(row: Sequence[str], place: dict[str, float]) -> None:
    """Places run from 0 to 1, whatever the number of nodes in a layer."""
    place.update((name, number / max(1, len(row) - 1)) for number, name in enumerate(row))
