"""What is played here, as chunks for others.

Job: cut moments into chunks, say with which weights they were played, and hand them over without ever holding up the
games. Place in the data flow: beside an actor -> `transport.folder`. Left out: cutting (`actors.chunks`) and files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from gamefleet.actors.actor import Moment
from gamefleet.actors.chunks import ChunkRecorder, RecordedChunk
from gamefleet.actors.steps import Vector
from gamefleet.transport.folder import FolderExperienceSender, PlayedChunk


class LabelledRecorder:
    """Cuts chunks and says how each was played; a chunk's version is that with which it began.

    Args:
        vector: The games.
        chunk_steps: Steps of a chunk at most.
        epsilons: Chance of a random action in each game.
        version: Says which merged version plays at present.
    """

    def __init__(
        self, vector: Vector, *, chunk_steps: int, epsilons: Sequence[float], version: Callable[[], int]
    ) -> None:
        self._recorder = ChunkRecorder(vector, chunk_steps=chunk_steps)
        self._epsilons = epsilons
        self._version = version
        self._begun_with: list[int] = []

    def observe(self, moment: Moment) -> list[PlayedChunk]:
        """Take in a step, right after the actor made it; returns the chunks that it finished."""
        self._begun_with = self._begun_with or [self._version()] * len(self._epsilons)
        return self._labelled(self._recorder.observe(moment))

    def cut(self) -> list[PlayedChunk]:
        """The chunks in progress, ended where they are."""
        return self._labelled(self._recorder.cut())

    def _labelled(self, chunks: Iterable[RecordedChunk]) -> list[PlayedChunk]:
        labelled = []
        for recorded in chunks:
            env = recorded.env
            version, self._begun_with[env] = self._begun_with[env], self._version()
            epsilon = float(self._epsilons[env])
            labelled.append(PlayedChunk(env=env, content=recorded.content, weights_version=version, epsilon=epsilon))
        return labelled


class Recording:
    """Records beside a learner, and hands over between its rounds; see the module's docstring.

    Args:
        recorder: Cuts.
        sender: Takes the chunks.
        max_waiting: Chunks that wait here while nobody reads; beyond that the oldest are dropped.
    """

    def __init__(self, recorder: LabelledRecorder, sender: FolderExperienceSender, *, max_waiting: int = 64) -> None:
        self._recorder = recorder
        self._sender = sender
        self._waiting: deque[PlayedChunk] = deque()
        self._max_waiting = max_waiting
        self._num_dropped = 0

    def observe(self, moment: Moment) -> None:
        """Take in a step, right after the actor made it."""
        self._waiting += self._recorder.observe(moment)
        while len(self._waiting) > self._max_waiting:
            self._waiting.popleft()
            self._num_dropped += 1

    def send(self) -> None:
        """Hand over what is whole, as far as there is room; waits for nobody.

        Raises:
            StorageFullError: No space; the chunks are kept for the next try.
            RunFolderError: The folder is gone or not writable; likewise.
        """
        self._sender.send_waiting(self._waiting)

    def row(self) -> dict[str, float]:
        """Numbers for the metrics."""
        return {
            "shared/chunks_sent": float(self._sender.num_sent),
            "shared/chunks_dropped": float(self._num_dropped),
        }

    def close(self) -> None:
        """Hand over nothing more; what was handed over stays until it has been read."""
        self._sender.finish()
