"""The replay: endless recordings of many environments, drawn as windows.

Job: keep the newest slots of every stream and hand out sequences by priority. Place in the data flow: actors' `Slots`
in, learners' `SequenceBatch` out. Left out: files (`replay_files`), targets (`learners`).

Each environment has a ring of its own (a stream), and a sequence is a place in it: overlapping sequences share their
slots, so overlap costs nothing. Windows lie on a fixed grid. Window k of a stream reads the slots

    k U                  k U + B              k U + B + U           k U + B + U + n
    |---- burn-in B -----|---- trained U -----|---- look-ahead n ----|

so every slot after a stream's first B is trained on by exactly one window, whatever the lengths of the episodes. A
window may hold an episode boundary; the flags in its slots say where state and returns must be cut.

Axes: `stream`, `ring` (slots of a stream, time modulo capacity), `window` (per stream), `batch`, `time`.

Source: sequences, stored state, burn-in and priorities: R2D2 (Kapturowski et al. 2019), section 2.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import ConfigError
from gamefleet.experience import replay_files
from gamefleet.experience.settings import ReplaySettings
from gamefleet.experience.sum_tree import SumTree
from gamefleet.experience.types import SequenceBatch, Slots

Layout = Mapping[str, tuple[tuple[int, ...], str]]
"""Observation arrays: name -> (shape, dtype) of one slot."""

FLAGS: Layout = {
    "action": ((), "int16"),
    "reward": ((), "float32"),
    "is_first": ((), "bool"),
    "is_last": ((), "bool"),
    "is_terminal": ((), "bool"),
}
"""What a slot holds besides its observation."""

NO_WINDOW = -1
_WINDOW_BITS = 40


class Replay:
    """See the module's docstring.

    Args:
        layout: The observation arrays.
        settings: Sizes and sampling.
        num_streams: Environments that are recorded.
        state_size: Numbers in a recurrent state; may be 0.
        num_steps: Slots that windows look ahead.
        seed: Of the sampling.

    Raises:
        ConfigError: The capacity holds no window, or does not fit `settings.max_bytes`.
    """

    def __init__(
        self,
        layout: Layout,
        settings: ReplaySettings,
        *,
        num_streams: int,
        state_size: int,
        num_steps: int,
        seed: int,
    ) -> None:
        self.settings = settings
        self.num_streams = num_streams
        self.num_steps = num_steps
        self.layout = dict(layout)
        self.num_windows = settings.capacity_steps // num_streams // settings.unroll
        self.num_slots = self.num_windows * settings.unroll
        self._span = settings.burn_in + settings.unroll + num_steps
        self._check_size(state_size)
        self._rng = np.random.Generator(np.random.PCG64(seed))
        self._cursor = np.zeros(num_streams, np.int64)
        # Zeroed memory is given by the system when it is first written: an empty replay costs nothing.
        self._arrays = {
            name: np.zeros((num_streams * self.num_slots, *shape), dtype)
            for name, (shape, dtype) in {**FLAGS, **prefixed(layout)}.items()
        }
        self._state = np.zeros((num_streams * self.num_windows, state_size), np.float32)
        self._window = np.full(num_streams * self.num_windows, NO_WINDOW, np.int64)
        self._tree = SumTree(num_streams * self.num_windows)
        self._max_priority = 1.0
        self._changes = replay_files.Changes(self.num_slots)

    def _check_size(self, state_size: int) -> None:
        # One window more than the longest reach, so that a window is whole before its first slot is overwritten.
        least = (self._span // self.settings.unroll + 2) * self.settings.unroll * self.num_streams
        if self.num_windows * self.settings.unroll * self.num_streams < least:
            raise ConfigError(
                f"The replay is too small for {self.num_streams} environments",
                value=self.settings.capacity_steps,
                where="replay.capacity_steps",
                remedy=f"Raise it to {least} or more, or lower replay.unroll or actors.num_envs.",
            )
        needed = num_bytes(self.layout, self.settings, state_size=state_size)
        if needed > self.settings.max_bytes:
            raise ConfigError(
                f"The replay would take {needed / 1e9:.2f} GB",
                value=self.settings.capacity_steps,
                where="replay.capacity_steps",
                remedy=f"Lower it, or raise replay.max_bytes (now {self.settings.max_bytes / 1e9:.2f} GB).",
            )

    @property
    def num_stored(self) -> int:
        """Slots held at present."""
        return int(np.minimum(self._cursor, self.num_slots).sum())

    @property
    def num_sampleable(self) -> int:
        """Windows that can be drawn."""
        return int((self._window != NO_WINDOW).sum())

    def can_sample(self) -> bool:
        """Whether there is a window to draw."""
        return self._tree.total > 0

    def add(self, slots: Slots, state: NDArray[np.float32], streams: NDArray[np.int64] | None = None) -> None:
        """Append one slot to each of several streams.

        Args:
            slots: Arrays `[stream, ...]`.
            state: float32 `[stream, state]`, the recurrent state before each slot.
            streams: int64 `[stream]`, which ones, each at most once; all, in order, when None.
        """
        chosen = np.arange(self.num_streams) if streams is None else streams
        self._write(chosen, self._cursor[chosen], slots, state)
        self._cursor[chosen] += 1

    def extend(self, stream: int, slots: Slots, state: NDArray[np.float32]) -> None:
        """Append consecutive slots to one stream.

        Args:
            stream: Which one.
            slots: Arrays `[time, ...]`, at most `num_slots` long.
            state: float32 `[time, state]`, the recurrent state before each slot.
        """
        count = len(slots.action)
        if count > self.num_slots:
            raise ValueError(f"{count} slots do not fit a stream of {self.num_slots}")
        self._write(np.full(count, stream), self._cursor[stream] + np.arange(count), slots, state)
        self._cursor[stream] += count

    def _write(
        self, streams: NDArray[np.int64], times: NDArray[np.int64], slots: Slots, state: NDArray[np.float32]
    ) -> None:
        rows = streams * self.num_slots + times % self.num_slots
        for name in FLAGS:
            self._arrays[name][rows] = getattr(slots, name)
        for name, array in slots.obs.items():
            self._arrays[f"obs/{name}"][rows] = array
        unroll = self.settings.unroll
        begins = times % unroll == 0
        if begins.any():
            self._state[self._leaf(streams[begins], times[begins] // unroll)] = state[begins]
        self._changes.note(times % self.num_slots)
        self._close_windows(streams, times + 1)
        self._open_windows(streams, times + 1)

    def _leaf(self, streams: NDArray[np.int64], windows: NDArray[np.int64]) -> NDArray[np.int64]:
        leaves: NDArray[np.int64] = streams * self.num_windows + windows % self.num_windows
        return leaves

    def _close_windows(self, streams: NDArray[np.int64], cursors: NDArray[np.int64]) -> None:
        """Forget windows whose previous action or first slot has just been, or is next to be, overwritten."""
        beyond = cursors - self.num_slots
        is_due = (beyond >= 0) & (beyond % self.settings.unroll == 0)
        if is_due.any():
            leaves = self._leaf(streams[is_due], beyond[is_due] // self.settings.unroll)
            self._window[leaves] = NO_WINDOW
            self._tree.set(leaves, np.zeros(len(leaves)))

    def _open_windows(self, streams: NDArray[np.int64], cursors: NDArray[np.int64]) -> None:
        """Make windows whose last slot has just been written drawable, with the largest priority seen so far."""
        behind = cursors - self._span
        is_due = (behind >= 0) & (behind % self.settings.unroll == 0)
        if is_due.any():
            windows = behind[is_due] // self.settings.unroll
            leaves = self._leaf(streams[is_due], windows)
            self._window[leaves] = windows
            self._tree.set(leaves, np.full(len(leaves), self._power(np.float64(self._max_priority))))

    def _power(self, priority: Any) -> Any:
        return np.power(priority, self.settings.priority_exponent if self.settings.is_prioritized else 0.0)

    def sample(self, batch_size: int) -> SequenceBatch:
        """Draw windows, with replacement.

        Args:
            batch_size: How many.

        Raises:
            ValueError: There is none yet; ask `can_sample`.
        """
        if not self.can_sample():
            raise ValueError("the replay holds no whole window yet")
        leaves = self._tree.draw(batch_size, self._rng)
        streams, windows = leaves // self.num_windows, self._window[leaves]
        times = windows[:, None] * self.settings.unroll + np.arange(self._span)
        rows = streams[:, None] * self.num_slots + times % self.num_slots
        flags = {name: self._arrays[name][rows] for name in FLAGS}
        before = streams[:, None] * self.num_slots + (times - 1) % self.num_slots
        has_no_past = flags["is_first"] | (times == 0)
        return SequenceBatch(
            obs={name: self._arrays[f"obs/{name}"].take(rows, axis=0) for name in self.layout},
            previous_action=np.where(has_no_past, np.int16(-1), self._arrays["action"][before]),
            previous_reward=np.where(has_no_past, np.float32(0), self._arrays["reward"][before]),
            state=self._state[leaves],
            index=streams << _WINDOW_BITS | windows,
            probability=self._tree.values[leaves] / self._tree.total,
            num_windows=self.num_sampleable,
            **flags,
        )

    def update_priorities(self, index: NDArray[np.int64], priority: NDArray[np.float64]) -> None:
        """Set the priorities of drawn windows; those overwritten meanwhile are left out.

        Args:
            index: `SequenceBatch.index`.
            priority: float64 `[batch]`, positive, before the exponent.
        """
        streams, windows = index >> _WINDOW_BITS, index & ((1 << _WINDOW_BITS) - 1)
        leaves = self._leaf(streams, windows)
        is_there = self._window[leaves] == windows
        if is_there.any():
            # A window without any error must stay drawable: its error may change.
            present = np.maximum(priority[is_there], 1e-6)
            self._max_priority = max(self._max_priority, float(present.max()))
            self._tree.set(leaves[is_there], self._power(present))

    def save(self, folder: Path, previous: Path | None) -> None:
        """Write everything into an empty folder; unchanged blocks become hard links into `previous`.

        Args:
            folder: Exists and is empty.
            previous: Folder of an earlier save of this replay, or None.

        Raises:
            StorageFullError: No space; the folder is not readable as a replay.
        """
        self._changes = replay_files.save(folder, previous, self._content(), self._changes)

    def load(self, folder: Path) -> None:
        """Become what `save` wrote; the next batches are those that the saver would have drawn.

        Raises:
            CorruptCheckpointError: A file is missing, truncated or fails its checksum.
            IncompatibleError: It was saved with other settings; the first difference is named.
        """
        loaded = replay_files.load(folder, self._content())
        self._max_priority = float(loaded.facts["max_priority"])
        self._rng.bit_generator.state = loaded.facts["rng"]
        tables = loaded.tables
        self._cursor[:] = tables["cursor"]
        self._state[:] = tables["state"]
        self._window[:] = tables["window"]
        self._tree.set(np.arange(self._tree.num_leaves), tables["priority"])
        self._changes = loaded.changes

    def _content(self) -> replay_files.Content:
        return replay_files.Content(
            settings={
                "layout": {name: [list(shape), dtype] for name, (shape, dtype) in self.layout.items()},
                "num_streams": self.num_streams,
                "num_slots": self.num_slots,
                "num_steps": self.num_steps,
                "unroll": self.settings.unroll,
                "burn_in": self.settings.burn_in,
                "state_size": self._state.shape[1],
            },
            arrays={
                name: array.reshape(self.num_streams, self.num_slots, *array.shape[1:])
                for name, array in self._arrays.items()
            },
            tables={
                "cursor": self._cursor,
                "state": self._state,
                "window": self._window,
                "priority": self._tree.values,
            },
            facts={"max_priority": self._max_priority, "rng": self._rng.bit_generator.state},
            num_written=int(min(self._cursor.max(initial=0), self.num_slots)),
        )


def prefixed(layout: Layout) -> Layout:
    """The observation arrays under names that cannot meet those of the flags."""
    return {f"obs/{name}": value for name, value in layout.items()}


def num_bytes(layout: Layout, settings: ReplaySettings, *, state_size: int) -> int:
    """Memory of a full replay: slots, stored states and the tree."""
    per_slot = sum(
        int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        for shape, dtype in {**FLAGS, **prefixed(layout)}.values()
    )
    num_windows = settings.capacity_steps // settings.unroll
    per_window = 4 * state_size + 8 + 4 * 8
    return settings.capacity_steps * per_slot + num_windows * per_window
