"""How many battles each file of a raw folder holds, as download and generate noted it.

Job: read those notes, of either form. Place in the data flow: under `sources`. Left out: what else they say
(`download_note`, `generate`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

NOTES: Final = ("DOWNLOAD.json", "generated.json")


def noted_counts(folder: Path) -> dict[str, int]:
    """Battles of each file as download and generate noted them; what they did not note is estimated elsewhere."""
    found: dict[str, int] = {}
    for note in NOTES:
        try:
            parts = msgspec.json.decode((folder / note).read_bytes(), type=_Note).parts
        except (OSError, msgspec.MsgspecError):
            continue
        if isinstance(parts, dict):
            found |= {name: part.battles for name, part in parts.items()}
        else:
            found |= {part.name: part.kept for part in parts}
    return found


class _Part(msgspec.Struct):
    name: str = ""
    kept: int = 0
    battles: int = 0


class _Note(msgspec.Struct):
    parts: dict[str, _Part] | list[_Part]
