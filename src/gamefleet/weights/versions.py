"""Writing merged versions, of which the first one founds a fleet.

Job: make exactly one canonical version of a number, whoever else is at it. Place in the data flow: merging -> shared
folder. Left out: what is in a version.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from gamefleet.errors import CorruptCheckpointError, IncompatibleError
from gamefleet.files import create_once, make_folder
from gamefleet.identity import first_difference
from gamefleet.untrusted import remove
from gamefleet.weights.blobs import write_blob
from gamefleet.weights.content import Arrays, Content, checksum
from gamefleet.weights.manifests import SharedFacts, Version, as_json, read
from gamefleet.weights.shared_paths import SharedPaths


def write_version(paths: SharedPaths, draft: Version, content: Content, momentum: Arrays) -> bool:
    """Write a version: first its blob, then its manifest, which only one process can make.

    Args:
        paths: The shared folder.
        draft: The manifest without its blob.
        content: The content.
        momentum: Of the outer step.

    Returns:
        Whether this call made it.

    Raises:
        StorageFullError: The disk or quota is full; the folder is as it was.
        RunFolderError: The folder is not writable.
    """
    facts = draft.facts or read(paths.shared, SharedFacts)
    blob = write_blob(
        paths.merged,
        draft.version,
        content,
        momentum=momentum,
        run=facts.fleet,
        step=draft.version,
        compatibility=facts.compatibility,
    )
    version = replace(draft, blob=blob, mark=secrets.token_hex(8))
    is_ours = False
    try:
        is_ours = create_once(paths.version(version.version), as_json(version)) or _is_there(paths, version)
    finally:
        if not is_ours:
            remove(paths.merged / blob.name)
    return is_ours


def _is_there(paths: SharedPaths, version: Version) -> bool:
    """Whether the manifest is ours: a network file system may refuse a name that this very call took."""
    try:
        return read(paths.version(version.version), Version).mark == version.mark
    except (FileNotFoundError, CorruptCheckpointError):
        return False


def found_fleet(paths: SharedPaths, facts: SharedFacts, first: Content, *, now: float) -> SharedFacts:
    """Make version 0 and `shared.json`, unless somebody else did.

    Version 0 decides: its manifest holds the facts, from which `shared.json` is written by whoever misses it. A process
    that stops between the two leaves nothing that the next one could not finish.

    Returns:
        What the fleet trains.
    """
    for folder in (paths.rejected, paths.verdicts, paths.members):
        make_folder(folder)
    lineage = checksum(first)
    whole = replace(facts, lineage=lineage)
    if not paths.version(0).exists():
        draft = Version(version=0, lineage=lineage, parent=-1, kind="first", facts=whole, merged_at=now)
        write_version(paths, draft, first, {})
    made = read(paths.version(0), Version)
    create_once(paths.shared, as_json(made.facts))
    return read(paths.shared, SharedFacts)


def check_joins(known: SharedFacts, ours: SharedFacts, *, where: object) -> None:
    """Fail unless two members train the same.

    Raises:
        IncompatibleError: Names the first difference.
    """
    difference = first_difference({"game": ours.game_name}, {"game": known.game_name})
    if not difference and known.compatibility["hash"] != ours.compatibility["hash"]:
        difference = first_difference(ours.compatibility["parts"], known.compatibility["parts"])
        difference = difference or "the compatibility hash differs"
    if difference:
        raise IncompatibleError(
            f"The fleet {known.fleet!r} of this shared folder trains something else: {difference}",
            where=where,
            remedy="Take back that setting, or choose another shared folder (--shared-dir).",
        )
