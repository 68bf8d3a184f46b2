"""What came of a rehearsal of a fleet: who gave what, and what a death cost.

Job: read the shared folder, the chains and the laptops' own runs after (and at the moment of) a death, and put them
into rows. Place in the data flow: files of a rehearsal in, facts out; `fleet_rehearsal_checks` judges them and
`fleet_rehearsal` prints them. Left out: judging, printing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gamefleet.errors import CorruptCheckpointError
from gamefleet.testing.fleet_rehearsal_runs import attempts, reached
from gamefleet.testing.rehearsal_chains import Chain, handovers
from gamefleet.transport.folder_files import environments, listed
from gamefleet.transport.folder_readers import all_read
from gamefleet.weights.manifests import Contribution, Rejection, Totals, Version, read
from gamefleet.weights.shared_paths import SharedPaths, numbered
from gamefleet.weights.store import SharedStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A member at the moment when it was killed, as its own disk shows it.

    Args:
        member: Which.
        how: In words.
        leg: Of a chain; 0 for a laptop.
        attempt: Of the run that it trained, 0 where there is none.
        published: Total samples by seq of the contributions that it had published.
        chunks: Last chunk that it had written, by environment.
    """

    member: str
    how: str
    leg: int = 0
    attempt: int = 0
    published: Mapping[int, int] = field(default_factory=dict)
    chunks: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a death cost a run that learned.

    Args:
        played: Step that it had reached.
        resumed: Step of the checkpoint from which it went on.
        kept: Step up to which its work is in the merged weights, from what it had published before.
    """

    played: int
    resumed: int
    kept: int

    @property
    def repeated(self) -> int:
        """Steps that were played again."""
        return max(0, self.played - self.resumed)

    @property
    def lost(self) -> int:
        """Steps of which nothing is left: neither in a checkpoint nor in the merged weights."""
        return max(0, self.played - max(self.resumed, self.kept))


def died(paths: SharedPaths, member: str, how: str, *, leg: int = 0, run: Path | None = None) -> Death:
    """Write down what a member had done when it was killed.

    Args:
        paths: Where it wrote: the shared folder, or its copy.
        member: Which.
        how: In words.
        leg: Of a chain.
        run: Its run folder, if it learns.
    """
    return Death(
        member=member,
        how=how,
        leg=leg,
        attempt=max(attempts(run), default=0) if run else 0,
        published={one.seq: one.total_samples for one in contributions(paths, member)},
        chunks=handed_over(paths, member),
    )


def contributions(paths: SharedPaths, member: str) -> list[Contribution]:
    """What a member has published, as far as it is still there and readable."""
    found = []
    for seq in numbered(paths.weights(member)):
        try:
            found.append(read(paths.contribution(member, seq), Contribution))
        except (OSError, CorruptCheckpointError):
            continue
    return found


def handed_over(paths: SharedPaths, member: str) -> dict[str, int]:
    """The last chunk of each environment of a member that is there, or was and has been read."""
    folder = paths.experience(member)
    found = {name: max(listed(folder / name), default=-1) for name in environments(folder)}
    for learner in paths.member_ids():
        for name, seq in (all_read(paths.reading(learner)) or {}).get(member, {}).items():
            found[name] = max(found.get(name, -1), seq)
    return {name: seq for name, seq in found.items() if seq >= 0}


def taken_in(paths: SharedPaths, learner: str, member: str) -> int:
    """How many chunks of a member a learner is through with."""
    return sum(seq + 1 for seq in (all_read(paths.reading(learner)) or {}).get(member, {}).values())


def line_of_versions(store: SharedStore) -> list[Version]:
    """Merged versions from the first that is still there to the newest, each the parent of the next."""
    found: list[Version] = []
    version = store.head()
    while version is not None:
        found.append(version)
        version = store.version(version.parent) if version.parent >= 0 else None
    return found[::-1]


def cost_of(death: Death, line: Sequence[Version], *, run: Path, chain: Chain | None) -> Cost | None:
    """What a death cost; None where nothing was played or nobody went on.

    Args:
        death: Of a learner.
        line: Of `line_of_versions`.
        run: Its run folder.
        chain: As `fleet status --json` shows it; None for a laptop.
    """
    merged = {(one.member, one.seq) for version in line for one in version.inputs}
    kept = max((step for seq, step in death.published.items() if (death.member, seq) in merged), default=0)
    if chain is not None:
        rows = {row["leg"]["number"]: row for row in chain["legs"]}
        after, following = rows[death.leg]["handover"], rows.get(death.leg + 1, {}).get("stretch")
        if after is None or following is None:
            return None
        resumed = max(0, following["resumed_step"])
        return Cost(played=resumed + after["repeated_steps"], resumed=resumed, kept=kept)
    later = {number: step for number, step in attempts(run).items() if number > death.attempt}
    if not later:
        return None
    seen = reached(run).get(death.attempt, 0)
    played = max(seen, *death.published.values()) if death.published else seen
    return Cost(played=played, resumed=max(0, later[min(later)]), kept=kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One member in the account.

    Args:
        member: Its name.
        what: `2 jobs`, `laptop, 1 start`, ...
        played: Environment steps that it played, those that were played again included.
        totals: Of its merged work.
        handed_over: Chunks.
        taken_in: Of these, how many the learner that is furthest is through with.
        waits: Steps of its last contribution, where no merged version has it yet.
        learns: Whether it contributes weights.
    """

    member: str
    what: str
    played: int
    totals: Totals
    handed_over: int
    taken_in: int
    waits: int
    learns: bool


def row_of(member: str, what: str, played: int, store: SharedStore, learners: Iterable[str]) -> Row:
    """Gather what the shared folder knows of a member."""
    head, paths = store.head(), store.paths
    totals = head.totals.get(member, Totals()) if head else Totals()
    included = head.included.get(member, 0) if head else 0
    pending = [one.samples for one in contributions(paths, member) if one.seq > included]
    return Row(
        member=member,
        what=what,
        played=played,
        totals=totals,
        handed_over=sum(seq + 1 for seq in handed_over(paths, member).values()),
        taken_in=max((taken_in(paths, learner, member) for learner in learners), default=0),
        waits=pending[-1] if pending else 0,
        learns=bool(totals.merges or pending),
    )


def played_by_chain(chain: Chain) -> int:
    """Environment steps of all legs of a chain."""
    return max(0, int(chain["step"])) + sum(int(after["repeated_steps"]) for after in handovers(chain))


def refusals(paths: SharedPaths) -> list[Mapping[str, Any]]:
    """What was refused, and why: `{"member": ..., "what": ..., "reason": ...}`."""
    found: list[Mapping[str, Any]] = []
    for path in sorted(paths.rejected.glob("[!.]*.json")):
        record = read(path, Rejection) if not path.name.endswith(".experience.json") else None
        if record is None:
            member = path.name.removesuffix(".experience.json")
            found.append({"member": member, "what": "all experience", "reason": path.read_text()})
        else:
            what = f"contribution {record.seq}" if record.seq else "all weights"
            found.append({"member": record.member, "what": what, "reason": record.reason})
    return found
