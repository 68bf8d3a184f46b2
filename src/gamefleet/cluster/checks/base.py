"""Checks: small questions about a machine, each with an answer that a person can act on.

Job: say what a check and its result are, and ask many at once. Place in the data flow: the rest of this package and
`topologies` make checks, `gamefleet doctor` puts them in a list and prints the results. Left out: the questions.

Checks run side by side, in threads, and are told in the order of the list. Each has a time-out of its own: a file
server or a scheduler that hangs makes one line of the report, and never holds up the rest.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from gamefleet.errors import ConfigError, GamefleetError, nearest

Status = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a check found.

    Args:
        status: `warning` works, but not as one would wish; `skipped` says nothing about the machine.
        found: One line.
        remedy: What mends it, commands first; empty where nothing needs mending.
        seconds: How long it took.
    """

    status: Status
    found: str
    remedy: str = ""
    seconds: float = 0.0


def ok(found: str) -> Result:
    """All is well."""
    return Result(status="ok", found=found)


def warning(found: str, remedy: str) -> Result:
    """It works, but."""
    return Result(status="warning", found=found, remedy=remedy)


def failed(found: str, remedy: str) -> Result:
    """It does not work."""
    return Result(status="failed", found=found, remedy=remedy)


def skipped(found: str) -> Result:
    """Not looked at; `found` says why, and what would have it looked at."""
    return Result(status="skipped", found=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question.

    Args:
        name: Unique, in words with dashes.
        group: What it belongs to, one word or a few with dashes.
        run: Looks; may raise what is an answer too: `GamefleetError`, `OSError`, `subprocess.SubprocessError`.
        needs: Names of earlier checks without which this one makes no sense; it is skipped unless they went well.
        timeout_s: So long it is waited for.
    """

    name: str
    group: str
    run: Callable[[], Result]
    needs: tuple[str, ...] = ()
    timeout_s: float = 60.0


def not_asked(names: Collection[str], group: str, reason: str) -> list[Check]:
    """Checks that say only why nothing is looked at."""
    return [Check(name=name, group=group, run=lambda: skipped(reason)) for name in names]


def choose(checks: Sequence[Check], only: Collection[str]) -> list[Check]:
    """The checks of which the name or the group is in `only`; all when that is empty.

    Raises:
        ConfigError: There is no check or group of that name.
    """
    names = {check.name for check in checks} | {check.group for check in checks}
    for name in only:
        if name not in names:
            raise ConfigError("There is no such check", value=name, where="--only", remedy=nearest(name, names))
    return [check for check in checks if not only or {check.name, check.group} & set(only)]


class _Slot:
    """A check that is being run."""

    def __init__(self, check: Check, needed: Sequence[_Slot], clock: Callable[[], float]) -> None:
        self.check = check
        self.result: Result | None = None
        self._needed = needed
        self._clock = clock
        self._lock = threading.Lock()
        self._begun = threading.Event()
        self._done = threading.Event()
        self._began_at = clock()
        # A daemon: one that hangs in the operating system must not keep the program from ending.
        self._thread = threading.Thread(target=self._work, name=check.name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def settle(self, result: Result) -> None:
        """Take the first result that comes."""
        with self._lock:
            if self.result is None:
                seconds = round(self._clock() - self._began_at, 3)
                self.result = Result(
                    status=result.status, found=one_line(result.found), remedy=result.remedy, seconds=seconds
                )
        self._done.set()

    def wait(self) -> Result:
        """The result; a check that takes too long has failed."""
        self._begun.wait()
        if not self._done.wait(max(0.0, self._began_at + self.check.timeout_s - self._clock())):
            self.settle(no_answer(self.check.timeout_s))
        assert self.result is not None
        return self.result

    def _work(self) -> None:
        missing = [blocked_by(need) for need in self._needed if not is_usable(need.wait())]
        self._began_at = self._clock()
        self._begun.set()
        try:
            self.settle(missing[0] if missing else self.check.run())
        except GamefleetError as error:
            self.settle(failed(described(error), error.remedy))
        except subprocess.TimeoutExpired as error:
            self.settle(no_answer(error.timeout))
        except (OSError, subprocess.SubprocessError) as error:
            self.settle(failed(str(error), "The message above is the system's own; mend that and look again."))
        finally:
            # Whatever else was raised is a fault of the check, and is shown by the thread with its traceback.
            self.settle(failed("the check itself broke", "Please report it, with the traceback above."))


def blocked_by(slot: _Slot) -> Result:
    """What is said of a check that needs this one: the first cause, however long the way to it."""
    result = slot.wait()
    is_cause = result.status != "skipped"
    return skipped(f"not looked at, because of {slot.check.name}") if is_cause else skipped(result.found)


def is_usable(result: Result) -> bool:
    """Whether checks that need this one can be run."""
    return result.status in ("ok", "warning")


def no_answer(seconds: float) -> Result:
    """A check that hangs."""
    return failed(
        f"no answer within {seconds:.0f} s",
        "Look again in a few minutes; if it stays so, the file server, host or scheduler behind it hangs:"
        " tell those who run it.",
    )


def described(error: GamefleetError) -> str:
    """What failed, with value and place, without the remedy."""
    value = "" if error.value is None else f": {error.value!r}"
    where = "" if error.where is None else f" ({error.where})"
    return f"{error.what}{value}{where}"


def one_line(text: str) -> str:
    """A message that may have several, as one line."""
    return " ".join(text.split())


def run_checks(
    checks: Sequence[Check], *, clock: Callable[[], float] = time.monotonic
) -> Iterator[tuple[Check, Result]]:
    """Run checks side by side.

    Args:
        checks: Each after those that it needs; needs that are not in the list do not count.
        clock: Counts seconds.

    Yields:
        Each check with its result, in the order given, as soon as it and all before it are done.
    """
    slots: dict[str, _Slot] = {}
    for check in checks:
        slots[check.name] = _Slot(check, [slots[name] for name in check.needs if name in slots], clock)
    for slot in slots.values():
        slot.start()
    for slot in slots.values():
        yield slot.check, slot.wait()
