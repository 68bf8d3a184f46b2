"""What ranks do together: one decides, all agree, weights are spread.

Job: the few exchanges of data-parallel training, and clear errors when a rank is gone. Place in the data flow: between
the trainer and `torch.distributed`. Left out: gradients, which `DistributedDataParallel` averages by itself.

Everything but gradients goes through the processor: no exchange makes an accelerator wait.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from gamefleet.errors import DeviceMemoryError, GamefleetError, WorkerError
from gamefleet.topologies.ddp.ranks import Place

MEETING_TIMEOUT_S = 600.0
"""Ranks of one job may start so far apart: file systems serve the first import of torch to many nodes at once."""


HEARD_TIMEOUT_S, HEARD_POLL_S = 10.0, 0.02
"""How long rank 0 waits at its end for the others to have read why."""


class RankLostError(WorkerError):
    """Another rank is gone, or silent for too long; this one can do nothing without it.

    Args:
        what: As in `GamefleetError`.
        exit_code: Of the rank that failed, when it said so: all ranks then end alike, and whoever started them can tell
            a wrong setting, which another try does not mend, from a lost machine.
        is_told: Whether that rank tells people why, so that the others need not say it again.
        details: `value`, `where` and `remedy` of `GamefleetError`.
    """

    def __init__(
        self, what: str, *, exit_code: int = WorkerError.exit_code, is_told: bool = False, **details: Any
    ) -> None:
        super().__init__(what, **details)
        self.exit_code = exit_code
        self.is_told = is_told


@dataclass(slots=True)
class Group:
    """The ranks of a run, seen from one of them.

    Args:
        place: This rank.
        store: Where ranks leave notes for each other (a `torch.distributed.Store`); None for one rank.
    """

    place: Place
    store: Any = None

    def from_first(self, make: Callable[[], Mapping[str, Any]], *, name: str) -> dict[str, Any]:
        """What rank 0 makes, at every rank.

        Args:
            make: Called at rank 0 only; returns JSON values.
            name: Of the note; each name can be used once.

        Raises:
            RankLostError: Rank 0 failed or did not say anything.
        """
        if self.store is None:
            return dict(make())
        if not self.place.is_first:
            return self._told(name)
        try:
            made = dict(make())
        except GamefleetError as error:
            self._leave(name, {"failed": str(error), "exit_code": error.exit_code})
            raise
        self.store.set(name, json.dumps({"made": made}))
        return made

    def _leave(self, name: str, note: Mapping[str, Any]) -> None:
        """Leave a last note: the store ends with this process, so the others are given time to read it."""
        self.store.set(name, json.dumps(note))
        end = time.monotonic() + HEARD_TIMEOUT_S
        with suppress(RuntimeError):  # the store is gone: nobody reads any more
            while self.store.add(heard(name), 0) < self.place.world - 1 and time.monotonic() < end:
                time.sleep(HEARD_POLL_S)

    def _told(self, name: str) -> dict[str, Any]:
        try:
            note = json.loads(self.store.get(name))
        except RuntimeError as error:
            raise self.lost("hear from rank 0") from error
        if "failed" in note:
            with suppress(RuntimeError):  # rank 0 did not wait any longer
                self.store.add(heard(name), 1)
            what = f"Rank 0 failed: {note['failed']}"
            raise RankLostError(what, where=self.place, exit_code=note["exit_code"], is_told=True)
        made: dict[str, Any] = note["made"]
        return made

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum over ranks; all wait for the last one.

        Raises:
            RankLostError: A rank is gone.
        """
        if self.store is None:
            return values
        summed = torch.from_numpy(values.copy())
        with self.explained("agree with the other ranks"):
            dist.all_reduce(summed)
        return summed.numpy()

    def spread(self, tensors: Mapping[str, Tensor]) -> None:
        """Give every rank the tensors of rank 0, in place.

        Raises:
            RankLostError: A rank is gone.
        """
        if self.store is None:
            return
        with self.explained("receive the weights"):
            for tensor in tensors.values():
                dist.broadcast(tensor, src=0)

    @contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """Turn what the libraries below raise when a rank is gone, or memory is, into errors that say so."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise DeviceMemoryError(
                f"The accelerator of {self.place} ran out of memory: it could not {doing}",
                remedy="Use a smaller --batch-size-per-gpu; the steps keep their size if trainer.global_batch_size is "
                "set. A smaller --size, or trainer.precision=bfloat16, needs less too.",
            ) from error
        except RuntimeError as error:
            if self.store is None or not is_connection_lost(error):
                raise
            raise self.lost(doing) from error

    def lost(self, doing: str) -> RankLostError:
        """The error for a rank that is gone."""
        return RankLostError(
            f"Another rank is gone: {self.place} could not {doing}",
            where=f"{self.place.world} ranks",
            remedy="All ranks end. The run goes on from its last checkpoint with --resume or --auto-resume, with as "
            "many ranks or others; a chain does that by itself. The log of the rank that ended first says why.",
        )


def heard(name: str) -> str:
    """Where the ranks are counted that have read a note."""
    return f"{name}/heard"


def is_connection_lost(error: RuntimeError) -> bool:
    """Whether `torch.distributed` could not reach another rank; gloo says so in words only."""
    words = ("gloo", "Connection", "connection", "Socket", "Timed out", "timed out", "peer")
    return isinstance(error, dist.DistError) or any(word in str(error) for word in words)


@contextmanager
def joined(place: Place) -> Iterator[Group]:
    """Meet the other ranks; for one rank there is nobody to meet.

    Raises:
        RankLostError: They did not all come.
    """
    if place.world == 1:
        yield Group(place=place)
        return
    try:
        store, _, _ = next(rendezvous(meeting_place(place), timeout=timedelta(seconds=MEETING_TIMEOUT_S)))
    except (RuntimeError, ValueError) as error:
        raise Group(place=place).lost(f"meet the others at {place.address}:{place.port}") from error
    yield Group(place=place, store=store)


def meeting_place(place: Place) -> str:
    """Where ranks meet, as `torch.distributed` wants it: torchrun has a store of its own, which its variables name."""
    if place.origin == "torchrun":
        return "env://"
    return f"tcp://{place.address}:{place.port}?rank={place.rank}&world_size={place.world}"


@contextmanager
def exchanging(group: Group, *, device: torch.device, timeout_s: float) -> Iterator[None]:
    """Open the channels of gradients while the block lasts.

    Args:
        group: The ranks.
        device: Where gradients are: NCCL carries those of CUDA, gloo all others and what the processor exchanges.
        timeout_s: Whoever waits longer for the others gives up.
    """
    if group.store is None:
        yield
        return
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    with group.explained("open the channels to the others"):
        dist.init_process_group(
            backend,
            store=group.store,
            rank=group.place.rank,
            world_size=group.place.world,
            timeout=timedelta(seconds=timeout_s),
            device_id=device if device.type == "cuda" else None,
        )
    try:
        yield
    finally:
        dist.destroy_process_group()
