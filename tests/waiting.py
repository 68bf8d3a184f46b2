"""Waiting for what must come: long enough for a machine that does much else, as a test that passes waits no longer."""

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

Found = TypeVar("Found")

PATIENCE_S: Final = 600.0
"""Whoever waits this long for what must come waits in vain, however busy the machine."""


def until(
    condition: Callable[[], Found],
    what: str | Callable[[], object] = "the condition of this call",
    *,
    timeout_s: float = PATIENCE_S,
    poll_s: float = 0.05,
) -> Found:
    """Wait until something holds, and return it; fail when it does not come.

    Args:
        condition: Asked again and again; what it raises ends the waiting too.
        what: What is awaited; a callable is asked what there is to say, and only when all was in vain.
        timeout_s: Only a bound on what hangs.
        poll_s: Between two questions.
    """
    end = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < end, f"in vain: {what() if callable(what) else what}"
        time.sleep(poll_s)
    return found


def until_said(pattern: str, log: Path, process: subprocess.Popen[Any]) -> None:
    """Wait until a process that goes on has written what fits; fail with its log, at once when it ends before."""

    def is_said() -> bool:
        has_ended = process.poll() is not None
        found = re.search(pattern, log.read_text()) is not None
        assert found or not has_ended, f"it ended without {pattern!r}\n{log.read_text()}"
        return found

    until(is_said, lambda: f"{pattern!r} in\n{log.read_text()}")
