"""One process at a time writes to a run folder; the dead do not block it, and the undead cannot hurt it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gamefleet.errors import RunFolderError
from gamefleet.files import read_json, write_bytes
from gamefleet.runs.claim import STALE_AFTER_S, claim, holder_alive
from gamefleet.runs.paths import RunPaths

Starter = Callable[..., subprocess.Popen[str]]

HOLDER = """
    import sys
    from pathlib import Path
    from gamefleet.runs.claim import claim
    from gamefleet.runs.paths import RunPaths

    held = claim(RunPaths(Path(sys.argv[1])), {})
    print(held.number, flush=True)
    sys.stdin.readline()
    held.release(outcome="ended")
"""


@pytest.fixture
def other_process(start_program: Starter, paths: RunPaths) -> subprocess.Popen[str]:
    """A living process that holds the folder."""
    process = start_program(HOLDER, paths.root)
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.communicate("\n")
    assert process.returncode == 0


def change(path: Path, **changes: Any) -> None:
    content = read_json(path)
    content["holder"].update(changes)
    path.write_text(json.dumps(content))


def make_old(path: Path) -> None:
    moment = time.time() - STALE_AFTER_S - 10
    os.utime(path, (moment, moment))


def test_attempts_are_numbered_from_one_and_say_how_they_ended(paths: RunPaths) -> None:
    for _ in range(3):
        claim(paths, {"code": "abc"}).release(outcome="ended", reason="done")

    assert [number for number, _ in paths.found_attempts()] == [1, 2, 3]
    content = read_json(paths.attempt(2))
    assert content["holder"]["pid"] == os.getpid()
    assert (content["code"], content["outcome"], content["reason"]) == ("abc", "ended", "done")
    assert content["ended_at"] >= content["started_at"]


def test_a_second_process_is_refused_with_the_name_of_the_first(
    other_process: subprocess.Popen[str], paths: RunPaths
) -> None:
    with pytest.raises(RunFolderError, match=rf"in use by process {other_process.pid} on .*--run NAME"):
        claim(paths, {})
    end(other_process)

    assert holder_alive(paths) == ""
    claim(paths, {}).release()


def test_this_very_process_cannot_claim_twice(paths: RunPaths) -> None:
    held = claim(paths, {})

    with pytest.raises(RunFolderError, match="in use"):
        claim(paths, {})
    held.release()


def test_the_claim_of_a_killed_process_is_taken_over_at_once(
    other_process: subprocess.Popen[str], paths: RunPaths
) -> None:
    other_process.send_signal(signal.SIGKILL)
    other_process.communicate()

    held = claim(paths, {})

    assert held.number == 2
    held.release()


def test_a_zombie_does_not_count_as_alive(start_program: Starter, paths: RunPaths) -> None:
    process = start_program(HOLDER, paths.root)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, but nobody has collected it

    assert holder_alive(paths) == ""
    process.communicate()


def test_a_process_id_that_another_process_got_later_does_not_count(
    other_process: subprocess.Popen[str], paths: RunPaths
) -> None:
    change(paths.attempt(1), started="12345")

    assert holder_alive(paths) == ""
    end(other_process)


def test_a_holder_on_another_machine_is_believed_while_its_heartbeat_is_young(paths: RunPaths) -> None:
    held = claim(paths, {})
    change(paths.attempt(1), host="node7", machine="another boot", pid=1)

    with pytest.raises(RunFolderError, match=r"process 1 on node7 \(last sign of life \d+ s ago; free after 180 s\)"):
        claim(paths, {})
    make_old(paths.attempt(1))

    successor = claim(paths, {})
    assert successor.number == 2
    successor.release()
    held.release = None  # type: ignore[assignment,method-assign]  # it is over; see the next test for what it may do


def test_a_holder_that_was_taken_over_can_replace_nothing_any_more(paths: RunPaths, tmp_path: Path) -> None:
    sleeper = claim(paths, {})
    sleeper.fence()
    change(paths.attempt(1), machine="another boot")
    make_old(paths.attempt(1))
    successor = claim(paths, {})
    file = tmp_path / "file"

    with pytest.raises(RunFolderError, match="Attempt 1 no longer holds this run"):
        write_bytes(file, b"late", fence=sleeper.fence)
    with pytest.raises(RunFolderError, match="no longer holds"):
        sleeper.release()

    assert not file.exists()
    write_bytes(file, b"in time", fence=successor.fence)
    successor.release()


def test_an_empty_claim_blocks_until_it_is_old(paths: RunPaths) -> None:
    paths.attempts.mkdir()
    paths.attempt(1).touch()  # its process died, or is stopped, between creating and filling it

    with pytest.raises(RunFolderError, match="unknown process"):
        claim(paths, {})
    make_old(paths.attempt(1))

    held = claim(paths, {})
    assert held.number == 2
    held.release()


def test_of_many_that_start_at_once_exactly_one_gets_the_folder(start_program: Starter, paths: RunPaths) -> None:
    processes = [start_program(HOLDER, paths.root) for _ in range(6)]
    first_lines = []
    for process in processes:
        assert process.stdout is not None
        first_lines.append(process.stdout.readline())
    for process in processes:
        process.communicate("\n")

    assert sorted(first_lines) == ["", "", "", "", "", "1\n"]
    assert sum(process.returncode == 0 for process in processes) == 1


def test_a_folder_that_was_moved_away_no_longer_belongs_to_its_holder(paths: RunPaths, tmp_path: Path) -> None:
    held = claim(paths, {})
    paths.root.rename(tmp_path / "elsewhere")

    with pytest.raises(RunFolderError, match="no longer holds"):
        held.fence()
