"""Messages between a loader and one of its workers.

Job: say which messages there are. Place in the data flow: set-up, tasks and refusals go over a `channel`; batches go
through shared memory instead. Left out: how messages travel.
"""

from __future__ import annotations

import msgspec

from gamefleet.experience.loader_batch import BatchSpec

SETUP, TASK = b"s", b"t"
"""What a loader says: work on this data; fill this slot."""

READY, DONE, REFUSED = b"r", b"d", b"e"
"""What a worker answers: set up; filled; an error that the user should read, after which it ends."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs.

    Attributes:
        decode: `module:function`.
        shards: Path and size of each shard.
        spec: Layout of a batch.
        num_slots: Batches in the shared block.
        dictionary: Of the dataset.
    """

    decode: str
    shards: list[tuple[str, int]]
    spec: BatchSpec
    num_slots: int
    dictionary: bytes
