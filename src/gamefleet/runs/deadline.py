"""When to stop: one object that the main loop asks.

Job: know the moment at which a run must have saved, and why. Place in the data flow: the training loop asks between
rounds. Left out: what happens then (the loop saves and ends), and who starts the next job.

Signal handlers set a flag and nothing else: saving inside a handler interrupts a save, a collective or a CUDA call in
the middle. The clock decides, because schedulers send their signal up to a minute early, to other processes, or not at
all: a SIGUSR1 shortly before a job's end that is known is that signal, and changes nothing. Otherwise SIGUSR1 is
somebody's wish that the run stops, as SIGTERM and SIGINT always are.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from gamefleet.errors import ConfigError

JOB_END_VARIABLE = "SLURM_JOB_END_TIME"
MARGIN_S = 120.0
"""Time before a job's end at which a run stops to save: schedulers have been seen to act a minute early."""

MARGIN_SHARE = 0.1
"""Of the time that was left when the run started; a short job would otherwise be margin only."""

LEAST_MARGIN_S = 5.0
MARGIN_FACTOR = 3.0
"""Saves have been seen to take this much longer than the slowest before, when a cluster's disks are busy."""

MOST_SHARE = 0.5
"""Of the time that was left: a run whose saves are slow shall still get on in a short job."""

UNKNOWN_JOB_LIMIT_S = 13_500.0
"""Run time in a job whose end cannot be learned: a quarter of an hour less than the four hours that are usual."""

HINT_WINDOW_S = 900.0
"""So long before a job's end SIGUSR1 is the scheduler's hint; job scripts ask for it three minutes before."""

SIGNALS = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)


class Deadline:
    """The earliest of several reasons to stop.

    Args:
        max_runtime_s: Stop after so many seconds from now; None for no limit.
        job_end: When the job around this process ends, seconds since 1970; None outside of one or when not known.
        monotonic: Clock for durations, in seconds.
        wall: Clock in seconds since 1970.
    """

    def __init__(
        self,
        *,
        max_runtime_s: float | None,
        job_end: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._started = monotonic()
        self._max_runtime_s = max_runtime_s
        self._job_end = job_end
        self._left_at_start_s = float("inf") if job_end is None else max(0.0, job_end - wall())
        self._signal: int | None = None
        self._is_interrupted = False
        self._slowest_save_s = 0.0

    def note_save(self, seconds: float) -> None:
        """Learn how long a checkpoint takes; the margin before a job's end grows with the slowest one."""
        self._slowest_save_s = max(self._slowest_save_s, seconds)

    @property
    def margin_s(self) -> float:
        """Time kept free before the job's end for the last checkpoint."""
        left = self._left_at_start_s
        fixed = max(LEAST_MARGIN_S, min(MARGIN_S, MARGIN_SHARE * left))
        return max(LEAST_MARGIN_S, min(fixed + MARGIN_FACTOR * self._slowest_save_s, MOST_SHARE * left))

    @property
    def remaining_s(self) -> float:
        """Seconds until the clock says stop; infinite without a limit, negative when it is over."""
        limits = [float("inf")]
        if self._max_runtime_s is not None:
            limits.append(self._started + self._max_runtime_s - self._monotonic())
        if self._job_end is not None:
            limits.append(self._job_end - self.margin_s - self._wall())
        return min(limits)

    def reason(self) -> str:
        """Why the run must stop now, for logs and `state.json`; empty while it may go on."""
        if self._signal is not None and not self._is_hint(self._signal):
            return f"signal {signal.Signals(self._signal).name}"
        if self._max_runtime_s is not None and self._monotonic() - self._started >= self._max_runtime_s:
            return f"run.max_runtime_s = {self._max_runtime_s:g} is over"
        if self._job_end is not None and self._wall() >= self._job_end - self.margin_s:
            return f"the job ends in {self._job_end - self._wall():.0f} s"
        return ""

    def _is_hint(self, number: int) -> bool:
        """Whether a signal only says what the clock knows."""
        known = self._job_end is not None and self._job_end - self._wall() <= HINT_WINDOW_S
        return number == signal.SIGUSR1 and known

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGUSR1, SIGTERM and SIGINT as reasons to stop while the block lasts.

        A second SIGINT raises KeyboardInterrupt at once. Only the main thread may enter.
        """
        before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self._is_interrupted:
                raise KeyboardInterrupt
            self._is_interrupted = True
        if self._signal is None or self._is_hint(self._signal):  # a scheduler may repeat itself
            self._signal = number


def runtime_limit(wanted_s: float | None, *, is_in_job: bool, job_end: float | None) -> float | None:
    """How long an attempt may take.

    Args:
        wanted_s: What the user set, None for nothing.
        is_in_job: Whether a scheduler's job is around this process.
        job_end: When that ends, None when it could not be learned.

    Returns:
        Seconds; None for no limit besides the job's end.
    """
    if wanted_s is None and is_in_job and job_end is None:
        return UNKNOWN_JOB_LIMIT_S
    return wanted_s


def job_end(environment: Mapping[str, str]) -> float | None:
    """When SLURM ends this job, as it says by itself, in seconds since 1970; None when it does not (before 23.02).

    Raises:
        ConfigError: The variable is not a number.
    """
    text = environment.get(JOB_END_VARIABLE, "")
    if not text:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(
            "The job's end must be a number of seconds since 1970",
            value=text,
            where=JOB_END_VARIABLE,
            remedy="Unset the variable, or set it as SLURM does.",
        ) from error
