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


def check_place(store: SharedStore, member: str, state: MemberState) -> None:
    """Fail unless the fleet is still there and this process still owns its member's name.

    Raises:
        RunFolderError: The folder is gone, another fleet is in it, or another process has the name.
    """
    facts = store.facts()
    if not state.lineage:
        raise _lost("This member has not joined yet", member, store)
    if facts is None:
        raise RunFolderError(
            "The shared folder is gone",
            where=store.paths.root,
            remedy="Bring it back (a disk that is not mounted?): this member goes on with it by itself.",
        )
    if facts.lineage != state.lineage:
        raise RunFolderError(
            f"Another fleet, {facts.fleet!r}, has begun in this shared folder",
            where=store.paths.root,
            remedy="Give each fleet a folder of its own (collaboration.shared_dir). This run goes on without it.",
        )
    card = store.card(member)
    if card is not None and card.token != state.token:
        raise _lost("Another process took over this member's name", member, store)


def check_free(store: SharedStore, member: str, token: str, live_s: float) -> None:
    """Fail when a live learner has this name.

    Raises:
        RunFolderError: Names its machine.
    """
    card = store.card(member)
    if card is None or card.token == token or card.kind != "learner":
        return
    if member in store.live_learners(store.server_now(member), live_s):
        raise _lost(f"A learner on {card.host or 'another machine'} is at work under this name", member, store)


def _lost(what: str, member: str, store: SharedStore) -> RunFolderError:
    return RunFolderError(
        what,
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
