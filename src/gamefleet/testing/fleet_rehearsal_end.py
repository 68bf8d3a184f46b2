"""The end of a rehearsal of a fleet: everything is looked at, told, and judged.

Job: bring account, checks and words together. Place in the data flow: called by `fleet_rehearsal` when all has ended.
Left out: how each of them is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamefleet.games import open_game
from gamefleet.testing import fleet_rehearsal_checks as checks
from gamefleet.testing.fleet_rehearsal_account import (
    Death,
    Row,
    cost_of,
    line_of_versions,
    played_by_chain,
    refusals,
    row_of,
)
from gamefleet.testing.fleet_rehearsal_checks import Finding, finding
from gamefleet.testing.fleet_rehearsal_laptops import Laptop
from gamefleet.testing.fleet_rehearsal_report import (
    LEGEND,
    death_line,
    finding_lines,
    handovers_line,
    merges_line,
    milestone_line,
    refused_lines,
    table,
)
from gamefleet.testing.fleet_rehearsal_runs import milestones, played, sums
from gamefleet.weights.manifests import Version
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.store import SharedStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a rehearsal left.

    Args:
        chains: As `fleet status --json` shows them.
        seconds: It took.
        runs: Run folder by member.
        shared: The shared folder.
        laptops: Ended.
        deaths: In order.
        versions_at: Version at each death, by its words.
        unfinished: Steps that the unfinished chunks of a laptop can hold.
    """

    chains: Sequence[Mapping[str, Any]]
    seconds: float
    runs: Mapping[str, Path]
    shared: SharedPaths
    laptops: Sequence[Laptop]
    deaths: Sequence[Death]
    versions_at: Mapping[str, int]
    unfinished: int

    @property
    def store(self) -> SharedStore:
        """Reads the shared folder."""
        return SharedStore(self.shared, clock=time.time)

    @property
    def by_member(self) -> dict[str, Mapping[str, Any]]:
        """Chains by the name of their member."""
        return {Path(chain["run_folder"]).name: chain for chain in self.chains}


def report(ending: Ending, say: Callable[[str], None]) -> list[str]:
    """Tell all of it.

    Returns:
        What is not as it must be.
    """
    line, refused = line_of_versions(ending.store), refusals(ending.shared)
    say(f"\nThe account, after {ending.seconds / 60:.1f} minutes\n")
    for text in table(rows(ending)):
        say(text)
    for text in (*LEGEND, "", *summary(ending, line), *refused_lines(refused, refused_chunks(ending)), ""):
        say(text)
    findings = list(judged(ending, line, refused))
    for text in finding_lines(findings):
        say(text)
    return [f"{one.sentence}: {one.trouble}" for one in findings if not one.is_ok]


def rows(ending: Ending) -> Iterator[Row]:
    """One row per member."""
    chains = ending.by_member
    for member, chain in chains.items():
        jobs = f"chain of {len(chain['legs'])} jobs"
        yield row_of(member, jobs, played_by_chain(chain), ending.store, ())
    for laptop in ending.laptops:
        what = f"laptop, {'plays and learns' if laptop.learns else 'plays'}, started {laptop.starts}x"
        steps = played(ending.runs[laptop.name]) if laptop.learns else laptop.steps_played()
        yield row_of(laptop.name, what, steps, ending.store, tuple(chains))


def summary(ending: Ending, line: Sequence[Version]) -> Iterator[str]:
    """What is not one member's."""
    yield merges_line(line)
    yield handovers_line(ending.chains)
    for death in ending.deaths:
        chain = ending.by_member.get(death.member)
        cost = cost_of(death, line, run=ending.runs[death.member], chain=chain) if death.attempt else None
        yield f"killed: {death_line(death, cost, ending.unfinished)}"
    facts = ending.store.facts()
    if facts is not None:
        package = open_game(facts.game_name)
        story = package.make_spec(package.config_type()).milestones
        yield milestone_line(milestones(ending.runs.values()), story)


def refused_chunks(ending: Ending) -> int:
    """Chunks that the learners refused."""
    names = ("shared/chunks_refused",)
    return sum(sums(ending.runs[member], names)[names[0]] for member in ending.by_member)


def judged(ending: Ending, line: Sequence[Version], refused: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Everything that must be so."""
    killed = [death.member for death in ending.deaths]
    least = 1 + min(killed.count(member) for member in ending.by_member)
    shared, deaths = ending.shared, ending.deaths
    yield finding(
        "both chains went on to the end, and no saved step was lost", checks.chains_went_on(ending.chains, least)
    )
    yield finding("versions went on growing after every death", checks.not_growing(line, ending.versions_at))
    yield finding("no work was merged twice, and the accounts add up", checks.merged_once(line, shared))
    yield finding("what the killed had published is accounted for", checks.unaccounted(deaths, line, shared))
    yield finding("what the laptops played was taken in", not_taken_in(ending))
    halves = [
        text for copy in (laptop.copy for laptop in ending.laptops) for text in checks.half_files(copy, is_copy=True)
    ]
    halves += [*checks.half_files(shared, is_copy=False), *damaged(ending, refused)]
    yield finding("nobody met half a file, and none is left", halves)


def not_taken_in(ending: Ending) -> Iterator[str]:
    """Laptops of whose play nothing reached a replay."""
    names = ("shared/foreign_steps", "shared/foreign_members")
    for member in ending.by_member:
        if not sums(ending.runs[member], names)[names[0]]:
            yield f"{member} learned nothing from others"
    for row in rows(ending):
        if row.member not in ending.by_member and not row.taken_in:
            yield f"nothing of {row.member}"


def damaged(ending: Ending, refused: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Refusals whose reason is a damaged file, which nobody here made."""
    yield from (
        f"{one['what']} of {one['member']} {one['reason']}" for one in refused if "damaged" in str(one["reason"])
    )
    if count := refused_chunks(ending):
        yield f"{count} chunks were refused"
