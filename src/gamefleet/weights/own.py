"""What a member finds out about itself in the shared folder.

Job: read back what this member published, and what became of it. Place in the data flow: shared folder -> `member`.
Left out: deciding what to do about it.
"""

from __future__ import annotations

from gamefleet.errors import CheckpointError, RunFolderError
from gamefleet.weights.blobs import NotHereError, read_blob
from gamefleet.weights.content import Content
from gamefleet.weights.manifests import Version
from gamefleet.weights.placing import MemberState, Published
from gamefleet.weights.quarantine import rejection
from gamefleet.weights.shared_paths import numbered
from gamefleet.weights.store import SharedStore


def check_name(store: SharedStore, member: str, state: MemberState) -> None:
    """Fail unless this process still owns its member's name.

    Raises:
        RunFolderError: It never did, or another process took over.
    """
    card = store.card(member)
    if not state.lineage or (card is not None and card.token != state.token):
        raise RunFolderError(
            "Another process took over this member's name" if state.lineage else "This member has not joined yet",
            value=member,
            where=store.paths.card(member),
            remedy="Give each machine and each run its own name (collaboration.member), and start again.",
        )


def refusal_of(store: SharedStore, member: str, state: MemberState, head: Version | None) -> str:
    """Why work of this member was refused since its last sync; empty when none was."""
    if head is None:
        return ""
    if member in store.refused().members:
        return "this member is in quarantine" if head.version > state.base else ""
    newest = state.published[-1] if state.published else None
    found = rejection(store.paths, member, newest.seq) if newest else None
    return f"the last contribution {found.reason}" if found else ""


def own_content(store: SharedStore, member: str, published: Published) -> Content | None:
    """Content of a contribution of this member; None when its file is gone or damaged."""
    try:
        return read_blob(store.paths.weights(member), published.blob)[0]
    except (NotHereError, CheckpointError):
        return None


def next_seq(store: SharedStore, member: str, last: int) -> int:
    """The number after every one that this name ever had here.

    Args:
        store: The shared folder.
        member: The name.
        last: The last one that this process remembers.
    """
    head = store.head()
    included = head.included.get(member, 0) if head else 0
    refused = store.refused().seqs.get(member, ())
    return max(last, included, *refused, *numbered(store.paths.weights(member))) + 1
