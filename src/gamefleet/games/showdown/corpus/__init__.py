"""Battles that come with gamefleet, so that learning can begin without a download or a simulator.

Job: name the files. Place in the data flow: raw battles -> the parser, where nothing else is given. Left out: how they
were made (`build`).
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
"""Holds one `FORMAT.jsonl.zst` per format, in the form of `gamefleet replays generate`."""
