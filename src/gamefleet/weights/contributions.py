"""Contributions that wait to be merged, as their folders show them.

Job: write a member's contribution, and list those that no version includes yet. Place in the data flow: members ->
shared folder -> merging. Left out: judging them (`guard`, `merging`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gamefleet.errors import CorruptCheckpointError
from gamefleet.files import create_once, make_folder
from gamefleet.untrusted import is_real_folder, remove
from gamefleet.weights.blobs import write_blob
from gamefleet.weights.content import Content
from gamefleet.weights.manifests import Contribution, Version, as_json, read
from gamefleet.weights.quarantine import Refused
from gamefleet.weights.shared_paths import SharedPaths, numbered

MAX_PENDING = 16
"""So many contributions of one member are looked at, the newest ones: each replaces those before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A contribution that is newer than what the merged weights include.

    Args:
        member: Whose folder it lies in.
        seq: Its number, by the name of its manifest.
        manifest: What it says; None when that cannot be understood.
        problem: Why it cannot be.
        published: When its manifest was written, by the file server's clock.
    """

    member: str
    seq: int
    manifest: Contribution | None
    problem: str
    published: float


def publish(paths: SharedPaths, draft: Contribution, content: Content) -> Contribution:
    """Write a contribution: first its blob, then its manifest.

    Args:
        paths: The shared folder.
        draft: The manifest, with the lowest number it may get, and without its blob.
        content: What was learned.

    Returns:
        The manifest as written.

    Raises:
        StorageFullError: The disk or quota is full; the folder is as it was.
        RunFolderError: The folder is not writable.
    """
    folder = paths.weights(draft.member)
    make_folder(folder)
    seq = max([draft.seq - 1, *numbered(folder)]) + 1
    while True:
        blob = write_blob(
            folder, seq, content, run=draft.member, step=draft.step, compatibility=draft.compatibility
        )  # fmt: skip
        manifest = replace(draft, seq=seq, blob=blob)
        is_ours = False
        try:
            # A network file system may say that a name was taken although this very call took it.
            is_made = create_once(paths.contribution(draft.member, seq), as_json(manifest))
            is_ours = is_made or _read(paths, draft.member, seq).manifest == manifest
        finally:
            if not is_ours:
                remove(folder / blob.name)
        if is_ours:
            return manifest
        seq += 1


def waiting(paths: SharedPaths, head: Version, refused: Refused) -> dict[str, list[Pending]]:
    """Contributions by member, newest first: not included in `head`, not refused, of members that are not set aside."""
    found = {}
    for member in paths.member_ids():
        if member in refused.members or not is_real_folder(paths.weights(member)):
            continue
        seqs = [
            seq
            for seq in reversed(numbered(paths.weights(member)))
            if seq > head.included.get(member, 0) and not refused.has(member, seq)
        ]
        pending = [_read(paths, member, seq) for seq in seqs[:MAX_PENDING]]
        if pending := [one for one in pending if one.manifest or one.problem]:
            found[member] = pending
    return found


def _read(paths: SharedPaths, member: str, seq: int) -> Pending:
    """One manifest; neither manifest nor problem when it has vanished."""
    path = paths.contribution(member, seq)
    manifest, problem, published = None, "", 0.0
    try:
        manifest, published = read(path, Contribution), path.stat().st_mtime
        if (manifest.member, manifest.seq) != (member, seq):
            problem, manifest = f"says it is number {manifest.seq} of {manifest.member!r}", None
    except OSError:
        manifest = None
    except CorruptCheckpointError as error:
        problem = f"has a damaged manifest: {error.what}"
    return Pending(member=member, seq=seq, manifest=manifest, problem=problem, published=published)
