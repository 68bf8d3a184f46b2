"""Going back to an older merged version.

Job: make the next version from an older one's content, and void what grew in between. Place in the data flow: the
evaluation gate, or a person, decides; members find the version like any other. Left out: the decision.
"""

from __future__ import annotations

from dataclasses import replace

from gamefleet.errors import ConfigError
from gamefleet.weights.manifests import Version
from gamefleet.weights.shared_paths import numbered
from gamefleet.weights.store import SharedStore


def rollback(store: SharedStore, to_version: int, reason: str, *, member: str = "") -> bool:
    """Make the next version with the content of an older one and without momentum.

    Contributions that grew from the versions that are undone are refused from now on, and members drop the work that
    they had not merged yet. What was merged in between is not merged again.

    Args:
        store: The shared folder.
        to_version: The older version.
        reason: For people.
        member: In whose name.

    Returns:
        Whether it was made; if not, somebody merged at the same moment: look again.

    Raises:
        ConfigError: That version is not there, or not older than the newest one.
        CheckpointError: Its content is no longer there, or damaged.
    """
    number = store.next_number()  # before the head: whoever merges meanwhile takes it
    head = store.head()
    older = store.version(to_version)
    if head is None or older is None or to_version >= head.version:
        known = [number for number in numbered(store.paths.merged) if head is not None and number < head.version]
        raise ConfigError(
            "The fleet cannot go back to this version",
            value=to_version,
            where=store.paths.merged,
            remedy=f"Versions that are there: {', '.join(map(str, known)) or 'none'}.",
        )
    draft = _draft(head, older, number, reason)
    return store.write_version(replace(draft, merged_by=member), store.content(to_version), {})


def _draft(head: Version, older: Version, number: int, reason: str) -> Version:
    undone = range(older.version + 1, head.version + 1)
    return Version(
        version=number,
        lineage=head.lineage,
        parent=older.version,
        kind="rollback",
        included=head.included,
        checksums=head.checksums,
        totals=head.totals,
        norms=older.norms,
        rolled_back=sorted({*head.rolled_back, *undone}),
        reason=reason,
    )
