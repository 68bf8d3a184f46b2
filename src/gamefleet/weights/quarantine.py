"""What was refused, and why.

Job: write verdicts of the guard down and read them back; a member that is refused again and again is set aside whole.
Place in the data flow: guard -> `merged/rejected/` -> merging, members' lists, people. Left out: deciding (`guard`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gamefleet.errors import CorruptCheckpointError, RunFolderError, nearest
from gamefleet.files import create_once
from gamefleet.weights.manifests import Rejection, as_json, read
from gamefleet.weights.shared_paths import REJECTION_PATTERN, SharedPaths

MOST_COUNTED = 60
"""So many of a member's last refusals are read to count those in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What lies in `merged/rejected/`, by its file names.

    Args:
        seqs: Refused contributions by member.
        members: Members of whom nothing is merged.
    """

    seqs: Mapping[str, frozenset[int]]
    members: frozenset[str]

    def has(self, member: str, seq: int) -> bool:
        """Whether a contribution was refused."""
        return seq in self.seqs.get(member, frozenset())


def refused(paths: SharedPaths) -> Refused:
    """List what was refused."""
    try:
        names = [path.name for path in paths.rejected.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        names = []
    seqs: dict[str, set[int]] = {}
    members = set()
    for name in names:
        if found := REJECTION_PATTERN.fullmatch(name):
            seqs.setdefault(found[1], set()).add(int(found[2]))
        elif name.endswith(".json") and not name.startswith(".") and not name.endswith(".experience.json"):
            members.add(name.removesuffix(".json"))
    return Refused(seqs={name: frozenset(found) for name, found in seqs.items()}, members=frozenset(members))


def rejection(paths: SharedPaths, member: str, seq: int) -> Rejection | None:
    """Why a contribution was refused; None when it was not."""
    try:
        return read(paths.rejection(member, seq), Rejection)
    except FileNotFoundError:
        return None
    except CorruptCheckpointError as error:
        return Rejection(member=member, seq=seq, reason=f"refused; the record of why is damaged: {error.what}")


def reject(paths: SharedPaths, verdict: Rejection, *, included: int, max_rejections: int) -> None:
    """Put a contribution in quarantine, and its member when that has happened too often.

    Args:
        paths: The shared folder.
        verdict: Which contribution, and why.
        included: The member's last merged contribution: only what was refused since then counts.
        max_rejections: Refused contributions that set a member aside; as many again do so once it was released.
    """
    if not create_once(paths.rejection(verdict.member, verdict.seq), as_json(verdict)) or not verdict.counts:
        return
    seqs = sorted(refused(paths).seqs.get(verdict.member, frozenset()))[-MOST_COUNTED:]
    since = [found for seq in seqs if seq > included and (found := rejection(paths, verdict.member, seq))]
    count = sum(found.counts for found in since)
    if count % max_rejections == 0:
        reason = f"{count} contributions in a row were refused, the last one because it {verdict.reason}"
        whole = Rejection(
            member=verdict.member,
            seq=0,
            reason=reason,
            rejected_by=verdict.rejected_by,
            rejected_at=verdict.rejected_at,
        )
        create_once(paths.quarantine(verdict.member), as_json(whole))


def release(paths: SharedPaths, member: str) -> None:
    """Take a member out of quarantine: what it publishes from now on is judged again.

    Raises:
        RunFolderError: It is not in quarantine.
    """
    try:
        paths.quarantine(member).unlink()
    except FileNotFoundError as error:
        held = refused(paths).members
        raise RunFolderError(
            "This member is not in quarantine",
            value=member,
            where=paths.rejected,
            remedy=nearest(member, held) if held else "No member is.",
        ) from error
