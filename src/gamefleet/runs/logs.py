"""Logs: prose for people, one file per role and attempt.

Job: send everything that modules log to `logs/attempt-NNN/<role>.log`, warnings to the terminal too. Place in the data
flow: entered once per process. Left out: numbers (`metrics`) and happenings that programs read (`events`).
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gamefleet.files import explained

FORMAT = "%(asctime)s %(levelname)s %(identity)s %(host)s %(name)s: %(message)s"


@contextmanager
def logging_to(path: Path, *, identity: str) -> Iterator[None]:
    """Write the package's log into a file while the block lasts.

    Args:
        path: `RunPaths.log(attempt, role)`; its folder is made.
        identity: Run, attempt and role, in every line.

    Raises:
        RunFolderError: The folder is not writable.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    host = socket.gethostname()

    def add_origin(record: logging.LogRecord) -> bool:
        record.identity, record.host = identity, host
        return True

    handler.addFilter(add_origin)
    handler.setFormatter(logging.Formatter(FORMAT))
    logger = logging.getLogger("gamefleet")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()
