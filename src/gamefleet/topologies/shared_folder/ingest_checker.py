"""Asking the process that plays chunks again, without ever waiting for it.

Job: keep that process alive, give it one chunk at a time, collect answers when they are there. Place in the data flow:
between `ingest` and `ingest_child`. Left out: which chunks are checked, and what follows.

A chunk at which the process dies or hangs is tried once more in a fresh one, since somebody else may have killed it;
the second time its death is the answer. A process that dies before it could make the game says nothing about chunks.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from gamefleet.actors.channel import Setup, config_as_json
from gamefleet.experience.chunk_file import StoredChunk, encode
from gamefleet.files import write_bytes
from gamefleet.games.base import GamePackage
from gamefleet.topologies.shared_folder.ingest_child import READY
from gamefleet.topologies.shared_folder.ingest_process import CheckingProcess

MAX_FAILED_STARTS = 3
MAX_TRIES = 2
LOG_TAIL_BYTES = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A chunk that was played again.

    Args:
        chunk: The chunk.
        difference: What the game does otherwise; empty when nothing.
        is_lost: It ended or outlasted the process that played it, twice: that may be its fault, or the machine's.
    """

    chunk: StoredChunk
    difference: str
    is_lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    chunk: StoredChunk
    path: Path
    tries: int = 0


class Checker:
    """See the module's docstring.

    Args:
        package: The game.
        config: Its settings.
        capacity: Chunks that may wait; ask `has_room` before `submit`.
        timeout_s: For one chunk, and for a start.
        restart_s: From one start to the next at least.
        monotonic: Clock in seconds.
    """

    def __init__(
        self,
        package: GamePackage,
        config: object,
        *,
        capacity: int = 64,
        timeout_s: float = 120.0,
        restart_s: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        setup = Setup(module=package.module, config=config_as_json(config), first_env=0, num_envs=1)
        self._setup = msgspec.json.encode(setup)
        self._capacity = capacity
        self._timeout_s = timeout_s
        self._restart_s = restart_s
        self._monotonic = monotonic
        self._folder = tempfile.TemporaryDirectory(prefix="gamefleet-ingest-")
        self._queue: deque[_Asked] = deque()
        self._child: CheckingProcess | None = None
        self._is_ready = self._is_asked = False
        self._since = -restart_s
        self._num_submitted = 0
        self._failed_starts = 0
        self.num_restarts = 0

    @property
    def pid(self) -> int:
        """Of the process; 0 when there is none just now."""
        return self._child.pid if self._child is not None else 0

    @property
    def num_waiting(self) -> int:
        """Chunks without an answer."""
        return len(self._queue)

    @property
    def trouble(self) -> str:
        """Why nothing can be checked; empty when it can."""
        if self._failed_starts < MAX_FAILED_STARTS:
            return ""
        return f"chunks cannot be played again here: {self._log_tail() or 'the process does not start'}"

    def has_room(self) -> bool:
        """Whether more may be submitted."""
        return len(self._queue) < self._capacity and not self.trouble

    def submit(self, chunk: StoredChunk) -> None:
        """Have a chunk played again."""
        path = Path(self._folder.name) / f"{self._num_submitted:08d}.chunk"
        write_bytes(path, encode(chunk))
        self._num_submitted += 1
        self._queue.append(_Asked(chunk=chunk, path=path))

    def answers(self) -> list[Checked]:
        """What has been found out since this was last asked; never waits."""
        answered: list[Checked] = []
        if self._child is not None:
            answered += self._listen(self._child)
        if self._child is None and self._queue and not self.trouble:
            self._start()
        if self._child is not None and self._is_ready and not self._is_asked and self._queue:
            self._ask(self._child, self._queue[0])
        return answered

    def close(self) -> None:
        """End the process."""
        self._end()
        self._folder.cleanup()

    def _start(self) -> None:
        if self._monotonic() - self._since < self._restart_s:
            return
        self._child = CheckingProcess(self._log)
        self._is_ready = self._is_asked = False
        self._since = self._monotonic()
        self._child.tell(self._setup)

    def _ask(self, child: CheckingProcess, asked: _Asked) -> None:
        self._is_asked, self._since = True, self._monotonic()
        child.tell(str(asked.path).encode())

    def _listen(self, child: CheckingProcess) -> list[Checked]:
        lines = child.lines()
        is_due = self._is_asked or not self._is_ready
        if lines is None or (not lines and is_due and self._monotonic() - self._since > self._timeout_s):
            return self._lost()
        return [checked for line in lines for checked in self._understood(line)]

    def _understood(self, line: str) -> list[Checked]:
        if not self._is_ready:
            self._is_ready, self._failed_starts = line == READY, 0
            return []
        return [self._answered(str(json.loads(line)))]

    def _answered(self, difference: str) -> Checked:
        asked = self._queue.popleft()
        asked.path.unlink(missing_ok=True)
        self._is_asked = False
        return Checked(chunk=asked.chunk, difference=difference)

    def _lost(self) -> list[Checked]:
        """The process died or hangs: end it, and judge the chunk that it was playing."""
        was_asked, self._failed_starts = self._is_asked, self._failed_starts + (not self._is_ready)
        self._end()
        self.num_restarts += 1
        if not was_asked:
            return []
        asked = self._queue.popleft()
        if asked.tries + 1 < MAX_TRIES:
            self._queue.appendleft(replace(asked, tries=asked.tries + 1))
            return []
        self._queue.appendleft(asked)
        return [replace(self._answered(""), is_lost=True)]

    def _end(self) -> None:
        child, self._child = self._child, None
        self._is_ready = self._is_asked = False
        if child is not None:
            child.end()

    @property
    def _log(self) -> Path:
        return Path(self._folder.name) / "child.log"

    def _log_tail(self) -> str:
        try:
            text = self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
        except OSError:
            return ""
        return text.splitlines()[-1] if text else ""
