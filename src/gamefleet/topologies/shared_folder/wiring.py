"""shared_folder: members that come and go train one agent through a folder.

Job: let a learner that plays and learns by itself (`solo`) contribute its weights, go on from merged ones, and learn
from what others played. Place in the data flow: around a `Solo`, between its rounds; the shared folder on the other
side. Left out: how weights are merged (`weights`), how files travel between machines (`cluster.sync`).

Nobody waits for anybody. Every so many updates a member publishes what it learned; whoever publishes last merges. What
fails on the way to the folder (a file server that is down) is told once and tried again at the next turn, while the
learner goes on. With one member each merge gives back exactly what was published, and nothing is done: the run is
bit-identical to the same run without a folder.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from gamefleet.actors.actor import Actor
from gamefleet.experience.replay import Replay
from gamefleet.topologies.shared_folder.settings import PART
from gamefleet.topologies.shared_folder.trouble import Trouble
from gamefleet.topologies.shared_folder.weights import Parts, WeightSharing
from gamefleet.topologies.solo import News, Round, Solo

LOOK_S = 0.2
"""A round takes about as long; file servers need a millisecond or two for a look."""

EXCHANGE_S = 1.0
"""Pieces of experience are some seconds long."""

HEARTBEAT_S = 15.0
"""Others take a member for gone after several times this long."""


class SharedFolder:
    """A `Solo` among other members; see the module's docstring.

    Args:
        solo: Plays and learns here; whoever made it closes it.
        parts: What it shares by; closed with this.
    """

    def __init__(self, solo: Solo, parts: Parts) -> None:
        self.solo = solo
        self._parts = parts
        self._has_joined = False
        self._synced_updates = 0
        self._trouble = Trouble()
        self._beat_at, self._beat_steps = -HEARTBEAT_S, -1
        self._sharing = WeightSharing(solo, parts)
        self._sync_s = 0.0
        self._looked_at = self._exchanged_at = 0.0
        self._exit = ExitStack()
        for part in (parts.gate, parts.ingest, parts.recording):
            if part is not None:
                self._exit.callback(part.close)

    def __enter__(self) -> SharedFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what runs beside the learner."""
        self._exit.close()

    @property
    def actor(self) -> Actor:
        """Plays here."""
        return self.solo.actor

    @property
    def replay(self) -> Replay:
        """Holds what was recorded here."""
        return self.solo.replay

    @property
    def must_save(self) -> bool:
        """See `Solo.must_save`."""
        return self.solo.must_save

    @property
    def steps(self) -> int:
        """Steps recorded here so far."""
        return self.solo.steps

    @property
    def updates(self) -> int:
        """Updates made here so far."""
        return self.solo.updates

    def run_round(self) -> Round:
        """Play and learn a little, then exchange with the others when it is time."""
        news = [] if self._has_joined else self._join()
        played = self.solo.run_round()
        if self.updates // self._interval > self._synced_updates // self._interval:
            news += self._sync()
        elif time.monotonic() - self._looked_at >= LOOK_S:
            self._looked_at = time.monotonic()
            news += self._trouble.told(self._sharing.catch_up)
        if time.monotonic() - self._exchanged_at >= EXCHANGE_S:
            self._exchanged_at = time.monotonic()
            news += self._trouble.told(self._exchange_experience)
        return replace(played, news=tuple(news), sharing=self._row())

    @property
    def _interval(self) -> int:
        return self._parts.settings.sync_interval_updates

    def _join(self) -> list[News]:
        news = self._sharing.join()
        self._has_joined, self._synced_updates = True, self.updates
        self._beat()
        return news

    def _sync(self) -> list[News]:
        started = time.monotonic()
        self._synced_updates = self.updates
        news = self._trouble.told(self._sharing.contribute)
        self._sync_s = time.monotonic() - started
        return news

    def _exchange_experience(self) -> list[News]:
        """Hand over and take in; a process that has lost its name writes nothing under it any more."""
        parts = self._parts
        parts.member.check_place()
        if parts.recording is not None:
            parts.recording.send()
        news = [] if parts.ingest is None else parts.ingest.step()
        if time.monotonic() - self._beat_at >= HEARTBEAT_S:
            self._beat()
        return news

    def _beat(self) -> None:
        now, steps = time.monotonic(), self.steps
        speed = (steps - self._beat_steps) / max(now - self._beat_at, 1e-9) if self._beat_steps >= 0 else 0.0
        self._beat_at, self._beat_steps = now, steps
        self._parts.member.heartbeat(step=self.steps, samples=self.steps, steps_per_s=speed)

    def _row(self) -> Mapping[str, float]:
        row = {"shared/version": float(self._sharing.version), "shared/sync_s": self._sync_s}
        if self._parts.ingest is not None:
            row |= self._parts.ingest.row()
        if self._parts.recording is not None:
            row |= self._parts.recording.row()
        return row

    def export_state(self) -> dict[str, Any]:
        """As `Solo`'s, and the place among the members."""
        return {**self.solo.export_state(), PART: self._parts.member.export_state()}

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `export_state`, or from a run that was alone until now."""
        self.solo.import_state(state)
        if PART in state:
            self._parts.member.import_state(state[PART])
        self._synced_updates = self.updates

    def save_replay(self, folder: Path, previous: Path | None) -> None:
        """Write what was recorded here; others' play is taken in again from the shared folder."""
        self.solo.save_replay(folder, previous)
