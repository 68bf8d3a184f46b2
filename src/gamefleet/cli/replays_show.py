"""`gamefleet replays show`: what is in a folder of raw or packed battles, or one battle decoded.

Job: options in, a few tables out. Place in the data flow: reads what download, generate and parse wrote. Left out:
changing anything.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamefleet.errors import ConfigError

if TYPE_CHECKING:
    from gamefleet.experience.dataset import Dataset
    from gamefleet.games.showdown.replays.trace import Trace

SHOWN_FORMATS = 12
RATING_STEP = 200


def show(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A raw or packed folder, or the one above both.")],
    battle: Annotated[int | None, typer.Option(help="Decode this battle of a packed folder, from 0.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read everything and compare checksums.")] = False,
) -> None:
    """Say what is in a folder of battles, or show one."""
    from gamefleet.cli.replays_parse import PROCESSED, RAW
    from gamefleet.experience.dataset_format import MANIFEST

    folders = [place for place in (folder, folder / RAW, folder / PROCESSED) if place.is_dir()]
    packed = [place for place in folders if (place / MANIFEST).is_file()]
    if battle is not None or verify:
        if not packed:
            raise ConfigError("There are no packed battles", where=folder, remedy="Make some: gamefleet replays parse.")
        show_packed(packed[0], battle, verify)
        return
    raw = folder / RAW if (folder / RAW).is_dir() else folder
    if not packed or raw != folder:
        show_raw(raw)
    for place in packed:
        show_packed(place, None, False)


def show_raw(folder: Path) -> None:
    """Files, and where they come from."""
    from gamefleet.games.showdown.replays.sources import units_of
    from gamefleet.games.showdown.replays.sources_notes import NOTES

    units = units_of(folder)
    sizes = {unit.name: unit.num_bytes for unit in units}
    print(f"{folder}: {len(sizes)} files of raw battles, {sum(sizes.values()) / 1e6:.1f} MB, {len(units)} units.")
    for note in NOTES:
        if (folder / note).is_file():
            print(f"  {note} says where they come from.")


def show_packed(folder: Path, battle: int | None, verify: bool) -> None:
    """Counts, or one battle."""
    from gamefleet.experience.dataset import Dataset

    dataset = Dataset(folder)
    if verify:
        dataset.verify()
        print("All checksums are right.")
    if battle is None:
        print(contents(dataset))
    else:
        print("\n".join(battle_lines(dataset, battle)))
    dataset.close()


def contents(dataset: Dataset) -> str:
    """What a packed folder holds."""
    from gamefleet.cli.replays_parse import rejects_line

    manifest = dataset.manifest
    size = sum(shard.bytes for shard in manifest.shards) + manifest.index.bytes
    groups = Counter(dataset.column("group").tolist())
    formats = [f"{manifest.groups[group]} {count}" for group, count in groups.most_common(SHOWN_FORMATS)]
    each = f", {size / len(dataset):.0f} bytes per battle" if len(dataset) else ""
    lines = [
        f"{dataset.folder}: {len(dataset)} battles, {manifest.num_decisions} decisions, {size / 1e6:.1f} MB{each}.",
        f"  records: {manifest.kind}; {len(manifest.shards)} shards",
        f"  formats: {', '.join(formats)}{', ...' if len(groups) > SHOWN_FORMATS else ''}",
        f"  ratings: {rating_line(dataset)}",
        f"  {rejects_line(manifest.facts.get('rejects', {}))}",
    ]
    return "\n".join(lines)


def rating_line(dataset: Dataset) -> str:
    """How many views there are per range of ratings."""
    counts = Counter((dataset.column("ratings").reshape(-1) // RATING_STEP).tolist())
    ranges = (
        f"{step * RATING_STEP}-{step * RATING_STEP + RATING_STEP - 1} {counts[step]}"
        for step in sorted(counts)
        if step >= 0
    )
    unknown = [f"unknown {counts[-1]}"] if counts[-1] else []
    return ", ".join([*ranges, *unknown]) or "none"


def battle_lines(dataset: Dataset, number: int) -> list[str]:
    """One battle: its facts, and what each side chose at each decision.

    Raises:
        ConfigError: There is no such battle.
    """
    from gamefleet.games.showdown.replays.trace import unpack

    if not 0 <= number < len(dataset):
        raise ConfigError("There is no such battle", value=number, remedy=f"They are numbered 0 to {len(dataset) - 1}.")
    data = dataset.read(number)
    trace = unpack(data)
    winner = f"side {trace.winner + 1} won" if trace.winner >= 0 else "a tie"
    return [
        f"battle {number}: {trace.format_id}, {trace.num_turns} turns, {winner} ({trace.end_reason}), "
        f"{len(data)} bytes opened",
        f"  ratings: {' against '.join(str(rating) for rating in trace.ratings)}",
        *team_lines(trace),
        *decision_lines(trace),
    ]


def team_lines(trace: Trace) -> list[str]:
    """The teams as far as they became known."""
    from gamefleet.games.showdown import layout as at
    from gamefleet.games.showdown import tables

    # A cosmetic forme has its look's number: the first name with a number is the plain one.
    names: dict[int, str] = {}
    for name, number in tables.species().ids.items():
        names.setdefault(number, name)
    known = [[names.get(int(mon[at.TEAM_SPECIES]), "") for mon in team] for team in trace.teams]
    return [f"  side {side}: {', '.join(filter(None, team)) or 'not shown'}" for side, team in enumerate(known, 1)]


def decision_lines(trace: Trace) -> list[str]:
    """What each side chose at each decision."""
    from gamefleet.games.showdown import layout as at

    return [
        f"  turn {int(row[at.FIELD + at.TURN]):3}  " + "  ".join(f"{choice_word(int(code)):22}" for code in choices)
        for row, choices in zip(trace.rows, trace.choices, strict=True)
    ]


def choice_word(code: int) -> str:
    """A choice in words: see `replays.trace`."""
    if code < 0:
        return "-" if code == -2 else "(not shown)"
    if code >= 12:
        return f"switch to {code - 11}"
    return f"move {code % 4 + 1}" + ("", " with its form", " as a Z-move")[code // 4]
