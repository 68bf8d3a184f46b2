"""Experience through a shared folder: any number of members write, any number of learners read, no locks.

Job: keep the promises of `base` between machines that see the same folder, or copies of it that rsync keeps alike.
Place in the data flow: actor -> recorder -> sender ~ folder ~ receiver -> replay. Left out: how copies are kept alike
(`cluster.sync`), whether a chunk is honest (`actors.resimulate`).

    members/alices-laptop/experience/e003/000034-<12 hex>.chunk     first
                                          000034.json               then
    members/job-m0/reading.json           {"alices-laptop": {"e003": 34}}

What is promised, and what a folder cannot promise: a learner takes each chunk of an environment once and in order. A
chunk may reach it late or not at all, when its owner is gone before it was sent on, or when the learner was away for
longer than the owner keeps chunks that others have read. Each chunk begins and ends like an episode, so what is missing
harms nothing. Several learners may read the same chunk. A sender is held back while what no live learner has read is
more than its bound: a laptop pauses when nobody learns. No end is ever told that the other has finished, because
members come and go.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

from gamefleet.experience.bounded import ChunkError
from gamefleet.experience.chunk_file import ChunkContent, ChunkFacts, StoredChunk, decode, encode
from gamefleet.files import write_json
from gamefleet.transport.base import ClosedError
from gamefleet.transport.folder_readers import Readers, all_read
from gamefleet.transport.folder_sent import SentBounds, SentChunks
from gamefleet.transport.folder_unread import Parcel, Refusal, TakingBounds, UnreadChunks
from gamefleet.weights.shared_paths import SharedPaths

LIVE_S = 300.0
"""A learner whose files have not changed for so long does not hold chunks back; a slow line may bring them late."""

SHORTEST_WAIT_S = 0.02
LONGEST_WAIT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedChunk:
    """A chunk before it has a number.

    Args:
        env: Which of this member's games.
        content: What happened.
        weights_version: Merged version of the weights that played it.
        epsilon: Probability of a random action.
    """

    env: int
    content: ChunkContent
    weights_version: int
    epsilon: float


class FolderExperienceSender:
    """A member's end; see `base.ExperienceSender` for the promises and the module's docstring for their limits.

    Args:
        paths: Of the shared folder, where the member has its folder already.
        member: Whose chunks.
        compatibility: `identity.compatibility_hash` of what is played.
        bounds: How much may wait.
        live_s: See `LIVE_S`.
        monotonic: Clock in seconds.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        paths: SharedPaths,
        member: str,
        *,
        compatibility: str,
        bounds: SentBounds | None = None,
        live_s: float = LIVE_S,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._member = member
        self._compatibility = compatibility
        self._monotonic = monotonic
        self._sleep = sleep
        self._is_finished = False
        self.num_sent = 0
        self._lock = threading.Lock()
        readers = Readers(paths, member, live_s=live_s, monotonic=monotonic)
        self._sent = SentChunks(paths.experience(member), readers, bounds or SentBounds(), monotonic=monotonic)

    @property
    def unread_bytes(self) -> int:
        """Of chunks that no live learner has read, as of the last look."""
        return self._sent.unread_bytes

    @property
    def num_readers(self) -> int:
        """Learners at work, as of the last look."""
        return self._sent.num_readers

    def look(self) -> None:
        """See what has been read, and remove what is no longer needed; `send` does so when it is held back."""
        with self._lock:
            self._sent.look()

    def send(self, chunk: PlayedChunk, timeout_s: float | None = None) -> bool:
        """Write a chunk, waiting while too much is unread.

        Args:
            chunk: What was played.
            timeout_s: Seconds to wait at most; None waits as long as it takes.

        Returns:
            Whether it was written; if not, the caller still has it and may try again.

        Raises:
            ClosedError: This end has finished.
            StorageFullError: No space; may be tried again.
            RunFolderError: The folder is gone or not writable; may be tried again.
        """
        gives_up_at = float("inf") if timeout_s is None else self._monotonic() + timeout_s
        wait_s = SHORTEST_WAIT_S
        while not self._try(chunk):
            left_s = gives_up_at - self._monotonic()
            if left_s <= 0:
                return False
            self._sleep(min(wait_s, left_s))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        return True

    def send_waiting(self, waiting: deque[PlayedChunk], timeout_s: float = 0.0) -> None:
        """Send from the front of a queue, as far as there is room within so many seconds; raises as `send` does.

        What was not sent, also because of an error, is still in the queue.
        """
        gives_up_at = self._monotonic() + timeout_s
        while waiting and self.send(waiting[0], max(0.0, gives_up_at - self._monotonic())):
            waiting.popleft()

    def finish(self) -> None:
        """Send nothing more; what was written stays until it has been read."""
        self._is_finished = True

    def _try(self, chunk: PlayedChunk) -> bool:
        if self._is_finished:
            raise ClosedError("this sender has finished")
        environment = f"e{chunk.env:03d}"
        with self._lock:
            data = encode(StoredChunk(facts=self._facts(chunk, environment), content=chunk.content))
            if not self._sent.has_room(len(data)):
                self._sent.look()
                if not self._sent.has_room(len(data)):
                    return False
            self._sent.write(environment, data)
            self.num_sent += 1
        return True

    def _facts(self, chunk: PlayedChunk, environment: str) -> ChunkFacts:
        return ChunkFacts(
            member=self._member,
            environment=environment,
            seq=self._sent.next_seq(environment),
            compatibility=self._compatibility,
            weights_version=chunk.weights_version,
            epsilon=chunk.epsilon,
        )


