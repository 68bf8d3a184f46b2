"""A watch over ranks: who has stopped moving, and since when.

Job: say which rank is silent or stuck when a step does not end, and end this process then. Place in the data flow:
beside the trainer's loop, in a thread. Left out: what is done about it; a launcher ends the other ranks, and the run
goes on from its checkpoint.

A rank that is gone breaks most exchanges at once, which then fail with an error. The watch is for the other cases: a
rank that hangs in the file system, a machine that vanished without a word, an accelerator that no longer answers. The
loop cannot look after itself then, because it waits inside a call that does not return.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gamefleet.topologies.ddp.group import Group

BEATS_PER_TIMEOUT = 20
"""Notes per allowed silence: a rank whose notes stop is told apart from one that writes that it is stuck."""

LONGEST_PAUSE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a rank last said of itself.

    Args:
        rank: Whose.
        host: Where it is.
        step: Steps that its loop has ended.
        doing: What it does now.
        since_s: For how long, seconds.
        age_s: How old this note is, seconds.
    """

    rank: int
    host: str
    step: int
    doing: str
    since_s: float
    age_s: float

    def __str__(self) -> str:
        silent = f", silent for {self.age_s:.0f} s" if self.age_s > LONGEST_PAUSE_S else ""
        return f"rank {self.rank} on {self.host} at step {self.step:,}, {self.doing} for {self.since_s:.0f} s{silent}"


class Watch:
    """What this rank's loop does, and since when; the loop tells it.

    Args:
        clock: In seconds; the same for all ranks of a machine, not between machines.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._now: tuple[int, str, float] = (0, "starting", clock())

    def note(self, step: int, doing: str) -> None:
        """The loop has ended so many steps and now does something."""
        self._now = (step, doing, self._clock())

    def beat(self, group: Group) -> dict[str, Any]:
        """This rank's note for the others."""
        step, doing, since = self._now
        return {"step": step, "doing": doing, "since_s": self._clock() - since, "host": group.place.host}

    @property
    def stuck_s(self) -> float:
        """Seconds since the loop last told anything."""
        return self._clock() - self._now[2]


def describe(beats: Mapping[int, Beat], world: int) -> str:
    """Who holds up the others, as far as their notes tell."""
    missing = [f"rank {rank} has left no note" for rank in range(world) if rank not in beats]
    silent = [beat for beat in beats.values() if beat.age_s > LONGEST_PAUSE_S]
    moving = [beat for beat in beats.values() if beat not in silent]
    last = min((beat.step for beat in moving), default=0)
    behind = [beat for beat in moving if beat.step == last]
    if len(behind) == len(moving):  # all are as far: those that wait for others are not to blame
        behind = [beat for beat in behind if not beat.doing.startswith("waiting for the other")]
    named = [*missing, *map(str, silent), *map(str, behind)]
    return "; ".join(named or map(str, moving))


@contextmanager
def watched(group: Group, watch: Watch, *, timeout_s: float, end: Callable[[str], None]) -> Iterator[None]:
    """Leave notes, and end this process when its loop is stuck, while the block lasts.

    Args:
        group: The ranks.
        watch: What the loop tells.
        timeout_s: Allowed silence.
        end: Ends the process; it gets a sentence that names who is silent.
    """
    stopped = threading.Event()
    notes = None if group.store is None else group.store.clone()  # a connection of its own: the loop's may be blocked
    thread = threading.Thread(
        target=_watch, args=(group, watch, notes, stopped, timeout_s, end), name="watch", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(timeout=LONGEST_PAUSE_S)


def _watch(group: Group, watch: Watch, notes: Any, stopped: threading.Event, *limits: Any) -> None:
    timeout_s, end = limits
    pause_s = min(LONGEST_PAUSE_S / 2, timeout_s / BEATS_PER_TIMEOUT)
    seen: dict[int, tuple[str, float]] = {}
    while not stopped.wait(pause_s):
        if notes is not None:
            exchange(group, watch, notes, seen)
        if watch.stuck_s > timeout_s:
            end(sentence(group, watch, seen, timeout_s=timeout_s))
            return


def exchange(group: Group, watch: Watch, notes: Any, seen: dict[int, tuple[str, float]]) -> None:
    """Leave this rank's note and collect the others'; a store that is gone leaves them as they were.

    Args:
        group: The ranks.
        watch: Of this rank.
        notes: The store.
        seen: Rank -> (its last note, when that was first seen); changed.
    """
    try:
        notes.set(f"beat/{group.place.rank}", json.dumps({**watch.beat(group), "number": time.monotonic()}))
        known = [rank for rank in range(group.place.world) if notes.check([f"beat/{rank}"])]
        for rank in known:
            note = notes.get(f"beat/{rank}").decode()
            if seen.get(rank, ("", 0.0))[0] != note:
                seen[rank] = (note, time.monotonic())
    except RuntimeError:
        return  # rank 0 or its machine is gone; how old its note is says so


def sentence(group: Group, watch: Watch, seen: Mapping[int, tuple[str, float]], *, timeout_s: float) -> str:
    """What to say when the loop is stuck."""
    beats = {}
    for rank, (text, at) in seen.items():
        note = json.loads(text)
        note.pop("number", None)
        beats[rank] = Beat(rank=rank, age_s=time.monotonic() - at, **note)
    own = watch.beat(group)
    who = describe(beats, group.place.world) if group.place.world > 1 else "there are no other ranks"
    return (
        f"{group.place} has been {own['doing']} for {own['since_s']:.0f} s at step {own['step']:,}, longer than "
        f"trainer.hang_timeout_s = {timeout_s:g}: {who}"
    )
