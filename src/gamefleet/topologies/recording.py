"""What is played here, as chunks for others.

Job: cut moments into chunks and hand them over without ever holding up the games. Place in the data flow: beside an
actor -> `transport.folder`. Left out: cutting (`actors.chunks`) and files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gamefleet.actors.actor import Moment
from gamefleet.actors.chunks import ChunkRecorder
from gamefleet.actors.steps import Vector
from gamefleet.transport.folder import FolderExperienceSender, PlayedChunk


class Recording:
    """Records and hands over; see the module's docstring.

    Args:
        vector: The games.
        sender: Takes the chunks.
        chunk_steps: Steps of a chunk at most.
        epsilons: Chance of a random action in each game.
        version: Says which merged version plays at present.
        max_waiting: Chunks that wait here while nobody reads; beyond that the oldest are dropped.
    """

    def __init__(
        self,
        vector: Vector,
        sender: FolderExperienceSender,
        *,
        chunk_steps: int,
        epsilons: list[float],
        version: Callable[[], int],
        max_waiting: int = 64,
    ) -> None:
        self._recorder = ChunkRecorder(vector, chunk_steps=chunk_steps)
        self._sender = sender
        self._epsilons = epsilons
        self._version = version
        self._waiting: deque[PlayedChunk] = deque()
        self._max_waiting = max_waiting
        self.num_sent = 0
        self.num_dropped = 0

    def observe(self, moment: Moment) -> None:
        """Take in a step, right after the actor made it."""
        for recorded in self._recorder.observe(moment):
            chunk = PlayedChunk(
                env=recorded.env,
                content=recorded.content,
                weights_version=self._version(),
                epsilon=self._epsilons[recorded.env],
            )
            self._waiting.append(chunk)
        while len(self._waiting) > self._max_waiting:
            self._waiting.popleft()
            self.num_dropped += 1

    def send(self) -> None:
        """Hand over what is whole, as far as there is room; waits for nobody.

        Raises:
            StorageFullError: No space; the chunks are kept for the next try.
            RunFolderError: The folder is gone or not writable; likewise.
        """
        while self._waiting and self._sender.send(self._waiting[0], timeout_s=0.0):
            self._waiting.popleft()
            self.num_sent += 1

    def row(self) -> dict[str, float]:
        """Numbers for the metrics."""
        return {"shared/chunks_sent": float(self.num_sent), "shared/chunks_dropped": float(self.num_dropped)}

    def close(self) -> None:
        """Hand over nothing more; what was handed over stays until it has been read."""
        self._sender.finish()
