"""Logs of an attempt say who wrote what, and nothing stays behind when it ends."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

from gamefleet.runs.logs import logging_to
from gamefleet.runs.paths import RunPaths

log = logging.getLogger("gamefleet.test")


def test_each_line_names_level_run_host_and_module(tmp_path: Path) -> None:
    path = RunPaths(tmp_path).log(3, "train")
    with logging_to(path, identity="red1/attempt 3"):
        log.info("café opened")

    assert path == tmp_path / "logs" / "attempt-003" / "train.log"
    (line,) = path.read_text(encoding="utf-8").splitlines()
    assert line.endswith(f"INFO red1/attempt 3 {socket.gethostname()} gamefleet.test: café opened")


def test_after_the_attempt_nothing_is_written_and_the_logger_is_as_it_was(tmp_path: Path) -> None:
    logger = logging.getLogger("gamefleet")
    before = (logger.level, list(logger.handlers))
    with logging_to(tmp_path / "x.log", identity="a"):
        pass
    log.warning("too late")

    assert (logger.level, list(logger.handlers)) == before
    assert (tmp_path / "x.log").read_text() == ""


def test_a_second_attempt_in_one_process_has_its_own_file(tmp_path: Path) -> None:
    for number in (1, 2):
        with logging_to(tmp_path / f"{number}.log", identity="a"):
            log.info("attempt %d", number)

    assert [(tmp_path / f"{number}.log").read_text().count("\n") for number in (1, 2)] == [1, 1]
