"""What can be achieved, as tables.

Job: read `tables/*.csv` into facts. Place in the data flow: `worlds` gives them to the catalogue of skills; the README
shows them. Left out: checking them, which a test does by playing.
"""

from __future__ import annotations

import csv
from pathlib import Path

from gamefleet.games.craftax.variants import Variant
from gamefleet.skills.world import Fact

_TABLES = Path(__file__).with_name("tables")


def read_facts(variant: Variant) -> tuple[Fact, ...]:
    """The facts of a variant, in the order of its table."""
    name = "classic.csv" if variant.is_classic else "full.csv"
    with open(_TABLES / name, newline="") as stream:
        rows = csv.DictReader(line for line in stream if not line.startswith("#"))
        return tuple(_fact(row) for row in rows)


def _fact(row: dict[str, str]) -> Fact:
    return Fact(
        name=row["name"],
        requires=_amounts(row["requires"]),
        consumes=_amounts(row["consumes"]),
        gain=_amounts(row["gain"]),
        gives=_amounts(row["gives"]),
        how=row["how"],
        is_verified=row["verified"] == "1",
    )


def _amounts(text: str) -> dict[str, float]:
    """`wood=1 stone=2` as numbers by feature."""
    return {name: float(amount) for name, _, amount in (pair.partition("=") for pair in text.split())}
