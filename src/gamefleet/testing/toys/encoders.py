"""`make_encoder` of every toy.

Job: choose the module for a purpose. Place in the data flow: named by the toys' `PACKAGE`s. Left out: the modules
themselves (`networks`), which are imported late: who only plays a toy needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gamefleet.games.base import GameSpec


def make_encoder(spec: GameSpec, settings: Mapping[str, Any], purpose: str) -> Any:
    """The encoder of every toy.

    Args:
        spec: The toy's spec.
        settings: `num_units` of the learned layer, 32 by default.
        purpose: `policy` gives a learned layer, `novelty` the flat features.
    """
    from gamefleet.testing.toys.networks import DenseEncoder, FlatFeatures

    if purpose == "novelty":
        return FlatFeatures(spec)
    return DenseEncoder(spec, int(settings.get("num_units", 32)))
