"""The replay: endless recordings of many environments, drawn as windows.

Job: keep the newest slots of every stream and hand out sequences by priority. Place in the data flow: actors' `Slots`
in, learners' `SequenceBatch` out. Left out: which windows there are (`windows`), files (`replay_files`), targets
(`learners`).

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

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.experience import replay_files
from gamefleet.experience.layout import FLAGS, Layout, check_array, check_size, checked_arrays, prefixed
from gamefleet.experience.settings import ReplaySettings
from gamefleet.experience.types import SequenceBatch, Slots
from gamefleet.experience.windows import Draw, Grid, Windows


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
        self._grid = Grid(
            num_streams=num_streams,
            num_windows=settings.capacity_steps // num_streams // settings.unroll,
            unroll=settings.unroll,
            span=settings.burn_in + settings.unroll + num_steps,
        )
        self.num_slots = self._grid.num_slots
        check_size(self._grid, self.layout, settings, state_size=state_size)
        self._rng = np.random.Generator(np.random.PCG64(seed))
        self._cursor = np.zeros(num_streams, np.int64)
        # Zeroed memory is given by the system when it is first written: an empty replay costs nothing.
        self._rings = {
            name: np.zeros((num_streams, self.num_slots, *shape), dtype)
            for name, (shape, dtype) in {**FLAGS, **prefixed(layout)}.items()
        }
        self._rows = {name: ring.reshape(-1, *ring.shape[2:]) for name, ring in self._rings.items()}
        self._state = np.zeros((num_streams, self._grid.num_windows, state_size), np.float32)
        self._windows = Windows(self._grid, settings.effective_exponent)
        self._changes = replay_files.Changes(self.num_slots)

    @property
    def num_stored(self) -> int:
        """Slots held at present."""
        return int(np.minimum(self._cursor, self.num_slots).sum())

    @property
    def num_sampleable(self) -> int:
        """Windows that can be drawn."""
        return self._windows.num_whole

    def can_sample(self) -> bool:
        """Whether there is a window to draw."""
        return self._windows.num_whole > 0

    def add(self, slots: Slots, state: NDArray[np.float32], streams: NDArray[np.int64] | None = None) -> None:
        """Append one slot to each of several streams.

        Args:
            slots: Arrays `[stream, ...]`.
            state: float32 `[stream, state]`, the recurrent state before each slot.
            streams: int64 `[stream]`, which ones, each at most once; all, in order, when None.

        Raises:
            ValueError: An array is missing, unknown, or of another shape or type than the layout; nothing was written.
        """
        first = int(self._cursor[0])
        if streams is None and (self._cursor == first).all():
            self._add_in_step(first, slots, state)
        else:
            chosen = np.arange(self.num_streams) if streams is None else streams
            self._add_scattered(chosen, self._cursor[chosen], slots, state)

    def extend(self, stream: int, slots: Slots, state: NDArray[np.float32]) -> None:
        """Append consecutive slots to one stream.

        Args:
            stream: Which one.
            slots: Arrays `[time, ...]`, at most `num_slots` long.
            state: float32 `[time, state]`, the recurrent state before each slot.

        Raises:
            ValueError: There are more slots than the stream holds, or an array is not as the layout says; nothing was
                written.
        """
        count = len(slots.action)
        if count > self.num_slots:
            raise ValueError(f"{count} slots do not fit a stream of {self.num_slots}")
        self._add_scattered(np.full(count, stream), self._cursor[stream] + np.arange(count), slots, state)

    def _add_in_step(self, time: int, slots: Slots, state: NDArray[np.float32]) -> None:
        """Append to all streams when all are equally long: the common case, several times as fast as the general."""
        slot = time % self.num_slots
        self._write((slice(None), slot), slots, state, self.num_streams)
        if time % self._grid.unroll == 0:
            self._state[:, slot // self._grid.unroll] = state
        self._cursor += 1
        self._changes.note(slot)
        if self._windows.is_due(time + 1):
            self._windows.advance(np.arange(self.num_streams), self._cursor)

    def _add_scattered(
        self, streams: NDArray[np.int64], times: NDArray[np.int64], slots: Slots, state: NDArray[np.float32]
    ) -> None:
        places = times % self.num_slots
        self._write((streams, places), slots, state, len(streams))
        begins = times % self._grid.unroll == 0
        self._state[streams[begins], places[begins] // self._grid.unroll] = state[begins]
        self._changes.note(places)
        np.maximum.at(self._cursor, streams, times + 1)
        self._windows.advance(streams, times + 1)

    def _write(self, place: Any, slots: Slots, state: NDArray[np.float32], count: int) -> None:
        arrays = checked_arrays(slots, self._rings, count)
        check_array("state", state, (count, self._state.shape[-1]), self._state.dtype)
        for name, ring in self._rings.items():
            ring[place] = arrays[name]

    def sample(self, batch_size: int) -> SequenceBatch:
        """Draw windows, with replacement.

        Args:
            batch_size: How many.

        Raises:
            ValueError: There is none yet; ask `can_sample`.
        """
        return self.gather(self.draw(batch_size))

    def draw(self, batch_size: int) -> Draw:
        """As `sample`, without looking the windows up: for a copy of this replay elsewhere, which then gathers them."""
        return self._windows.draw(batch_size, self._rng)

    def gather(self, draw: Draw) -> SequenceBatch:
        """Look drawn windows up; this replay must hold what the one that drew them held."""
        times = draw.window[:, None] * self._grid.unroll + np.arange(self._grid.span)
        begin = draw.stream[:, None] * self.num_slots
        rows, before = begin + times % self.num_slots, begin + (times - 1) % self.num_slots
        flags = {name: self._rows[name].take(rows, axis=0) for name in FLAGS}
        has_no_past = flags["is_first"] | (times == 0)
        return SequenceBatch(
            obs={name: self._rows[f"obs/{name}"].take(rows, axis=0) for name in self.layout},
            previous_action=np.where(has_no_past, np.int16(-1), self._rows["action"].take(before)),
            previous_reward=np.where(has_no_past, np.float32(0), self._rows["reward"].take(before)),
            state=self._state[draw.stream, draw.window % self._grid.num_windows],
            index=draw.index,
            probability=draw.probability,
            num_windows=self.num_sampleable,
            **flags,
        )

    def update_priorities(self, index: NDArray[np.int64], priority: NDArray[np.float64]) -> None:
        """Set the priorities of drawn windows; those overwritten meanwhile are left out.

        Args:
            index: `SequenceBatch.index`.
            priority: float64 `[batch]`, before the exponent.

        Raises:
            ValueError: A priority is not finite; nothing was changed.
        """
        self._windows.update(index, priority)

    def clear(self) -> None:
        """Forget everything that is stored; handles of drawn windows are then stale. The random numbers go on."""
        self._cursor[:] = 0
        self._state[:] = 0.0
        self._windows = Windows(self._grid, self.settings.effective_exponent)
        self._changes = replay_files.Changes(self.num_slots)

    def save(self, folder: Path, previous: Path | None) -> None:
        """Write everything into an empty folder; unchanged blocks become hard links into `previous`.

        Args:
            folder: Exists and is empty.
            previous: Folder of an earlier save of this replay, or None.

        Raises:
            StorageFullError: No space; the folder is not readable as a replay.
            RunFolderError: The folder is missing or not writable.
        """
        self._changes = replay_files.save(folder, previous, self._content(), self._changes)

    def load(self, folder: Path) -> None:
        """Become what `save` wrote; the next batches are those that the saver would have drawn.

        Raises:
            CorruptCheckpointError: A file is missing, truncated or fails its checksum; this replay is then unusable.
            IncompatibleError: It was saved with other settings; the first difference is named, nothing was changed.
        """
        loaded = replay_files.load(folder, self._content())
        self._rng.bit_generator.state = loaded.facts["rng"]
        self._cursor[:] = loaded.tables["cursor"]
        self._state[:] = loaded.tables["state"]
        self._windows.load(loaded.tables, float(loaded.facts["max_priority"]))
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
                "priority_exponent": self.settings.effective_exponent,
                "state_size": self._state.shape[-1],
            },
            arrays=self._rings,
            tables={"cursor": self._cursor, "state": self._state, **self._windows.tables()},
            facts={"max_priority": self._windows.max_priority, "rng": self._rng.bit_generator.state},
            num_written=int(min(self._cursor.max(), self.num_slots)),
        )
