"""Visits: where the players of a run went, for maps.

Job: append trails so that a map can be drawn of any stretch of the run. Place in the data flow: the training loop
writes, the dashboard's map reads. Left out: what an area is; counting is the readers' part.

The file follows the rules of `metrics`: an attempt opens with a line that says from which step it goes on, and what
earlier attempts wrote beyond it counts no more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from gamefleet.files import Fence
from gamefleet.runs.lines import LineWriter
from gamefleet.runs.metrics import FROM_START


class VisitsWriter:
    """Writes the visits of one role.

    Args:
        path: `RunPaths.visits(writer)`; nothing is made before the first visit.
        attempt: Number of this attempt.
        resumed_step: Step of the checkpoint that this attempt continues, or `FROM_START`.
        fence: Asked before each line; see `files.Fence`.
    """

    def __init__(self, path: Path, *, attempt: int, resumed_step: int = FROM_START, fence: Fence | None = None) -> None:
        self._path = path
        self._attempt = attempt
        self._resumed_step = resumed_step
        self._fence = fence
        self._lines: LineWriter | None = None
        if path.exists():  # what an earlier attempt wrote beyond the checkpoint must not stay valid until then
            self._open()

    def __enter__(self) -> VisitsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, step: int, trails: Mapping[str, Sequence[int]]) -> None:
        """Append one line; nothing when nobody was anywhere.

        Args:
            step: Steps of the run so far, over all environments.
            trails: Environment -> area, x, y and the steps spent there, again and again, since the last line.

        Raises:
            StorageFullError: The disk or quota is full.
            RunFolderError: This process may no longer write here.
        """
        if trails:
            lines = self._lines or self._open()
            lines.write({"attempt": self._attempt, "step": step, "time": time.time(), "trails": dict(trails)})

    def close(self) -> None:
        """Close the file."""
        if self._lines is not None:
            self._lines.close()

    def _open(self) -> LineWriter:
        self._lines = LineWriter(self._path, fence=self._fence)
        self._lines.write({"attempt": self._attempt, "resumed_step": self._resumed_step, "time": time.time()})
        return self._lines
