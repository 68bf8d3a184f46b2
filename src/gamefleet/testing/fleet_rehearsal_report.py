"""The account of a rehearsal of a fleet, as lines for people.

Job: say who gave what, what deaths cost, what was refused, and whether all is as it must be. Place in the data flow:
facts of `fleet_rehearsal_account` and findings of `fleet_rehearsal_checks` in, lines out. Left out: finding out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from gamefleet.testing.fleet_rehearsal_account import Cost, Death, Row
from gamefleet.testing.fleet_rehearsal_checks import Finding
from gamefleet.testing.rehearsal_chains import Chain, handovers
from gamefleet.weights.manifests import Version

HEADINGS = ("member", "what", "played", "in the weights", "merges", "not yet", "refused", "chunks", "taken in")


def table(rows: Iterable[Row]) -> Iterator[str]:
    """One line per member."""
    cells = [HEADINGS, *(row_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    for line in cells:
        text = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  " + "  ".join(text).rstrip()


def row_cells(row: Row) -> tuple[str, ...]:
    """One member."""
    learns, plays = row.learns, row.handed_over > 0
    return (
        row.member,
        row.what,
        f"{row.played:,}" if row.played else "-",
        f"{row.totals.samples:,}" if learns else "-",
        f"{row.totals.merges:,}" if learns else "-",
        f"{row.waits:,}" if learns else "-",
        f"{row.totals.rejected:,}",
        f"{row.handed_over:,}" if plays else "-",
        f"{row.taken_in:,}" if plays else "-",
    )


LEGEND = (
    "  played, in the weights, not yet: environment steps. 'not yet': published, waits for the next merge.",
    "  chunks: pieces of play handed over for others to learn from; taken in: by the learner that is furthest.",
)


def merges_line(line: Sequence[Version]) -> str:
    """How many versions there are, and who made them."""
    makers = Counter(version.merged_by for version in line if version.kind == "merge")
    inputs = sum(len(version.inputs) for version in line)
    made = ", ".join(f"{maker} {count}" for maker, count in sorted(makers.items()))
    undone = sum(version.kind == "rollback" for version in line)
    taken_back = f", {undone} taken back" if undone else ""
    return f"merged versions: {line[-1].version}, of {inputs} contributions (made by {made}){taken_back}"


def handovers_line(chains: Sequence[Chain]) -> str:
    """How many hand-overs there were between jobs, and how long they took."""
    found = [handover for chain in chains for handover in handovers(chain)]
    gaps = [handover["gap_s"] for handover in found if handover["gap_s"] is not None]
    ours = [handover["ours_s"] for handover in found if handover["ours_s"] is not None]
    lasted = f"; without a round for {min(gaps):.0f} to {max(gaps):.0f} s" if gaps else ""
    of_ours = f", of which ours {min(ours):.0f} to {max(ours):.0f} s" if ours else ""
    saved_lost = sum(handover["lost_steps"] for handover in found)
    return f"hand-overs from job to job: {len(found)}{lasted}{of_ours}; saved steps lost: {saved_lost}"


def death_line(death: Death, cost: Cost | None, unfinished: int) -> str:
    """What one death cost.

    Args:
        death: Which.
        cost: Of a learner.
        unfinished: Steps that its unfinished chunks can have held at most.
    """
    if death.attempt == 0:
        whole = sum(seq + 1 for seq in death.chunks.values())
        return f"{death.how}: {whole} whole chunks kept; lost: what was unfinished, at most {unfinished:,} steps"
    if cost is None:
        return f"{death.how}: it had not begun to train"
    kept = f", the merged weights held its work up to {cost.kept:,}" if cost.kept else ""
    return (
        f"{death.how}: at step {cost.played:,}; its checkpoint held {cost.resumed:,}{kept}. Steps played again: "
        f"{cost.repeated:,}, lost: {cost.lost:,}"
    )


def milestone_line(found: Collection[str], story: Sequence[str]) -> str:
    """The milestone furthest in the story."""
    best = [name for name in story if name in found]
    if not best:
        return "best milestone: none yet"
    return f"best milestone: {best[-1]} ({len(best)} reached, of {len(story)})"


def refused_lines(refused: Sequence[Mapping[str, Any]], chunks_refused: int) -> Iterator[str]:
    """What was refused, and why."""
    if not refused and not chunks_refused:
        yield "refused: nothing"
    for one in refused:
        yield f"refused: {one['what']} of {one['member']}: {one['reason']}"
    if chunks_refused:
        yield f"refused: {chunks_refused} chunks, see the jobs' logs"


def finding_lines(findings: Iterable[Finding]) -> Iterator[str]:
    """What was checked."""
    for one in findings:
        yield f"  ok      {one.sentence}" if one.is_ok else f"  FAILED  {one.sentence}: {one.trouble}"
