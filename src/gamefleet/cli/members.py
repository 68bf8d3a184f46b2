"""`gamefleet members`: who is in a fleet that shares a folder, and what everybody gave.

Job: print what the folder says. Place in the data flow: shared folder -> terminal. Left out: changing anything but a
member's release from quarantine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gamefleet.weights.members import MemberRow
    from gamefleet.weights.store import SharedStore

LONGEST_VERDICT = 1 << 16
HEADINGS = ("member", "kind", "host", "seen", "version", "steps/s", "samples", "updates", "merges", "rejected")


def members(
    shared_dir: Annotated[
        Path, typer.Option("--shared-dir", metavar="DIR", readable=False, help="The shared folder, or a copy of it.")
    ] = Path("~/shared_weights"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    release: Annotated[
        str | None, typer.Option("--release", metavar="MEMBER", help="Take a member out of quarantine first.")
    ] = None,
) -> None:
    """Show the members of a fleet: how far each is, what it contributed, and what was refused and why."""
    from gamefleet.errors import RunFolderError
    from gamefleet.weights.members import look
    from gamefleet.weights.quarantine import release as release_member
    from gamefleet.weights.shared_paths import SharedPaths, check_member
    from gamefleet.weights.store import SharedStore

    store = SharedStore(SharedPaths(shared_dir.expanduser()), clock=time.time)
    facts = store.facts()
    if facts is None:
        raise RunFolderError(
            "This is no shared folder of a fleet",
            where=store.paths.root,
            remedy="Choose the folder with --shared-dir, or pull it first (gamefleet sync pull).",
        )
    if release is not None:
        release_member(store.paths, check_member(release))
    rows, head = look(store, now=time.time()), store.head()
    if as_json:
        found = {
            "fleet": facts.fleet,
            "version": head.version if head else -1,
            "members": [asdict(row) for row in rows],
        }
        print(json.dumps(found, indent=2))
        return
    print(f"{facts.fleet} ({facts.game_name}), merged version {head.version if head else 'none'}")
    print("\n".join([*lines(rows), *refused_play(store, rows)]))


def lines(rows: Sequence[MemberRow]) -> Iterator[str]:
    """For people: a table, and below it why something was refused."""
    if not rows:
        yield "There are no members yet."
        return
    table = [HEADINGS, *map(cells, rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEADINGS))]
    for line in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    for row in rows:
        if row.is_quarantined:
            yield f"{row.member} is in quarantine: nothing of it is merged until `--release {row.member}`."
        if row.last_reason:
            yield f"{row.member}: the last refused contribution {row.last_reason}."


def refused_play(store: SharedStore, rows: Sequence[MemberRow]) -> Iterator[str]:
    """For people: whose play is not taken in, and why."""
    for row in rows:
        if why := play_refused(store, row.member):
            yield f"{row.member}: {why}."


def cells(row: MemberRow) -> tuple[str, ...]:
    """One member as a row of the table."""
    return (
        row.member,
        row.kind,
        row.host,
        "never" if row.heartbeat_age_s is None else f"{row.heartbeat_age_s:.0f} s ago",
        "" if row.version < 0 else str(row.version),
        f"{row.steps_per_s:.0f}",
        f"{row.samples:,}",
        f"{row.updates:,}",
        f"{row.merges:,}",
        f"{row.rejected:,}",
    )


def play_refused(store: SharedStore, member: str) -> str:
    """Why nothing that a member plays is taken in; empty where it is."""
    from gamefleet.transport.folder_files import read_regular

    found = read_regular(store.paths.experience_quarantine(member), max_bytes=LONGEST_VERDICT)
    if found.kind == "gone":
        return ""
    try:
        content = json.loads(found.data)
    except (ValueError, RecursionError):
        content = {}
    why = str(content.get("reason") or "") if isinstance(content, dict) else ""
    return f"its play is refused: {why or 'no reason can be read'}"