class FolderExperienceReceiver:
    """A learner's end, which reads every member but itself; promises as for `FolderExperienceSender`.

    How far it is lies in its `reading.json`, so a new process goes on where the last one stopped.

    Args:
        paths: Of the shared folder, where the learner has its folder already.
        me: The learner.
        compatibility: As for the sender; chunks of another one are refused.
        bounds: How much is taken at a time.
        monotonic: Clock in seconds.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        paths: SharedPaths,
        me: str,
        *,
        compatibility: str,
        bounds: TakingBounds | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._paths = paths
        self._me = me
        self._compatibility = compatibility
        self._monotonic = monotonic
        self._sleep = sleep
        self._is_closed = False
        cursors = all_read(paths.reading(me)) or {}
        self._new = UnreadChunks(paths, bounds or TakingBounds(), cursors=cursors, monotonic=monotonic)
        self._waiting: list[StoredChunk] = []

    def take(self, skip: Collection[str] = ()) -> list[StoredChunk]:
        """What is new, within the quotas, without waiting; afterwards say so with `acknowledge`.

        Args:
            skip: Members that are left alone now; those whose experience is in quarantine always are.

        Raises:
            ClosedError: This end was closed.
        """
        if self._is_closed:
            raise ClosedError("this receiver was closed")
        passed_over = {self._me, *skip, *self._in_quarantine()}
        opened = [self._opened(parcel) for parcel in self._new.look(passed_over)]
        return [chunk for chunk in opened if chunk is not None]

    def acknowledge(self) -> None:
        """Tell the senders how far this end is.

        Raises:
            StorageFullError: No space; may be tried again.
            RunFolderError: The folder is gone or not writable; may be tried again.
        """
        write_json(self._paths.reading(self._me), {name: row for name, row in self._new.cursors.items() if row})

    def refusals(self) -> list[Refusal]:
        """Chunks that were passed over since this was last asked, and why."""
        found, self._new.refusals = self._new.refusals, []
        return found

    def receive(self, timeout_s: float | None = None) -> StoredChunk | None:
        """Take the next chunk; see `base.ExperienceReceiver.receive`.

        Raises:
            ClosedError: This end was closed.
        """
        gives_up_at = float("inf") if timeout_s is None else self._monotonic() + timeout_s
        wait_s = SHORTEST_WAIT_S
        while not self._waiting:
            self._waiting = self.take()
            left_s = gives_up_at - self._monotonic()
            if self._waiting or left_s <= 0:
                break
            self._sleep(min(wait_s, left_s))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        if not self._waiting:
            return None
        self.acknowledge()
        return self._waiting.pop(0)

    def close(self) -> None:
        """Take no more."""
        self._is_closed = True

    def _in_quarantine(self) -> set[str]:
        try:
            names = [path.name for path in self._paths.rejected.iterdir()]
        except OSError:
            return set()
        ending = self._paths.experience_quarantine("").name
        return {name.removesuffix(ending) for name in names if name.endswith(ending)}

    def _opened(self, parcel: Parcel) -> StoredChunk | None:
        try:
            chunk = decode(parcel.data, where=f"{parcel.member}/{parcel.environment}/{parcel.seq}")
            reason = self._difference(parcel, chunk.facts)
        except ChunkError as error:
            chunk, reason = None, str(error)
        if reason:
            self._new.refuse(parcel.member, parcel.environment, parcel.seq, kind="refused", reason=reason)
            return None
        return chunk

    def _difference(self, parcel: Parcel, facts: ChunkFacts) -> str:
        """Why a chunk is not what its place says, or not ours; empty when it is."""
        if (facts.member, facts.environment, facts.seq) != (parcel.member, parcel.environment, parcel.seq):
            return f"it says to be {facts.member}/{facts.environment}/{facts.seq}"
        if facts.compatibility != self._compatibility:
            return "it is of another game version, observation, reward or network"
        return ""
