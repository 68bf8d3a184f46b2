"""The process in which other members' chunks are played again.

Job: open one chunk after the other, play it, answer. Place in the data flow: started and asked by `ingest_checker`,
over its standard input and output. Left out: which chunks, and what a difference means.

What strangers sent is put into an emulator only here: whatever that does to this process, the learner goes on. It is
the nicest process of its machine, and ends with the one that started it, because then its input ends.

In: a line of JSON with the game, then names of files, one a line. Out: one line when the game could be made, then one
line of JSON per file: the first difference, or nothing.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from gamefleet.actors import resimulate
from gamefleet.actors.channel import Setup, config_from_json
from gamefleet.errors import GamefleetError
from gamefleet.experience.chunk_file import decode
from gamefleet.games.base import GamePackage

LEAST_URGENT = 19
READY = "ready"


def answers(lines: IO[str]) -> Iterator[str]:
    """What to say to each line, the first of which names the game."""
    setup = msgspec.json.decode(lines.readline(), type=Setup)
    package: GamePackage = importlib.import_module(setup.module).PACKAGE
    config = config_from_json(setup.config, package.config_type)
    spec = package.make_game(config).spec  # what is wrong with the game is no chunk's fault: before the first one
    yield READY
    for line in lines:
        try:
            chunk = decode(Path(line.rstrip("\n")).read_bytes())
            difference = resimulate.check(lambda: package.make_game(config), chunk.content, spec)
        except GamefleetError as error:
            difference = str(error)
        yield json.dumps(difference)


def main() -> None:
    """Answer until the input ends."""
    # Batch systems and terminals tell every process of a job; the learner decides what follows from it.
    for ignored in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    os.nice(LEAST_URGENT)
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a game prints must not look like an answer
    for answer in answers(sys.stdin):
        channel.write(answer + "\n")
        channel.flush()


if __name__ == "__main__":
    main()
